"""Losses of the teachers: each equals its plain form, and corrected clicks rank by quality, not by place."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from contracts.errors import BadInput
from contracts.examples import PAIR_FEATURES
from contracts.match import COMPARISONS
from models.config import TeacherConfig
from models.teachers.fit_text import Loss
from models.teachers.teacher_model import TeacherModel
from models.teachers.train import train_teacher
from models.training.losses import listwise, ordinal, pairwise, pointwise, positive_weights
from models.training.rows import Rows, read_rows
from tests.make import refused

LISTS = st.lists(st.integers(1, 5), min_size=1, max_size=5)


def drawn(sizes: list[int], seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, targets with gaps and ties, and weights, (n, 2) each."""
    generator = torch.Generator().manual_seed(seed)
    n = sum(sizes)
    wanted = torch.randint(0, 3, (n, 2), generator=generator) / 2
    wanted[torch.rand(n, 2, generator=generator) < 0.2] = torch.nan
    return torch.randn(n, 2, generator=generator), wanted, torch.rand(n, 2, generator=generator) + 0.5


@settings(max_examples=60, deadline=None)
@given(LISTS, st.integers(0, 1000))
def test_pairwise_equals_the_double_loop(sizes: list[int], seed: int) -> None:
    logits, wanted, weight = drawn(sizes, seed)
    means = []
    for s, t, w in zip(*(x.split(sizes) for x in (logits, wanted, weight)), strict=True):
        for column in range(2):
            pairs = [(i, j) for i, j in permutations(range(len(s)), 2) if t[i, column] > t[j, column]]
            if pairs:
                total = sum(w[i, column] * -nn.functional.logsigmoid(s[i, column] - s[j, column]) for i, j in pairs)
                means.append(total / len(pairs))
    found = pairwise(logits, wanted, weight, sizes)
    assert int(found.number) == len(means)
    assert float(found.total) == pytest.approx(float(sum(means)), abs=1e-4)


def test_pairs_of_two_lists_do_not_compete() -> None:
    logits, wanted = torch.tensor([[5.0], [-5.0]]), torch.tensor([[0.0], [1.0]])
    assert int(pairwise(logits, wanted, torch.ones(2, 1), [1, 1]).number) == 0
    assert int(listwise(logits, wanted, torch.ones(2, 1), [1, 1]).number) == 0
    assert float(pairwise(logits, wanted, torch.ones(2, 1), [2]).total) == pytest.approx(10.0, abs=1e-3)


def test_an_unknown_target_has_no_say() -> None:
    logits, wanted, weight = drawn([4, 5, 3], seed=1)
    known = torch.isfinite(wanted)
    moved = torch.where(known, logits, logits + 100)
    for part in (pointwise, lambda *x: listwise(*x, [4, 5, 3]), lambda *x: pairwise(*x, [4, 5, 3])):
        assert torch.equal(part(logits, wanted, weight).total, part(moved, wanted, weight).total)


def test_expected_grades_are_learned_by_soft_and_by_ordered_targets() -> None:
    """A grade of 2.3, as a judge's token probabilities give it: both forms are least where the mean is 2.3 / 4."""
    wanted = torch.full((1, 1), 2.3 / 4)
    thresholds = torch.tensor([3.0, 1.0, -1.0, -3.0])
    logits = torch.linspace(-4, 4, 801)
    soft = torch.stack([pointwise(x.view(1, 1), wanted, torch.ones(1, 1)).total for x in logits])
    assert float(torch.sigmoid(logits[soft.argmin()])) == pytest.approx(2.3 / 4, abs=0.01)
    ordered = torch.stack([ordinal(x.view(1), wanted[:, 0], thresholds).total for x in logits])
    best = torch.sigmoid(logits[ordered.argmin()] + thresholds)
    assert float(best.mean()) == pytest.approx(2.3 / 4, abs=0.01)


def test_ordinal_equals_four_cross_entropies_of_whole_grades() -> None:
    logits, thresholds = torch.randn(20), torch.tensor([2.0, 0.5, -0.5, -2.0])
    grades = torch.randint(0, 5, (20,))
    expected = sum(
        nn.functional.binary_cross_entropy_with_logits(logits + thresholds[k], (grades > k).float(), reduction="sum")
        for k in range(4)
    )
    found = ordinal(logits, grades / 4, thresholds)
    assert float(found.total) == pytest.approx(float(expected) / 4, rel=1e-5)
    assert int(found.number) == 20


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(0.02, 0.5))
def test_inverse_propensities_have_mean_one_over_positives_and_are_clipped(seed: int, least: float) -> None:
    rng = np.random.default_rng(seed)
    targets = (rng.random((50, 2)) < 0.3).astype(np.float32)
    targets[0] = 1
    propensity = rng.uniform(0.001, 1, 50).astype(np.float32)
    weights = positive_weights(targets, propensity, least)
    for column in range(2):
        assert weights[targets[:, column] > 0, column].mean() == pytest.approx(1, rel=1e-4)
    assert (weights.max(0) / weights.min(0)).max() <= 1 / least * 1.001


