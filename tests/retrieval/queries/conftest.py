"""A board in five languages (`board.yaml`), searched by words and vectors of a tiny encoder."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.documents import read_yaml
from contracts.workspace import Workspace
from retrieval.index.build import build_index
from retrieval.index.job_index import JobIndex
from tests.make import NOW, job
from tests.retrieval.conftest import write_workspace

HERE = Path(__file__).parent
FIELDS = ("title", "company", "location", "workplace", "employment", "seniority", "pay", "currency", "description")


def read_cases(name: str, part: str) -> list[Any]:
    return list(read_yaml((HERE / name).read_text("utf-8"), name)[part])


@pytest.fixture(scope="session")
def board_workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    jobs = []
    for number, cells in enumerate(read_cases("board.yaml", "jobs")):
        fields = dict(zip(FIELDS, cells, strict=True))
        pay = fields.pop("pay")
        paid = {"salary_min": 0.9 * pay, "salary_max": pay} if pay else {}
        jobs.append(job(f"b{number}", fields.pop("title"), posted_at=NOW - timedelta(days=number), **fields, **paid))
    workspace = write_workspace(tmp_path_factory.mktemp("board"), tuple(jobs), ())
    build_index(workspace)
    return workspace


@pytest.fixture(scope="session")
def board(board_workspace: Workspace) -> JobIndex:
    return JobIndex.load(board_workspace.index)
