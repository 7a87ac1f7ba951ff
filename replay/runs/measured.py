"""What is measured of every request of a run, for one order of its jobs: numbers of which a mean makes sense.

Gains are those of `contracts.tasks.GAINS`, linear. A measure that a request says nothing of is NaN: of what people
chose where nobody chose anything, of fits where nobody graded, of AUC where all shown jobs had one outcome.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from replay.measures import auc_by_list, per_request
from replay.trec import Qrels, Run, write_qrels, write_run
from retrieval.index.job_index import JobIndex

CHOSEN = ("nDCG@10", "R@10", "R@100", "RR", "P@10")
"""By what people did, as ir_measures spells them."""
CONDENSED = "nDCG@10 condensed"
"""Over the shown jobs alone, the others taken out of the order: what was never shown counts neither for nor against.
Source: Sakai, Alternatives to Bpref (SIGIR 2007)."""
GAUC = ("AUC view", "AUC apply")
"""Within the shown list of a request; their mean over requests is the grouped AUC."""
FITS = ("good_fits@10", "poor_fits@10")
"""By who grades (`replay.fits`); of the first ten alone, so that a judge is asked of few pairs."""
NOVELTY, DIVERSITY, AGE, JUDGED, ANSWERED = "novelty@10", "diversity@10", "age@10", "judged@10", "answered"
MEASURES = (*CHOSEN, CONDENSED, *GAUC, *FITS, NOVELTY, DIVERSITY, AGE, JUDGED, ANSWERED)
"""All measures of a run, in this order."""
DESCRIBES = frozenset({NOVELTY, DIVERSITY, AGE, JUDGED})
"""Measures that describe an order and do not say which of two is better."""
ABOUT: Mapping[str, str] = {
    "nDCG@10": "how high in the first ten the jobs stand that people chose",
    "R@10": "share of the jobs that people chose that stand in the first ten",
    "R@100": "share of the jobs that people chose that stand in the first hundred",
    "RR": "one over the place of the first job that people chose",
    "P@10": "share of the first ten places that hold a job that people chose",
    CONDENSED: "as nDCG@10, of the jobs alone that were shown",
    "AUC view": "share of pairs of an opened and an unopened shown job that stand in the right order",
    "AUC apply": "the same of applications",
    "good_fits@10": "share of the first ten places with grade 3 or 4",
    "poor_fits@10": "share of the first ten places with grade 0 or 1",
    NOVELTY: "mean bits of surprise of the first ten, by how seldom they were viewed",
    DIVERSITY: "mean distance of two of the first ten, one less their cosine",
    AGE: "mean days since the first ten were posted",
    JUDGED: "share of the first ten that were shown then, so that an outcome is known",
    ANSWERED: "share of requests with any answer",
}
_DAY = 86_400.0
_FIRST = 10


def by_choices(qrels: Qrels, run: Run, shown: Mapping[str, Sequence[str]], requests: Sequence[str]) -> np.ndarray:
    """The measures of `CHOSEN` and `CONDENSED`.

    Args:
        qrels: Request -> job -> gain, of the requests that led to something.
        run: Request -> ordered jobs.
        shown: Request -> the jobs that were shown then.
        requests: n ids.

    Returns:
        (n, 6) float64; NaN for a request that led to nothing.
    """
    led = [request for request in requests if qrels.get(request)]
    values = np.full((len(requests), len(CHOSEN) + 1), np.nan)
    if not led:
        return values
    known = {request: {*shown[request], *qrels[request]} for request in led}
    condensed = {name: _kept(run[name], known[name]) for name in led}
    with tempfile.TemporaryDirectory(prefix="rolecall-measures-") as scratch:
        path, whole, short = (Path(scratch) / name for name in ("qrels", "run", "condensed"))
        write_qrels(path, {request: qrels[request] for request in led})
        write_run(whole, {request: run[request] for request in led}, "run")
        write_run(short, condensed, "run")
        found = per_request(path, whole, CHOSEN, led)
        found[CONDENSED] = per_request(path, short, ["nDCG@10"], led)["nDCG@10"]
    rows = np.array([bool(qrels.get(request)) for request in requests])
    values[rows] = np.stack([found[name] for name in (*CHOSEN, CONDENSED)], axis=1)
    return values


def _kept(ranked: tuple[Sequence[str], np.ndarray], known: set[str]) -> tuple[list[str], np.ndarray]:
    jobs, scores = ranked
    keep = np.array([job in known for job in jobs], bool)
    return [job for job in jobs if job in known], np.asarray(scores)[keep]


def within_list(ranks: np.ndarray, labels: Sequence[np.ndarray]) -> np.ndarray:
    """The AUC of each task within one shown list.

    Args:
        ranks: (n,) place of each shown job in the order, 0 where it is not there: such jobs tie below all others.
        labels: For each task (n,) float, NaN where not known.

    Returns:
        (tasks,) float64, NaN where all labels are alike.
    """
    scores = np.where(ranks > 0, -ranks.astype(np.float64), -np.inf)
    worst = ranks.max(initial=0) + 1.0
    scores = np.where(np.isfinite(scores), scores, -worst)
    areas = []
    for of_task in labels:
        known = ~np.isnan(of_task)
        found = auc_by_list(scores[known, None], of_task[known] > 0, np.zeros(int(known.sum())))
        areas.append(float(found[0, 0]) if len(found) else np.nan)
    return np.array(areas)


def of_jobs(index: JobIndex, rows: np.ndarray, time: float, popular: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """The measures of what stands in the first ten places, whatever people did.

    Args:
        index: Holds vectors and times of posting.
        rows: (m,) of the index, best first.
        time: Of the request, seconds since 1970.
        popular: (n,) views of each job of the index as known then.
        judged: (m,) bool, the jobs that were shown then.

    Returns:
        (5,) float64: novelty, diversity, age, judged, answered. NaN where there is nothing to tell them by.

    Sources: Vargas and Castells, Rank and relevance in novelty and diversity metrics (RecSys 2011), self-information;
        Ziegler et al., Improving recommendation lists through topic diversification (WWW 2005), intra-list distance.
    """
    first = rows[:_FIRST]
    if not len(first):
        return np.array([np.nan, np.nan, np.nan, np.nan, 0.0])
    # One is added to each job that was viewed by then and to one other: the future alone knows how many there are.
    share = (popular[first] + 1.0) / (float(popular.sum()) + int((popular > 0).sum()) + 1.0)
    vectors = np.asarray(index.vectors[first], np.float64)
    pairs = np.triu_indices(len(first), 1)
    apart = 1.0 - (vectors @ vectors.T)[pairs]
    posted = index.attributes.number("posted_at")[first]
    ages = (time - posted[np.isfinite(posted)]) / _DAY
    return np.array(
        [
            float(-np.log2(share).mean()),
            float(apart.mean()) if len(apart) else np.nan,
            float(ages.mean()) if len(ages) else np.nan,
            float(judged[:_FIRST].mean()),
            1.0,
        ]
    )
