"""Retrieval as ranking: candidates ordered by a learned linear sum of what each source says of them.

Two inputs a source: whether it found the candidate, and its score divided by the largest it gave, so that a source's
own scale does not matter. With few weights a few hundred requests are enough. The alternative, and the default, is the
reciprocal ranks of `retrieval.merge`; `python -m benchmarks.merging` sets the two side by side.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from contracts.errors import BadInput
from retrieval.candidates import Candidates
from retrieval.config import SOURCES, Source, Weight
from retrieval.listwise import fit_listwise

L2 = 0.01


def fit_fusion(found: Sequence[Candidates], gains: Sequence[np.ndarray], l2: float = L2) -> dict[Source, Weight]:
    """Source -> weights that put what people went on to on top, for `RetrievalConfig.learned`.

    found: the candidates of past requests; gains: (n,) non-negative of each request's, 0: nothing came of it. Sources
    that found nothing are left out. Requests should come after the links were learned, whose hires would else flatter
    them. Raises BadInput where no candidate has a gain, TrainingFailed.
    """
    if not found:
        raise BadInput("no request to learn an order from", cure="ingest a longer log")
    inputs = np.concatenate([_inputs(_in_columns(one)) for one in found])
    lists = np.repeat(np.arange(len(found)), [len(one) for one in found])
    linear = fit_listwise(inputs, lists, np.concatenate(gains), l2)
    weights = (linear.weights / linear.scales).reshape(2, len(SOURCES)).T
    return {
        name: (round(float(weight[0]), 6), round(float(weight[1]), 6))
        for name, weight, seen in zip(SOURCES, weights, inputs[:, : len(SOURCES)].sum(axis=0).tolist(), strict=True)
        if seen
    }


def linear_scores(scores: np.ndarray, weights: Sequence[Weight]) -> np.ndarray:
    """(n,) float64: the weighted sum of each candidate.

    scores: (n, S) float, NaN where a source did not find the candidate; weights: of the S sources.
    """
    flat = np.array([one[0] for one in weights] + [one[1] for one in weights], np.float64)
    return _inputs(scores) @ flat


def _inputs(scores: np.ndarray) -> np.ndarray:
    """(n, 2S) float64: whether each source found the candidate, then its score by the largest of its column."""
    found = ~np.isnan(scores)
    filled = np.where(found, scores, 0.0).astype(np.float64)
    largest = np.abs(filled).max(axis=0, initial=0.0)
    scaled = filled / np.where(largest > 0, largest, 1.0)
    return np.concatenate([found.astype(np.float64), scaled], axis=1)


def _in_columns(found: Candidates) -> np.ndarray:
    """(n, len(SOURCES)) float: the scores by source, NaN also for sources that were not asked."""
    columns = np.full((len(found), len(SOURCES)), np.nan, np.float32)
    for column, name in enumerate(found.sources):
        columns[:, SOURCES.index(name)] = found.scores[:, column]
    return columns
