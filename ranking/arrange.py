"""What becomes of a ranking before it is cut: jobs under a threshold leave, and the rest may stand in another order."""

from __future__ import annotations

import numpy as np

from ranking.rank import Ranked

DIVERSIFIED = 200
"""Jobs of a part of the list that `diversity` looks at; those behind them keep their order."""


def good_enough(ranked: Ranked, least: float) -> np.ndarray:
    """(m,) int64: the places of the jobs whose probability of a good match is known and `least` or more.

    All places where `least` is 0, or where nobody can say of any job.
    """
    good = ranked.scored.good if ranked.scored else None
    if not least or good is None:
        return np.arange(len(ranked.rows))
    return np.flatnonzero(good >= least)


def by_key(ranked: Ranked, places: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Places of a ranking by a key, the highest first, those without one last; jobs that a rule demotes after all.

    Args:
        ranked: The ranking.
        places: (m,) int.
        keys: (m,) float64, NaN where not known.
    """
    demoted = np.array([bool(ranked.demoted_by(place)) for place in places.tolist()], bool)
    return places[np.lexsort((np.arange(len(places)), np.where(np.isnan(keys), np.inf, -keys), demoted))]


def diversified(ranked: Ranked, places: np.ndarray, vectors: np.ndarray, weight: float, most: int) -> np.ndarray:
    """Places of a ranking so that each job is unlike those before it.

    The next job is the one with the highest (1 - weight) x standing - weight x its cosine with the most alike of those
    that stand already, where standing falls evenly from 1 to 0. Jobs under the objective's floor stay behind those that
    reach it, those that the student did not score behind both, and those that a rule demotes behind all.

    Args:
        ranked: The ranking.
        places: (m,) int, best first.
        vectors: (m, dim) unit vectors of the jobs.
        weight: From 0 to 1.
        most: Places that matter; those behind them keep their order.

    Source: maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998).
    """
    parts = np.array([_part(ranked, place) for place in places.tolist()], np.int64)
    order: list[int] = []
    for part in np.unique(parts):
        of_part = np.flatnonzero(parts == part)
        head = of_part[:DIVERSIFIED]
        chosen = _marginal(np.asarray(vectors[head], np.float32), weight, max(0, most - len(order)))
        order += [*head[chosen].tolist(), *of_part[DIVERSIFIED:].tolist()]
    return places[np.array(order, np.int64)]


def _part(ranked: Ranked, place: int) -> int:
    if ranked.demoted_by(place):
        return 3
    if ranked.scored is None or place >= len(ranked.scored.logits):
        return 2
    good = ranked.good_match(place)
    return int(good is not None and good < ranked.objective.floor)


def _marginal(vectors: np.ndarray, weight: float, most: int) -> np.ndarray:
    """(n,) the order of n jobs, of which the first `most` are chosen one by one."""
    standing = (1 - weight) * (1 - np.arange(len(vectors)) / max(len(vectors), 1))
    alike, left = np.zeros(len(vectors), np.float32), np.ones(len(vectors), bool)
    chosen: list[int] = []
    while len(chosen) < min(most, len(vectors)):
        best = int(np.argmax(np.where(left, standing - weight * alike, -np.inf)))
        chosen.append(best)
        left[best] = False
        alike = np.maximum(alike, vectors @ vectors[best])
    return np.array([*chosen, *np.flatnonzero(left)], np.int64)
