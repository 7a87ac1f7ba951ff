"""The gate before export: each figure on its own refuses a bundle, with its value, its threshold and the cure."""

from __future__ import annotations

import pytest

from contracts.errors import ExportRefused
from models.config import ExportConfig
from release.gate import refuse
from tests.make import refused

GOOD = {"view_ndcg@1_agreement": 0.999, "view_rank_correlation": 0.99, "view_ece": 0.01}
SURE = {"view_ece": (0.005, 0.02)}
KNOBS = ExportConfig(least_agreement=0.98, least_rank_correlation=0.85, most_calibration_error=0.1)


def test_good_figures_pass() -> None:
    refuse(GOOD, SURE, ["view"], KNOBS)


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        ({"view_ndcg@1_agreement": 0.9}, ("view", "NDCG@1", 0.9, 0.98)),
        ({"view_rank_correlation": 0.5}, ("view", "rank correlation", 0.5, 0.85)),
    ],
)
def test_a_task_that_strays_from_float32_refuses(figure: dict[str, float], said: tuple) -> None:
    with refused(ExportRefused, *said, where=f"precision {KNOBS.precision}"):
        refuse(GOOD | figure, SURE, ["view"], KNOBS)


def test_probabilities_that_are_surely_wrong_refuse() -> None:
    with refused(ExportRefused, "view", "0.200", "0.150 to 0.250", 0.1):
        refuse(GOOD | {"view_ece": 0.2}, {"view_ece": (0.15, 0.25)}, ["view"], KNOBS)


def test_a_calibration_error_that_few_labels_may_explain_passes() -> None:
    refuse(GOOD | {"view_ece": 0.2}, {"view_ece": (0.05, 0.35)}, ["view"], KNOBS)
    refuse({name: value for name, value in GOOD.items() if name != "view_ece"}, {}, ["view"], KNOBS)


@pytest.mark.parametrize("figure", ["view_ndcg@1_agreement", "view_rank_correlation"])
def test_a_figure_that_could_not_be_taken_refuses(figure: str) -> None:
    with refused(ExportRefused, "nan"):
        refuse({name: value for name, value in GOOD.items() if name != figure}, SURE, ["view"], KNOBS)


def test_every_failure_is_told_at_once_and_other_tasks_are_not_held_to_it() -> None:
    figures = GOOD | {"view_rank_correlation": 0.1, "apply_ndcg@1_agreement": 0.2, "apply_rank_correlation": 0.9}
    with pytest.raises(ExportRefused) as refused:
        refuse(figures, SURE, ["view", "apply"], KNOBS)
    assert "view: rank correlation" in str(refused.value) and "apply: NDCG@1 agreement" in str(refused.value)
    refuse(GOOD | {"apply_ndcg@1_agreement": 0.2}, SURE, ["view"], KNOBS)


def test_a_calibration_error_that_resampling_raises_further_is_held_to_what_it_surely_is() -> None:
    """Resamples of 0.11 to 0.2 around 0.12 say that chance adds: the error itself is surely over 0.04 alone."""
    refuse(GOOD | {"view_ece": 0.12}, {"view_ece": (0.11, 0.2)}, ["view"], KNOBS)
    with refused(ExportRefused, "0.200", "0.120", "0.210", "0.1"):
        refuse(GOOD | {"view_ece": 0.2}, {"view_ece": (0.19, 0.28)}, ["view"], KNOBS)
