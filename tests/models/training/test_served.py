"""Pairs that the judge graded beside the lists: the lists, their targets and their scores do not know them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from contracts.examples import SERVED, TRAINING
from contracts.workspace import Workspace
from models.config import TeacherConfig
from models.teachers.scores import current_scores, read_scores
from models.teachers.train import train_teacher
from models.training.lists import held_out_metrics, held_served, masked_targets, scored_rows, told_apart, training_lists
from models.training.rows import KEYS, Rows, read_rows

ALONE = {"served_pairs": 0, "least_kappa": 0, "match": False}
Make = Callable[..., Workspace]
Table = Callable[..., pa.Table]


def with_served(table: pa.Table) -> pa.Table:
    """The table and, beside each list of any split, its pairs once more with other jobs, grades and labels."""
    beside = [
        row | {"job_id": f"s-{row['job_id']}", "stratum": SERVED, "grade": 4 - row["grade"], "apply": 1.0, "hire": 1.0}
        for row in table.to_pylist()
    ]
    return pa.concat_tables([table, pa.Table.from_pylist(beside, schema=TRAINING)])


@pytest.fixture
def both(table: Table, labelled: Make) -> tuple[Workspace, Workspace]:
    return labelled(table=table(20), name="alone"), labelled(table=with_served(table(20)), name="beside")


def test_metrics_do_not_see_them(both: tuple[Workspace, Workspace]) -> None:
    alone, beside = (read_rows(workspace.training) for workspace in both)
    logits = {key: float(i % 7) for i, key in enumerate(keys_of(alone))}
    figures = [
        held_out_metrics(rows, ("relevance", "view"), np.array([[logits.get(key, 9.0)] * 2 for key in keys_of(rows)]))
        for rows in (alone, beside)
    ]
    assert figures[0] == figures[1] and figures[0].keys() == {"ndcg@10", "view_auc"}
    assert SERVED not in beside.strata[beside.of_splits("train", "valid", "test")]


def keys_of(rows: Rows) -> list[tuple[str, ...]]:
    return keys(rows, np.arange(len(rows)))


def keys(rows: Rows, chosen: np.ndarray) -> list[tuple[str, ...]]:
    return list(zip(*(getattr(rows, f"{key}s")[chosen].tolist() for key in KEYS), strict=True))


def test_lists_and_targets_are_drawn_without_them(both: tuple[Workspace, Workspace]) -> None:
    alone, beside = (read_rows(workspace.training) for workspace in both)
    assert len(beside) > len(alone) and alone.listed.all() and (~beside.listed).any()
    drawn = [
        [keys(rows, of_list) for of_list in training_lists(rows, np.ones(len(rows), bool), 40, seed=1)]
        for rows in (alone, beside)
    ]
    assert drawn[0] == drawn[1]
    targets = [masked_targets(rows, rows.tasks)[rows.listed] for rows in (alone, beside)]
    np.testing.assert_array_equal(*targets)
    assert told_apart(beside.tasks, targets[1]) == told_apart(alone.tasks, targets[0])


def test_a_teacher_that_learns_from_none_scores_without_them(
    both: tuple[Workspace, Workspace], tiny_knobs: TeacherConfig
) -> None:
    scores = []
    for workspace in both:
        train_teacher(workspace, "policy", tiny_knobs)
        rows = read_rows(workspace.training)
        _, logits = read_scores(current_scores(workspace, "policy"), rows, scored_rows(rows))
        beside = np.flatnonzero(np.isfinite(logits[:, 0]) & ~rows.listed)
        assert np.isin(beside, np.concatenate([beside[:0], *held_served(rows)])).all()
        scored = rows.of_splits("train", "test")
        scores.append(dict(zip(keys(rows, scored), logits[scored, 0].tolist(), strict=True)))
    assert scores[0].keys() == scores[1].keys()
    np.testing.assert_allclose(list(scores[0].values()), [scores[1][key] for key in scores[0]], atol=1e-3)


@pytest.fixture
def tiny_knobs(tiny: object) -> TeacherConfig:
    return TeacherConfig.model_validate({"backbone": tiny, "joint_layers": 2, "frozen_layers": 1, "epochs": 1} | ALONE)
