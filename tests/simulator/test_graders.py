"""Simulated graders: near the truth, each astray in their own way, and called simulated wherever they stand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from policy import RubricJudge, load_policy
from policy.golden.golden import Golden, adjudicate, grader_agreement, load_golden, require_agreement
from policy.golden.sheets import ADJUDICATED, read_adjudicated
from simulator import Truth
from simulator.graders import KAPPA


@pytest.fixture(scope="module")
def golden(small_market: Path) -> Golden:
    return load_golden(small_market / "golden", load_policy().version)


@pytest.fixture(scope="module")
def true(golden: Golden, truth: Truth) -> np.ndarray:
    pairs = golden.pairs
    return truth.fits(
        [pair.member.id if pair.member else "" for pair in pairs],
        [pair.job.id for pair in pairs],
        [pair.query for pair in pairs],
    )


def test_two_graders_agree_as_trained_people_do(golden: Golden) -> None:
    groups = {(group.of, group.name): group.agreement for group in grader_agreement(golden.pairs, golden.sheets)}
    scores = {name: found for (of, name), found in groups.items() if of == "dimension"}
    assert set(scores) == {"function", "skills", "seniority", "place", "pay"}
    for found in (groups["all", ""], *scores.values()):
        assert found.quadratic.value == pytest.approx(KAPPA, abs=0.04)


def test_each_grader_is_a_step_off_the_truth_now_and_then(golden: Golden, true: np.ndarray) -> None:
    first, second = (sheet.grades.astype(int) - true for sheet in golden.sheets)
    for off in (first, second):
        assert set(off.tolist()) == {-1, 0, 1}
        assert np.mean(off != 0) == pytest.approx((1 - KAPPA) * true.var(), abs=0.04)
    assert abs(np.corrcoef(first != 0, second != 0)[0, 1]) < 0.2


def test_what_was_decided_is_nearer_to_the_truth_than_either_grader(golden: Golden, true: np.ndarray) -> None:
    wrong = np.mean(golden.adjudicated != true)
    assert wrong < min(np.mean(sheet.grades != true) for sheet in golden.sheets) / 2


def test_the_set_is_complete_and_the_rubric_judge_passes_by_it(golden: Golden, small_market: Path) -> None:
    assert require_agreement(golden, RubricJudge(load_policy())).judge.pairs == len(golden.pairs)
    before = (small_market / "golden" / ADJUDICATED).read_bytes()
    adjudicate(small_market / "golden")
    assert (small_market / "golden" / ADJUDICATED).read_bytes() == before


def test_everything_says_simulated(golden: Golden, small_market: Path) -> None:
    folder = small_market / "golden"
    assert golden.simulated
    assert {path.name for path in folder.glob("sheet-*")} == {"sheet-simulated-1.csv", "sheet-simulated-2.csv"}
    assert {one.decided_by for one in read_adjudicated(folder, golden.pairs)} == {"agreed", "simulated-3"}
    assert (folder / "README").read_text().startswith("Simulated:")


def test_no_edit_of_the_policy_makes_the_grades_old(golden: Golden, small_market: Path) -> None:
    edited = load_golden(small_market / "golden", "edited")
    assert edited.adjudicated.tolist() == golden.adjudicated.tolist()
