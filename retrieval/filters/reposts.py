"""Of jobs that are one advert: when it was first posted, and how often before each of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Reposts(NamedTuple):
    """Of n jobs, each in the chain of those that are one advert.

    Attributes:
        first_posted_at: (n,) float64 seconds since 1970 at which the chain began; NaN where none of it says.
        reposts: (n,) float64, how many of the chain were posted before this one.
    """

    first_posted_at: np.ndarray
    reposts: np.ndarray


def repost_chains(groups: np.ndarray, posted_at: np.ndarray) -> Reposts:
    """When each advert was first seen, and how often it had been posted before.

    Args:
        groups: (n,) of `duplicate_groups`.
        posted_at: (n,) float64 seconds since 1970, NaN where a job does not say. Such a job is the last of its chain.
    """
    order = np.lexsort((posted_at, groups))  # NaN comes last
    begins = np.flatnonzero(np.diff(groups[order], prepend=-1))
    lengths = np.diff(begins, append=len(order))
    first_posted_at, reposts = np.empty(len(order)), np.empty(len(order))
    first_posted_at[order] = np.repeat(posted_at[order][begins], lengths)
    reposts[order] = np.arange(len(order)) - np.repeat(begins, lengths)
    return Reposts(first_posted_at, reposts)
