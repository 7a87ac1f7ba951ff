"""Training of the joint teacher's second reading (`MatchReading`), on every graded pair, once the texts are read."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from models.config import TeacherConfig
from models.teachers.cross_encoder import MatchReading
from models.teachers.pairs import JointPairs
from models.training.device import autocast, device_of, to_device
from models.training.lists import cut_list
from models.training.loop import Hyper, ListBatch, fit
from models.training.rows import Rows

log = logging.getLogger("rolecall")

BATCH = 256
MIXED_L2 = 1e-3
"""Penalty on the mixture, or a few lists that both tell apart wholly would let it grow without end."""
MIXED_SHARE, MIXED_LISTS, MIXED_PAIRS = 0.1, 30, 16
"""Share of the graded training lists, and the most of them, on which readings are mixed, and pairs of each."""


def learn_reading(
    pairs: JointPairs, reading: MatchReading, grades: np.ndarray, trained_on: np.ndarray, config: TeacherConfig
) -> None:
    """Learn the second reading, then how it is mixed with the joint one.

    The mixture is learned on lists that neither has read, where there are such.

    Args:
        pairs: With the trained joint teacher, which stays as it is.
        reading: Of that teacher; nothing is learned where no pair is left for it.
        grades: (n,) float32 in [0, 1] of all rows, NaN where unknown.
        trained_on: Row numbers that the joint teacher learned from.
        config: Epochs, rate and seed.
    """
    rows, device = pairs.rows, device_of(pairs.model)
    graded = np.flatnonzero((rows.splits == "train") & np.isfinite(grades))
    kept = _kept_back(rows, graded, trained_on, config.seed)
    chosen = np.setdiff1d(graded, np.concatenate([graded[:0], *kept]))
    if not config.reading_epochs or not len(kept) or not len(chosen):
        log.warning("policy teacher: too few graded lists to learn the match from")
        return
    requests, jobs = np.unique(rows.request[graded]), np.unique(rows.job[graded])
    with torch.no_grad(), autocast(device, config.precision):
        of_requests, of_jobs = pairs.vectors(requests, jobs)

    def own(batch: np.ndarray) -> Tensor:
        request = of_requests[np.searchsorted(requests, rows.request[batch])]
        job = of_jobs[np.searchsorted(jobs, rows.job[batch])]
        return reading(request, job, to_device(rows.match[batch], device))

    def loss(batch: ListBatch) -> Tensor:
        (numbers,) = batch.lists
        return nn.functional.binary_cross_entropy_with_logits(own(numbers), to_device(grades[numbers], device))

    def batches(epoch: int) -> Iterator[ListBatch]:
        order = np.random.default_rng((config.seed, epoch)).permutation(chosen)
        return (ListBatch(rows, [order[i : i + BATCH]], epoch) for i in range(0, len(order), BATCH))

    reading.requires_grad_(True)
    reading.mix.requires_grad_(False)
    steps = config.reading_epochs * -(-len(chosen) // BATCH)
    hyper = Hyper(config.reading_epochs, steps, config.head_rate, config.head_rate)
    fit("policy teacher, match", reading, loss, batches, hyper)
    both = np.concatenate([cut_list(rows, of_list, MIXED_PAIRS, config.seed) for of_list in kept])
    joint = np.empty(len(both), np.float32)
    column, place = pairs.model.tasks.index("relevance"), {int(row): i for i, row in enumerate(both)}
    with torch.inference_mode(), autocast(device, config.precision):
        for batch, logits in pairs.scores(both):  # the mixture begins as the joint logit alone
            joint[[place[int(row)] for row in batch]] = logits[:, column].float().cpu().numpy()
        seconds = own(both).cpu().numpy()
    reading.mix.data = torch.tensor(_mixture(joint, seconds, grades[both]), device=device)
    log.info("policy teacher: mixture of joint logit, match and constant: %s", reading.mix.tolist())


def _kept_back(rows: Rows, graded: np.ndarray, trained_on: np.ndarray, seed: int) -> list[np.ndarray]:
    """Graded lists that the joint teacher has not read, else any: a share of all, none where there is but one."""
    lists = rows.lists(graded)
    fresh = [of_list for of_list in lists if not np.isin(of_list, trained_on).any()] or lists
    number = min(MIXED_LISTS, max(1, round(MIXED_SHARE * len(lists))), len(lists) - 1)
    return [fresh[i] for i in np.random.default_rng(seed).permutation(len(fresh))[:number]]


def _mixture(joint: np.ndarray, own: np.ndarray, grades: np.ndarray) -> list[float]:
    """Weights of two logits (n,), neither below 0, and a constant, that predict grades (n,) in [0, 1] best together."""
    from scipy.optimize import minimize

    columns = np.stack([joint, own, np.ones_like(own)], axis=1).astype(np.float64)

    def cost(weights: np.ndarray) -> tuple[float, np.ndarray]:
        logits = columns @ weights
        slope = columns.T @ (1 / (1 + np.exp(-logits)) - grades) / len(grades)
        penalty = MIXED_L2 * weights
        return float(np.mean(np.logaddexp(0, logits) - grades * logits) + weights @ penalty / 2), slope + penalty

    bounds = [(0, None), (0, None), (None, None)]
    found = minimize(cost, np.array([0.5, 0.5, 0.0]), jac=True, method="L-BFGS-B", bounds=bounds)
    return [float(weight) for weight in found.x]
