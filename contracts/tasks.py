"""The questions that every scorer answers. A task is a sentence; its answer is a probability."""

from __future__ import annotations

from collections.abc import Mapping

TASKS: Mapping[str, str] = {
    "relevance": "Is this job a good match for this member by the product policy?",
    "view": "Will this member open this job?",
    "apply": "Will this member apply to this job?",
    "dismiss": "Will this member dismiss this job?",
    "hire": "Will this member be hired for this job?",
    "shortlist": "Will the employer shortlist this member for this job?",
    "interview": "Will the employer interview this member for this job?",
    "offer": "Will the employer offer this job to this member?",
    "reject": "Will the employer reject this member for this job?",
}

EMPLOYER_TASKS: tuple[str, ...] = ("shortlist", "interview", "offer", "reject")
"""What an employer does with an application before it ends in a hire, as an applicant-tracking system reports it."""

ENGAGEMENT_TASKS: tuple[str, ...] = ("view", "apply", "dismiss", "hire", *EMPLOYER_TASKS)
"""Tasks learned from events; `relevance` is learned from grades."""

GAINS: Mapping[str, int] = {"view": 1, "apply": 2, "hire": 3}
"""Action -> gain of a ranking's measures; of several actions on one job the highest counts."""

APPLIED: tuple[str, ...] = ("apply", *EMPLOYER_TASKS, "hire")
"""Actions that say that the member applied: an employer answers applications, with a no too."""

INTEREST: tuple[str, ...] = ("view", "save", *APPLIED)
"""Actions that show interest in a job."""

TOLD_BY: Mapping[str, tuple[str, ...]] = {
    "view": INTEREST,
    "apply": APPLIED,
    "dismiss": ("dismiss",),
    "hire": ("hire",),
    "shortlist": ("shortlist", "interview", "offer", "hire"),
    "interview": ("interview", "offer", "hire"),
    "offer": ("offer", "hire"),
    "reject": ("reject",),
}
"""Task of `ENGAGEMENT_TASKS` -> the actions that say yes to it: a later step of an application tells of an earlier."""
