"""The exact engine against what else answers a filtered search exactly on a CPU, by the share of rows that pass.

All systems take the same queries and the same mask in turns, with all cores, and their answers must agree. FAISS is
given its bitmap ready-made; the others start from the mask. NumPy and PyTorch take the plan that is the faster one for
them: gathering what passes first under `GATHERED`, else scoring all. A ratio is taken within each turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import faiss
import numpy as np
import torch

from benchmarks.retrieval_turns import (
    OURS,
    Rows,
    Search,
    copy_bandwidth,
    drawn,
    in_turns,
    masks,
    read_bandwidth,
    row,
    rows_found,
)
from retrieval.engines.exact import ExactEngine

BITMAP, ARRAY = "FAISS flat, bitmap selector", "FAISS flat, array selector"
NUMPY, TORCH = "NumPy", "PyTorch"
RIVALS = (BITMAP, ARRAY, NUMPY, TORCH)
GATHERED = 0.2
"""Share that passes under which gathering is the faster plan of NumPy and of PyTorch."""
QUERIES = (1, 16)
KS = (100, 1_000)
SHARES = (1.0, 0.3, 0.1, 0.01, 0.001)
FEW = 0.05
"""Share under which a search is so short that it is timed more often."""
_LIBRARY: Any = faiss  # its stubs do not know its keyword arguments
AGREE = 0.99
"""The last few rows of an answer may be level in float32."""


def rivals(jobs: int, dims: Sequence[int], rounds: int) -> Rows:
    made: Rows = []
    for dim in dims:
        vectors, queries = drawn(jobs, dim, max(QUERIES))
        made += against_rivals(f"{jobs:,} x {dim}", vectors, queries, rounds)
    return made


def against_rivals(case: str, vectors: np.ndarray, queries: np.ndarray, rounds: int) -> Rows:
    """Times, ratios, and the share of the memory's bandwidth: vectors that pass must at least be read once."""
    engine = ExactEngine(vectors)
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    tensor = torch.from_numpy(vectors)
    read, copied = read_bandwidth(vectors), copy_bandwidth(vectors)
    made: Rows = [
        row(case, "memory", "read_bandwidth", read / 1e9, "GB/s"),
        row(case, "memory", "copy_bandwidth", copied / 1e9, "GB/s"),
    ]
    for words, mask in masks(len(vectors), SHARES):
        pass_ = len(vectors) if mask is None else int(mask.sum())
        for q in QUERIES:
            for k in KS:
                asked, most = queries[:q], min(k, pass_)
                if not most:
                    continue
                systems: dict[str, Search] = {
                    OURS: partial(rows_found, engine, asked, mask, most),
                    BITMAP: _bitmap_search(flat, asked, mask, most),
                    NUMPY: _numpy_search(vectors, asked, mask, most),
                    TORCH: _torch_search(tensor, asked, mask, most),
                }
                if mask is not None:
                    systems[ARRAY] = partial(_array_search, flat, asked, mask, most)
                asked_too = [name for name in RIVALS if name in systems]
                times = in_turns(systems, rounds if pass_ > FEW * len(vectors) else 3 * rounds, AGREE)
                name = f"{case}, {words}, {q} queries, k {k:,}"
                made += [row(name, system, "ms", 1e3 * spent, "ms") for system, spent in times.items()]
                made += [row(name, s, "times_rolecall", times[s] / times[OURS], "x") for s in asked_too]
                fastest = np.min([times[s] for s in asked_too], axis=0)
                made.append(row(name, OURS, "times_fastest_rival", times[OURS] / fastest, "x"))
                if q == 1:
                    least = pass_ * vectors[0].nbytes / read
                    made += [row(name, s, "share_of_bandwidth", least / spent) for s, spent in times.items()]
    return made


def _bitmap_search(flat: Any, queries: np.ndarray, mask: np.ndarray | None, k: int) -> Search:
    selector = None if mask is None else _LIBRARY.IDSelectorBitmap(np.packbits(mask, bitorder="little"))
    parameters = _LIBRARY.SearchParameters(sel=selector)
    return lambda: flat.search(queries, k, params=parameters)[1]


def _array_search(flat: Any, queries: np.ndarray, mask: np.ndarray, k: int) -> np.ndarray:
    selector = _LIBRARY.IDSelectorArray(np.flatnonzero(mask))
    return flat.search(queries, k, params=_LIBRARY.SearchParameters(sel=selector))[1]


def _numpy_search(vectors: np.ndarray, queries: np.ndarray, mask: np.ndarray | None, k: int) -> Search:
    def score(among: np.ndarray) -> np.ndarray:
        return (among @ queries.T).T if len(queries) > 1 else (among @ queries[0])[None]

    def best(scores: np.ndarray) -> np.ndarray:
        near = np.argpartition(scores, len(scores) - k)[-k:]
        return near[np.argsort(-scores[near])]

    def gather() -> np.ndarray:
        assert mask is not None
        rows = np.flatnonzero(mask)
        return np.array([rows[best(scored)] for scored in np.ascontiguousarray(score(vectors[rows]))])

    def score_all() -> np.ndarray:
        scores = np.ascontiguousarray(score(vectors))
        return np.array([best(one if mask is None else np.where(mask, one, -np.inf)) for one in scores])

    return gather if mask is not None and mask.mean() < GATHERED else score_all


def _torch_search(vectors: torch.Tensor, queries: np.ndarray, mask: np.ndarray | None, k: int) -> Search:
    asked = torch.from_numpy(queries)
    passes = None if mask is None else torch.from_numpy(mask)

    def gather() -> np.ndarray:
        assert passes is not None
        rows = torch.nonzero(passes).squeeze(1)
        return rows[torch.topk(asked @ vectors[rows].T, k).indices].numpy()

    def score_all() -> np.ndarray:
        scores = asked @ vectors.T
        if passes is not None:
            scores.masked_fill_(~passes, -torch.inf)
        return torch.topk(scores, k).indices.numpy()

    return gather if mask is not None and mask.mean() < GATHERED else score_all
