"""A task of three and four teachers at once: the mean of their logits by stated weights."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.tables import write_part
from contracts.workspace import Workspace
from models.student.distil import _tasks
from models.teachers.scores import write_scores
from models.training.lists import scored_rows
from models.training.rows import Rows, read_rows
from tests.conftest import training_table

TASKS_OF = {
    "policy": ("relevance",),
    "click": ("view", "apply"),
    "graph": ("view", "apply"),
    "decoder": ("relevance", "view", "apply"),
}
WEIGHTS = st.dictionaries(st.sampled_from(sorted(TASKS_OF)), st.floats(0, 100, allow_subnormal=False))


class Scored(NamedTuple):
    """The scores of four teachers on one training set."""

    rows: Rows
    stores: dict[str, Path]
    logits: dict[str, np.ndarray]


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    workspace = Workspace(tmp_path_factory.mktemp("scored"))
    write_part(workspace.training, training_table(6))
    rows, rng = read_rows(workspace.training), np.random.default_rng(0)
    logits = {name: rng.normal(size=(len(rows), len(tasks))).astype(np.float32) for name, tasks in TASKS_OF.items()}
    stores = {name: write_scores(workspace, name, "v", rows, TASKS_OF[name], of) for name, of in logits.items()}
    return Scored(rows, stores, logits)


@settings(deadline=None)
@given(
    names=st.lists(st.sampled_from(sorted(TASKS_OF)), min_size=3, max_size=4, unique=True),
    stated=st.fixed_dictionaries({}, optional={task: WEIGHTS for task in ("relevance", "view", "apply")}),
)
def test_every_task_is_the_mean_of_those_that_answer_it_by_their_weights(
    scored: Scored, names: list[str], stated: dict[str, dict[str, float]]
) -> None:
    answering = {task: [name for name in names if task in TASKS_OF[name]] for task in ("relevance", "view", "apply")}
    mix = {}
    for task, weights in stated.items():
        own = {name: weight for name, weight in weights.items() if name in answering[task]}
        if any(own.values()):
            mix[task] = own
    tasks, logits, told = _tasks({name: scored.stores[name] for name in names}, scored.rows, mix)
    chosen = scored_rows(scored.rows)
    for task, teachers in answering.items():
        if not teachers:
            continue
        weights = mix.get(task, dict.fromkeys(teachers, 1.0))
        total = sum(weights.values())
        expected = sum(
            weight / total * scored.logits[name][:, TASKS_OF[name].index(task)] for name, weight in weights.items()
        )
        np.testing.assert_allclose(logits[chosen, tasks.index(task)], np.asarray(expected)[chosen], atol=1e-4)
        assert set(told[task].split("+")) == {name for name, weight in weights.items() if weight}
