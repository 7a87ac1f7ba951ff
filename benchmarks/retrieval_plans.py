"""What the exact engine's own choices cost and gain: its plans by the share that passes, dtypes, and preselection."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise

import numpy as np

from benchmarks.retrieval_rivals import KS, QUERIES
from benchmarks.retrieval_turns import OURS, Rows, Search, drawn, in_turns, masks, recalls, row, rows_found
from benchmarks.signs import BITS, Signs, build_signs, preselected
from retrieval.engines.exact import ExactEngine, Plan, gather_below
from retrieval.engines.vectors import DTYPES, StoredVectors, encode

PLANS: tuple[Plan, ...] = ("gather", "mask")
PRESELECT = "preselect"
SHARES = (0.9, 0.7, 0.5, 0.4, 0.3, 0.2, 0.1, 0.03, 0.01, 0.001)
KEPT = (20, 50, 200)
"""Rows that a preselection keeps, in k; the middle one is drawn among the plans."""


def choices(jobs: int, dims: Sequence[int], rounds: int) -> Rows:
    made: Rows = []
    for dim in dims:
        vectors, queries = drawn(jobs, dim, max(QUERIES))
        case = f"{jobs:,} x {dim}"
        started = time.perf_counter()
        signs = build_signs(StoredVectors(vectors))
        made.append(row(case, f"{BITS} sign bits", "build_s", time.perf_counter() - started, "s"))
        made += plans(case, vectors, queries, signs, rounds)
        made += dtypes(case, vectors, queries, rounds)
        made += preselection(case, vectors, queries, signs, rounds)
    return made


def plans(case: str, vectors: np.ndarray, queries: np.ndarray, signs: Signs, rounds: int) -> Rows:
    """What each plan takes by share, and the share under which gathering wins. The exact plans must agree wholly."""
    engine = ExactEngine(vectors)
    made: Rows = []
    for q in QUERIES:
        ratios = {}
        name = f"{case}, plans, {q} queries, k {KS[0]}"
        for share, (words, mask) in zip(SHARES, masks(len(vectors), SHARES), strict=True):
            k = min(KS[0], int(mask.sum())) if mask is not None else KS[0]
            if not k:
                continue
            exact: dict[str, Search] = {p: partial(rows_found, engine, queries[:q], mask, k, plan=p) for p in PLANS}
            times = in_turns(exact, rounds, agree=1.0)
            ratios[share] = float(np.median(times["gather"] / times["mask"]))
            if q == 1:
                kept = partial(preselected_rows, engine, signs, queries[:1], mask, k, KEPT[1] * KS[0])
                times |= in_turns({PRESELECT: kept}, rounds)
            made += [row(f"{name}, {words}", plan, "ms", 1e3 * spent, "ms") for plan, spent in times.items()]
        made.append(row(name, "gather below", "crossover", crossover(ratios), "share"))
        made.append(row(name, "gather below", "chosen", gather_below(q), "share"))
    return made


def crossover(ratios: Mapping[float, float]) -> float:
    """The share at which gathering takes as long as masking. ratios: share -> time of one over the other's."""
    shares = sorted(ratios)
    for low, high in pairwise(shares):
        if ratios[low] <= 1 < ratios[high]:
            return low + (high - low) * (1 - ratios[low]) / (ratios[high] - ratios[low])
    return 1.0 if ratios[shares[-1]] <= 1 else 0.0


def dtypes(case: str, vectors: np.ndarray, queries: np.ndarray, rounds: int) -> Rows:
    """Time, bytes and recall of what is stored smaller, against float32."""
    stored = {kind: encode(vectors, kind) for kind in DTYPES}
    made: Rows = []
    for q in QUERIES:
        systems: dict[str, Search] = {
            kind: partial(rows_found, ExactEngine(*held), queries[:q], None, KS[0]) for kind, held in stored.items()
        }
        times = in_turns(systems, rounds)
        name = f"{case}, stored as, {q} queries, k {KS[0]}"
        found = {kind: search() for kind, search in systems.items()}
        for kind in DTYPES:
            made.append(row(name, kind, "ms", 1e3 * times[kind], "ms"))
            made.append(row(name, kind, "recall", recalls(found[kind], found["float32"])))
            made.append(row(name, kind, "mb", sum(a.nbytes for a in stored[kind] if a is not None) / 1e6, "MB"))
    return made


def preselection(case: str, vectors: np.ndarray, queries: np.ndarray, signs: Signs, rounds: int) -> Rows:
    """Recall of what the signs keep, and its time, against the exact answer."""
    engine = ExactEngine(vectors)
    made: Rows = []
    for words, mask in masks(len(vectors), (1.0, 0.3)):
        for k in KS:
            kept = {f"keep {times} k": times * k for times in KEPT}
            found = {
                label: partial(preselected_rows, engine, signs, mask=mask, k=k, keep=n) for label, n in kept.items()
            }
            found = {OURS: partial(rows_found, engine, mask=mask, k=k), **found}
            times = in_turns({label: partial(search, queries[:1]) for label, search in found.items()}, rounds)
            exact = found[OURS](queries)
            name = f"{case}, {BITS} sign bits, 1 query, {words}, k {k:,}"
            made += [row(name, system, "ms", 1e3 * spent, "ms") for system, spent in times.items()]
            made += [row(name, label, "recall", recalls(found[label](queries), exact)) for label in kept]
    return made


def preselected_rows(
    engine: ExactEngine, signs: Signs, queries: np.ndarray, mask: np.ndarray | None, k: int, keep: int
) -> np.ndarray:
    """(q, m) rows that are found among those that the signs keep."""
    return np.array([hits.rows for hits in preselected(engine, signs, queries, mask, k, keep)])
