"""Contradictions of a policy whose fields each fit: two places of it that cannot both be meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from contracts.text.words import stems
from policy.rubric.dimensions import score_dimensions
from policy.rubric.titles import TitleReader
from policy.types import DIMENSIONS, Dimension, HardRule, Policy, SteppedDimension


class Contradiction(NamedTuple):
    """A fault at a field of the document, as a path of keys and places."""

    path: tuple[str | int, ...]
    what: str
    cure: str


def contradictions(policy: Policy) -> Iterator[Contradiction]:
    """All contradictions in the order in which to mend them: an example may be wrong because a criterion is."""
    yield from _scales(policy)
    yield from _words(policy)
    yield from _examples(policy)
    yield from _rules(policy)


def _scales(policy: Policy) -> Iterator[Contradiction]:
    """Scales on which the farther scores more than the nearer."""
    distance = policy.dimensions.seniority.by_distance
    place, industry = policy.dimensions.place.scores, policy.dimensions.industry.scores
    scales: tuple[tuple[str, str, Sequence[int], str], ...] = (
        ("seniority", "by_distance", distance, "none, one, two, three or more rungs"),
        ("place", "scores", (place.same_city, place.same_region, place.elsewhere), "same_city, same_region, elsewhere"),
        ("industry", "scores", (industry.same, industry.in_part, industry.other), "same, in_part, other"),
    )
    for name, field, scores, order in scales:
        if any(nearer < farther for nearer, farther in pairwise(scores)):
            what = f"the farther scores more than the nearer: {list(scores)} for {order}"
            yield Contradiction(("dimensions", name, field), what, "let the scores fall, or stay, with the distance")


def _words(policy: Policy) -> Iterator[Contradiction]:
    """Words with two meanings; the reader of titles ignores endings."""
    rungs: dict[tuple[str, ...], str] = {}
    for rung, phrases in policy.dimensions.seniority.words.items():
        for i, phrase in enumerate(phrases):
            first = rungs.setdefault(stems(phrase), rung)
            if first != rung:
                path = ("dimensions", "seniority", "words", rung, i)
                yield Contradiction(path, f"{phrase!r} already tells the rung {first!r}", "keep it on one rung")
    kinds: dict[tuple[str, ...], tuple[str, str]] = {}
    for field, of_field in policy.work.items():
        for kind, phrases in of_field.items():
            for i, phrase in enumerate(phrases):
                first, same = kinds.setdefault(stems(phrase), (kind, phrase))
                if first != kind:
                    what = f"{phrase!r} is already work of kind {first!r}, there as {same!r}"
                    yield Contradiction(("work", field, kind, i), what, "keep it in one kind, or write a longer phrase")


def _examples(policy: Policy) -> Iterator[Contradiction]:
    """Worked examples that the criteria score otherwise."""
    titles = TitleReader(policy)
    for name in DIMENSIONS:
        for i, example in enumerate(getattr(policy.dimensions, name).examples):
            score = score_dimensions(policy, titles, example.member, example.job, example.query)[name]
            if score != example.score:
                what = f"the example says {example.score}, "
                what += "the criteria say nothing" if score is None else f"the criteria give {score}"
                yield Contradiction(
                    ("dimensions", name, "examples", i, "score"), what, "correct the example, or the criteria"
                )


def _rules(policy: Policy) -> Iterator[Contradiction]:
    """Rules that never lower a grade: no pair meets them, or another rule is at least as strict."""
    for i, rule in enumerate(policy.rules):
        path = ("rules", i)
        if rule.grade_at_most == 4:
            yield Contradiction(path, "at most 4 is no limit", "give a lower grade, or remove the rule")
        for name, limit in rule.when.items():
            if limit.at_most < (least := _least_score(policy, name)):
                what = f"it never applies: {name} never scores below {least}"
                yield Contradiction((*path, "when", name), what, "raise the limit, or remove the rule")
        for j, other in enumerate(policy.rules):
            if other is not rule and _covers(other, rule) and (j < i or not _covers(rule, other)):
                same = other.when == rule.when
                what = f"{'it repeats' if same else 'it never counts beside'} rule {j + 1}, which allows at most "
                what += f"{other.grade_at_most}: {other.because}"
                yield Contradiction(path, what, "keep the one that is meant")
                break


def _covers(strict: HardRule, rule: HardRule) -> bool:
    """Whether `strict` holds wherever `rule` does, and allows no more."""
    wider = all(name in rule.when and rule.when[name].at_most <= limit.at_most for name, limit in strict.when.items())
    return wider and strict.grade_at_most <= rule.grade_at_most


def _least_score(policy: Policy, name: Dimension) -> int:
    dimensions = policy.dimensions
    if name == "seniority":
        return min(dimensions.seniority.by_distance)
    if name == "place":
        scores = dimensions.place.scores
        return max(
            0, min(scores.same_city, scores.same_region, scores.elsewhere, scores.remote) - scores.workplace_not_wished
        )
    if name == "industry":
        return min(
            dimensions.industry.scores.same, dimensions.industry.scores.in_part, dimensions.industry.scores.other
        )
    stepped: SteppedDimension = getattr(dimensions, name)
    return sum(step <= 0 for step in stepped.steps)
