"""How good a bundle is, on what, and how surely: every figure that its manifest and its card state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from contracts.bundle import Calibration
from contracts.tasks import GAINS
from ranking.calibrate import by_rank

if TYPE_CHECKING:
    from models.training.rows import Rows

LEAST_LISTS = 5
"""Lists with a figure under which a slice has none."""


@dataclass
class Figures:
    """metrics: name -> value, of a slice as "name/slice"; intervals: name -> low and high of 95% over lists."""

    seed: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)

    def add(self, name: str, value: float, interval: tuple[float, float] | None = None) -> None:
        """A value that is not a number is left out."""
        if np.isfinite(value):
            self.metrics[name] = float(value)
            if interval is not None:
                self.intervals[name] = interval

    def mean(self, name: str, values: np.ndarray, least: int = 1) -> None:
        """The mean over lists of `values` (lists,), NaN where a list has none."""
        from models.training.metrics import mean_interval

        if (known := np.isfinite(values)).sum() >= least:
            self.add(name, values[known].mean(), mean_interval(values, self.seed))


def agreements(
    figures: Figures, tasks: Sequence[str], served: np.ndarray, whole: np.ndarray, lists: Sequence[np.ndarray]
) -> None:
    """How far what is served ranks as the float32 student. served, whole: (n, tasks) logits; lists: of their rows."""
    from models.training.metrics import rank_correlation, top_agreement

    for column, task in enumerate(tasks):
        figures.add(f"{task}_ndcg@1_agreement", top_agreement(served[:, column], whole[:, column], lists))
        figures.add(f"{task}_rank_correlation", rank_correlation(served[:, column], whole[:, column], lists))


def calibrations(
    figures: Figures,
    calibration: Mapping[str, Sequence[Calibration]],
    rows: Rows,
    tasks: Sequence[str],
    logits: np.ndarray,
    test: np.ndarray,
) -> dict[str, np.ndarray]:
    """Calibration error of each calibrated task on the test rows, and what was said and seen there on average.

    Returns task -> (len(test),) probabilities.
    """
    from models.training.metrics import calibration_error, calibration_interval

    said = {}
    for task, maps in calibration.items():
        p = said[task] = by_rank(maps, logits[test, tasks.index(task)], rows.position[test])
        labels, lists = rows.target(task)[test], rows.list_ids[test]
        figures.add(f"{task}_ece", calibration_error(p, labels), calibration_interval(p, labels, lists, figures.seed))
        if (known := np.isfinite(labels)).any():
            figures.add(f"{task}_said", p[known].mean())
            figures.add(f"{task}_seen", labels[known].mean())
    return said


def qualities(
    figures: Figures,
    rows: Rows,
    tasks: Sequence[str],
    logits: np.ndarray,
    final: np.ndarray | None,
    slices: Mapping[str, Sequence[np.ndarray]],
    test: np.ndarray,
) -> None:
    """NDCG@10 by grades, AUC of what people did, NDCG@10 of the blended order by that; the first and last by slice.

    logits: (rows, tasks); final: (rows,) blended scores, None without a blend; slices: name -> lists of row numbers,
    "" for all of the test lists.
    """
    from models.training.metrics import auc, list_ndcgs

    for name, lists in slices.items():
        ending = f"/{name}" if name else ""
        least = LEAST_LISTS if name else 1
        if "relevance" in tasks:
            graded = list_ndcgs(logits[:, tasks.index("relevance")], rows.target("relevance"), lists)
            figures.mean(f"served_ndcg@10{ending}", graded, least)
        if final is not None:
            figures.mean(f"blend_ndcg@10{ending}", list_ndcgs(final, done_gains(rows), lists), least)
    for column, task in enumerate(tasks):
        if task != "relevance":
            figures.add(f"served_{task}_auc", auc(logits[test, column], rows.target(task)[test]))


def done_gains(rows: Rows) -> np.ndarray:
    """(n,) float64 `GAINS` of what members did; NaN where the log does not tell, as of jobs that were not shown."""
    done = np.stack([rows.target(task) * gain for task, gain in GAINS.items()])
    return np.where(np.isfinite(done).any(axis=0), np.nan_to_num(done).max(axis=0), np.nan)