def test_an_unknown_propensity_weighs_one() -> None:
    weights = positive_weights(np.ones((3, 1)), np.array([0.1, np.nan, 0.9]), 0.02)
    assert weights[1, 0] == 1 and weights[0, 0] > weights[2, 0]


class ByJob(TeacherModel):
    """One logit a job: as little of a model as there can be."""

    def __init__(self, tasks: tuple[str, ...] = ("view",)) -> None:
        super().__init__(tasks)
        self.jobs = nn.Parameter(torch.zeros(2))
        self.bias = nn.Parameter(torch.zeros(1))

    def task_bias(self) -> nn.Parameter:
        return self.bias

    def layers(self) -> list[nn.Module]:
        return []

    def freeze(self, layers: int) -> None:
        """There is none."""

    def enable_gradient_checkpointing(self) -> None:
        """There is nothing to forget."""

    def start_from(self, other: TeacherModel, where: str) -> None:
        """It starts from zero."""


class LogOfTwo:
    """Two jobs, shown together: the better one is put first one time in ten, and who looks at the second place one time
    in four."""

    def __init__(self, lists: int = 600) -> None:
        rng = np.random.default_rng(0)
        quality, looked, first = np.array([0.3, 0.6]), np.array([1.0, 0.25]), rng.random(lists) < 0.1
        job = np.stack([np.where(first, 1, 0), np.where(first, 0, 1)], axis=1).ravel()
        place = np.tile([1, 2], lists)
        put = np.where(np.repeat(first, 2), 0.1, 0.9)  # both places follow from the first
        clicked = rng.random(2 * lists) < quality[job] * looked[place - 1]
        names = np.repeat([f"r{i}" for i in range(lists)], 2)
        self.model = ByJob()
        self.rows = Rows(
            names,
            job.astype(str),
            np.full(2 * lists, "train"),
            names,
            [],
            job,
            [],
            job,
            ("view",),
            clicked[:, None].astype(np.float32),
            place,
            np.zeros(2 * lists, np.int64),
            put.astype(np.float32),
            np.zeros((2 * lists, len(PAIR_FEATURES)), np.float32),
            np.zeros((2 * lists, len(COMPARISONS)), np.uint8),
            "",
            "",
        )

    def logits(self, chosen: np.ndarray) -> Tensor:
        return self.model.jobs[self.rows.job[chosen], None].expand(-1, len(self.model.tasks))


@pytest.mark.parametrize(
    "position, ranking, better",
    [
        ("none", "none", 0),
        ("tower", "none", 1),
        ("propensity", "none", 1),
        ("none", "pairwise", 0),
        ("propensity", "pairwise", 1),
        ("propensity", "listwise", 1),
    ],
)
def test_corrected_clicks_rank_by_quality_and_others_by_place(position: str, ranking: str, better: int) -> None:
    """Job 1 is better by two to one, job 0 has more clicks: it was shown first nine times in ten."""
    log = LogOfTwo()
    config = TeacherConfig.model_validate({"position": position, "ranking": ranking, "ranking_weight": 1.0})
    weights = np.ones_like(log.rows.targets)
    if position == "propensity":
        weights = positive_weights(log.rows.targets, log.rows.propensity, config.least_propensity)
    loss = Loss(log, log.rows.targets, weights, config)
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.2)
    batch = log.rows.lists(np.arange(len(log.rows)))
    for _ in range(40):
        optimizer.zero_grad()
        loss(batch).backward()
        optimizer.step()
    learned = log.model.jobs.detach()
    assert int(learned.argmax()) == better
    if better:  # 0.3 and 0.6 differ by 1.25 in logits
        assert float(learned[1] - learned[0]) > 0.5


def test_a_click_teacher_learns_by_inverse_propensities(labelled, tiny: Path) -> None:
    knobs = TeacherConfig(
        backbone=tiny, frozen_layers=0, epochs=1, position="propensity", ranking="pairwise", warm_start=False
    )
    workspace = labelled(20)
    assert (train_teacher(workspace, "click", knobs) / "metrics.json").is_file()


def test_inverse_propensities_need_some(labelled, table, tiny: Path) -> None:
    import pyarrow as pa

    made = table(10)
    blank = made.set_column(made.schema.get_field_index("propensity"), "propensity", pa.nulls(len(made), pa.float32()))
    knobs = TeacherConfig(backbone=tiny, position="propensity", warm_start=False)
    with refused(BadInput, "propensity"):
        train_teacher(labelled(table=blank), "click", knobs)


def test_rows_carry_propensities(labelled) -> None:
    rows = read_rows(labelled(5).training)
    assert np.all(rows.propensity == 0.5) and len(rows.only(np.array([3, 1])).propensity) == 2
    assert replace(rows).version == rows.version


def test_a_place_takes_nothing_from_a_grade() -> None:
    """A grade is given to a pair wherever it was shown: only what members did is freed of its place."""
    log = LogOfTwo(lists=20)
    log.model = ByJob(("relevance", "view"))
    loss = Loss(log, np.repeat(log.rows.targets, 2, axis=1), np.ones((40, 2)), TeacherConfig(position="tower"))
    loss(log.rows.lists(np.arange(40))).backward()
    relevance, view = log.model.position.weight.grad.abs().sum(0)
    assert relevance == 0 and view > 0
