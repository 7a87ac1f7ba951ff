"""The one training loop: AdamW, warm-up and linear decay, clipping, and a stop before a NaN can do harm."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from contracts.errors import TrainingFailed
from contracts.progress import Progress
from models.config import Arithmetic
from models.training.distributed import all_reduce_sum, full_tensor, world_size

B = TypeVar("B")

log = logging.getLogger("rolecall")

COLLAPSED = 1e-3
"""Standard deviation of logits within lists below which a ranker tells nothing apart."""


def autocast(precision: Arithmetic = "auto") -> contextlib.AbstractContextManager:
    """Matrix products in this precision; auto: bfloat16 where the processor has it (1.4 to 2 times faster on two
    cores), else float32."""
    if precision == "bfloat16" or (precision == "auto" and torch.cpu._is_avx512_bf16_supported()):
        return torch.autocast("cpu", torch.bfloat16)
    return contextlib.nullcontext()


def fit(
    model: nn.Module,
    batches: Callable[[int], Iterable[B]],
    loss: Callable[[B], Tensor],
    size: Callable[[B], int],
    *,
    name: str,
    epochs: int,
    steps: int,
    learning_rate: float,
    head_rate: float,
    head: Iterable[nn.Parameter],
    precision: Arithmetic = "auto",
    describe: Callable[[B], str] | None = None,
    keep: Callable[[dict[str, str | int]], Path] | None = None,
) -> None:
    """Train in place.

    batches: epoch number -> the epoch's batches; steps: batches over all epochs (for the schedule); size: pairs in a
    batch; head: parameters that start from scratch and take `head_rate`; describe: what to call a batch in an error;
    keep: writes the model to disk, with what is known of the stop, and says where.
    Raises TrainingFailed at a loss or gradient that is not finite, naming epoch, step and batch; the model is then as
    it was before that step, and kept.
    """
    fresh = {id(p) for p in head}
    trainable = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trainable if id(p) not in fresh], "lr": learning_rate},
        {"params": [p for p in trainable if id(p) in fresh], "lr": head_rate},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
    warm = max(1, steps // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, max(0.02, (steps - step) / max(1, steps - warm)))
    )
    model.train()
    progress = Progress(name, "steps", steps, rated="pairs")
    progress.start()
    step = 0
    for epoch in range(epochs):
        for batch in batches(epoch):
            with autocast(precision):
                value = loss(batch)
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            norm = float(full_tensor(nn.utils.clip_grad_norm_(trainable, 1.0)))
            found = float(all_reduce_sum(value)) / world_size()
            if not math.isfinite(found) or not math.isfinite(norm):
                raise _stopped(name, found, norm, epoch, f"{step + 1} of {steps}", describe and describe(batch), keep)
            optimizer.step()
            schedule.step()
            step += 1
            progress.add(1, size(batch))
    model.eval()
    progress.close()


def _stopped(
    name: str,
    loss: float,
    norm: float,
    epoch: int,
    step: str,
    batch: str | None,
    keep: Callable[[dict[str, str | int]], Path] | None,
) -> TrainingFailed:
    what = f"loss {loss}" if not math.isfinite(loss) else f"gradient {norm}"
    place = f"epoch {epoch + 1}" + (f", {batch}" if batch else "")
    kept = ""
    if keep is not None:
        kept = f" in {keep({'found': what, 'epoch': epoch + 1, 'step': step, 'batch': batch or ''})}"
    return TrainingFailed(
        f"{what} at step {step} ({place})",
        where=name,
        cure=f"look at that batch, or lower the learning rate; the model is as it was before this step{kept}",
    )


def check_spread(logits: np.ndarray, lists: Sequence[np.ndarray], tasks: tuple[str, ...], name: str) -> None:
    """Raise TrainingFailed where a task's logits (n, tasks) are all but constant: the ranker has collapsed.

    lists: row numbers of each list. Looked at within lists: a ranker that only knows requests apart has collapsed too.
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
