"""Candidate selection with the scan on a GPU, in the published setting: 15 million x 128 float16 vectors, k 1,000.

    python -m benchmarks.retrieval_gpu                                     # on a machine with a GPU
    python -m benchmarks.retrieval_gpu --device cpu --size small           # a smoke run; writes nothing

Times are from the queries in main memory to the rows there. Beside the engine, in turns, plain PyTorch on the same
device: score all in float16, mask, take the top (LiNR's un-fused variant V1, arXiv 2407.13218), whose last rows may
differ. The first queries are also asked of the engine without the device, which must find the same rows and scores.
Then one client searches in a closed loop while jobs are replaced at a steady rate: the device scans the jobs of the
build, and NumPy those that came later.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch

from benchmarks import result_file
from benchmarks.retrieval_turns import OURS, Rows, Search, drawn, in_turns, masks, recalls, row, rows_found
from retrieval.engines.delta import DeltaEngine
from retrieval.engines.device import check_device, exact_engine
from retrieval.engines.exact import ExactEngine
from retrieval.engines.vectors import Dtype, StoredVectors, decode, encode

NAME = "retrieval_gpu"
DTYPE: Dtype = "float16"
PLAIN = "PyTorch, score all and mask"
AGREE = 0.95
"""Share of the rows that plain PyTorch must find: its scores are float16."""
SHARES = (1.0, 0.3, 0.1, 0.01, 0.001)
RATES = (0, 300, 600, 1_000)
AT_ONCE = 50
"""Jobs of one upsert."""


class Scale(NamedTuple):
    """batches: queries in one scan; seconds: of searches at each rate of upserts."""

    jobs: int
    dim: int
    k: int
    batches: tuple[int, ...]
    rounds: int
    seconds: float


SCALES = {
    "small": Scale(5_000, 16, 50, (1, 4), 2, 0.5),
    "full": Scale(15_000_000, 128, 1_000, (1, 2, 4, 8, 16), 20, 20),
}


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--device", default="cuda", help="a PyTorch device (cuda)")
    parser.add_argument("--size", choices=sorted(SCALES), default="full")
    options = parser.parse_args(argv)
    check_device(options.device)
    scale = SCALES[options.size]
    vectors, queries = drawn(scale.jobs, scale.dim, max(scale.batches))
    stored = encode(vectors, DTYPE)
    made = searches(stored, queries, scale, options.device)
    made += upserts(vectors, queries, scale, options.device)
    print(result_file.as_table(made))
    if options.size == "full":
        result_file.write(
            NAME, result_file.command_line("benchmarks.retrieval_gpu"), made, simulated=True, publish=options.publish
        )


def searches(stored: StoredVectors, queries: np.ndarray, scale: Scale, device: str) -> Rows:
    case = f"{scale.jobs:,} x {scale.dim} {DTYPE} on {device}"
    engine, twin = exact_engine(stored, device), ExactEngine(*stored)
    values = torch.from_numpy(stored.values).to(device)
    bandwidth = copy_bandwidth(values)
    made = [row(case, "memory", "copy_bandwidth", bandwidth / 1e9, "GB/s")]
    for words, mask in masks(scale.jobs, SHARES):
        passing = scale.jobs if mask is None else int(mask.sum())
        k = min(scale.k, passing)
        for found, same in zip(engine.search(queries[:2], mask, k), twin.search(queries[:2], mask, k), strict=True):
            if found.rows.tolist() != same.rows.tolist() or found.scores.tolist() != same.scores.tolist():
                raise ValueError(f"{words}: another answer with {device} than without")
        for batch in scale.batches:
            asked = queries[:batch]
            systems: dict[str, Search] = {
                OURS: lambda asked=asked, mask=mask, k=k: rows_found(engine, asked, mask, k),  # type: ignore[misc]
                PLAIN: lambda asked=asked, mask=mask, k=k: plain(values, asked, mask, k),  # type: ignore[misc]
            }
            times = in_turns(systems, scale.rounds, AGREE)
            name = f"{case}, {words}, {batch} queries, k {k:,}"
            made += [row(name, system, "ms", 1e3 * spent, "ms") for system, spent in times.items()]
            made.append(row(name, PLAIN, "times_rolecall", times[PLAIN] / times[OURS], "x"))
            least = passing * stored.values[0].nbytes / bandwidth
            made += [row(name, system, "share_of_bandwidth", least / spent) for system, spent in times.items()]
    return made


def plain(values: torch.Tensor, queries: np.ndarray, mask: np.ndarray | None, k: int) -> np.ndarray:
    scores = torch.from_numpy(queries).to(values.device, values.dtype) @ values.T
    if mask is not None:
        scores.masked_fill_(~torch.from_numpy(mask).to(values.device), -torch.inf)
    return torch.topk(scores, k).indices.cpu().numpy()


def copy_bandwidth(values: torch.Tensor) -> float:
    """Bytes a second that the device copies, those read and those written, the best of five times."""
    there, spent = torch.empty_like(values), []
    for _ in range(6):  # the first is slow
        started = time.perf_counter()
        there.copy_(values)
        there[-1, -1].item()  # waits until it is done
        spent.append(time.perf_counter() - started)
    return 2 * values.nbytes / min(spent[1:])


def upserts(vectors: np.ndarray, queries: np.ndarray, scale: Scale, device: str) -> Rows:
    """Latency and recall while jobs are replaced by themselves, so that the right answer stays."""
    stored = encode(vectors, DTYPE)
    jobs = LiveJobs(DeltaEngine(exact_engine(stored, device)), np.arange(scale.jobs))
    case = f"{scale.jobs:,} x {scale.dim} {DTYPE} on {device}, 1 queries, k {scale.k:,}"
    truth: dict[int, np.ndarray] = {}
    made: Rows = []
    for rate in RATES:
        spent, recall = [], []
        with upserting(jobs, decode(stored, slice(None)), rate) as done:
            end, turn = time.perf_counter() + scale.seconds, 0
            while time.perf_counter() < end:
                place = turn % len(queries)
                started = time.perf_counter()
                ids = jobs.search(queries[place], scale.k)
                spent.append(1e3 * (time.perf_counter() - started))
                recall.append(recalls([ids], [truth.setdefault(place, ids)])[0])
                turn += 1
        name = f"{case}, {rate:,} upserts a second"
        made.append(row(name, OURS, "upserts_a_second", sum(done) / scale.seconds, "1/s"))
        made.append(row(name, OURS, "ms", np.array(spent), "ms"))
        made.append(row(name, OURS, "p95_ms", np.quantile(spent, 0.95), "ms"))
        made.append(row(name, OURS, "recall", np.array(recall)))
    return made


class LiveJobs:
    """Jobs by number that one thread replaces while others search: each replacement is a new engine and a new mask."""

    def __init__(self, engine: DeltaEngine, numbers: np.ndarray) -> None:
        """numbers: (n,) int64, the job of each row of the engine."""
        self._state = engine, numbers, np.ones(len(numbers), dtype=bool)

    def search(self, query: np.ndarray, k: int) -> np.ndarray:
        """(k,) int64 numbers of the best jobs."""
        engine, numbers, current = self._state
        return numbers[engine.search(query[None], current, k)[0].rows]

    def replace(self, jobs: np.ndarray, vectors: np.ndarray) -> None:
        """Give (m,) jobs the (m, d) float32 vectors."""
        engine, numbers, current = self._state
        current = np.append(current & ~np.isin(numbers, jobs), np.ones(len(jobs), dtype=bool))
        self._state = engine.appended(vectors), np.append(numbers, jobs), current


@contextmanager
def upserting(jobs: LiveJobs, vectors: np.ndarray, rate: int) -> Iterator[list[int]]:
    """Jobs are upserted at `rate` a second while the block runs; gives how many, each time. Raises what that raises."""
    over, random, done = threading.Event(), np.random.default_rng(rate), list[int]()

    def work() -> None:
        start = time.perf_counter()
        while not over.wait(max(0.0, start + sum(done) / rate - time.perf_counter())):
            rows = random.choice(len(vectors), AT_ONCE, replace=False)
            jobs.replace(rows, vectors[rows])
            done.append(len(rows))

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(work) if rate else None
        try:
            yield done
        finally:
            over.set()
        if writer is not None:
            writer.result()


if __name__ == "__main__":
    main()
