from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from contracts.workspace import Workspace
from models.training.rows import read_rows
from ranking.scorer import BundleScorer, ItemEncoder
from release.held_out import held_out_logits


def test_rows_are_scored_as_one_by_one_and_the_others_are_not(bundle: Path, labelled: Callable[..., Workspace]) -> None:
    rows = read_rows(labelled(8).training)
    scorer, encoder = BundleScorer(bundle), ItemEncoder(bundle)
    chosen = np.random.default_rng(0).permutation(np.flatnonzero(rows.splits == "test"))
    logits = held_out_logits(scorer, encoder, rows, chosen)
    assert logits.shape == (len(rows), len(scorer.tasks)) and logits.dtype == np.float32
    assert np.isnan(np.delete(logits, chosen, axis=0)).all()
    for row in chosen:
        prefix = scorer.prefix(rows.requests[rows.request[row]])
        alone = scorer.logits(prefix, encoder.encode([rows.jobs[rows.job[row]]]))
        np.testing.assert_allclose(logits[row], alone[0], atol=1e-5)
