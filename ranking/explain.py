"""Explains a result in words and numbers: its sources, its probabilities, and each input's part in its score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import Field

from contracts.bundle import Blend
from contracts.match import COMPARISONS
from contracts.tasks import TASKS
from contracts.values import FrozenModel
from ranking.blend import contributions
from ranking.scorer import BundleScorer
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


class MatchEffect(FrozenModel):
    """What one comparison of the request and the job does to the job's relevance."""

    name: str = Field(description="Of the comparison, as in `contracts.match.COMPARISONS`.")
    words: str = Field(description="Its name and what it found, such as `skills: most`.")
    effect: float = Field(description="The relevance logit less that of the same job where this is not known.")


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
    match: tuple[MatchEffect, ...] = Field(
        (), description="The comparisons that moved the job's relevance, the largest effect first."
    )
    words: tuple[str, ...]


def match_effects(
    scorer: BundleScorer, request_text: str, items: np.ndarray, match: np.ndarray
) -> tuple[MatchEffect, ...]:
    """What each known comparison does to the relevance of one job: it is scored again with that one not known.

    Args:
        scorer: Of a bundle that reads a match.
        request_text: Of the request.
        items: (T, H) float32, the item tokens of the job.
        match: (C,) uint8, the bins of the request and the job.

    Returns:
        The effects, the largest first; none where the bundle has no task `relevance`.
    """
    known = np.flatnonzero(match)
    if "relevance" not in scorer.tasks or not len(known):
        return ()
    without = np.repeat(match[None], len(known) + 1, axis=0)
    without[np.arange(len(known)) + 1, known] = 0  # the first row is the job as it is
    logits = scorer.logits(scorer.prefix(request_text), np.repeat(items[None], len(without), axis=0), without)
    relevance = logits[:, scorer.tasks.index("relevance")].astype(np.float64)
    effects = relevance[0] - relevance[1:]
    return tuple(
        MatchEffect(
            name=COMPARISONS[known[i]].name,
            words=f"{COMPARISONS[known[i]].name}: {COMPARISONS[known[i]].bins[match[known[i]] - 1]}",
            effect=round(float(effects[i]), 6),
        )
        for i in np.argsort(-np.abs(effects), kind="stable")
    )


def explain(
    found_by: Sequence[str],
    probabilities: Mapping[str, float],
    blend: Blend | None,
    features: np.ndarray | None,
    demoted_by: Sequence[str] = (),
    reason: str = "",
    match: Sequence[MatchEffect] = (),
) -> Explanation:
    """The explanation of one result.

    Args:
        found_by: Its retrieval sources.
        probabilities: Task -> calibrated probability.
        blend: Of the bundle; None: the answer was not blended.
        features: (F,) in the order of `blend.names`; None: the result was not blended.
        demoted_by: Names of rules.
        reason: A sentence of retrieval, as `retrieval.candidates.Candidates.reasons`; empty for none.
        match: Of `match_effects`.
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
        match=tuple(match),
        words=tuple(words),
    )


def demotion(rule: str) -> str:
    """That a rule demotes a job, in words."""
    return f"demoted by rule {rule}"
