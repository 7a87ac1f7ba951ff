"""Losses over padded lists equal plain loops over their pairs; what is unknown has no say."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from models.config import Divergence
from models.training.losses import (
    Targets,
    alignment_loss,
    distillation_loss,
    divergence,
    label_listnet,
    label_loss,
    list_divergence,
    pair_divergence,
)

LOGIT = st.floats(-8, 8)
LISTS, PLACES, TASKS = 3, 5, 2


def drawn(seed: int, unknown: float = 0.0) -> Tensor:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(LISTS, PLACES, TASKS)).astype(np.float32)
    values[rng.random(values.shape) < unknown] = np.nan
    return torch.from_numpy(values)


@pytest.mark.parametrize("kind", [kind for kind in get_args(Divergence) if kind != "margin_mse"])
@given(teacher=LOGIT, student=LOGIT)
def test_divergence_is_zero_for_equal_logits_and_positive_else(
    kind: Divergence, teacher: float, student: float
) -> None:
    same = divergence(kind, torch.tensor(teacher), torch.tensor(teacher))
    other = divergence(kind, torch.tensor(teacher), torch.tensor(student))
    assert abs(float(same)) < 1e-5
    assert float(other) > -1e-5
    if abs(torch.sigmoid(torch.tensor(teacher)) - torch.sigmoid(torch.tensor(student))) > 0.05:
        assert float(other) > 1e-4


@given(teacher=LOGIT, student=LOGIT)
def test_forward_and_reverse_kl_are_those_of_bernoulli_distributions(teacher: float, student: float) -> None:
    p, q = (torch.distributions.Bernoulli(logits=torch.tensor(x, dtype=torch.float64)) for x in (teacher, student))
    a, b = torch.tensor(teacher, dtype=torch.float64), torch.tensor(student, dtype=torch.float64)
    assert float(divergence("forward_kl", a, b)) == pytest.approx(
        float(torch.distributions.kl_divergence(p, q)), abs=1e-6
    )
    assert float(divergence("reverse_kl", a, b)) == pytest.approx(
        float(torch.distributions.kl_divergence(q, p)), abs=1e-6
    )


@pytest.mark.parametrize("kind", get_args(Divergence))
def test_following_a_divergence_reaches_the_teacher(kind: Divergence) -> None:
    student = torch.tensor([[[2.0], [-1.0]]], requires_grad=True)
    teacher = torch.tensor([[[-0.5], [1.0]]])
    optimizer = torch.optim.Adam([student], 0.05)
    for _ in range(600):
        optimizer.zero_grad()
        pair_divergence(kind, teacher, student, torch.ones(1, 2, 1, dtype=torch.bool)).sum().backward()
        optimizer.step()
    found, wanted = student.detach()[0, :, 0], teacher[0, :, 0]
    assert torch.allclose(found - found.mean(), wanted - wanted.mean(), atol=0.1)
    if kind != "margin_mse":  # which leaves the level of a list open
        assert torch.allclose(found, wanted, atol=0.1)


@given(seed=st.integers(0, 1_000))
def test_margin_mse_is_the_mean_over_all_pairs_of_a_list(seed: int) -> None:
    teacher, student = drawn(seed), drawn(seed + 1)
    known = torch.isfinite(drawn(seed, unknown=0.4))
    known[:, 0] = True
    found = pair_divergence("margin_mse", teacher, student, known)
    for i in range(LISTS):
        for t in range(TASKS):
            rows = torch.nonzero(known[i, :, t]).flatten()
            margins = [
                float((teacher[i, a, t] - teacher[i, b, t] - student[i, a, t] + student[i, b, t]) ** 2)
                for a in rows
                for b in rows
            ]
            assert float(found[i, rows, t].mean()) == pytest.approx(np.mean(margins), rel=1e-3, abs=1e-4)


@given(seed=st.integers(0, 1_000), kind=st.sampled_from(get_args(Divergence)))
def test_padded_lists_lose_what_their_pairs_lose_alone(seed: int, kind: Divergence) -> None:
    """Also the test of the fused loss against the plain one."""
    teacher, logits = drawn(seed, unknown=0.3), drawn(seed + 1)
    labels = (
        (drawn(seed + 2, unknown=0.3) > 0).float().masked_fill(torch.isnan(drawn(seed + 2, unknown=0.3)), torch.nan)
    )
    found = distillation_loss(logits, Targets(teacher, labels), kind, listwise=0.7, labels=0.2)
    wanted = [
        np.mean([plain(teacher[i, :, t], labels[i, :, t], logits[i, :, t], kind) for i in range(LISTS)])
        for t in range(TASKS)
    ]
    assert found.tolist() == pytest.approx(wanted, rel=1e-3, abs=1e-4)


def plain(teacher: Tensor, labels: Tensor, logits: Tensor, kind: Divergence) -> float:
    """The loss of one list and task, over its known values alone."""
    taught, known = torch.isfinite(teacher), torch.isfinite(labels)
    label = soft = 0.0
    if known.any():
        y, x = labels[known], logits[known]
        label = float(nn.functional.binary_cross_entropy_with_logits(x, y))
        if y.max() > y.min():
            soft = float(nn.functional.cross_entropy(x, y / y.sum()))
    if not taught.any():
        return label + 0.7 * soft
    t, x = teacher[taught], logits[taught]
    ones = torch.ones(1, len(t), 1, dtype=torch.bool)
    apart = float(pair_divergence(kind, t[None, :, None], x[None, :, None], ones).mean())
    order = float(nn.functional.kl_div(torch.log_softmax(x, 0), torch.softmax(t, 0), reduction="sum"))
    return apart + 0.7 * order + 0.2 * label


def test_unknown_places_get_no_gradient() -> None:
    logits = drawn(0).requires_grad_()
    teacher, labels = drawn(1), torch.full((LISTS, PLACES, TASKS), torch.nan)
    teacher[:, 3:] = torch.nan
    distillation_loss(logits, Targets(teacher, labels), "forward_kl", 1.0, 0.5).sum().backward()
    assert logits.grad is not None
    assert (logits.grad[:, 3:] == 0).all() and (logits.grad[:, :3] != 0).any()


def test_nothing_known_loses_nothing() -> None:
    nothing = torch.full((LISTS, PLACES, TASKS), torch.nan)
    assert distillation_loss(drawn(0), Targets(nothing, nothing), "js", 1.0, 1.0).tolist() == [0.0, 0.0]
    assert (label_loss(drawn(0), nothing) == 0).all() and (label_listnet(drawn(0), nothing) == 0).all()
    assert (list_divergence(drawn(0), drawn(1), torch.isfinite(nothing)) == 0).all()


def test_item_tokens_that_read_as_the_text_does_lose_nothing() -> None:
    logits, states = torch.randn(4, 2), torch.randn(4, 8)
    assert float(alignment_loss(logits, logits, states, states)) == pytest.approx(0.0, abs=1e-6)
    assert float(alignment_loss(logits + 1, logits, -states, states)) > 2.0
