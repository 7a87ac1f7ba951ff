"""Which jobs were open at a moment t: not hidden, not posted after t, and not ended at or before t.

A job that does not say when it was posted has always been posted; one that names no end never ends. The rule stands
here for one job, for NumPy arrays and for Polars columns; a property test holds the three together.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import polars as pl


def why_closed(
    posted_at: datetime | None, expires_at: datetime | None, hidden: bool, t: datetime
) -> Literal["hidden", "expired", "not_posted", ""]:
    """Why one job is closed at t; empty where it is open."""
    if hidden:
        return "hidden"
    if expires_at is not None and expires_at <= t:
        return "expired"
    return "not_posted" if posted_at is not None and posted_at > t else ""


def has_expired(expires_at: np.ndarray, t: float | np.ndarray) -> np.ndarray:
    """Which jobs have ended by t; the rule's part on ends alone.

    Args:
        expires_at: (n,) float64 seconds since 1970, NaN for a job without an end.
        t: seconds since 1970, one for all or (n,) float64.

    Returns:
        (n,) bool.
    """
    return np.asarray(expires_at <= t)


def is_open(
    posted_at: np.ndarray, expires_at: np.ndarray, hidden: np.ndarray | bool, t: float | np.ndarray
) -> np.ndarray:
    """Which jobs are open at t.

    Args:
        posted_at: (n,) float64 seconds since 1970, NaN where not known.
        expires_at: (n,) float64 seconds since 1970, NaN for a job without an end.
        hidden: (n,) bool, or one for all.
        t: seconds since 1970, one for all or (n,) float64.

    Returns:
        (n,) bool.
    """
    closed: np.ndarray = hidden | (posted_at > t) | has_expired(expires_at, t)
    return ~closed


def open_at(t: datetime | pl.Expr) -> pl.Expr:
    """Which rows with the columns posted_at, expires_at and hidden of a job record are open at t, as bool."""
    import polars as pl

    late = (pl.col("posted_at") > t).fill_null(False)
    ended = (pl.col("expires_at") <= t).fill_null(False)
    return ~(pl.col("hidden") | late | ended)
