"""The learning curve: its measures by hand, and that it climbs where there is something to learn."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_jobs.labelling.curve import curve_lines, grade_cuts, learning_curve, quadratic_kappas
from beam_jobs.labelling.curve_plot import curve_svg
from beam_jobs.labelling.match_trees import MatchTrees
from contracts.errors import NotReady
from contracts.examples import EXAMPLES, PAIR_FEATURES
from contracts.match import SIZES
from contracts.tables import write_part
from contracts.workspace import Workspace
from policy.golden.agreement import agreement
from tests.make import refused

START = datetime(2026, 1, 1, tzinfo=UTC)


def write_examples(
    workspace: Workspace, lists: int, size: int = 25, noise: float = 0.3, held: int = 20, inclusion: float | None = 1.0
) -> None:
    """Graded served pairs whose grade is a noisy sum of two comparisons; the last lists are valid ones."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(lists):
        bins = rng.integers(0, SIZES, (size, len(SIZES)))
        grades = np.clip(np.round(bins[:, 0] / 3 + (bins[:, 1] > 3) + noise * rng.standard_normal(size)), 0, 4)
        for place in range(size):
            rows.append(
                {
                    "list_id": f"r{number:03d}",
                    "member_id": "m",
                    "query": "",
                    "job_id": f"j{place}",
                    "event_timestamp": START + timedelta(hours=number),
                    "split": "valid" if number >= lists - held else "train",
                    "stratum": "served",
                    "grade": int(grades[place]),
                    "match": bins[place].tolist(),
                    "inclusion": inclusion,
                    **dict.fromkeys(PAIR_FEATURES, 0.0),
                }
            )
    write_part(workspace.examples, pa.Table.from_pylist(rows, EXAMPLES), "all")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def test_agreement_grows_with_the_pairs_until_nothing_is_left_to_learn(workspace: Workspace) -> None:
    write_examples(workspace, 148)
    curve = learning_curve(workspace)
    assert [point.requests for point in curve.points] == [4, 8, 16, 32, 64, 128]
    assert [point.pairs for point in curve.points] == [25 * point.requests for point in curve.points]
    assert (curve.held_requests, curve.held_pairs, curve.held_split) == (20, 500, "valid and test")
    kappas = [point.kappa for point in curve.points]
    assert kappas[-1] > 0.85 and kappas[-1] > kappas[0] + 0.02 and curve.gain == pytest.approx(kappas[-1] - kappas[-2])
    for point in curve.points:
        assert point.kappa_low <= point.kappa <= point.kappa_high
        assert point.spearman_low <= point.spearman <= point.spearman_high
        assert point.money is None
    assert learning_curve(workspace) == curve


def test_held_out_are_the_last_training_requests_where_no_other_was_graded(workspace: Workspace) -> None:
    write_examples(workspace, 40, held=0)
    curve = learning_curve(workspace, most_points=2)
    assert (curve.held_requests, curve.held_split) == (8, "the last training requests")
    assert curve.points[-1].requests == 32


def test_what_pairs_cost_is_told(workspace: Workspace) -> None:
    write_examples(workspace, 30)
    workspace.grades.mkdir()
    workspace.judge_cost.write_text('{"money_per_pair": 0.02}')
    curve = learning_curve(workspace)
    assert [point.money for point in curve.points] == pytest.approx([0.02 * point.pairs for point in curve.points])
    assert f"{curve.points[-1].money:,.2f}" in curve_lines(curve)[len(curve.points)]


@pytest.mark.parametrize("lists", [1, 3])
def test_too_few_requests_are_refused(workspace: Workspace, lists: int) -> None:
    write_examples(workspace, lists, held=0)
    with refused(NotReady, str(workspace.examples)):
        learning_curve(workspace)


def test_the_drawing_is_a_picture_with_words(workspace: Workspace) -> None:
    write_examples(workspace, 40)
    curve = learning_curve(workspace)
    root = ET.fromstring(curve_svg(curve))
    assert len(root.findall(".//{http://www.w3.org/2000/svg}circle")) == 2 * len(curve.points)
    words = root.find("{http://www.w3.org/2000/svg}desc")
    assert words is not None and f"{curve.points[-1].pairs:,} pairs: kappa {curve.points[-1].kappa:.3f}" in str(
        words.text
    )


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=40))
@settings(deadline=None)
def test_kappa_of_a_table_is_the_kappa_of_its_pairs(pairs: list[tuple[int, int]]) -> None:
    first, second = map(list, zip(*pairs, strict=True))
    table = np.bincount([5 * a + b for a, b in pairs], minlength=25)[None]
    found = quadratic_kappas(table)[0]
    if len({*first, *second}) > 1:
        assert found == pytest.approx(agreement(first, second, rounds=1).quadratic.value, abs=1e-9)
    assert np.array_equal(quadratic_kappas(3 * table), [found], equal_nan=True) or found == pytest.approx(
        quadratic_kappas(3 * table)[0]
    )


def test_cuts_give_each_grade_its_share_by_weight() -> None:
    rng = np.random.default_rng(1)
    scores, grades = rng.random(5_000), rng.choice(5, 5_000, p=[0.5, 0.2, 0.15, 0.1, 0.05])
    weights = np.where(scores > 0.5, 3.0, 1.0)
    said = np.searchsorted(grade_cuts(scores, grades, weights), scores, side="right")
    for grade in range(5):
        assert weights[said == grade].sum() == pytest.approx(weights[grades == grade].sum(), rel=0.02)
    assert (np.searchsorted(grade_cuts(scores, np.full(5_000, 2), weights), scores, side="right") == 2).all()


def test_pairs_of_a_budget_weigh_with_their_inverse_probability(workspace: Workspace) -> None:
    """All alike, the weights change nothing."""
    write_examples(workspace, 40, inclusion=1.0)
    every = learning_curve(workspace, most_points=2)
    write_examples(workspace, 40, inclusion=0.25)
    assert [point.kappa for point in learning_curve(workspace, most_points=2).points] == pytest.approx(
        [point.kappa for point in every.points]
    )


def test_trees_do_not_read_a_comparison_that_tells_nothing() -> None:
    bins = np.zeros((50, len(SIZES)), np.uint8)
    assert MatchTrees().fit(bins, np.arange(50)).predict(bins).tolist() == [24.5] * 50
    bins[:, 3] = np.arange(50) % 4
    found = MatchTrees().fit(bins, bins[:, 3]).predict(bins)
    assert np.corrcoef(found, bins[:, 3])[0, 1] > 0.9
