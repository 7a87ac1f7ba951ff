"""Why a job stands where it stands, in words and numbers: what found it, what it is likely to lead to, what weighed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

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
LEAST = 0.05
"""Share of the largest contribution under which one is not put into words."""


class Explanation(FrozenModel):
    """contributions: what each input of the blend adds to the score, largest first by size; empty without a blend;
    demoted_by: the rules for which the job stands after those that no rule demotes.
    """

    found_by: tuple[str, ...]
    probabilities: Mapping[str, float]
    contributions: Mapping[str, float]
    demoted_by: tuple[str, ...] = ()
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

    found_by: its retrieval sources; probabilities: task -> calibrated probability; features: (F,) in the order of
    `blend.names`, None where the answer was not blended; demoted_by: names of rules; reason: see
    `retrieval.candidates.Candidates.reasons`.
    """
    parts: dict[str, float] = {}
    if blend is not None and features is not None:
        values = contributions(blend, np.asarray(features)[None])[0]
        order = np.argsort(-np.abs(values), kind="stable")
        parts = {blend.names[i]: float(values[i]) for i in order}
    words = [f"Found because {why(source)}." for source in found_by]
    words += [f"{reason}."] if reason else []
    words += [f"{TASKS[task]} {probability:.0%}." for task, probability in probabilities.items() if task in TASKS]
    floor = LEAST * max((abs(value) for value in parts.values()), default=0.0)
    words += [
        f"{MEANING.get(name, name)}: {value:+.2f}" for name, value in parts.items() if value and abs(value) >= floor
    ]
    words += [f"D{said[1:]}." for said in map(demotion, demoted_by)]
    return Explanation(
        found_by=tuple(found_by),
        probabilities=dict(probabilities),
        contributions=parts,
        demoted_by=tuple(demoted_by),
        words=tuple(words),
    )


def demotion(rule: str) -> str:
    return f"demoted by rule {rule}"
