"""The forms of the intake benchmark say the same of each advert, so that their speeds can be compared."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks import intake
from contracts.records import Job
from simulator.market import simulate
from sources import open_source
from sources.check import RowChecker

NOW = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("market")
    simulate(folder, members=5, jobs=40, events=50)
    return folder / "jobs"


def read(folder: Path) -> list[Job]:
    source = open_source(folder)
    checker = RowChecker(NOW, source=source)
    found = [checker.check(row) for shard in source.shards("jobs") for row in source.read(shard)]
    assert all(isinstance(job, Job) for job in found), [job for job in found if not isinstance(job, Job)][:2]
    return [job for job in found if isinstance(job, Job)]


@pytest.mark.parametrize("form", [form for form in intake.FORMS if form != intake.PARQUET])
def test_every_form_holds_the_same_adverts(market: Path, tmp_path: Path, form: str) -> None:
    plain, other = tmp_path / "plain", tmp_path / "other"
    for folder, write in ((plain, intake.FORMS[intake.PARQUET]), (other, intake.FORMS[form])):
        folder.mkdir()
        write(market, folder)
    fields = {"id", "title", "company", "location", "employment", "description"}
    if form != "XML feed":  # it has no such fields
        fields |= {"skills", "workplace", "salary_min", "salary_max"}
    expected = [job.model_dump(include=fields) for job in read(plain)]
    assert [job.model_dump(include=fields) for job in read(other)] == expected


def test_dresses_are_counted() -> None:
    counts = {row["system"]: row["value"] for row in intake.dressed(6)}
    assert sum(counts.values()) == 6 and counts["silent"] == 0
