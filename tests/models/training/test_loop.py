"""The training loop: it learns, and it stops before a broken step does harm."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from contracts.errors import TrainingFailed
from models.training.loop import Hyper, check_spread, fit
from tests.make import refused

LISTS = [np.arange(i, i + 10) for i in range(0, 50, 10)]


class Step(int):
    """A batch of one pair, named by its number."""

    pairs = 1


class Named(str):
    """A batch named by its lists."""

    @property
    def pairs(self) -> int:
        return len(self)


def train(model: nn.Linear, loss, steps: int = 60) -> None:
    fit("line", model, loss, lambda epoch: map(Step, range(steps)), Hyper(1, steps, 0.05, 0.05), [model.bias])


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

    with refused(TrainingFailed, "loss nan", "step 4 of 60", where="line"):
        train(model, loss)
    assert torch.equal(model.weight.detach(), seen[3])


def test_a_stop_names_epoch_and_batch_and_keeps_the_last_good_state(tmp_path: Path) -> None:
    model = nn.Linear(1, 1)
    seen: list[Tensor] = []
    batches = [Named(name) for name in ("lists r1, r2", "lists r3", "lists poisoned")]

    def loss(batch: str) -> Tensor:
        seen.append(model.weight.detach().clone())
        return model(torch.ones(1, 1)).sum() * (float("nan") if batch == "lists poisoned" and len(seen) > 3 else 1.0)

    def keep(about: dict[str, str | int]) -> Path:
        save_file({"weight": model.weight.detach()}, str(tmp_path / "kept.safetensors"))
        told.update(about)
        return tmp_path

    told: dict[str, str | int] = {}
    with refused(TrainingFailed, "loss nan", "step 6 of 9", "epoch 2", "lists poisoned", tmp_path):
        fit("line", model, loss, lambda epoch: batches, Hyper(3, 9, 0.05, 0.05), [model.bias], keep)
    assert told == {"found": "loss nan", "epoch": 2, "step": "6 of 9", "batch": "lists poisoned"}
    assert torch.equal(load_file(str(tmp_path / "kept.safetensors"))["weight"], seen[5])


def test_an_infinite_gradient_stops_too() -> None:
    model = nn.Linear(1, 1)
    with refused(TrainingFailed, "gradient", "step 1 of 60"):
        train(model, lambda step: (model.weight * 0).sqrt().sum())


def test_the_end_says_what_a_pair_cost(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "rolecall"):
        train(nn.Linear(1, 1), lambda step: torch.zeros((), requires_grad=True) * 1.0, 3)
    assert re.search(r"line: 3 pairs in \d+ s, \d+ pairs/s, \d+\.\d\d ms/pair", caplog.text)


def test_frozen_parameters_stay() -> None:
    model = nn.Linear(1, 1)
    model.weight.requires_grad_(False)
    before = model.weight.clone()
    train(model, lambda step: (model(torch.ones(1, 1)).float() ** 2).sum())
    assert torch.equal(model.weight, before)


def test_a_collapsed_ranker_is_refused_with_its_task() -> None:
    logits = np.stack([np.linspace(-1, 1, 50), np.full(50, 0.3)], axis=1)
    with refused(TrainingFailed, "apply", where="teacher"):
        check_spread(logits, LISTS, ("view", "apply"), "teacher")


def test_a_ranker_that_only_tells_requests_apart_has_collapsed() -> None:
    logits = np.repeat(np.arange(5.0), 10)[:, None]
    with refused(TrainingFailed, "view", where="teacher"):
        check_spread(logits, LISTS, ("view",), "teacher")


def test_without_a_list_of_two_nothing_says_that_scores_spread() -> None:
    with refused(TrainingFailed, "rolecall label", where="teacher"):
        check_spread(np.zeros((1, 1)), [np.array([0])], ("view",), "teacher")


def test_scores_that_spread_pass() -> None:
    check_spread(np.random.default_rng(0).normal(size=(50, 2)), LISTS, ("view", "apply"), "teacher")
