"""Every engine by the number of jobs: build time, memory and latency, and what an approximate one finds at its speed.

One query at a time, k 100. A latency is the median over queries and rounds, its interval the range of nine in ten.
Memory is what a search reads: the arrays of the exact engine, or the FAISS index or the words as they are saved; beside
a FAISS index lie the vectors, from which the found rows are scored. Recall is against the exact engine on float32.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import faiss
import numpy as np

from benchmarks.retrieval_turns import OURS, REST, Rows, drawn, passing, recalls, row
from retrieval.engines.config import FaissConfig, Kind
from retrieval.engines.exact import ExactEngine
from retrieval.engines.faiss_engine import FaissEngine, build_faiss
from retrieval.engines.hits import Hits
from retrieval.engines.vectors import DTYPES, StoredVectors, encode, max_absolute
from retrieval.words.terms import build_terms
from retrieval.words.tokens import FIELD_END

K = 100
QUERIES = 32
SHARES = (1.0, 0.1, 0.01)
KNOBS: dict[Kind, dict[str, tuple[int, ...]]] = {
    "ivf": {"nprobe": (4, 16, 48, 128)},
    "sq8": {"nprobe": (4, 16, 48, 128)},
    "pq": {"nprobe": (4, 16, 48, 128)},
    "hnsw": {"ef_search": (64, 400, 1_000)},
}
"""What is turned for each kind; its default is among them."""
TERMS = "Rolecall terms"
VOCABULARY, LENGTH, ASKED = 100_000, 30, 3
"""Words that there are, of a job, and of a query; their frequency falls with their rank."""


class Size(NamedTuple):
    """jobs; kinds: FAISS indexes to build; lists: of those with lists, None: the engine's own; terms: words too."""

    jobs: int
    kinds: tuple[Kind, ...]
    lists: int | None = None
    terms: bool = True


def sizes(which: Sequence[Size], dim: int, rounds: int) -> Rows:
    made: Rows = []
    for size in which:
        made += vectors_of(size, dim, rounds)
        if size.terms:
            made += words_of(size.jobs, rounds)
    return made


def vectors_of(size: Size, dim: int, rounds: int) -> Rows:
    vectors, asked = drawn(size.jobs, dim, QUERIES)
    queries = list(asked[:, None])
    random = np.random.default_rng(1)
    filters = {passing(s): None if s == 1 else random.random(size.jobs) < s for s in SHARES}
    case = f"{size.jobs:,} x {dim}"
    exact = ExactEngine(vectors)
    truth = {words: exact.search(asked, mask, K) for words, mask in filters.items()}
    made: Rows = []

    def measure(system: str, engine: ExactEngine | FaissEngine, shares: Iterable[str]) -> None:
        for words in shares:

            def search(query: np.ndarray, mask: np.ndarray | None = filters[words]) -> Hits:
                return engine.search(query, mask, K)[0]

            found, spent = answers(search, queries, rounds)
            recall = recalls([hits.rows for hits in found], [hits.rows for hits in truth[words]])
            made.append(row(f"{case}, {words}", system, "ms", 1e3 * spent, "ms"))
            made.append(row(f"{case}, {words}", system, "recall", recall))

    for dtype in DTYPES:
        system = OURS if dtype == "float32" else f"{OURS}, {dtype}"
        started = time.perf_counter()
        stored: StoredVectors = encode(vectors, dtype)
        engine = ExactEngine(*stored, max_absolute=max_absolute(stored))
        made.append(row(case, system, "build_s", time.perf_counter() - started, "s"))
        made.append(row(case, system, "mb", sum(part.nbytes for part in stored if part is not None) / 1e6, "MB"))
        measure(system, engine, filters)
        del stored, engine
    for kind in size.kinds:
        config = FaissConfig(kind=kind, lists=size.lists if kind in ("ivf", "sq8", "pq") else None)
        started = time.perf_counter()
        built = build_faiss(vectors, config)
        made.append(row(case, f"FAISS {kind}", "build_s", time.perf_counter() - started, "s"))
        made.append(row(case, f"FAISS {kind}", "mb", faiss.serialize_index(built._index).nbytes / 1e6, "MB"))
        measure(f"FAISS {kind}", built, filters)
        for label, knobs in _turned(config):
            measure(label, FaissEngine(built._index, vectors, knobs), [passing(1.0)])
        del built
    return made


def _turned(config: FaissConfig) -> Iterator[tuple[str, FaissConfig]]:
    """Knobs other than the default, and what the system is called with them."""
    for name, values in KNOBS.get(config.kind or "flat", {}).items():
        for value in values:
            if value != getattr(config, name):
                yield f"FAISS {config.kind}, {name} {value:,}", config.model_copy(update={name: value})


def words_of(jobs: int, rounds: int) -> Rows:
    """The inverted index over made-up words."""
    random = np.random.default_rng(2)
    weights = np.cumsum(1 / np.arange(1, VOCABULARY + 1))
    vocabulary = [f"w{number}" for number in range(VOCABULARY)]

    def texts(n: int, length: int) -> Iterator[list[str]]:
        for _ in range(n):
            yield [vocabulary[place] for place in np.searchsorted(weights, random.random(length) * weights[-1])]

    documents = [[*words, FIELD_END] for words in texts(jobs, LENGTH)]
    queries = [" ".join(words) for words in texts(QUERIES, ASKED)]
    mask = random.random(jobs) < SHARES[1]
    started = time.perf_counter()
    index = build_terms(documents)
    spent = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        index.save(Path(folder))
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
    case = f"{jobs:,} jobs of {LENGTH} words"
    made = [row(case, TERMS, "build_s", spent, "s"), row(case, TERMS, "mb", size / 1e6, "MB")]
    for words, allowed in ((passing(1.0), None), (passing(SHARES[1]), mask)):
        _, times = answers(partial(index.search, k=K, mask=allowed), queries, rounds)
        made.append(row(f"{case}, {words}", TERMS, "ms", 1e3 * times, "ms"))
    return made


def answers(search: Callable[[Any], Hits], queries: Sequence[Any], rounds: int) -> tuple[list[Hits], np.ndarray]:
    """What each query finds, and (queries * rounds,) seconds that one takes."""
    found = [search(query) for query in queries]
    time.sleep(REST)
    spent = []
    for _ in range(rounds):
        for query in queries:
            started = time.perf_counter()
            search(query)
            spent.append(time.perf_counter() - started)
    return found, np.array(spent)
