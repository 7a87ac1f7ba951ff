"""The pairs of the validation and test lists of the training set, as a bundle's graphs score them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from contracts.bundle import Manifest
from contracts.tasks import GAINS
from ranking.scorer import BundleScorer, ItemEncoder

if TYPE_CHECKING:
    from models.training.rows import Rows


@dataclass(frozen=True)
class HeldOut:
    """The pairs on which a bundle is fitted (validation) and measured (test).

    Attributes:
        rows: All n pairs of the training set.
        tasks: In the order of the columns of `logits`.
        valid: Row numbers of the validation pairs, ascending.
        test: Row numbers of the test pairs, ascending.
        logits: (n, tasks) float32, NaN for training pairs.
    """

    rows: Rows
    tasks: tuple[str, ...]
    valid: np.ndarray
    test: np.ndarray
    logits: np.ndarray

    @property
    def pairs(self) -> np.ndarray:
        """Row numbers of validation and test pairs, ascending."""
        return np.sort(np.concatenate([self.valid, self.test]))

    def lists(self) -> list[np.ndarray]:
        """Row numbers of each validation and test list."""
        return self.rows.lists(self.pairs)

    def task_logits(self, task: str) -> np.ndarray:
        """(n,) float32 logits of a task."""
        return self.logits[:, self.tasks.index(task)]


def score_held_out(folder: Path, manifest: Manifest, rows: Rows) -> HeldOut:
    """Score the validation and test pairs with the graphs of a folder."""
    valid, test = (rows.of_splits(split) for split in ("valid", "test"))
    scorer, encoder = BundleScorer(folder, manifest=manifest), ItemEncoder(folder, manifest=manifest)
    logits = held_out_logits(scorer, encoder, rows, np.sort(np.concatenate([valid, test])))
    return HeldOut(rows, manifest.tasks, valid, test, logits)


def held_out_logits(scorer: BundleScorer, encoder: ItemEncoder, rows: Rows, chosen: np.ndarray) -> np.ndarray:
    """Score chosen pairs; each job is encoded once, each request read once.

    Args:
        scorer: Of a bundle.
        encoder: Of the same bundle.
        rows: n pairs; those of one list share their request.
        chosen: (m,) row numbers, in any order.

    Returns:
        (n, tasks) float32 logits, NaN for rows that are not chosen.
    """
    logits = np.full((len(rows), len(scorer.tasks)), np.nan, np.float32)
    jobs = np.unique(rows.job[chosen])
    items = encoder.encode([rows.jobs[job] for job in jobs])
    for of_list in rows.lists(chosen):
        prefix = scorer.prefix(rows.requests[rows.request[of_list[0]]])
        logits[of_list] = scorer.logits(prefix, items[np.searchsorted(jobs, rows.job[of_list])], rows.match[of_list])
    return logits


def engagement_gains(rows: Rows) -> np.ndarray:
    """(n,) float64 `GAINS` of what members did; NaN where no action is known, as of jobs that were not shown."""
    gains = np.stack([rows.target(task) * gain for task, gain in GAINS.items()])
    return np.where(np.isfinite(gains).any(axis=0), np.nan_to_num(gains).max(axis=0), np.nan)
