"""Exchange rates by day, from a file that the user gives."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from contracts.errors import BadInput, MissingColumn, NotReady
from contracts.reading.rates import Rates, read_rates
from tests.make import refused

HEAD = "date,from,to,rate\n"


def written(folder: Path, lines: str, head: str = HEAD) -> Path:
    path = folder / "rates.csv"
    path.write_text(head + lines)
    return path


def at(*days: str) -> np.ndarray:
    return np.array([datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() for day in days])


def test_the_rate_of_the_day_counts_and_holds_over_a_weekend(tmp_path: Path) -> None:
    rates = read_rates(written(tmp_path, "2026-05-08,USD,EUR,0.9\n2026-05-01,usd,€,0.8\n2026-05-08,GBP,EUR,1.2\n"))
    asked = at("2026-04-30", "2026-05-01T23:00", "2026-05-07", "2026-05-08", "2026-05-15T23:00", "2026-05-16")
    np.testing.assert_allclose(rates.factors("usd", "eur", asked), [np.nan, 0.8, 0.8, 0.9, 0.9, np.nan])
    np.testing.assert_allclose(rates.factors("eur", "usd", asked)[3], 1 / 0.9)
    assert np.isnan(rates.factors("usd", "gbp", asked)).all()  # two pairs are never joined
    assert np.isnan(rates.factors("usd", "eur", np.array([np.nan]))).all()
    assert rates.factors("chf", "chf", np.array([np.nan])).tolist() == [1]


def test_rates_are_kept_as_they_are(tmp_path: Path) -> None:
    rates = read_rates(written(tmp_path, "2026-05-08,USD,EUR,0.9\n2026-05-01,USD,EUR,0.8\n"))
    rates.save(tmp_path / "rates.parquet")
    assert Rates.load(tmp_path / "rates.parquet").rows() == rates.rows()


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("2026-05-08,USD,EUR,0.9\n08.05.2026,USD,EUR,0.9\n", ["line 3", "'08.05.2026'", "2026-05-04"]),
        ("2026-05-08,USD,Euros of May,0.9\n", ["line 2", "to: 'Euros of May'"]),
        ("2026-05-08,USD,EUR,0\n", ["rate: '0'"]),
        ('2026-05-08,USD,EUR,"0,9"\n', ["rate: '0,9'", "with a point"]),
        ("2026-05-08,USD,EUR\n", ["rate: ''"]),
        ("2026-05-08,USD,EUR,0.9\n2026-05-08,USD,EUR,0.8\n", ["a second rate from USD to EUR on 2026-05-08"]),
        ("", ["no rate"]),
    ],
)
def test_a_line_that_does_not_fit_is_named(tmp_path: Path, lines: str, told: list[str]) -> None:
    path = written(tmp_path, lines)
    with refused(BadInput, path, *told):
        read_rates(path)


def test_a_file_without_a_column_or_no_file_is_named(tmp_path: Path) -> None:
    with refused(MissingColumn, "'from'", "date,from,to,rate"):
        read_rates(written(tmp_path, "2026-05-08,EUR,0.9\n", "date,to,rate\n"))
    with refused(NotReady, tmp_path / "none.csv"):
        read_rates(tmp_path / "none.csv")
