"""The questions that every scorer answers. A task is a sentence; its answer is a probability."""

from __future__ import annotations

from collections.abc import Mapping

TASKS: Mapping[str, str] = {
    "relevance": "Is this job a good match for this member by the product policy?",
    "view": "Will this member open this job?",
    "apply": "Will this member apply to this job?",
    "dismiss": "Will this member dismiss this job?",
    "hire": "Will this member be hired for this job?",
}

ENGAGEMENT_TASKS: tuple[str, ...] = ("view", "apply", "dismiss", "hire")
"""Tasks learned from events; `relevance` is learned from grades."""

GAINS: Mapping[str, int] = {"view": 1, "apply": 2, "hire": 3}
"""Action -> gain of a ranking's measures; of several actions on one job the highest counts."""

INTEREST: tuple[str, ...] = ("view", "save", "apply", "hire")
"""Actions that show interest in a job."""
