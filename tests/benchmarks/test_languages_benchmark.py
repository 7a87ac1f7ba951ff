"""The benchmark of languages measures as its page says, and gives back what the opened cone has taken."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.languages import CONE, DEPTH, E5, MINILM, PROFILES, as_it_came, draw, measure, rows_of


def test_recall_is_of_what_the_depth_can_hold_and_ndcg_of_the_best_ten() -> None:
    grades = np.zeros(300, np.int8)
    grades[:150] = 3
    assert measure(np.arange(DEPTH), grades) == pytest.approx((1, 1))
    few = np.array([4, 0, 3, 1])
    recall, ndcg = measure(np.array([1, 0, 3]), few)
    second, third = 1 / np.log2([3, 4])
    assert recall == 0.5 and ndcg == pytest.approx((4 * second + third) / (4 + 3 * second + third))


def test_vectors_are_given_back_what_was_taken_off() -> None:
    rng = np.random.default_rng(0)
    whole = rng.standard_normal((20, 8)) + 2
    whole /= np.linalg.norm(whole, axis=1, keepdims=True)
    centre = 0.7 * whole.mean(0)
    opened = (whole - centre) / np.linalg.norm(whole - centre, axis=1, keepdims=True)
    np.testing.assert_allclose(as_it_came(opened, centre), whole)


def test_a_market_is_asked_in_its_language_and_in_english(tmp_path) -> None:
    market = draw(tmp_path / "m", "pt", jobs=60, requests=12)
    own, english = market.requests["queries"], market.requests["queries in English"]
    assert own.words != english.words and np.array_equal(own.grades, english.grades)
    assert all(kind.grades.shape == (12, 60) for kind in market.requests.values())
    assert any(market.terms.scores(words).any() for words in own.words)


def test_the_tables_hold_every_system_and_the_differences_stay_in_the_file() -> None:
    values = {(PROFILES, name): np.full((4, 2), value) for name, value in ((MINILM, 0.2), (E5, 0.6), (CONE, 0.5))}
    rows = [row | {"run": 0} for row in rows_of(values, "simulated market in German, 9 jobs")]
    above = {row["metric"]: row["value"] for row in rows if " above " in row["metric"]}
    assert above[f"recall@100 above {MINILM}"] == pytest.approx(0.4)
    assert above[f"ndcg@10 above {E5}"] == pytest.approx(-0.1)
    assert len(rows) == 3 * 2 + 2 * 2
