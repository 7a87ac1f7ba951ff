"""How good a bundle is, on what, and how surely: every figure that its manifest and its card state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from models.training.metrics import (
    auc,
    calibration_error,
    calibration_interval,
    list_ndcgs,
    mean_interval,
    rank_correlation,
    top_agreement,
)
from release.held_out import HeldOut, engagement_gains
from release.orders import fits

LEAST_LISTS = 5
"""Lists with a figure under which a slice has none."""


@dataclass
class Figures:
    """Figures of a bundle, collected one after the other.

    Attributes:
        seed: Of the resampled lists.
        metrics: Name -> value; of a slice "name/slice".
        intervals: Name -> low and high of the 95% interval over lists.
    """

    seed: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)

    def add(self, name: str, value: float, interval: tuple[float, float] | None = None) -> None:
        """Keep a value; one that is not finite is left out."""
        if np.isfinite(value):
            self.metrics[name] = float(value)
            if interval is not None:
                self.intervals[name] = interval

    def mean(self, name: str, values: np.ndarray, least: int = 1) -> None:
        """Keep the mean of `values` (lists,), NaN where a list has none, if at least `least` lists have one."""
        if (known := np.isfinite(values)).sum() >= least:
            self.add(name, values[known].mean(), mean_interval(values, self.seed))


def measure_agreement(figures: Figures, held_out: HeldOut, student_logits: np.ndarray) -> None:
    """How far the exported graphs rank the test lists as the float32 student does.

    Args:
        figures: Gets `<task>_ndcg@1_agreement` and `<task>_rank_correlation`.
        held_out: The pairs with the logits of the graphs.
        student_logits: (len(test), tasks) float32 of the student on the test pairs.
    """
    reference = np.full_like(held_out.logits, np.nan)
    reference[held_out.test] = student_logits
    lists = held_out.rows.lists(held_out.test)
    for column, task in enumerate(held_out.tasks):
        served, student = held_out.logits[:, column], reference[:, column]
        figures.add(f"{task}_ndcg@1_agreement", top_agreement(served, student, lists))
        figures.add(f"{task}_rank_correlation", rank_correlation(served, student, lists))


def measure_calibration(figures: Figures, held_out: HeldOut, probabilities: Mapping[str, np.ndarray]) -> None:
    """How far probabilities are from what happened on the test pairs.

    Args:
        figures: Gets `<task>_ece` (expected calibration error), `<task>_said` (mean probability) and `<task>_seen`
            (mean label) over the pairs whose label is known.
        held_out: The pairs.
        probabilities: Calibrated task -> (len(test),) float64.
    """
    rows, test = held_out.rows, held_out.test
    for task, predicted in probabilities.items():
        labels, list_ids = rows.target(task)[test], rows.list_ids[test]
        interval = calibration_interval(predicted, labels, list_ids, figures.seed)
        figures.add(f"{task}_ece", calibration_error(predicted, labels), interval)
        if (known := np.isfinite(labels)).any():
            figures.add(f"{task}_said", predicted[known].mean())
            figures.add(f"{task}_seen", labels[known].mean())


def measure_quality(
    figures: Figures, held_out: HeldOut, final: np.ndarray, slices: Mapping[str, Sequence[np.ndarray]]
) -> None:
    """How good the order of the test lists is.

    Args:
        figures: Gets `served_ndcg@10` of relevance by grades and `order_ndcg@10` of the served order by what members
            did, both by slice too; of the served order also `order_policy_ndcg@10` by grades, `order_good_fits@10` and
            `order_poor_fits@10`; and `served_<task>_auc` of the engagement tasks.
        held_out: The pairs with the logits of the graphs.
        final: (n,) scores of `release.order.served_scores`.
        slices: Name -> row numbers of each list; "" for all test lists.
    """
    rows, test = held_out.rows, held_out.test
    for name, lists in slices.items():
        ending, least = (f"/{name}", LEAST_LISTS) if name else ("", 1)
        if "relevance" in held_out.tasks:
            graded = list_ndcgs(held_out.task_logits("relevance"), rows.target("relevance"), lists)
            figures.mean(f"served_ndcg@10{ending}", graded, least)
        figures.mean(f"order_ndcg@10{ending}", list_ndcgs(final, engagement_gains(rows), lists), least)
    grades = rows.target("relevance")
    figures.mean("order_policy_ndcg@10", list_ndcgs(final, grades, slices[""]))
    for name, shares in zip(("good", "poor"), fits(final, 4 * grades, slices[""]), strict=True):
        figures.mean(f"order_{name}_fits@10", shares)
    for task in held_out.tasks:
        if task != "relevance":
            figures.add(f"served_{task}_auc", auc(held_out.task_logits(task)[test], rows.target(task)[test]))
