"""Weights for the learned order of candidates, fitted to what people went on to.

Two inputs a source: whether it found the candidate, and its score divided by the largest it gave, so that a source's
own scale does not matter. With few weights a few hundred requests are enough.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from contracts.errors import BadInput
from ranking.listwise import fit_listwise
from retrieval.candidates import Candidates
from retrieval.config import Weight
from retrieval.engines.hits import Hits
from retrieval.merge import fusion_inputs, merge
from retrieval.sources.registry import SOURCES
from retrieval.sources.source import by_place

L2 = 0.01


def fit_fusion(lists: Sequence[Candidates], gains: Sequence[np.ndarray], l2: float = L2) -> dict[str, Weight]:
    """Weights that put what people went on to on top, for `RetrievalConfig.learned`.

    Requests should come after the links were learned, whose hires would else flatter them.

    Args:
        lists: The candidates of past requests.
        gains: (n,) non-negative of each request's candidates, 0: nothing came of it.
        l2: Penalty on the weights.

    Returns:
        Source to weights; sources that found nothing are left out.

    Raises:
        BadInput: No candidate has a gain.
        TrainingFailed: The weights are not finite.
    """
    names = SOURCES.names()
    if not lists:
        raise BadInput("no request to learn an order from", cure="ingest a longer log")
    inputs = np.concatenate([fusion_inputs(_in_columns(candidates, names)) for candidates in lists])
    list_ids = np.repeat(np.arange(len(lists)), [len(candidates) for candidates in lists])
    linear = fit_listwise(inputs, list_ids, np.concatenate(gains), l2)
    weights = (linear.weights / linear.scales).reshape(2, len(names)).T
    return {
        name: (round(float(weight[0]), 6), round(float(weight[1]), 6))
        for name, weight, seen in zip(names, weights, inputs[:, : len(names)].sum(axis=0).tolist(), strict=True)
        if seen
    }


def _in_columns(candidates: Candidates, names: Sequence[str]) -> np.ndarray:
    """(n, len(names)) float32: the scores by source, NaN also for sources that were not asked."""
    columns = np.full((len(candidates), len(names)), np.nan, np.float32)
    for column, name in enumerate(candidates.sources):
        columns[:, names.index(name)] = candidates.scores[:, column]
    return columns


def halves(lists: Sequence[Hits], k: int) -> Hits:
    """Two lists as one, each sure of half of its places, ordered by the sum of the places in them."""
    rows, places, _ = merge(
        lists, (0.5, 0.5), k, lambda rows, _: np.sum([by_place(rows, one) for one in lists], axis=0)
    )
    return Hits(rows, places)
