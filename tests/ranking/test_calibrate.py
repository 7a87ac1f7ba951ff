from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.bundle import Calibration, Manifest
from contracts.errors import BadInput
from ranking.calibrate import by_rank, calibrated, fit_by_rank, fit_isotonic, probabilities
from tests.make import refused

pairs = st.lists(st.tuples(st.floats(-20, 20), st.floats(0, 1)), min_size=1, max_size=60)


@given(pairs)
def test_a_higher_logit_never_has_a_lower_probability(found: list[tuple[float, float]]) -> None:
    logits, labels = np.array(found).T
    at = np.linspace(-30, 30, 500)
    mapped = calibrated(fit_isotonic(logits, labels), at)
    assert (np.diff(mapped) >= 0).all()
    assert (mapped > 0).all() and (mapped < 1).all()


def test_calibrated_probabilities_match_the_frequencies() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=20_000)
    truth = 1 / (1 + np.exp(-(0.5 * logits - 2)))  # an over-confident scorer
    labels = (random.random(20_000) < truth).astype(float)
    mapped = calibrated(fit_isotonic(logits, labels), logits)
    assert np.abs(mapped - truth).mean() < 0.02


def test_unknown_labels_are_left_out() -> None:
    logits, labels = np.array([-1.0, 0.0, 1.0, 5.0]), np.array([0.0, np.nan, 1.0, np.nan])
    assert fit_isotonic(logits, labels) == fit_isotonic(logits[[0, 2]], labels[[0, 2]])


def test_no_known_label_is_an_error() -> None:
    with refused(BadInput, "0 of 1 labels"):
        fit_isotonic(np.array([1.0]), np.array([np.nan]))


def test_a_logit_that_is_not_finite_is_an_error() -> None:
    with refused(BadInput, "1 of 2 logits"):
        fit_isotonic(np.array([1.0, np.inf, np.nan]), np.array([0.0, 1.0, np.nan]))


def test_between_knots_it_is_linear_and_outside_it_is_flat() -> None:
    calibration = Calibration(logits=(0.0, 2.0), probabilities=(0.2, 0.6))
    np.testing.assert_allclose(calibrated(calibration, np.array([-9, 0, 1, 2, 9])), [0.2, 0.2, 0.4, 0.6, 0.6])


def manifest(**calibration: tuple[Calibration, ...]) -> Manifest:
    return Manifest(
        text_version="1",
        tasks=("view", "apply"),
        task_sentences={},
        item_tokens=1,
        hidden=1,
        max_prefix_tokens=1,
        max_item_tokens=1,
        precision="int8",
        calibration=calibration,
    )


def test_a_task_without_calibration_has_no_probability() -> None:
    bundle = manifest(apply=(Calibration(logits=(0.0,), probabilities=(0.1,)),))
    found = probabilities(bundle, np.array([[0.0, 3.0]]))
    assert {task: p.tolist() for task, p in found.items()} == {"apply": [0.1]} and bundle.uncalibrated == ("view",)
    assert probabilities(bundle, np.zeros((0, 2)))["apply"].shape == (0,)


def test_a_place_is_calibrated_by_its_own_map_and_one_that_is_not_known_by_that_of_all() -> None:
    flat = {first: Calibration(from_rank=first, logits=(0.0,), probabilities=(p,)) for first, p in RATES.items()}
    found = probabilities(manifest(view=tuple(flat.values())), np.zeros((6, 2)), np.array([0, 1, 2, 3, 4, 99]))
    np.testing.assert_allclose(found["view"], [0.2, 0.5, 0.3, 0.3, 0.1, 0.1])


def test_a_place_without_a_map_is_read_as_the_nearest_before_it_or_else_after_it() -> None:
    maps = tuple(Calibration(from_rank=first, logits=(0.0,), probabilities=(p,)) for first, p in GAPS.items())
    found = by_rank(maps, np.zeros(6), np.array([0, 1, 2, 4, 10, 11]))
    np.testing.assert_allclose(found, [0.2, 0.3, 0.3, 0.3, 0.3, 0.1])
    assert by_rank(maps[:1], np.zeros(2), np.array([0, 5])).tolist() == [0.2, 0.2]


def test_a_group_of_places_without_a_label_has_no_map() -> None:
    logits, ranks, labels = shown(2_000)
    labels[(ranks == 1) | ((ranks > 3) & (ranks < 11))] = np.nan
    assert [one.from_rank for one in fit_by_rank(logits, labels, ranks)] == [0, 2, 11]


GAPS = {0: 0.2, 2: 0.3, 11: 0.1}
RATES = {0: 0.2, 1: 0.5, 2: 0.3, 4: 0.1}


def shown(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits, ranks 1 to 12 and labels whose rate falls with the rank."""
    random = np.random.default_rng(seed)
    logits, ranks = random.normal(size=n), random.integers(1, 13, n)
    return logits, ranks, (random.random(n) < 1 / (1 + np.exp(-logits)) / ranks).astype(float)


def test_of_many_labels_each_group_of_places_gets_its_own_rates() -> None:
    logits, ranks, labels = shown(40_000)
    p = by_rank(fit_by_rank(logits, labels, ranks), logits, ranks)
    plain = calibrated(fit_isotonic(logits, labels), logits)
    for at in (ranks == 1, (ranks > 1) & (ranks < 4), ranks > 10):
        assert p[at].mean() == pytest.approx(labels[at].mean(), rel=0.1)
        assert abs(plain[at].mean() / labels[at].mean() - 1) > 0.3, "which one map of all places cannot say"


def test_of_few_labels_a_group_of_places_stays_near_all_places() -> None:
    logits, ranks, labels = shown(200)
    first = ranks == 1
    labels[first] = 0.0  # of seventeen pairs or so: no reason to believe that nobody opens the first job
    p = by_rank(fit_by_rank(logits, labels, ranks), logits, ranks)
    plain = calibrated(fit_isotonic(logits, labels), logits)
    assert (p[first] > 0.8 * plain[first]).all()


@given(st.lists(st.tuples(st.floats(-20, 20), st.booleans(), st.integers(0, 15)), min_size=1, max_size=60))
def test_at_one_place_a_higher_logit_never_has_a_lower_probability(found: list[tuple[float, bool, int]]) -> None:
    logits, labels, ranks = (np.array(column, float) for column in zip(*found, strict=True))
    maps = fit_by_rank(logits, labels, ranks)
    at = np.linspace(-30, 30, 200)
    for rank in range(16):
        mapped = by_rank(maps, at, np.full(200, rank))
        assert (np.diff(mapped) >= -1e-12).all() and (mapped > 0).all() and (mapped < 1).all()
