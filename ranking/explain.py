"""Explains a result in words and numbers: its sources, its probabilities, and each input's part in its score.

Numbers say what each input added. Words are facts of the request and the job alone (`ranking.reasons`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import Field

from contracts.bundle import Blend
from contracts.match import COMPARISONS
from contracts.tasks import TASKS
from contracts.values import FrozenModel
from ranking.blend import RELEVANCE, contributions
from ranking.reasons import DIMENSION_OF, finding, reasons, told
from ranking.scorer import BundleScorer
from retrieval.queries.chips import ASKED
from retrieval.request import OTHER_WORDS

MIN_SHARE = 0.05
"""Contributions and effects under this share of the largest one are not put into words."""

_PLACE = {comparison.name: i for i, comparison in enumerate(COMPARISONS)}


class MatchEffect(FrozenModel):
    """What one comparison of the request and the job does to the job's relevance."""

    name: str = Field(description="Of the comparison, as in `contracts.match.COMPARISONS`.")
    words: str = Field(description="Its name and what it found in the texts, such as `skills: most`.")
    bin: int = Field(description="What it found, as the number of the bin.")
    dimension: str = Field("", description="Of the product policy, that the comparison speaks to; empty: of none.")
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
    words: tuple[str, ...] = Field(
        description="Facts of the request and the job: what moved the job up, then the drawbacks that moved it down."
    )


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
    if RELEVANCE not in scorer.tasks or not len(known):
        return ()
    without = np.repeat(match[None], len(known) + 1, axis=0)
    without[np.arange(len(known)) + 1, known] = 0  # the first row is the job as it is
    logits = scorer.logits(scorer.prefix(request_text), np.repeat(items[None], len(without), axis=0), without)
    relevance = logits[:, scorer.tasks.index(RELEVANCE)].astype(np.float64)
    effects = relevance[0] - relevance[1:]
    return tuple(
        MatchEffect(
            name=COMPARISONS[known[i]].name,
            words=f"{COMPARISONS[known[i]].name}: {COMPARISONS[known[i]].bins[match[known[i]] - 1]}",
            bin=int(match[known[i]]),
            dimension=DIMENSION_OF.get(COMPARISONS[known[i]].name, ""),
            effect=round(float(effects[i]), 6),
        )
        for i in np.argsort(-np.abs(effects), kind="stable")
    )


def explain(
    found_by: Sequence[str],
    because: Sequence[str],
    probabilities: Mapping[str, float],
    blend: Blend | None,
    features: np.ndarray | None,
    demoted_by: Sequence[str] = (),
    match: Sequence[MatchEffect] = (),
    by_relevance: bool = False,
) -> Explanation:
    """The explanation of one result.

    Args:
        found_by: Its retrieval sources.
        because: What retrieval says of it, as `ranking.rank.Ranked.because`.
        probabilities: Task -> calibrated probability.
        blend: Of the bundle; None: the answer was not blended.
        features: (F,) in the order of `blend.names`; None: the result was not blended.
        demoted_by: Names of rules.
        match: Of `match_effects`.
        by_relevance: Whether the relevance alone put the answer in order.
    """
    parts: dict[str, float] = {}
    words = [_sentence(clause) for clause in because]
    words += [f"{TASKS[task]} {probability:.0%}." for task, probability in probabilities.items() if task in TASKS]
    if blend is not None and features is not None:
        values = contributions(blend, np.asarray(features)[None])[0]
        order = np.argsort(-np.abs(values), kind="stable")
        parts = {blend.names[i]: float(values[i]) for i in order}
        floor = MIN_SHARE * float(np.abs(values).max(initial=0.0))
        words += [_sentence(reason) for reason, added in reasons(blend, features) if added >= floor]
    weight = 1.0 if by_relevance else _weight(blend, RELEVANCE)
    found = [(finding(_PLACE[effect.name], effect.bin), effect.effect * weight) for effect in match]
    up, down = told(found, MIN_SHARE * max((abs(effect) for _, effect in found), default=0.0))
    words += [_sentence(reason) for reason in up]
    words += [_sentence(f"against it: {drawback}") for drawback in down]
    words += [_sentence(demotion(rule)) for rule in demoted_by]
    return Explanation(
        found_by=tuple(found_by),
        probabilities=dict(probabilities),
        contributions=parts,
        demoted_by=tuple(demoted_by),
        match=tuple(match),
        words=tuple(dict.fromkeys(words)),
    )


def _weight(blend: Blend | None, name: str) -> float:
    """The sign with which an input of the blend moves a job; 0 where the blend does not read it."""
    weights = dict(zip(blend.names, blend.weights, strict=True)) if blend else {}
    return float(np.sign(weights.get(name, 0.0)))


def _sentence(clause: str) -> str:
    return f"{clause[:1].upper()}{clause[1:]}."


def demotion(rule: str) -> str:
    """That a rule demotes a job, or what the query asks for does, in words."""
    if rule == OTHER_WORDS:
        return "it holds little of the words of the query, so it stands after jobs that do and that fit"
    if rule.startswith(ASKED):
        return f"the query asks for another {rule.removeprefix(ASKED)}, so it stands after jobs that fit"
    return f"demoted by rule {rule}"
