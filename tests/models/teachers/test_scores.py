"""The score store gives back what a teacher said of these pairs, or says why it cannot."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.errors import BadInput, NotReady, UnreadableFile
from contracts.workspace import Workspace
from models.teachers.scores import current_scores, read_scores, write_scores
from models.training.rows import Rows, read_rows
from tests.make import refused

Make = Callable[..., Workspace]


@pytest.fixture
def workspace(labelled: Make) -> Workspace:
    return labelled(10)


@pytest.fixture
def rows(workspace: Workspace) -> Rows:
    return read_rows(workspace.training)


def test_scores_come_back_in_the_order_of_the_rows(workspace: Workspace, rows: Rows) -> None:
    logits = np.random.default_rng(0).normal(size=(len(rows), 2)).astype(np.float32)
    path = write_scores(workspace, "click", "v1", rows, ("view", "apply"), logits)
    tasks, found = read_scores(path, rows, np.arange(len(rows)))
    assert tasks == ("view", "apply")
    assert np.array_equal(found, logits)


def test_pairs_that_were_not_scored_are_nan(workspace: Workspace, rows: Rows) -> None:
    logits = np.where(rows.splits[:, None] == "valid", np.nan, 1.0).astype(np.float32)
    path = write_scores(workspace, "policy", "v1", rows, ("relevance",), logits)
    _, found = read_scores(path, rows, np.flatnonzero(rows.splits == "test"))
    assert np.array_equal(np.isnan(found[:, 0]), rows.splits == "valid")


def test_a_needed_pair_without_a_score_is_named(workspace: Workspace, rows: Rows) -> None:
    logits = np.ones((len(rows), 1), np.float32)
    logits[7] = np.nan
    path = write_scores(workspace, "policy", "v1", rows, ("relevance",), logits)
    with refused(BadInput, f"1 of {len(rows)} pairs", rows.list_ids[7], rows.job_ids[7]):
        read_scores(path, rows, np.arange(len(rows)))


def test_scores_of_another_training_set_are_refused(workspace: Workspace, rows: Rows, labelled: Make) -> None:
    other = read_rows(labelled(11, name="other").training)
    path = write_scores(workspace, "policy", "v1", other, ("relevance",), np.ones((len(other), 1), np.float32))
    with refused(BadInput, other.version, rows.version):
        read_scores(path, rows, np.arange(len(rows)))


@pytest.mark.parametrize("change", ["unknown", "twice"])
def test_pairs_that_do_not_fit_the_training_set_are_refused(workspace: Workspace, rows: Rows, change: str) -> None:
    path = write_scores(workspace, "policy", "v1", rows, ("relevance",), np.ones((len(rows), 1), np.float32))
    table = pq.read_table(path)
    wrong = table.slice(0, 1)
    if change == "unknown":
        wrong = wrong.set_column(1, table.schema.field(1), pa.array(["no such job"]))
    pq.write_table(pa.concat_tables([table, wrong]), path)
    with refused(BadInput, "twice"):
        read_scores(path, rows, np.arange(len(rows)))


def test_a_half_written_file_is_named(workspace: Workspace, rows: Rows) -> None:
    path = write_scores(workspace, "policy", "v1", rows, ("relevance",), np.ones((len(rows), 1), np.float32))
    path.write_bytes(path.read_bytes()[:-50])
    with refused(UnreadableFile, where="v1.parquet"):
        read_scores(path, rows, np.arange(len(rows)))


def test_a_teacher_that_has_not_scored_is_not_ready(workspace: Workspace) -> None:
    with refused(NotReady, "rolecall train click"):
        current_scores(workspace, "click")
