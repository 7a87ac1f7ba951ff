"""What a change of the policy would do to golden pairs, and which part of it does so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contracts.records import Job, Member
from policy import Judgement, Pair, Policy, RubricJudge, load_policy
from policy.golden.changes import changed_parts, flips
from policy.golden.pairs import GoldenPair, read_pairs
from policy.judges.prompt import build_prompt

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


@pytest.mark.parametrize(
    ("new", "what"),
    [
        (changed("pay", question="Does it pay?"), "dimension pay"),
        (changed("pay", anchors={**OLD.dimensions.pay.anchors, 0: "Far less."}), "dimension pay"),
        (changed("pay", examples=OLD.dimensions.pay.examples[:1]), "dimension pay"),
        (changed(grades={**OLD.grades, 0: "Never."}), "the scale"),
        (changed(name="Another"), "the name"),
        (changed(rules=(OLD.rules[0].model_copy(update={"because": "so"}), *OLD.rules[1:])), "the rules"),
    ],
)
def test_other_words_flip_nothing_and_are_told_since_language_models_read_them(
    pairs: tuple[GoldenPair, ...], new: Policy, what: str
) -> None:
    assert build_prompt(new).version != build_prompt(OLD).version
    assert changed_parts(OLD, new) == [f"text of {what} (language models read it)"]
    assert flips(OLD, new, pairs) == []


def test_a_pair_of_which_the_rubric_knows_nothing_any_more_flips_to_no_grade(pairs: tuple[GoldenPair, ...]) -> None:
    job = Job(id="j", title="Cook", workplace="remote", updated_at=pairs[0].job.updated_at)
    member = Member(id="m", updated_at=pairs[0].job.updated_at)
    bare = pairs[0].model_copy(update={"member": member, "query": "", "job": job})
    (found,) = flips(OLD, changed("place", weight=0), [bare])
    assert (found.old, found.new, found.moved_by) == (4, None, ("dimension place",))


def grades(policy: Policy, asked: list[Pair]) -> list[int]:
    return [one.grade for one in RubricJudge(policy).grade_many(asked) if isinstance(one, Judgement)]


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
    before, after = grades(OLD, [pair.pair for pair in pairs]), grades(new, [pair.pair for pair in pairs])
    expected = {}
    for pair, old, now in zip(pairs, before, after, strict=True):
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
