from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.bundle import Calibration, Manifest
from contracts.errors import BadInput
from ranking.calibrate import calibrated, fit_isotonic, probabilities

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
    with pytest.raises(BadInput, match="0 known labels"):
        fit_isotonic(np.array([1.0]), np.array([np.nan]))


def test_between_knots_it_is_linear_and_outside_it_is_flat() -> None:
    calibration = Calibration(logits=(0.0, 2.0), probabilities=(0.2, 0.6))
    np.testing.assert_allclose(calibrated(calibration, np.array([-9, 0, 1, 2, 9])), [0.2, 0.2, 0.4, 0.6, 0.6])


def test_a_task_without_calibration_is_the_sigmoid() -> None:
    manifest = Manifest(
        text_version="1", tasks=("view", "apply"), task_sentences={}, item_tokens=1, hidden=1, max_prefix_tokens=1,
        max_item_tokens=1, precision="int8",
        calibration={"apply": Calibration(logits=(0.0,), probabilities=(0.1,))},
    )  # fmt: skip
    np.testing.assert_allclose(probabilities(manifest, np.array([[0.0, 3.0]])), [[0.5, 0.1]])
    assert probabilities(manifest, np.zeros((0, 2))).shape == (0, 2)
