"""Queries that are read against queries as they are typed: good fits among the first ten, and what reading takes.

    python -m benchmarks.queries --workspace artifacts/demo

The searches of a simulated market's events, each by its member, in the order of retrieval: what reads a query must not
cost what was wanted. A good fit is one that the market's truth grades 3 or 4. Low and high are 95% bootstrap intervals
over searches, of the difference paired by search. A query that is read again is faster: names of places are kept.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.compute as pc

from benchmarks import result_file
from contracts.activity import Activity
from contracts.tables import read_table
from contracts.workspace import Workspace
from replay.measures import mean_estimates
from retrieval.encoder import TextEncoder
from retrieval.filters.filters import Filter
from retrieval.index.job_index import CANDIDATES, JobIndex
from retrieval.queries.read import read_query
from retrieval.queries.relax import asked, search_read
from retrieval.request import build_request
from simulator.truth import Truth

NAME = "queries"
READ, TYPED = "as it is read", "as it is typed"
SHOWN, GOOD = 10, 3
QUANTILES = {"p50_ms": 50, "p99_ms": 99}


class Search(NamedTuple):
    """One search of the market."""

    query: str
    member_id: str


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--workspace", type=Path, default=Path("artifacts/demo"), help="of a simulated market")
    parser.add_argument("--searches", type=int, default=400, help="drawn at random")
    options = parser.parse_args(argv)
    workspace = Workspace(options.workspace)
    searches = drawn(workspace, options.searches)
    made = list(rows(JobIndex.load(workspace.index), workspace, searches))
    command = result_file.command_line("benchmarks.queries")
    result_file.write(NAME, command, made, simulated=True, publish=options.publish)


def drawn(workspace: Workspace, most: int) -> list[Search]:
    """Distinct searches of the events, the same ones at every call."""
    events = read_table(workspace.records / "events", ["query", "member_id"], pc.field("query") != "")
    columns = (events[name].to_pylist() for name in Search._fields)
    found = sorted({Search(*pair) for pair in zip(*columns, strict=True)})
    chosen = np.random.default_rng(0).permutation(len(found))[:most]
    return [found[i] for i in sorted(chosen)]


def rows(index: JobIndex, workspace: Workspace, searches: Sequence[Search]) -> Iterator[dict[str, Any]]:
    """The rows of the result file."""
    now, truth, encoder = datetime.now(UTC), Truth.load(workspace.root / "raw"), TextEncoder(workspace.encoder)
    case = f"{len(searches):,} searches of the demo market"
    for name, times in (("first time", _times(index, searches, now)), ("again", _times(index, searches, now))):
        for metric, q in QUANTILES.items():
            value = float(np.percentile(times, q)) * 1e3
            yield {"case": case, "system": f"reading, {name}", "metric": metric, "value": value, "unit": "ms"}
    good: dict[str, list[float]] = {READ: [], TYPED: []}
    chips: list[bool] = []
    for search in searches:
        for name in good:
            reading = read_query(search.query, index, now, as_typed=name == TYPED)
            request = build_request("", Activity(), reading.query, "", Filter(), now, words=reading.words)
            vector = encoder.encode([request.request_text], "request")[0]
            found = search_read(index, asked(request, reading, Filter()), reading, Filter(), vector, CANDIDATES, ())
            ids = found.candidates.first(SHOWN).ids
            grades = truth.fits([search.member_id] * len(ids), ids, [search.query] * len(ids))
            good[name].append(float((grades >= GOOD).sum()))
            if name == READ:
                chips.append(bool(reading.chips))
    yield {"case": case, "system": READ, "metric": "with chips", "value": float(np.mean(chips))}
    for name, counts in good.items():
        yield {"case": case, "system": name, "metric": f"good_fits@{SHOWN}", **_interval(counts)}
    gain = [read - typed for read, typed in zip(good[READ], good[TYPED], strict=True)]
    yield {"case": case, "system": f"{READ}, less {TYPED}", "metric": f"good_fits@{SHOWN}", **_interval(gain)}


def _times(index: JobIndex, searches: Sequence[Search], now: datetime) -> list[float]:
    """Seconds of each reading."""
    times = []
    for search in searches:
        started = time.perf_counter()
        read_query(search.query, index, now)
        times.append(time.perf_counter() - started)
    return times


def _interval(values: Sequence[float]) -> dict[str, float]:
    """The mean and its interval, as a row has them."""
    [estimate] = mean_estimates(np.array(values)[:, None], seed=0)
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


if __name__ == "__main__":
    main()
