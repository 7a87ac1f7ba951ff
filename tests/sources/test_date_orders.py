"""03/04/2026 is read as the other dates of its column tell, or not at all."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts.reading.times import TimeReading
from contracts.records import Job
from sources import Reject, open_source
from sources.check import RowChecker
from sources.validate import validate


def _jobs(folder: Path, write_csv: Callable, posted: list[str]) -> Path:
    rows = [[f"j{i}", "Nurse", "2025-05-01", day] for i, day in enumerate(posted)]
    write_csv(folder / "jobs.csv", [["id", "title", "updated_at", "posted_at"], *rows])
    return folder


@pytest.mark.parametrize(
    ("others", "month"),
    [
        (["25/04/2025"], 4),
        (["04/25/2025"], 3),
        ([], None),
        (["25/04/2025", "04/25/2025"], None),
        (["05/05/2025"], None),
    ],
)
def test_a_column_tells_its_order(
    tmp_path: Path, write_csv: Callable, now: datetime, others: list[str], month: int | None
) -> None:
    source = open_source(_jobs(tmp_path, write_csv, ["03/04/2025", *others]))
    checker = RowChecker(now, source=source)
    first, *_ = [checker.check(row) for shard in source.shards("jobs") for row in source.read(shard)]
    assert isinstance(first, Job)
    assert (first.posted_at and first.posted_at.month) == month
    reasons = [finding.reason for finding in checker.findings.rows]
    assert reasons == ([] if month else ["ambiguous_date"])


def test_a_person_says_the_order_where_no_column_does(tmp_path: Path, write_csv: Callable, now: datetime) -> None:
    folder = _jobs(tmp_path, write_csv, ["03/04/2025"])
    assert "ambiguous_date, left empty: 1 rows" in "\n".join(validate(folder, now).lines())
    assert validate(folder, now, TimeReading(dates="day_first")).tables["jobs"].findings == []


def test_a_required_time_of_an_unknown_order_costs_the_row(tmp_path: Path, write_csv: Callable, now: datetime) -> None:
    write_csv(tmp_path / "jobs.csv", [["id", "title", "updated_at"], ["j", "Nurse", "03/04/2025"]])
    source = open_source(tmp_path)
    (found,) = [RowChecker(now, source=source).check(row) for s in source.shards("jobs") for row in source.read(s)]
    assert isinstance(found, Reject)
    assert found.reason == "ambiguous_date" and "day_first or month_first" in found.detail


def test_positions_in_a_cell_tell_their_order(tmp_path: Path, now: datetime) -> None:
    (tmp_path / "jobs.jsonl").write_text('{"id": "j", "title": "Nurse", "updated_at": "2025-05-01"}\n')
    (tmp_path / "members.jsonl").write_text(
        '{"id": "a", "updated_at": "2025-05-01", "positions": [{"title": "Nurse", "start": "03/04/2019"}]}\n'
        '{"id": "b", "updated_at": "2025-05-01", "positions": [{"title": "Nurse", "start": "25/04/2019"}]}\n'
    )
    source = open_source(tmp_path)
    checker = RowChecker(now, source=source)
    first, _ = [checker.check(row) for shard in source.shards("members") for row in source.read(shard)]
    assert first.positions[0].start == datetime(2019, 4, 3, tzinfo=UTC)  # type: ignore[union-attr]
