"""What a teacher is held to: the target of each pair, and the order of a list's pairs.

n pairs, list after list; `sizes` are the lists' lengths. A target is NaN where unknown and then has no say. Each
function gives a sum and what it is to be divided by, so that several processes can add both up before dividing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from models.teachers.teacher_model import STEPS


class Part(NamedTuple):
    """A loss is total / number. Both scalars; total carries the gradient."""

    total: Tensor
    number: Tensor


def pointwise(logits: Tensor, wanted: Tensor, weight: Tensor) -> Part:
    """Binary cross-entropy over (n, tasks) with soft targets in [0, 1].

    weight: (n, tasks), of a positive: the target becomes target * weight, which may pass 1. So weighted by the inverse
    of its propensity, a click's loss is in expectation that of the job's own quality (Saito et al. 2020, eq. 9).
    """
    known = torch.isfinite(wanted)
    each = nn.functional.binary_cross_entropy_with_logits(logits[known], (wanted * weight)[known], reduction="sum")
    return Part(each, known.sum())


def ordinal(logits: Tensor, wanted: Tensor, thresholds: Tensor) -> Part:
    """The mean of four binary cross-entropies, one a threshold between grades, for logits (n,) and grades / 4 (n,).

    P(grade > k) = sigmoid(logit + thresholds[k]) (CORAL, Cao, Mirjalili and Raschka 2020). An expected grade between
    two counts as its share of the next: 2.3 is above 1 for certain and above 2 by 0.3.
    """
    known = torch.isfinite(wanted)
    above = (wanted[known, None] * STEPS - torch.arange(STEPS)).clamp(0, 1)
    each = nn.functional.binary_cross_entropy_with_logits(logits[known, None] + thresholds, above, reduction="sum")
    return Part(each / STEPS, known.sum())


def listwise(logits: Tensor, wanted: Tensor, weight: Tensor, sizes: Sequence[int]) -> Part:
    """ListNet's top-one cross-entropy (Cao et al. 2007) over each list and task in which targets differ.

    weight: (n, tasks), of a positive, as in `pointwise`.
    """
    terms = []
    for scores, target, worth in zip(*(x.split(list(sizes)) for x in (logits, wanted, weight)), strict=True):
        for column in range(logits.shape[1]):
            known = torch.isfinite(target[:, column])
            gains = target[known, column]
            if len(gains) > 1 and gains.max() > gains.min():
                share = gains / gains.sum() * worth[known, column]  # a weight that the list's sum held would cancel
                terms.append(nn.functional.cross_entropy(scores[known, column], share))
    return _mean(terms, logits)


def pairwise(logits: Tensor, wanted: Tensor, weight: Tensor, sizes: Sequence[int]) -> Part:
    """RankNet (Burges et al. 2005): -log sigmoid(s_i - s_j) over a list's pairs with target_i > target_j, by task.

    weight: (n, tasks), of a pair that of the better one (Joachims et al. 2017). The mean over a list's pairs, then over
    lists and tasks in which targets differ.
    """
    scores, targets, weights = (
        nn.utils.rnn.pad_sequence(list(x.split(list(sizes))), batch_first=True, padding_value=fill)
        for x, fill in ((logits, 0.0), (wanted, torch.nan), (weight, 0.0))
    )
    better = targets[:, :, None] > targets[:, None]  # (lists, i, j, tasks); NaN is never better nor worse
    losses = nn.functional.softplus(scores[:, None] - scores[:, :, None]) * better * weights[:, :, None]
    of_lists, pairs = losses.sum((1, 2)), better.sum((1, 2))
    telling = pairs > 0
    return Part((of_lists[telling] / pairs[telling]).sum() + logits.sum() * 0.0, telling.sum())


def positive_weights(targets: np.ndarray, propensity: np.ndarray, least: float) -> np.ndarray:
    """(n, tasks) float32 weights of positives, 1 / max(propensity, least), self-normalised: their mean is 1 a task.

    targets: (n, tasks); propensity: (n,), the probability with which the logging policy put the job where it was; where
    it is unknown the weight is 1. Over the policy's choices, clicks so weighted count each job alike, wherever it used
    to be shown (Joachims, Swaminathan and Schnabel 2017). A clipped weight trades bias for variance; dividing by their
    mean is Swaminathan and Joachims 2015.
    """
    known = np.isfinite(propensity)
    inverse = 1 / np.maximum(np.where(known, propensity, 1.0), least)
    positive = (np.nan_to_num(targets) > 0) & known[:, None]
    mean = (inverse[:, None] * positive).sum(0) / np.maximum(positive.sum(0), 1)
    weights = inverse[:, None] / np.where(mean > 0, mean, 1.0)
    return np.where(known[:, None], weights, 1.0).astype(np.float32)


def _mean(terms: list[Tensor], logits: Tensor) -> Part:
    if not terms:
        return Part(logits.sum() * 0.0, torch.tensor(0))
    return Part(torch.stack(terms).sum(), torch.tensor(len(terms)))
