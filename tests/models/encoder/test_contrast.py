"""Losses of the retrieval encoder equal plain loops; what is masked has no say and gets no gradient."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.encoder.contrast import GOOD, contrastive, mined_margin, truncate_dim

SCALE = 20.0


class Drawn:
    """b requests and c jobs with scores, one positive a request, and negatives that are not allowed."""

    def __init__(self, seed: int, b: int = 5, c: int = 9) -> None:
        rng = np.random.default_rng(seed)
        self.scores = torch.tensor(rng.uniform(-1, 1, (b, c)), requires_grad=True)
        self.positive = torch.tensor(rng.integers(c, size=b))
        self.allowed = torch.tensor(rng.random((b, c)) < 0.7)
        self.weight = torch.tensor(rng.uniform(0.5, 3, b))

    def loss(self, hardest: int | None = None, allowed: Tensor | None = None) -> Tensor:
        allowed = self.allowed if allowed is None else allowed
        return contrastive(self.scores, self.positive, allowed, self.weight, SCALE, hardest)


def plain(drawn: Drawn, hardest: int | None) -> float:
    total = 0.0
    for row, positive, allowed, weight in zip(
        drawn.scores.tolist(), drawn.positive.tolist(), drawn.allowed.tolist(), drawn.weight.tolist(), strict=True
    ):
        negatives = sorted((s for i, s in enumerate(row) if allowed[i] and i != positive), reverse=True)[:hardest]
        partition = sum(math.exp(SCALE * s) for s in (row[positive], *negatives))
        total += weight * (math.log(partition) - SCALE * row[positive])
    return total / float(drawn.weight.sum())


@settings(deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([None, 1, 2, 5, 8, 9, 100]))
def test_it_is_the_cross_entropy_among_the_hardest_allowed_negatives(seed: int, hardest: int | None) -> None:
    drawn = Drawn(seed)
    assert float(drawn.loss(hardest).detach()) == pytest.approx(plain(drawn, hardest), abs=1e-9)


def test_more_than_all_of_them_is_the_full_softmax() -> None:
    drawn = Drawn(1)
    assert drawn.loss(hardest=drawn.scores.shape[1]) == drawn.loss() == drawn.loss(hardest=10_000)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4))
def test_gradient_flows_to_the_positive_and_to_what_counts_alone(seed: int, hardest: int) -> None:
    drawn = Drawn(seed)
    drawn.loss(hardest).backward()
    assert drawn.scores.grad is not None
    for i, row in enumerate(drawn.scores.tolist()):
        positive = int(drawn.positive[i])
        negatives = [j for j in range(len(row)) if drawn.allowed[i, j] and j != positive]
        counts = {positive, *sorted(negatives, key=lambda j: -row[j])[:hardest]}
        for j, gradient in enumerate(drawn.scores.grad[i].tolist()):
            assert gradient <= 0 if j == positive else gradient >= 0
            assert j in counts or gradient == 0


def test_a_request_without_any_negative_teaches_nothing() -> None:
    drawn = Drawn(2)
    loss = drawn.loss(allowed=torch.zeros_like(drawn.allowed))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0) and not drawn.scores.grad.any()  # type: ignore[union-attr]


def test_a_positive_counts_by_its_weight() -> None:
    drawn = Drawn(3)
    alone = [
        contrastive(drawn.scores[i : i + 1], drawn.positive[i : i + 1], drawn.allowed[i : i + 1], torch.ones(1), SCALE)
        for i in range(5)
    ]
    assert float(drawn.loss()) == pytest.approx(float((torch.stack(alone) * drawn.weight).sum() / drawn.weight.sum()))


def margin_of(scores: list, relevance: list, mined: int, margin: float) -> float:
    found = []
    for row, judged in zip(scores, relevance, strict=True):
        good = sorted(s for s, r in zip(row, judged, strict=True) if r >= GOOD)[:mined]
        bad = sorted((s for s, r in zip(row, judged, strict=True) if r < GOOD), reverse=True)[:mined]
        found += [max(0.0, margin - g + b) for g in good for b in bad]
    return sum(found) / len(found) if found else 0.0


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 8))
def test_the_margin_is_that_of_the_hardest_judged_pairs(seed: int, mined: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.uniform(-1, 1, (4, 6))
    relevance = rng.integers(5, size=(4, 6)) / 4
    relevance[rng.random((4, 6)) < 0.3] = np.nan
    tensor = torch.tensor(scores, requires_grad=True)
    loss = mined_margin(tensor, torch.tensor(relevance), 0.2, mined)
    assert float(loss.detach()) == pytest.approx(margin_of(scores.tolist(), relevance.tolist(), mined, 0.2))
    loss.backward()
    assert tensor.grad is not None and torch.isfinite(tensor.grad).all()
    assert not tensor.grad[torch.isnan(torch.tensor(relevance))].any()


def test_lists_without_a_good_and_a_bad_pair_have_no_margin() -> None:
    scores = torch.rand(2, 3, requires_grad=True)
    loss = mined_margin(scores, torch.tensor([[1.0, 1.0, torch.nan], [0.0, 0.25, 0.5]]), 0.5, 2)
    loss.backward()
    assert float(loss.detach()) == 0 and not scores.grad.any()  # type: ignore[union-attr]


@settings(deadline=None)
@given(st.integers(0, 1_000), st.integers(1, 16))
def test_a_cut_vector_has_length_one_and_the_direction_of_its_first_numbers(seed: int, dim: int) -> None:
    vectors = torch.tensor(np.random.default_rng(seed).normal(size=(3, 16)))
    short = truncate_dim(vectors, dim)
    assert short.shape == (3, dim)
    assert torch.allclose(short.norm(dim=-1), torch.ones(3, dtype=torch.float64))
    assert torch.allclose(short * vectors[:, :dim].norm(dim=-1, keepdim=True), vectors[:, :dim])
    assert torch.allclose(truncate_dim(truncate_dim(vectors, 16), dim), short)
