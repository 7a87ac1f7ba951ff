"""What a student is held to: a teacher's probability of each task, the teacher's order within a list, and the labels.

b lists of n places: what is not known, and where a shorter list has no pair, is NaN and has no say.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.config import Divergence

MASKED_LOGIT = -1e4
"""A logit that takes no part in a softmax."""


@dataclass(frozen=True)
class Targets:
    """teacher: (b, n, tasks) float32 logits; labels: (b, n, tasks) float32 in [0, 1]."""

    teacher: Tensor
    labels: Tensor


def distillation_loss(logits: Tensor, wanted: Targets, kind: Divergence, listwise: float, labels: float) -> Tensor:
    """(tasks,): the mean over lists of each task's loss for logits (b, n, tasks).

    With a teacher: the divergence from it, `listwise` times that of the list's softmax, and `labels` times the loss of
    the labels. Without: the labels alone, pointwise and, `listwise` times, as ListNet's top-one cross-entropy
    (Cao et al. 2007).
    """
    taught = torch.isfinite(wanted.teacher)
    by_labels = label_loss(logits, wanted.labels)
    has_teacher = taught.any(1)
    teacher = torch.where(taught, wanted.teacher, 0.0)
    by_teacher = _mean(pair_divergence(kind, teacher, logits, taught), taught)
    if labels:
        by_teacher = by_teacher + labels * by_labels
    if listwise:
        by_teacher = by_teacher + listwise * list_divergence(teacher, logits, taught)
        by_labels = by_labels + listwise * list_labels(logits, wanted.labels)
    return torch.where(has_teacher, by_teacher, by_labels).mean(0)


def pair_divergence(kind: Divergence, teacher: Tensor, student: Tensor, present: Tensor) -> Tensor:
    """(b, n, tasks): the divergence of each pair; for margin MSE each pair's part in that of its list.

    Margin MSE (Hofstaetter et al. 2020) is the mean squared difference of margins over all pairs of pairs of a list,
    which is twice the variance of the differences: (d_i - mean d)^2 summed needs no pairs of pairs.
    """
    if kind != "margin_mse":
        return divergence(kind, teacher, student)
    difference = teacher - student
    return 2 * (difference - _mean(difference, present)[:, None]) ** 2


def divergence(kind: Divergence, teacher: Tensor, student: Tensor) -> Tensor:
    """Elementwise divergence of two Bernoulli distributions given by logits of equal shape.

    forward_kl KL(p || q), reverse_kl KL(q || p), js Jensen-Shannon, tv |p - q|, mse squared difference of logits;
    p the teacher's, q the student's (COOKBOOK 2.3: which is best is a setting).
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
    """(b, tasks): KL of the teacher's softmax over a list from the student's."""
    theirs, ours = (torch.log_softmax(x.float().masked_fill(~present, MASKED_LOGIT), 1) for x in (teacher, student))
    return (theirs.exp() * (theirs - ours) * present).sum(1)


def label_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """(b, tasks): binary cross-entropy with soft labels, over the labels that a list has."""
    known = torch.isfinite(labels)
    each = nn.functional.binary_cross_entropy_with_logits(logits, torch.nan_to_num(labels), reduction="none")
    return _mean(each, known)


def list_labels(logits: Tensor, labels: Tensor) -> Tensor:
    """(b, tasks): cross-entropy of a list's softmax with its labels' shares; 0 where no label is above another."""
    known = torch.isfinite(labels)
    gains = torch.nan_to_num(labels)
    low = gains.masked_fill(~known, 2.0).amin(1)
    telling = known.any(1) & (gains.amax(1) > low)
    shares = gains / gains.sum(1, keepdim=True).clamp(min=1e-9)
    ours = torch.log_softmax(logits.float().masked_fill(~known, MASKED_LOGIT), 1)
    return torch.where(telling, -(shares * ours).sum(1), 0.0)


def alignment_loss(item_logits: Tensor, text_logits: Tensor, item_state: Tensor, text_state: Tensor) -> Tensor:
    """What the item tokens lose of the text: KL from the student's own reading of the whole text, and 1 - cosine of
    the states (p, H) that end in logits (p, tasks). Source: MixLM's L_align (arXiv 2512.07846)."""
    told = _bernoulli_kl(text_logits.detach(), item_logits).mean()
    apart = 1 - nn.functional.cosine_similarity(item_state, text_state.detach(), dim=-1)
    return told + apart.mean()


def _mean(values: Tensor, chosen: Tensor) -> Tensor:
    """(b, tasks): over the chosen places of each list; 0 where none is."""
    return (values * chosen).sum(1) / chosen.sum(1).clamp(min=1)


def _bernoulli_kl(a: Tensor, b: Tensor) -> Tensor:
    softplus, p = nn.functional.softplus, torch.sigmoid(a)
    return p * (softplus(-b) - softplus(-a)) + (1 - p) * (softplus(b) - softplus(a))
