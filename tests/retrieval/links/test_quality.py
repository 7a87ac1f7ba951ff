from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, sparse
from scipy.special import expit

from retrieval.links.candidates import CandidateLinks, balance
from retrieval.links.quality import hire_shares, l1_weights, solve_l1
from retrieval.links.values import Value


def problem(seed: int, pairs: int = 120, links: int = 12) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    holds = rng.random((pairs, links)) < 0.25
    logit = 2.5 * holds[:, 0] - 2.0 * holds[:, 1] + 1.5 * holds[:, 2] - 0.7
    hired = rng.random(pairs) < expit(logit)
    hired[:2] = True, False
    return holds, hired


def candidates(holds: np.ndarray, hired: np.ndarray) -> CandidateLinks:
    links = [((Value("skills", f"s{i:02}"),), (Value("title", "t"),)) for i in range(holds.shape[1])]
    return CandidateLinks(links, sparse.csc_array(holds), holds[hired].sum(axis=0), holds[~hired].sum(axis=0))


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from([0.1, 0.3, 1.0, 3.0]))
def test_weights_satisfy_the_optimality_conditions(seed, strength):
    """The gradient of the loss is -sign(w) where w is not 0, and at most 1 in size where it is (KKT)."""
    holds, hired = problem(seed)
    weight = balance(hired)
    found, intercept = solve_l1(sparse.csc_array(holds.astype(float)), hired, strength, weight)
    error = np.where(hired, 1.0, weight) * (expit(holds @ found + intercept) - hired)
    gradient = strength * (error @ holds)
    used = found != 0
    np.testing.assert_allclose(gradient[used], -np.sign(found[used]), atol=0.02)
    assert (np.abs(gradient[~used]) <= 1.02).all()
    assert abs(strength * error.sum()) < 0.05


def test_the_objective_is_no_worse_than_that_of_another_solver():
    holds, hired = problem(3)
    weight, strength = balance(hired), 0.5
    scale = np.where(hired, 1.0, weight)

    def objective(w: np.ndarray, intercept: float) -> float:
        margin = np.where(hired, 1.0, -1.0) * (holds @ w + intercept)
        return float(np.abs(w).sum() + strength * (scale * np.logaddexp(0.0, -margin)).sum())

    n = holds.shape[1]
    split = optimize.minimize(  # w = positive part - negative part, so that |w| is smooth
        lambda x: objective(x[:n] - x[n:-1], x[-1]),
        np.full(2 * n + 1, 0.1),
        bounds=[(0, None)] * (2 * n) + [(None, None)],
        method="L-BFGS-B",
        options={"maxfun": 200_000, "maxiter": 2_000},
    )
    found, intercept = solve_l1(sparse.csc_array(holds.astype(float)), hired, strength, weight)
    assert objective(found, intercept) <= split.fun + 1e-2


def test_a_stronger_penalty_leaves_fewer_links():
    holds, hired = problem(1, pairs=400)
    counts = [np.count_nonzero(l1_weights(candidates(holds, hired), hired, c)) for c in (0.01, 0.1, 10.0)]
    assert counts[0] < counts[1] < counts[2]


def test_of_links_that_hold_for_the_same_pairs_the_first_stands_for_all():
    holds, hired = problem(2, pairs=400)
    twice = np.concatenate([holds[:, :1], holds], axis=1)
    weights = l1_weights(candidates(twice, hired), hired, 1.0)
    assert weights[0] > 0.5 and weights[1] == 0
    np.testing.assert_array_equal(np.delete(weights, 1), l1_weights(candidates(holds, hired), hired, 1.0))


def test_a_share_is_of_hires_where_both_classes_weigh_the_same():
    hired = np.array([True, True, False, False, False, False])
    holds = np.array([[1, 1], [1, 0], [1, 0], [0, 0], [0, 0], [1, 0]], bool)
    assert hire_shares(candidates(holds, hired), hired) == pytest.approx([2 / (2 + 2 * 0.5), 1.0])
