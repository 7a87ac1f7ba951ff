"""Grades given one at a time: they stand in the golden set, those of several graders beside each other."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from contracts.errors import BadInput, OtherPolicy
from policy.golden.golden import grader_agreement, load_golden
from policy.golden.grading import PICKED, begin, give_mark, next_pair, pick, read_graded
from policy.golden.pairs import read_pairs, write_pairs
from policy.golden.sheets import Mark, read_adjudicated, read_sheets
from tests.make import refused

ANN, BOB = (4, 3, 1), (4, 0, 1)


def test_marks_come_back_with_scores_and_note(tmp_path: Path, golden_pair: Callable) -> None:
    write_pairs(tmp_path, [golden_pair(0), golden_pair(1)])
    mark = Mark(3, {"skills": 2, "pay": 0}, "=HYPERLINK(1)")
    give_mark(tmp_path, "ann", "p1", mark, "v1")
    assert read_graded(tmp_path).marks == {"ann": {"p1": mark}}
    assert read_graded(tmp_path).policy_version == "v1"


def test_an_unfinished_sheet_does_not_count_and_its_last_grade_makes_it_count(
    tmp_path: Path, write_golden: Callable
) -> None:
    pairs = write_golden(tmp_path, ann=ANN, bob=BOB)
    for i, grade in enumerate((2, 2)):
        give_mark(tmp_path, "eve", f"p{i}", Mark(grade), "v1")
        assert [sheet.grader for sheet in read_sheets(tmp_path, pairs)] == ["ann", "bob"]
    give_mark(tmp_path, "eve", "p2", Mark(1), "v1")
    sheets = read_sheets(tmp_path, pairs)
    assert [(sheet.grader, sheet.grades.tolist()) for sheet in sheets][2] == ("eve", [2, 2, 1])
    assert [path.name for path in tmp_path.glob("unfinished-*")] == []
    decided = read_adjudicated(tmp_path, pairs)
    assert [decision.grade for decision in decided] == [None, None, 1]
    assert decided[2].grades == "ann 1; bob 1; eve 1"


def test_a_changed_grade_of_a_finished_sheet_is_adjudicated_anew(tmp_path: Path, write_golden: Callable) -> None:
    write_golden(tmp_path, ann=ANN, bob=BOB)
    give_mark(tmp_path, "bob", "p1", Mark(3), "v1")
    assert load_golden(tmp_path, "v1").adjudicated.tolist() == [4, 3, 1]


def test_graders_at_once_lose_no_grade(tmp_path: Path, golden_pair: Callable) -> None:
    pairs = [golden_pair(i) for i in range(12)]
    write_pairs(tmp_path, pairs)
    asked = [(grader, pair.pair_id) for pair in pairs for grader in ("ann", "bob", "eve")]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: give_mark(tmp_path, *one, Mark(2), "v1"), asked))
    assert {name: len(marks) for name, marks in read_graded(tmp_path).marks.items()} == dict(ann=12, bob=12, eve=12)
    assert load_golden(tmp_path, "v1").adjudicated.tolist() == [2] * 12


def test_picked_pairs_stand_apart_from_drawn_ones(tmp_path: Path, write_golden: Callable) -> None:
    write_golden(tmp_path, ann=ANN, bob=ANN)
    give_mark(tmp_path, "bob", "p0", Mark(ANN[0]), "v1")  # adjudicates
    drawn = read_pairs(tmp_path)
    picked = pick(tmp_path, drawn[0].member, "", drawn[1].job)
    assert pick(tmp_path, drawn[0].member, "", drawn[1].job) == picked
    give_mark(tmp_path / PICKED, "ann", picked.pair_id, Mark(0), "v1")
    assert read_graded(tmp_path / PICKED).marks["ann"] == {picked.pair_id: Mark(0)}
    assert load_golden(tmp_path, "v1").pairs == drawn


def test_a_new_picked_pair_leaves_the_earlier_marks(tmp_path: Path, golden_pair: Callable) -> None:
    tried = golden_pair(0)
    first = pick(tmp_path, tried.member, "", tried.job)
    place = tmp_path / PICKED
    give_mark(place, "ann", first.pair_id, Mark(0), "v1")
    assert [path.name for path in place.glob("*.csv")] == ["sheet-ann.csv"]
    second = pick(tmp_path, None, "welder", tried.job)
    assert [path.name for path in place.glob("*.csv")] == ["unfinished-ann.csv"]
    graded = read_graded(place)
    assert [pair.pair_id for pair in graded.pairs] == [first.pair_id, second.pair_id]
    assert graded.marks == {"ann": {first.pair_id: Mark(0)}}


def test_the_next_pair_is_the_one_that_is_seen_apart(tmp_path: Path, write_golden: Callable) -> None:
    write_golden(tmp_path, ann=ANN, bob=BOB)
    graded = read_graded(tmp_path)
    assert next_pair(graded, "eve", {}) == graded.pairs[1]
    assert next_pair(graded, "eve", {"p0": 1, "p1": 1, "p2": 1}) == graded.pairs[1]
    assert next_pair(graded, "eve", {"p0": 0, "p1": 2, "p2": 1}) == graded.pairs[0]
    assert next_pair(graded, "ann", {}) is None


def test_agreement_of_unfinished_sheets_is_that_of_the_pairs_both_graded(tmp_path: Path, golden_pair: Callable) -> None:
    pairs = [golden_pair(i) for i in range(4)]
    write_pairs(tmp_path, pairs)
    for grader, of in (("ann", (0, 1, 2)), ("bob", (1, 2, 3))):
        for i in of:
            give_mark(tmp_path, grader, f"p{i}", Mark(i), "v1")
    graded = read_graded(tmp_path)
    overall = grader_agreement(graded.pairs, graded.sheets())[0]
    assert (overall.agreement.pairs, overall.agreement.exact) == (2, 1.0)


@pytest.mark.parametrize(
    ("grader", "pair_id", "mark", "named"),
    [
        ("../ann", "p0", Mark(1), "../ann"),
        ("ann", "p9", Mark(1), "p9"),
        ("ann", "p0", Mark(5), "5"),
        ("ann", "p0", Mark(1, {"pay": 7}), "0 to 4"),
    ],
)
def test_what_is_no_mark_is_refused(
    tmp_path: Path, golden_pair: Callable, grader: str, pair_id: str, mark: Mark, named: str
) -> None:
    write_pairs(tmp_path, [golden_pair(0)])
    with refused(BadInput, named):
        give_mark(tmp_path, grader, pair_id, mark, "v1")
    assert read_graded(tmp_path).marks == {}


def test_a_set_of_another_policy_is_not_graded_on(tmp_path: Path, write_golden: Callable) -> None:
    write_golden(tmp_path, ann=ANN, bob=BOB)
    with refused(OtherPolicy, "v1", "v2"):
        give_mark(tmp_path, "eve", "p0", Mark(1), "v2")


def test_grading_begins_with_the_set_that_is_there_and_is_never_begun_anew(
    tmp_path: Path, write_golden: Callable
) -> None:
    write_golden(tmp_path / "golden", ann=ANN, bob=BOB)
    begin(tmp_path / "graded", tmp_path / "golden")
    give_mark(tmp_path / "graded", "eve", "p0", Mark(1), "v1")
    begin(tmp_path / "graded", tmp_path / "golden")
    assert set(read_graded(tmp_path / "graded").marks) == {"ann", "bob", "eve"}
    begin(tmp_path / "none", tmp_path / "absent")
    assert read_graded(tmp_path / "none").pairs == ()
