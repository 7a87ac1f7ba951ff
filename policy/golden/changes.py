"""What a change of the policy does: which golden pairs the rubric judge would grade otherwise, and what moves each.

Texts that only a language model reads move no grade of the rubric judge; their changes are listed all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel

from policy.golden.pairs import GoldenPair
from policy.judges.base import Judgement
from policy.judges.rubric import RubricJudge
from policy.types import DIMENSIONS, HardRule, Policy

_WORDS = ("generic", "work", "related")
_TEXT = {"question", "anchors", "examples"}
"""Of a dimension: what a language model reads and the rubric judge does not."""


class Flip(NamedTuple):
    """A pair that gets another grade.

    Attributes:
        pair_id: Of the golden pair.
        stratum: Of the golden pair.
        old: The grade by the old policy; None where the rubric judge cannot grade the pair.
        new: The grade by the new policy, likewise.
        moved_by: The parts of the change that each alone give another grade than the old one; "the changes together"
            where none does.
    """

    pair_id: str
    stratum: str
    old: int | None
    new: int | None
    moved_by: tuple[str, ...]


def changed_parts(old: Policy, new: Policy) -> list[str]:
    """The names of what a judge reads and what differs, such as "dimension pay", "cuts", "rule: two rungs apart"."""
    texts = [f"text of {name} (language models read it)" for name in _changed_texts(old, new)]
    return [*(name for name, _ in _single_changes(old, new)), *texts]


def flips(old: Policy, new: Policy, pairs: Sequence[GoldenPair]) -> list[Flip]:
    """The pairs that flip, in their order."""
    judged = [pair.pair for pair in pairs]

    def grades(policy: Policy) -> list[int | None]:
        outcomes = RubricJudge(policy).grade_many(judged)
        return [outcome.grade if isinstance(outcome, Judgement) else None for outcome in outcomes]

    before, after = grades(old), grades(new)
    alone = {name: grades(policy) for name, policy in _single_changes(old, new)} if before != after else {}
    return [
        Flip(
            pair.pair_id,
            pair.stratum,
            before[i],
            after[i],
            tuple(name for name, changed in alone.items() if changed[i] != before[i]) or ("the changes together",),
        )
        for i, pair in enumerate(pairs)
        if before[i] != after[i]
    ]


def _single_changes(old: Policy, new: Policy) -> Iterator[tuple[str, Policy]]:
    """The old policy with one part of the new one, for each part that differs and that a rubric judge reads.

    The weights of such a policy need not add up to 100: the judge divides by their sum.
    """
    if old.cuts != new.cuts:
        yield "cuts", old.model_copy(update={"cuts": new.cuts})
    for name in DIMENSIONS:
        was, becomes = getattr(old.dimensions, name), getattr(new.dimensions, name)
        if _criteria(was) != _criteria(becomes):
            dimensions = old.dimensions.model_copy(update={name: becomes})
            yield f"dimension {name}", old.model_copy(update={"dimensions": dimensions})
    if any(getattr(old, name) != getattr(new, name) for name in _WORDS):
        yield "words and kinds of work", old.model_copy(update={name: getattr(new, name) for name in _WORDS})
    was_rules, rules = _by_condition(old), _by_condition(new)
    for condition in dict.fromkeys([*was_rules, *rules]):
        was_rule, rule = was_rules.get(condition), rules.get(condition)
        if was_rule and rule and was_rule.grade_at_most == rule.grade_at_most:
            continue
        others = [kept for kept in old.rules if kept is not was_rule]
        named = rule or was_rules[condition]
        yield f"rule: {named.because}", old.model_copy(update={"rules": (*others, *([rule] if rule else []))})


def _changed_texts(old: Policy, new: Policy) -> Iterator[str]:
    if old.name != new.name:
        yield "the name"
    if old.grades != new.grades:
        yield "the scale"
    for name in DIMENSIONS:
        was, becomes = getattr(old.dimensions, name), getattr(new.dimensions, name)
        if was.model_dump(include=_TEXT) != becomes.model_dump(include=_TEXT):
            yield f"dimension {name}"
    was_rules, rules = _by_condition(old), _by_condition(new)
    if any(was_rules[when].because != rules[when].because for when in was_rules.keys() & rules.keys()):
        yield "the rules"


def _criteria(dimension: BaseModel) -> dict[str, Any]:
    """What the rubric judge reads of a dimension."""
    return dimension.model_dump(exclude=_TEXT)


def _by_condition(policy: Policy) -> dict[tuple, HardRule]:
    return {tuple(sorted((name, limit.at_most) for name, limit in rule.when.items())): rule for rule in policy.rules}
