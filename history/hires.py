"""Where a log is cut in two: the hires that links are learned from, and those that the links are measured by."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import polars as pl

from history.requests import end_of_training

LEARNED_SHARE = 0.8
"""Of the hires that are learned from, where the log is cut by them."""
LEAST_LEARNED, LEAST_LEFT = 0.5, 0.1
"""Shares of the hires that have to lie before and behind the first held-out request, so that the log is cut there."""


class HireCut(NamedTuple):
    """Hires before `until` are learned from. blind: requests from before it may be held out as well."""

    until: datetime
    blind: bool


def hire_cut(events: pl.DataFrame) -> HireCut | None:
    """Where to cut a log: at its first held-out request, or where its hires lie.

    A log whose hires all came late or early, or whose requests are split by member, so that somebody's held-out request
    is among the first of all, is cut at four fifths of its hires.

    Args:
        events: `history.requests.EVENT_COLUMNS`, each event once.

    Returns:
        None where there is no hire.
    """
    hires = (
        events.filter((pl.col("action") == "hire") & (pl.col("member_id") != ""))
        .group_by("member_id", "job_id")
        .agg(pl.col("time").min())["time"]
        .sort()
    )
    if hires.is_empty():
        return None
    first_held_out = end_of_training(events)
    if first_held_out is not None:
        learned = (hires < first_held_out).sum() / len(hires)
        if LEAST_LEARNED <= learned <= 1 - LEAST_LEFT:
            return HireCut(first_held_out, blind=False)
    until: datetime = hires[min(int(LEARNED_SHARE * len(hires)), len(hires) - 1)]
    return HireCut(until, blind=first_held_out is not None and first_held_out < until)
