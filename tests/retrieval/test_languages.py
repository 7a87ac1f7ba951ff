"""A market in another language is searched in that language, by words with their stems and by places."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from contracts.records import Job
from retrieval.filters.filters import Filter
from retrieval.index.build import build_index
from retrieval.search import search
from simulator import Truth, simulate
from tests.retrieval.conftest import write_workspace


@pytest.mark.parametrize("code", ["de", "es", "pt"])
def test_titles_find_the_work_that_they_name(tmp_path: Path, code: str) -> None:
    raw = tmp_path / "raw"
    start = datetime.now(UTC) - timedelta(days=5)
    simulate(raw, members=5, jobs=250, events=20, start=start, days=5, language=code)
    rows = pl.read_parquet(raw / "jobs" / "*.parquet").unique("id", keep="last").sort("id")
    workspace = write_workspace(tmp_path / "w", tuple(Job.model_validate(row) for row in rows.to_dicts()), ())
    build_index(workspace)
    truth = Truth.load(raw)
    catalogue = truth.catalogue
    wanted = np.bincount(truth.jobs.occupation, minlength=len(catalogue.occupations)).argsort()[::-1][:10]
    found = 0
    for number in wanted.tolist():
        query = catalogue.occupations[number].titles[0].lower()
        ids = search(workspace.index, query, 5, Filter(), as_typed=True).candidates.ids
        found += any(truth.jobs.occupation[int(job_id[1:])] == number for job_id in ids)
    assert found >= 9
