"""Lists of the training table as a bundle scores them: each job encoded once, each request read once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ranking.scorer import BundleScorer, ItemEncoder

if TYPE_CHECKING:
    from models.training.rows import Rows


def held_out_logits(scorer: BundleScorer, encoder: ItemEncoder, rows: Rows, chosen: np.ndarray) -> np.ndarray:
    """(n, tasks) float32 of all n rows, NaN for those that are not chosen.

    chosen: (m,) row numbers, in any order; rows of one list share its request.
    """
    logits = np.full((len(rows), len(scorer.tasks)), np.nan, np.float32)
    jobs = np.unique(rows.job[chosen])
    items = encoder.encode([rows.jobs[job] for job in jobs])
    for of_list in rows.lists(chosen):
        prefix = scorer.prefix(rows.requests[rows.request[of_list[0]]])
        logits[of_list] = scorer.logits(prefix, items[np.searchsorted(jobs, rows.job[of_list])])
    return logits
