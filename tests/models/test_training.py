"""The training loop: it learns, and it stops before a broken step does harm."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from contracts.errors import TrainingFailed
from models.training import check_spread, fit


def train(model: nn.Linear, loss, steps: int = 60) -> None:
    fit(
        model,
        lambda epoch: range(steps),
        loss,
        lambda batch: 1,
        name="line",
        epochs=1,
        steps=steps,
        learning_rate=0.05,
        head_rate=0.05,
        head=[model.bias],
    )


def test_a_line_is_learned() -> None:
    torch.manual_seed(0)
    model = nn.Linear(1, 1)

    def loss(_: int) -> Tensor:
        x = torch.rand(32, 1)
        return ((model(x).float() - (1 - x)) ** 2).mean()

    train(model, loss, 200)
    assert abs(float(model.weight.detach()) + 1) < 0.2


def test_a_nan_loss_names_its_step_and_leaves_the_model_as_it_was() -> None:
    model = nn.Linear(1, 1)
    seen: list[Tensor] = []

    def loss(step: int) -> Tensor:
        seen.append(model.weight.detach().clone())
        return model(torch.ones(1, 1)).sum() * (float("nan") if step == 3 else 1.0)

    with pytest.raises(TrainingFailed, match="line: loss nan at step 4 of 60"):
        train(model, loss)
    assert torch.equal(model.weight.detach(), seen[3])


def test_frozen_parameters_stay() -> None:
    model = nn.Linear(1, 1)
    model.weight.requires_grad_(False)
    before = model.weight.clone()
    train(model, lambda step: (model(torch.ones(1, 1)).float() ** 2).sum())
    assert torch.equal(model.weight, before)


def test_a_collapsed_ranker_is_refused_with_its_task() -> None:
    logits = np.stack([np.linspace(-1, 1, 50), np.full(50, 0.3)], axis=1)
    with pytest.raises(TrainingFailed, match="task 'apply' do not spread"):
        check_spread(logits, ("view", "apply"), "teacher")


def test_scores_that_spread_pass() -> None:
    check_spread(np.random.default_rng(0).normal(size=(50, 2)), ("view", "apply"), "teacher")
