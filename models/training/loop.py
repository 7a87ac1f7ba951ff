"""The one training loop: AdamW, warm-up and linear decay, clipping, and a stop before a NaN can do harm."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from contracts.errors import TrainingFailed
from contracts.progress import Progress
from models.config import Arithmetic
from models.training.device import autocast, device_of
from models.training.distributed import all_reduce_sum, full_tensor, world_size
from models.training.rows import Rows

log = logging.getLogger("rolecall")

COLLAPSED = 1e-3
"""Standard deviation of logits within lists below which a ranker tells nothing apart."""


class Batch(Protocol):
    """What the loop asks of a batch; `str(batch)` names it in an error."""

    @property
    def pairs(self) -> int:
        """Pairs in it, for the rate in the log."""


B = TypeVar("B", bound=Batch)


class ListBatch(NamedTuple):
    """Lists of one step.

    Attributes:
        rows: The training set.
        lists: Row numbers of each list.
        epoch: From 0, over the whole training.
    """

    rows: Rows
    lists: list[np.ndarray]
    epoch: int

    @property
    def pairs(self) -> int:
        return sum(map(len, self.lists))

    def __str__(self) -> str:
        return "lists " + ", ".join(str(self.rows.list_ids[rows[0]]) for rows in self.lists)


@dataclass(frozen=True)
class Hyper:
    """Hyper-parameters of one run of the loop.

    Attributes:
        epochs: Passes over the batches.
        steps: Batches over all epochs, for the schedule.
        learning_rate: Of all trainable parameters but the head's.
        head_rate: Of the head's, which start from scratch.
        precision: Of matrix products.
    """

    epochs: int
    steps: int
    learning_rate: float
    head_rate: float
    precision: Arithmetic = "auto"


def fit(
    name: str,
    model: nn.Module,
    loss: Callable[[B], Tensor],
    batches: Callable[[int], Iterable[B]],
    hyper: Hyper,
    head: Iterable[nn.Parameter] = (),
    keep: Callable[[dict[str, Any]], object] | None = None,
) -> None:
    """Train a model in place.

    Args:
        name: The head of log lines and errors.
        model: Whose trainable parameters take steps, on the device where they are.
        loss: A batch to a scalar.
        batches: The number of an epoch, from 0, to its batches.
        hyper: Rates and lengths.
        head: Parameters of the model that take `head_rate`.
        keep: Writes the model as it was before a failed step, given what is known of the failure, and says where.

    Raises:
        TrainingFailed: A loss or gradient is not finite. The error names epoch, step and batch, and the model is as it
            was before that step.
    """
    new = {id(p) for p in head}
    trainable = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trainable if id(p) not in new], "lr": hyper.learning_rate},
        {"params": [p for p in trainable if id(p) in new], "lr": hyper.head_rate},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, hyper.steps))
    device, step = device_of(model), 0
    model.train()
    progress = Progress(name, "steps", hyper.steps, rated="pairs")
    progress.start()
    for epoch in range(hyper.epochs):
        for batch in batches(epoch):
            step += 1
            with autocast(device, hyper.precision):
                value = loss(batch)
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            norm = float(full_tensor(nn.utils.clip_grad_norm_(trainable, 1.0)))
            mean = float(all_reduce_sum(value)) / world_size()
            if not math.isfinite(mean) or not math.isfinite(norm):
                failure = f"loss {mean}" if not math.isfinite(mean) else f"gradient {norm}"
                place = {"epoch": epoch + 1, "step": f"{step} of {hyper.steps}", "batch": str(batch)}
                kept = f" in {keep({'found': failure, **place})}" if keep is not None else ""
                raise TrainingFailed(
                    f"{failure} at step {place['step']} (epoch {epoch + 1}, {batch})",
                    where=name,
                    cure=f"look at that batch or lower the learning rate; the model is as before this step{kept}",
                )
            optimizer.step()
            schedule.step()
            progress.add(1, batch.pairs)
    model.eval()
    progress.close()


def _rate(step: int, steps: int) -> float:
    """The share of the learning rate at a step, from 0: a tenth of the steps up, then linearly down to 2%."""
    warm = max(1, steps // 10)
    return min((step + 1) / warm, max(0.02, (steps - step) / max(1, steps - warm)))


def check_spread(logits: np.ndarray, lists: Sequence[np.ndarray], tasks: tuple[str, ...], name: str) -> None:
    """Check that a ranker has not collapsed; a ranker that only tells requests apart has.

    Args:
        logits: (n, tasks).
        lists: Row numbers of each list, within which logits have to differ.
        tasks: In the order of the columns.
        name: Of the ranker, for the error.

    Raises:
        TrainingFailed: A task's logits are all but constant within lists, or no list has two pairs.
    """
    several = [rows for rows in lists if len(rows) > 1]
    if not several:
        raise TrainingFailed(
            "no held-out list has two pairs, so nothing says whether the scores spread",
            where=name,
            cure="run `rolecall label` with more lists",
        )
    within = np.concatenate([logits[rows] - logits[rows].mean(0) for rows in several])
    for task, column in zip(tasks, within.T, strict=True):
        if not np.isfinite(column).all() or float(column.std()) < COLLAPSED:
            raise TrainingFailed(
                f"the scores of task {task!r} do not spread (standard deviation {float(column.std()):.2g})",
                where=name,
                cure="more labelled pairs, or a lower learning rate",
            )
