"""What the parts of the retrieval benchmark share: vectors to search, systems that take turns, and rows of a result."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from contracts.machine import cores
from retrieval.engines.exact import ExactEngine

OURS = "Rolecall exact"
CENTRES = 2_000
FALL = 0.5
"""Directions matter less and less: the i-th has a spread of i to the power of -FALL."""
REST = 0.05
"""Seconds until the threads of a system that was just used have gone to sleep."""
MANY = 20
_BLOCK = 100_000

Rows = list[dict[str, Any]]
Search = Callable[[], np.ndarray]


def drawn(jobs: int, dim: int, queries: int) -> tuple[np.ndarray, np.ndarray]:
    """(jobs, dim) and (queries, dim) float32 unit vectors around the same centres, which are of unlike weight.

    Like vectors of text they lie near a space of far fewer directions than numbers; else an approximate index would be
    asked what it is never asked.
    """
    random = np.random.default_rng(0)
    turned = np.linalg.qr(random.standard_normal((dim, dim)))[0]
    axes = ((np.arange(1, dim + 1) ** -FALL)[:, None] * turned).astype(np.float32)
    centres = random.standard_normal((CENTRES, dim), np.float32) @ axes
    weights = 1 / np.arange(1, CENTRES + 1)
    made = np.empty((jobs + queries, dim), np.float32)
    for start in range(0, len(made), _BLOCK):
        block = made[start : start + _BLOCK]
        np.matmul(random.standard_normal(block.shape, np.float32), axes, out=block)
        block += centres[random.choice(CENTRES, len(block), p=weights / weights.sum())]
        block /= np.linalg.norm(block, axis=1, keepdims=True)
    return made[:jobs], made[jobs:]


def masks(jobs: int, shares: Sequence[float]) -> Iterator[tuple[str, np.ndarray | None]]:
    """Each share in words, and (jobs,) bool of which it passes by chance; None where all do."""
    random = np.random.default_rng(1)
    for share in shares:
        yield passing(share), None if share == 1 else random.random(jobs) < share


def passing(share: float) -> str:
    return f"{100 * share:g}% pass"


def in_turns(systems: Mapping[str, Search], rounds: int, agree: float = 0.0) -> dict[str, np.ndarray]:
    """(rounds,) seconds of each system, which take turns. In each a system is asked once before it is timed: after a
    rest the first call of any pays for cold caches, and more of them the more of it is Python.

    agree: share of the rows that each must find of those that the first finds. Raises ValueError where one does not.
    """
    answers = {name: search() for name, search in systems.items()}
    first = next(iter(answers))
    for name, rows in answers.items():
        if recalls(rows, answers[first]).min() < agree:
            raise ValueError(f"{name} finds other rows than {first}")
    times: dict[str, list[float]] = {name: [] for name in systems}
    for turn in range(rounds):
        names = list(systems)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            time.sleep(REST)
            systems[name]()
            started = time.perf_counter()
            systems[name]()
            times[name].append(time.perf_counter() - started)
    return {name: np.array(spent) for name, spent in times.items()}


def recalls(found: Sequence[np.ndarray] | np.ndarray, expected: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """(q,) share of each query's expected rows that were found."""
    return np.array([np.isin(e, f).mean() for f, e in zip(found, expected, strict=True)])


def rows_found(engine: ExactEngine, queries: np.ndarray, mask: np.ndarray | None, k: int, **knobs: Any) -> np.ndarray:
    """(q, m) rows that the engine finds."""
    return np.array([hits.rows for hits in engine.search(queries, mask, k, **knobs)])


def read_bandwidth(vectors: np.ndarray) -> float:
    """Bytes a second that all cores together read of an array, the best of five times."""
    return vectors.nbytes / _best(np.max, np.array_split(vectors.reshape(-1), cores()))


def copy_bandwidth(vectors: np.ndarray) -> float:
    """Bytes a second that all cores together copy, those read and those written, the best of five times."""
    whole = vectors.reshape(-1)
    there = np.zeros_like(whole)
    parts = list(zip(np.array_split(there, cores()), np.array_split(whole, cores()), strict=True))
    return 2 * vectors.nbytes / _best(lambda part: np.copyto(*part), parts)


def _best(work: Callable[[Any], Any], parts: Sequence[Any]) -> float:
    """Seconds that the parts take side by side, the best of five times."""
    spent = []
    with ThreadPoolExecutor(len(parts)) as pool:
        for _ in range(5):
            started = time.perf_counter()
            list(pool.map(work, parts))
            spent.append(time.perf_counter() - started)
    return min(spent)


def row(case: str, system: str, metric: str, values: Any, unit: str = "") -> dict[str, Any]:
    """The median, and where there are several the range: of nine in ten of many, of all where they are few."""
    tail = 0.05 if np.size(values) >= MANY else 0.0
    low, middle, high = np.quantile(np.atleast_1d(values), [tail, 0.5, 1 - tail])
    made: dict[str, Any] = {"case": case, "system": system, "metric": metric, "value": float(middle), "unit": unit}
    return made | ({"low": float(low), "high": float(high)} if np.size(values) > 1 else {})
