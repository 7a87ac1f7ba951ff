"""Explains a result in words and numbers: its sources, its probabilities, and each input's part in its score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import Field

from contracts.bundle import Blend
from contracts.tasks import TASKS
from contracts.values import FrozenModel
from ranking.blend import contributions
from retrieval.sources.registry import why

MEANING: Mapping[str, str] = {
    "dense": "text close to the request",
    "recent": "like jobs viewed lately",
    "terms": "holds words of the request",
    "recent_nearby": "like jobs you looked at, in a place you looked at",
    "same_city": "in the same city",
    "same_region": "in the same region",
    "same_company": "same company as jobs viewed lately",
    "title_overlap": "title as asked for",
    "views_7d": "viewed by many this week",
    "days_since_view": "time since anyone viewed it",
    "unseen": "nobody viewed it yet",
    "relevance": "good match by the product policy",
    "view": "likely to be opened",
    "apply": "likely to be applied to",
    "dismiss": "likely to be dismissed",
    "hire": "likely to lead to a hire",
}
MIN_SHARE = 0.05
"""Contributions under this share of the largest one are not put into words."""


class Explanation(FrozenModel):
    """Why a job stands where it stands."""

    found_by: tuple[str, ...]
    probabilities: Mapping[str, float]
    contributions: Mapping[str, float] = Field(
        description="What each input of the blend adds to the score, the largest size first; empty without a blend."
    )
    demoted_by: tuple[str, ...] = Field(
        (), description="The rules for which the job stands after those that no rule demotes."
    )
    words: tuple[str, ...]


def explain(
    found_by: Sequence[str],
    probabilities: Mapping[str, float],
    blend: Blend | None,
    features: np.ndarray | None,
    demoted_by: Sequence[str] = (),
    reason: str = "",
) -> Explanation:
    """The explanation of one result.

    Args:
        found_by: Its retrieval sources.
        probabilities: Task -> calibrated probability.
        blend: Of the bundle; None: the answer was not blended.
        features: (F,) in the order of `blend.names`; None: the result was not blended.
        demoted_by: Names of rules.
        reason: A sentence of retrieval, as `retrieval.candidates.Candidates.reasons`; empty for none.
    """
    parts: dict[str, float] = {}
    if blend is not None and features is not None:
        values = contributions(blend, np.asarray(features)[None])[0]
        order = np.argsort(-np.abs(values), kind="stable")
        parts = {blend.names[i]: float(values[i]) for i in order}
    words = [f"Found because {why(source)}." for source in found_by]
    words += [f"{reason}."] if reason else []
    words += [f"{TASKS[task]} {probability:.0%}." for task, probability in probabilities.items() if task in TASKS]
    floor = MIN_SHARE * max((abs(value) for value in parts.values()), default=0.0)
    words += [
        f"{MEANING.get(name, name)}: {value:+.2f}" for name, value in parts.items() if value and abs(value) >= floor
    ]
    words += [f"D{sentence[1:]}." for sentence in map(demotion, demoted_by)]
    return Explanation(
        found_by=tuple(found_by),
        probabilities=dict(probabilities),
        contributions=parts,
        demoted_by=tuple(demoted_by),
        words=tuple(words),
    )


def demotion(rule: str) -> str:
    """That a rule demotes a job, in words."""
    return f"demoted by rule {rule}"
