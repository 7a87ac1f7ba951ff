"""The chain from the judge to the served order: every link orders the same retrieved jobs, by the judge's grades."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from contracts.tables import write_part
from contracts.workspace import Workspace
from models.teachers.scores import write_scores
from models.training.rows import Rows, read_rows
from release.chain import EXPORTED, JUDGE, RETRIEVAL, SERVED, STUDENT, Link, policy_chain
from release.held_out import HeldOut


@pytest.fixture
def workspace(table: Callable[..., pa.Table], tmp_path: Path) -> Workspace:
    """Its lists are longer than ten, so that it matters which jobs come first."""
    workspace = Workspace(tmp_path)
    write_part(workspace.training, table(20, per_list=24))
    return workspace


def links(
    workspace: Workspace, rows: Rows, served: np.ndarray, teachers: Mapping[str, str] | None = None
) -> list[Link]:
    """The chain where the student learned the truth and `served` (n,) are the scores of the served order."""
    truth, test = rows.target("relevance"), rows.of_splits("test")
    held_out = HeldOut(rows, ("relevance",), rows.of_splits("valid"), test, truth[:, None])
    return list(policy_chain(workspace, held_out, teachers or {}, truth[test, None], served))


def test_a_link_that_orders_as_the_judge_keeps_all_and_the_opposite_keeps_less(workspace: Workspace) -> None:
    rows = read_rows(workspace.training)
    chain = {link.name: link for link in links(workspace, rows, -rows.target("relevance"))}
    assert list(chain) == [JUDGE, STUDENT, EXPORTED, SERVED, RETRIEVAL]
    assert chain[JUDGE].kept == chain[STUDENT].kept == chain[EXPORTED].kept == 1
    low, high = chain[JUDGE].interval
    assert 0 < low <= chain[JUDGE].good <= high <= 1
    assert chain[SERVED].kept == chain[SERVED].good == 0, "under a third of the jobs of a list fit"
    assert chain[SERVED].poor == 1 and chain[RETRIEVAL].kept < 1


def test_each_teacher_of_relevance_is_a_link(workspace: Workspace) -> None:
    rows = read_rows(workspace.training)
    opposite = -rows.target("relevance")[:, None]
    write_scores(workspace, "policy", "v1", rows, ("relevance",), opposite)
    write_scores(workspace, "click", "v2", rows, ("view",), opposite)
    chain = links(workspace, rows, rows.target("relevance"), {"policy": "v1", "click": "v2"})
    assert [link.name for link in chain][:3] == [JUDGE, "the policy teacher", STUDENT]
    assert [round(link.kept) for link in chain][:3] == [1, 0, 1]


def test_grades_that_tell_no_jobs_apart_make_no_chain(workspace: Workspace) -> None:
    rows = read_rows(workspace.training)
    rows.targets[:, 0] = 0.5
    assert links(workspace, rows, rows.target("relevance")) == []
