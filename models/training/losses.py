"""Losses of teachers and of the student, over pairs grouped in lists.

One convention for all: a target that is not known is NaN and has no say; a list in which no target is above another
says nothing about order. A teacher's batch is flat, its n pairs list after list with the lists' `sizes`, and a loss is
a sum and its count, so that several processes can add both up before dividing. The student's batch is padded to
(b, n, tasks), NaN where a list is over, and a loss is the mean of each list.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from models.config import Divergence

MASKED_LOGIT = -1e4
"""A logit that takes no part in a softmax."""
SERVED_LISTWISE, SERVED_SHARPNESS = 0.5, 8.0
"""Weight of the order within a served list, and how many times the grades enter the softmax that says it."""
GRADE_STEPS = 4
"""Thresholds between the five grades."""


class SumCount(NamedTuple):
    """A loss is total / number, both scalars. The total carries the gradient."""

    total: Tensor
    number: Tensor


class Targets(NamedTuple):
    """What the student learns of b lists of at most n pairs.

    Attributes:
        teacher: (b, n, tasks) float32 logits of the teachers.
        labels: (b, n, tasks) float32 in [0, 1].
    """

    teacher: Tensor
    labels: Tensor


# --- of teachers, over flat pairs ------------------------------------------------------------------------------------


def pointwise(logits: Tensor, targets: Tensor, weights: Tensor) -> SumCount:
    """Binary cross-entropy with soft targets.

    Weighted by the inverse of its propensity, a click's loss is in expectation that of the job's own quality.

    Args:
        logits: (n, tasks) float32.
        targets: (n, tasks) float32 in [0, 1].
        weights: (n, tasks) float32, of a positive: the target becomes target * weight, which may pass 1.

    Source: Saito et al. 2020 (arXiv 1909.03601), equation 9.
    """
    known = torch.isfinite(targets)
    each = nn.functional.binary_cross_entropy_with_logits(logits[known], (targets * weights)[known], reduction="sum")
    return SumCount(each, known.sum())


def ordinal(logits: Tensor, targets: Tensor, thresholds: Tensor) -> SumCount:
    """The mean of four binary cross-entropies, one a threshold between grades: P(grade > k) = sigmoid(logit + t_k).

    An expected grade between two counts as its share of the next: 2.3 is above 1 for certain and above 2 by 0.3.

    Args:
        logits: (n,) float32.
        targets: (n,) float32, grades / 4.
        thresholds: (4,) float32.

    Source: CORAL, Cao, Mirjalili and Raschka 2020 (arXiv 1901.07884).
    """
    known = torch.isfinite(targets)
    steps = torch.arange(GRADE_STEPS, device=targets.device)
    above = (targets[known, None] * GRADE_STEPS - steps).clamp(0, 1)
    each = nn.functional.binary_cross_entropy_with_logits(logits[known, None] + thresholds, above, reduction="sum")
    return SumCount(each / GRADE_STEPS, known.sum())


def listwise(logits: Tensor, targets: Tensor, weights: Tensor, sizes: Sequence[int]) -> SumCount:
    """`listnet` over each list and task in which targets differ. Arguments as in `pointwise`; sizes: pairs a list."""
    terms = []
    for scores, gains, worth in zip(*(x.split(list(sizes)) for x in (logits, targets, weights)), strict=True):
        for column in range(logits.shape[1]):
            known = torch.isfinite(gains[:, column])
            known_gains = gains[known, column]
            if len(known_gains) > 1 and known_gains.max() > known_gains.min():
                # The weight stands outside the list's sum, in which it would cancel.
                shares = known_gains / known_gains.sum() * worth[known, column]
                terms.append(listnet(scores[known, column], shares, 0))
    if not terms:
        return SumCount(logits.sum() * 0.0, torch.tensor(0, device=logits.device))
    return SumCount(torch.stack(terms).sum(), torch.tensor(len(terms), device=logits.device))


def pairwise(logits: Tensor, targets: Tensor, weights: Tensor, sizes: Sequence[int]) -> SumCount:
    """RankNet: -log sigmoid(s_i - s_j) over a list's pairs with target_i > target_j.

    The mean over a list's pairs, then over lists and tasks in which targets differ. Arguments as in `listwise`; the
    weight of a pair is that of its better job.

    Source: Burges et al., Learning to rank using gradient descent (ICML 2005); the weights after Joachims,
    Swaminathan and Schnabel 2017 (arXiv 1608.04468).
    """
    scores, padded, worth = (
        nn.utils.rnn.pad_sequence(list(x.split(list(sizes))), batch_first=True, padding_value=fill)
        for x, fill in ((logits, 0.0), (targets, torch.nan), (weights, 0.0))
    )
    better = padded[:, :, None] > padded[:, None]  # (lists, i, j, tasks); NaN is never better nor worse
    losses = nn.functional.softplus(scores[:, None] - scores[:, :, None]) * better * worth[:, :, None]
    of_lists, pairs = losses.sum((1, 2)), better.sum((1, 2))
    differs = pairs > 0
    return SumCount((of_lists[differs] / pairs[differs]).sum() + logits.sum() * 0.0, differs.sum())


def positive_weights(targets: np.ndarray, propensity: np.ndarray, least: float) -> np.ndarray:
    """Inverse propensities of positives, 1 / max(propensity, least), divided by their mean a task.

    Over the policy's choices, clicks so weighted count each job alike, wherever it used to be shown. A clipped weight
    trades bias for variance.

    Args:
        targets: (n, tasks) float32.
        propensity: (n,) float32, the probability with which the logging policy put the job where it was; NaN where it
            is not known, and then the weight is 1.
        least: In (0, 1].

    Returns:
        (n, tasks) float32.

    Source: Joachims, Swaminathan and Schnabel 2017 (arXiv 1608.04468); the mean after Swaminathan and Joachims, The
    self-normalized estimator for counterfactual learning (NeurIPS 2015).
    """
    known = np.isfinite(propensity)
    inverse = 1 / np.maximum(np.where(known, propensity, 1.0), least)
    positive = (np.nan_to_num(targets) > 0) & known[:, None]
    mean = (inverse[:, None] * positive).sum(0) / np.maximum(positive.sum(0), 1)
    weights = inverse[:, None] / np.where(mean > 0, mean, 1.0)
    return np.where(known[:, None], weights, 1.0).astype(np.float32)


# --- of the student, over padded lists -------------------------------------------------------------------------------


def distillation_loss(logits: Tensor, targets: Targets, kind: Divergence, listwise: float, labels: float) -> Tensor:
    """The mean over lists of each task's loss.

    A list with a teacher's scores of the task has the divergence from them, `listwise` times that of the list's
    softmax, and `labels` times the loss of the labels. One without has the labels alone: pointwise and, `listwise`
    times, by `listnet`.

    Args:
        logits: (b, n, tasks) float32 of the student.
        targets: Of the same pairs.
        kind: The divergence of one pair.
        listwise: Weight of the losses within a list.
        labels: Weight of the labels beside a teacher.

    Returns:
        (tasks,) float32.
    """
    has_score = torch.isfinite(targets.teacher)
    by_labels = label_loss(logits, targets.labels)
    has_teacher = has_score.any(1)
    teacher = torch.where(has_score, targets.teacher, 0.0)
    by_teacher = _list_mean(pair_divergence(kind, teacher, logits, has_score), has_score)
    if labels:
        by_teacher = by_teacher + labels * by_labels
    if listwise:
        by_teacher = by_teacher + listwise * list_divergence(teacher, logits, has_score)
        by_labels = by_labels + listwise * label_listnet(logits, targets.labels)
    return torch.where(has_teacher, by_teacher, by_labels).mean(0)


def pair_divergence(kind: Divergence, teacher: Tensor, student: Tensor, present: Tensor) -> Tensor:
    """The divergence of each pair; for margin MSE each pair's part in that of its list.

    Margin MSE is the mean squared difference of margins over all pairs of pairs of a list, which is twice the variance
    of the differences: (d_i - mean d)^2 summed needs no pairs of pairs.

    Args:
        kind: Which divergence.
        teacher: (b, n, tasks) logits.
        student: (b, n, tasks) logits.
        present: (b, n, tasks) bool, whether the teacher has a score.

    Returns:
        (b, n, tasks).

    Source: margin MSE, Hofstaetter et al. 2020 (arXiv 2010.02666).
    """
    if kind != "margin_mse":
        return divergence(kind, teacher, student)
    difference = teacher - student
    return 2 * (difference - _list_mean(difference, present)[:, None]) ** 2


def divergence(kind: Divergence, teacher: Tensor, student: Tensor) -> Tensor:
    """Elementwise divergence of two Bernoulli distributions given by logits of equal shape.

    With p the teacher's and q the student's: forward_kl KL(p || q), reverse_kl KL(q || p), js Jensen-Shannon,
    tv |p - q|, mse the squared difference of logits.
    """
    if kind == "mse":
        return (teacher - student) ** 2
    p, q = torch.sigmoid(teacher), torch.sigmoid(student)
    if kind == "tv":
        return (p - q).abs()
    if kind == "forward_kl":
        return _bernoulli_kl(teacher, student)
    if kind == "reverse_kl":
        return _bernoulli_kl(student, teacher)
    middle = torch.logit(((p + q) / 2).clamp(1e-6, 1 - 1e-6))
    return (_bernoulli_kl(teacher, middle) + _bernoulli_kl(student, middle)) / 2


def list_divergence(teacher: Tensor, student: Tensor, present: Tensor) -> Tensor:
    """(b, tasks): KL of the teacher's softmax over a list from the student's; arguments as in `pair_divergence`."""
    theirs, ours = (torch.log_softmax(x.float().masked_fill(~present, MASKED_LOGIT), 1) for x in (teacher, student))
    return (theirs.exp() * (theirs - ours) * present).sum(1)


def label_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """(b, tasks): binary cross-entropy with soft labels (b, n, tasks), over the labels that a list has."""
    known = torch.isfinite(labels)
    each = nn.functional.binary_cross_entropy_with_logits(logits, torch.nan_to_num(labels), reduction="none")
    return _list_mean(each, known)


def label_listnet(logits: Tensor, labels: Tensor) -> Tensor:
    """(b, tasks): `listnet` of labels (b, n, tasks); 0 where no label of a list is above another."""
    known = torch.isfinite(labels)
    gains = torch.nan_to_num(labels)
    low = gains.masked_fill(~known, 2.0).amin(1)
    differs = known.any(1) & (gains.amax(1) > low)
    shares = gains / gains.sum(1, keepdim=True).clamp(min=1e-9)
    return torch.where(differs, listnet(logits.float().masked_fill(~known, MASKED_LOGIT), shares, 1), 0.0)


def served_loss(logits: Tensor, grades: Tensor) -> Tensor:
    """Scalar loss of one served list: cross-entropy with soft labels, and half of `listnet` with sharpened shares.

    Args:
        logits: (n,) float32.
        grades: (n,) float32 in [0, 1], all known.
    """
    each = nn.functional.binary_cross_entropy_with_logits(logits, grades)
    return each + SERVED_LISTWISE * listnet(logits, torch.softmax(SERVED_SHARPNESS * grades, 0), 0)


def alignment_loss(item_logits: Tensor, text_logits: Tensor, item_state: Tensor, text_state: Tensor) -> Tensor:
    """What the item tokens lose of the text: KL from the student's own reading of the whole text, and 1 - cosine.

    Args:
        item_logits: (p, tasks) by the item tokens.
        text_logits: (p, tasks) by the whole text; carries no gradient.
        item_state: (p, H) states that end in `item_logits`.
        text_state: (p, H) states that end in `text_logits`; carries no gradient.

    Source: L_align of MixLM (arXiv 2512.07846).
    """
    lost = _bernoulli_kl(text_logits.detach(), item_logits).mean()
    apart = 1 - nn.functional.cosine_similarity(item_state, text_state.detach(), dim=-1)
    return lost + apart.mean()


# --- of both ---------------------------------------------------------------------------------------------------------


def listnet(logits: Tensor, shares: Tensor, dim: int) -> Tensor:
    """ListNet's top-one cross-entropy: of the softmax of logits along `dim` with the labels' shares of a list.

    Source: Cao et al., Learning to rank: from pairwise approach to listwise approach (ICML 2007).
    """
    return -(shares * torch.log_softmax(logits, dim)).sum(dim)


def _list_mean(values: Tensor, chosen: Tensor) -> Tensor:
    """(b, tasks): over the chosen places of each list; 0 where none is."""
    return (values * chosen).sum(1) / chosen.sum(1).clamp(min=1)


def _bernoulli_kl(a: Tensor, b: Tensor) -> Tensor:
    softplus, p = nn.functional.softplus, torch.sigmoid(a)
    return p * (softplus(-b) - softplus(-a)) + (1 - p) * (softplus(b) - softplus(a))
