"""What members do with a list: examination by position, attraction by fit and taste, then apply, save, dismiss, hire.

P(view) = examination(position) x attraction(member, job). Attraction depends on the fit and on things that are not
fit: a curiosity for another line of work, a liked industry, a company's fame, freshness, pay. So relevance and clicks
are two objectives, and a click model that ignores positions is wrong.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulator.population import DAY, Jobs, Members
from simulator.truth import SAME_FIELD, Dimensions

EXAMINATION_POWER = 0.6
"""The member looks at position k with probability k ** -EXAMINATION_POWER.

Source: Joachims, Swaminathan, Schnabel, Unbiased learning-to-rank with biased feedback (arXiv 1608.04468).
"""
COMPANY, TOGETHER = 1.5, 2.0
"""Logits of the planted effects (`simulator.effects`), in a market that has them."""
BASE, SCORE, FIT, CURIOUS, INDUSTRY, FAME, FRESH, PAY = -4.45, 2.0, 1.0, 3.2, 0.7, 0.35, 0.3, 0.4
APPLY_BASE, APPLY_FIT, APPLY_TASTE = -3.4, 0.85, 0.25
SAVE, DISMISS = 0.12, 0.10
HIRE = np.array([0.0, 0.005, 0.02, 0.12, 0.25])
"""P(hire | apply) by fit."""
REASON_SHARE = 0.5
"""Share of dismissals with a reason."""
REASONS = ("", "wrong_occupation", "wrong_level", "too_far", "wrong_skills", "wrong_pay")
MINUTE = 60_000_000


class Outcomes(NamedTuple):
    """(pairs,) bool each, for shown jobs. A save and an apply follow a view only, a hire follows an apply only."""

    view: np.ndarray
    apply: np.ndarray
    save: np.ndarray
    dismiss: np.ndarray
    hire: np.ndarray


def examination(position: np.ndarray) -> np.ndarray:
    """P(looked at) of 1-based positions, float64 in their shape."""
    return np.asarray(position, np.float64) ** -EXAMINATION_POWER


def taste(members: Members, jobs: Jobs, m: np.ndarray, j: np.ndarray, time: np.ndarray) -> np.ndarray:
    """How much a member likes a job beside its fit.

    Args:
        members: of the market.
        jobs: of the market.
        m: (pairs,) int, rows of members.
        j: (pairs,) int, rows of jobs.
        time: (pairs,) int64 microseconds since 1970 at which the job is shown.

    Returns:
        (pairs,) float64 logits.
    """
    age = (time - jobs.posted[j]) / (7.0 * DAY)
    generous = np.log(jobs.salary_max[j].astype(np.float64) / np.maximum(members.salary_min[m], 1.0))
    return (
        CURIOUS * (members.curious[m] == jobs.occupation[j])
        + INDUSTRY * (members.industry[m] == jobs.industry[j])
        + FAME * jobs.popularity[j]
        + FRESH * (2.0 * np.exp(-age) - 1.0)
        + PAY * np.clip(generous, -1.0, 1.0)
    )


def attraction(fit: Dimensions, tastes: np.ndarray) -> np.ndarray:
    """(pairs,) float64: P(opened | looked at)."""
    return _sigmoid(BASE + SCORE * fit.score() + FIT * fit.grade() + tastes)


def outcomes(rng: np.random.Generator, fit: Dimensions, tastes: np.ndarray, position: np.ndarray) -> Outcomes:
    """Draw what members do with the jobs that they are shown.

    Args:
        rng: of the draw.
        fit: of the pairs.
        tastes: (pairs,) float64 logits, from `taste`.
        position: (pairs,) int, from 1.
    """
    n = len(position)
    grade = fit.grade()
    looked = rng.random(n) < examination(position)
    view = looked & (rng.random(n) < attraction(fit, tastes))
    apply = view & (rng.random(n) < _sigmoid(APPLY_BASE + APPLY_FIT * grade + APPLY_TASTE * tastes))
    save = view & ~apply & (rng.random(n) < SAVE)
    dismiss = looked & ~view & (grade <= 1) & (rng.random(n) < DISMISS)
    hire = apply & (rng.random(n) < HIRE[grade])
    return Outcomes(view, apply, save, dismiss, hire)


def reasons(rng: np.random.Generator, fit: Dimensions) -> np.ndarray:
    """(pairs,) int8, places in `REASONS`: the reason that the member gives if they dismiss the job."""
    wrong = [fit.function < SAME_FIELD, fit.rungs >= 2, fit.place <= 0, fit.skills < 0.3, fit.pay <= 0]
    given = rng.random(len(fit.rungs)) < REASON_SHARE
    return np.where(given, np.select(wrong, range(1, len(REASONS)), 0), 0).astype(np.int8)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))
