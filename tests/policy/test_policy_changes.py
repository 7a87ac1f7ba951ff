"""What a change of the policy would do to golden pairs, and which part of it does so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from policy import Policy, RubricJudge, load_policy
from policy.changes import changed_parts, flips
from policy.golden_pairs import GoldenPair, read_pairs

OLD = load_policy()
NO_REACH = (*OLD.rules[:4], *OLD.rules[5:])


@pytest.fixture(scope="module")
def pairs(market: Path) -> tuple[GoldenPair, ...]:
    return read_pairs(market / "golden")[:200]


def changed(dimension: str | None = None, **fields: Any) -> Policy:
    if dimension is None:
        return OLD.model_copy(update=fields)
    part = getattr(OLD.dimensions, dimension).model_copy(update=fields)
    return OLD.model_copy(update={"dimensions": OLD.dimensions.model_copy(update={dimension: part})})


def test_a_policy_of_other_words_for_people_flips_nothing(pairs: tuple[GoldenPair, ...]) -> None:
    new = changed("pay", question="Does it pay?")
    assert changed_parts(OLD, new) == []
    assert flips(OLD, new, pairs) == []


@pytest.mark.parametrize(
    ("new", "part"),
    [
        (changed(cuts=(1.2, 1.9, 2.5, 3.9)), "cuts"),
        (changed("skills", steps=(0.5, 0.6, 0.7, 0.8)), "dimension skills"),
        (changed(rules=NO_REACH), "rule: out of reach, and no wish for that place"),
        (changed(rules=(OLD.rules[0].model_copy(update={"grade_at_most": 0}), *OLD.rules[1:])), "rule: other work"),
        (changed(work={}, related=()), "words and kinds of work"),
    ],
)
def test_every_flip_is_told_with_the_part_that_moved_it(pairs: tuple[GoldenPair, ...], new: Policy, part: str) -> None:
    assert [name for name in changed_parts(OLD, new) if not name.startswith(part)] == []
    found = flips(OLD, new, pairs)
    before, after = RubricJudge(OLD), RubricJudge(new)
    expected = {}
    for pair in pairs:
        old, now = before.grade(*pair.pair).grade, after.grade(*pair.pair).grade
        if old != now:
            expected[pair.pair_id] = (old, now)
    assert found
    assert {flip.pair_id: (flip.old, flip.new) for flip in found} == expected
    assert all(flip.moved_by == tuple(changed_parts(OLD, new)) for flip in found)


def test_of_two_changes_each_flip_names_its_own(pairs: tuple[GoldenPair, ...]) -> None:
    cuts, both = changed(cuts=(1.2, 1.9, 2.5, 3.9)), changed(cuts=(1.2, 1.9, 2.5, 3.9), rules=NO_REACH)
    by_cuts = {flip.pair_id for flip in flips(OLD, cuts, pairs)}
    found = flips(OLD, both, pairs)
    assert any("cuts" not in flip.moved_by for flip in found)
    for flip in found:
        assert ("cuts" in flip.moved_by) == (flip.pair_id in by_cuts)
        assert flip.moved_by != ("the changes together",)
