"""Pay is compared in one currency; in others only by rates that the user gives, at the day of the job."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.arrow import to_table
from contracts.errors import BadInput, UnknownAttribute
from contracts.reading.rates import Rates, read_rates
from contracts.records import Job
from retrieval.filters.attributes import PAY_KEPT, AttributeTable, attribute_table, build_attributes, job_attributes
from retrieval.filters.filters import parse_filter
from retrieval.filters.notes import filter_notes
from retrieval.index.build import build_index
from retrieval.index.job_index import JobIndex
from tests.make import refused
from tests.retrieval.conftest import job, write_workspace

MAY = datetime(2026, 5, 4, tzinfo=UTC)
JOBS: list[dict[str, Any]] = [
    {"salary_max": 50_000, "currency": "EUR"},
    {"salary_max": 60_000, "currency": "USD", "posted_at": MAY},
    {"salary_max": 60_000, "currency": "USD", "posted_at": MAY + timedelta(days=60)},
    {"salary_max": 60_000, "currency": "USD", "updated_at": MAY},  # posted nobody knows when
    {"salary_max": 45_000, "currency": "EUR"},
    {"salary_max": 90_000, "currency": "CHF", "posted_at": MAY},
    {"salary_max": 50_000, "currency": "EUR"},
    {},
]


@pytest.fixture
def rates(tmp_path: Path) -> Rates:
    path = tmp_path / "rates.csv"
    path.write_text("date,from,to,rate\n2026-05-04,USD,EUR,0.9\n2026-07-01,USD,EUR,0.5\n2026-05-04,EUR,CHF,2\n")
    return read_rates(path)


def records() -> list[Job]:
    return [job(f"j{i}", "Nurse", **fields) for i, fields in enumerate(JOBS)]


def passed(table: AttributeTable, **condition: Any) -> list[int]:
    wanted = parse_filter({"all": [{"attribute": "salary_max", **condition}]})
    return np.flatnonzero(wanted.mask(table)).tolist()


def test_without_rates_pay_in_another_currency_is_left_out_and_counted() -> None:
    table = build_attributes(to_table(records(), Job))
    assert passed(table, at_least=50_000) == [0, 6]
    wanted = parse_filter({"all": [{"attribute": "salary_max", "at_least": 50_000, "currency": "EUR"}]})
    assert filter_notes(wanted, table) == (
        "4 jobs say their pay in another currency than EUR and are left out: there are no exchange rates",
    )


def test_pay_is_compared_by_the_rate_of_the_jobs_own_day(rates: Rates, tmp_path: Path) -> None:
    table = build_attributes(to_table(records(), Job), rates=rates)
    assert passed(table, at_least=50_000) == [0, 1, 3, 6]  # 54,000, then 30,000 in July; 90,000 CHF are 45,000
    table.save(tmp_path / "table")
    loaded = AttributeTable.load(tmp_path / "table")
    assert passed(loaded, at_least=50_000) == [0, 1, 3, 6]
    later = loaded.appended([job_attributes(job("k", "Nurse", **JOBS[1]).model_dump())])
    assert passed(later, at_least=50_000) == [0, 1, 3, 6, 8]
    assert "paid_at" not in table.names


def test_what_has_no_rate_is_left_out_and_counted(rates: Rates) -> None:
    table = build_attributes(to_table(records(), Job), rates=rates)
    assert passed(table, at_least=1, currency="USD") == [1, 2, 3]
    wanted = parse_filter({"all": [{"attribute": "salary_max", "at_least": 1, "currency": "USD"}]})
    assert filter_notes(wanted, table) == (
        "4 jobs say their pay in another currency than USD and are left out: there is no rate for their day",
    )


def test_pay_is_converted_once_for_a_table_and_anew_for_a_later_one(
    rates: Rates, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = build_attributes(to_table(records(), Job), rates=rates)
    asked: list[str] = []
    monkeypatch.setattr(Rates, "factors", _counting(Rates.factors, asked))
    wanted = parse_filter({"all": [{"attribute": "salary_max", "at_least": 50_000}]})
    wanted.check(table)
    assert asked == []
    assert [passed(table, at_least=50_000) for _ in range(3)] == [[0, 1, 3, 6]] * 3
    assert sorted(asked) == ["chf", "usd"]
    later = table.appended([job_attributes(job("k", "Nurse", **JOBS[1]).model_dump())])
    assert (passed(later, at_least=50_000), passed(table, at_least=50_000)) == ([0, 1, 3, 6, 8], [0, 1, 3, 6])
    for currency in ("USD", "CHF", "GBP", "SEK", "NOK", "DKK", "PLN", "JPY", "CAD"):
        passed(later, at_least=1, currency=currency)
    assert passed(later, at_least=50_000) == [0, 1, 3, 6, 8] and len(later._pay) <= PAY_KEPT


def test_a_filter_on_pay_is_refused_before_it_is_evaluated_where_no_row_has_a_currency() -> None:
    table = attribute_table(numbers={"salary_max": [1.0]})
    wanted = parse_filter({"all": [{"attribute": "salary_max", "at_least": 1, "currency": "EUR"}]})
    for ask in (wanted.check, wanted.mask):
        with refused(UnknownAttribute, "currency"):
            ask(table)


def _counting(factors: Callable[..., np.ndarray], asked: list[str]) -> Callable[..., np.ndarray]:
    def counted(self: Rates, given: str, wanted: str, at: np.ndarray) -> np.ndarray:
        asked.append(given)
        return factors(self, given, wanted, at)

    return counted


def test_an_index_is_not_built_where_a_rate_is_missing(tmp_path: Path) -> None:
    workspace, path = write_workspace(tmp_path / "w", tuple(records()), ()), tmp_path / "rates.csv"
    plain = build_index(workspace)
    path.write_text("date,from,to,rate\n2026-05-04,USD,EUR,0.9\n2026-05-04,CHF,EUR,0.9\n")
    with refused(BadInput, path, "from USD to EUR for 2026-07-03", "job 'j2'", "2026-07-03,USD,EUR,RATE"):
        build_index(workspace, rates=path)
    path.write_text(path.read_text() + "2026-07-03,USD,EUR,0.5\n")
    assert build_index(workspace, rates=path) != plain  # another index
    assert passed(JobIndex.load(workspace.index).attributes, at_least=50_000) == [0, 1, 3, 5, 6]
