"""Losses of the retrieval encoder: a request has to be nearer to the job that was taken than to other jobs.

A step has b requests and c jobs; scores are cosines.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.layers.backbone import l2_normalize
from models.training.losses import MASKED_LOGIT

GOOD = 0.75
"""Judged relevance (grade / 4) from which a pair is a good one: a grade above 2 (arXiv 2602.07309)."""


def truncate_dim(vectors: Tensor, dim: int) -> Tensor:
    """(n, H) -> (n, dim) of length 1: the first numbers of a vector are a vector (Kusupati et al. 2022)."""
    return l2_normalize(vectors[..., :dim])


def contrastive(
    scores: Tensor, positive: Tensor, allowed: Tensor, weight: Tensor, scale: float, hardest: int | None = None
) -> Tensor:
    """The mean over requests, by weight, of the cross-entropy of the taken job among the negatives.

    scores: (b, c); positive: (b,) int64 column of the job that was taken; allowed: (b, c) bool, False for a job that is
    no negative of a request (its own positive need not be); weight: (b,); hardest: negatives of each request that
    count, those with the highest scores, None: all. Source: InfoNCE, van den Oord, Li and Vinyals 2018 (arXiv
    1807.03748).
    """
    own = positive[:, None]
    negatives = scores.masked_fill(~allowed, MASKED_LOGIT).scatter(1, own, MASKED_LOGIT)
    if hardest is not None and hardest < scores.shape[1]:
        kept = torch.zeros_like(allowed).scatter(1, negatives.topk(hardest).indices, True)
        negatives = negatives.masked_fill(~kept, MASKED_LOGIT)
    taken = scores.gather(1, own)
    each = torch.logsumexp(torch.cat([taken, negatives], 1) * scale, 1) - taken[:, 0] * scale
    return (each * weight).sum() / weight.sum()


def mined_margin(scores: Tensor, relevance: Tensor, margin: float, mined: int) -> Tensor:
    """The mean over pairs of max(0, margin - good + bad) of each list's lowest good scores and highest bad ones.

    scores: (lists, n); relevance: (lists, n) judged, in [0, 1], NaN where it is not; mined: how many of either at most.
    0 where no list has both. Source: arXiv 2602.07309, hard positives and hard negatives.
    """
    most = min(mined, scores.shape[1])
    good = scores.masked_fill(~(relevance >= GOOD), torch.inf).topk(most, largest=False).values
    bad = scores.masked_fill(~(relevance < GOOD), -torch.inf).topk(most).values
    apart = (margin - good[:, :, None] + bad[:, None]).clamp(min=0)  # infinite ones are 0, and so is their gradient
    pairs = torch.isfinite(good)[:, :, None] & torch.isfinite(bad)[:, None]
    return apart.masked_fill(~pairs, 0.0).sum() / pairs.sum().clamp(min=1)
