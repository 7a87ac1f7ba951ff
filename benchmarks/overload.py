"""What a service does with three and ten times what it can: `results/overload.json`.

    python -m benchmarks.overload --workspace artifacts/demo --jobs 100000 --encode 5000

The service is `rolecall serve` in a process of its own, over the market of `benchmarks.serving`. Its capacity is
measured first, in a closed loop: whole answers (200 candidates ranked) a second. Then requests come in an open loop, at
the times of a Poisson process that does not ask whether the service keeps up; then at half of the capacity, until it
has recovered. Where the machine has more than one core the service has all but the last of them, and the client that.

The client is `benchmarks.open_loop`: of the public tools, those that PyPI and Debian carry (hey, wrk, locust) wait for
answers before they send more, which spares a service that is late.

| metric | meaning |
|---|---|
| goodput_share | 200s within the deadline, over the capacity |
| late_answers | answers of any kind later than the deadline and 100 ms |
| refused_in_50ms_share | of the 429s, those that came within 50 ms |
| other_answers | neither 200 nor 429, connections that broke among them |
| full_depth_share | of the 200s, those with all 200 candidates ranked |
| recovery_s | from the end of the overload until the first second of which 95% of the requests are answered in time |
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks import result_file
from benchmarks.open_loop import Answered, closed_loop, open_loop
from benchmarks.serving import RETURNED, WARM_UPS, row
from benchmarks.serving_load import ask, service
from benchmarks.serving_market import market
from contracts.features import MEMBER_TEXT
from contracts.machine import cores
from contracts.tables import read_table
from contracts.workspace import Workspace

log = logging.getLogger("rolecall")

DEADLINE, LATE = 1.0, 0.1
SOON = 0.05
FULL_DEPTH = 200
RECOVERY_LOAD, RECOVERY_SECONDS, RECOVERED_SHARE = 0.5, 15.0, 0.95
PROBE_SECONDS, MEMORY_SECONDS = 0.1, 0.5


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--workspace", type=Path, default=Path("artifacts/demo"), help="a workspace with a bundle")
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--encode", type=int, help="jobs whose text is encoded; all where absent")
    parser.add_argument("--seconds", type=float, default=60, help="of overload (60)")
    parser.add_argument("--times", type=float, nargs="+", default=[3.0, 10.0], help="of the capacity (3 10)")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    encoded = min(options.encode or options.jobs, options.jobs)
    workspace = market(Workspace(options.workspace), options.jobs, encoded)
    members = sorted(set(read_table(workspace.features / MEMBER_TEXT, ["member_id"])["member_id"].to_pylist()))
    bodies = [
        json.dumps({"member_id": m, "k": RETURNED}).encode() for m in np.random.default_rng(0).permutation(members)
    ]
    served_by, asked_by = halves()
    rows: list[dict[str, Any]] = []
    with pinned(served_by), service(workspace) as (port, process, _):
        os.sched_setaffinity(0, asked_by)
        ask(port, "/v1/recommend", bodies[:WARM_UPS], 1)
        measured, rate = capacity(port, bodies, len(served_by), options.seconds / 4)
        where = f"{options.jobs:,} jobs, service on {len(served_by)} of {cores_of(served_by | asked_by)} cores"
        rows += [row(f"capacity, {where}", metric, value, unit) for metric, value, unit in measured]
        for times in options.times:
            log.info("%g times %.1f a second for %g s", times, rate, options.seconds)
            found = overload(port, process, bodies, times * rate, rate, options.seconds)
            rows += [row(f"{times:g} times capacity, {where}", metric, value, unit) for metric, value, unit in found]
    result_file.write(
        "overload", result_file.command_line("benchmarks.overload"), rows, simulated=True, publish=options.publish
    )


Rows = list[tuple[str, float, str]]


def capacity(port: int, bodies: Sequence[bytes], served_by: int, seconds: float) -> tuple[Rows, float]:
    """Whole answers a second in a closed loop of two connections a core."""
    answered = asyncio.run(closed_loop(port, "/v1/recommend", bodies, 2 * served_by, seconds))
    whole = [one for one in answered if is_good(one) and one.depth == FULL_DEPTH]
    if len(whole) < 0.95 * len(answered):
        raise SystemExit(f"{len(answered) - len(whole)} of {len(answered)} answers were not whole: no capacity to name")
    rate = len(whole) / seconds
    return [
        ("requests_per_second", rate, "1/s"),
        ("p50_ms", float(np.median([a.seconds for a in whole])) * 1e3, "ms"),
    ], rate


def overload(
    port: int, process: psutil.Process, bodies: Sequence[bytes], rate: float, capacity: float, seconds: float
) -> Rows:
    """What became of requests that came at `rate` for `seconds`, and how soon all was well afterwards."""
    before = process.memory_info().rss
    answered, after, probes, memory, busy = asyncio.run(
        _overloaded(port, process, bodies, rate, capacity * RECOVERY_LOAD, seconds)
    )
    good = [one for one in answered if is_good(one)]
    refused = [one for one in answered if one.status == 429]
    whole = [one for one in good if one.depth == FULL_DEPTH]
    walls = np.array([one.seconds for one in good]) * 1e3 if good else np.zeros(1)
    rows: Rows = [
        ("sent_per_second", len(answered) / seconds, "1/s"),
        ("goodput_share", len(good) / seconds / capacity, "share"),
        ("full_depth_share", len(whole) / max(1, len(good)), "share"),
        ("mean_depth", float(np.mean([one.depth for one in good])) if good else 0.0, "candidates"),
        ("p50_ms", float(np.percentile(walls, 50)), "ms"),
        ("p99_ms", float(np.percentile(walls, 99)), "ms"),
        ("late_answers", sum(one.seconds > DEADLINE + LATE for one in answered), "requests"),
        (
            "refused_in_50ms_share",
            float(np.mean([one.seconds <= SOON for one in refused])) if refused else 1.0,
            "share",
        ),
        ("refused_share", len(refused) / len(answered), "share"),
        ("other_answers", sum(one.status not in (200, 429) for one in answered), "requests"),
        ("healthz_p99_ms", float(np.percentile([one.seconds for one in probes], 99)) * 1e3, "ms"),
        ("resident_before_mb", before / 1e6, "MB"),
        ("resident_most_mb", max(memory) / 1e6, "MB"),
        ("recovery_s", recovery(after), "s"),
        ("client_busy_share", busy, "share"),
        ("client_late_p99_ms", float(np.percentile([one.behind for one in answered], 99)) * 1e3, "ms"),
    ]
    return rows


async def _overloaded(
    port: int, process: psutil.Process, bodies: Sequence[bytes], rate: float, later: float, seconds: float
) -> tuple[list[Answered], list[Answered], list[Answered], list[int], float]:
    """Requests of the overload and of the time after it, probes of /healthz, bytes of memory, the client's CPU."""
    memory: list[int] = []

    async def watch() -> None:
        while True:
            memory.append(process.memory_info().rss)
            await asyncio.sleep(MEMORY_SECONDS)

    watching = asyncio.create_task(watch())
    probing = asyncio.create_task(open_loop(port, "/healthz", [b""], 1 / PROBE_SECONDS, seconds, steady=True))
    cpu, started = time.process_time(), time.monotonic()
    overloading = asyncio.create_task(open_loop(port, "/v1/recommend", bodies, rate, seconds))
    await asyncio.sleep(seconds)
    busy = (time.process_time() - cpu) / (time.monotonic() - started)
    recovering = asyncio.create_task(open_loop(port, "/v1/recommend", bodies, later, RECOVERY_SECONDS, seed=1))
    answered, after, probes = await asyncio.gather(overloading, recovering, probing)
    watching.cancel()
    return answered, after, probes, memory, busy


def recovery(after: Sequence[Answered]) -> float:
    """Seconds until the first second of which `RECOVERED_SHARE` of the requests are answered in time."""
    sent = np.array([one.sent for one in after])
    good = np.array([is_good(one) for one in after])
    for start in np.arange(0.0, RECOVERY_SECONDS - 1, 0.1):
        of_second = good[(sent >= start) & (sent < start + 1)]
        if len(of_second) and of_second.mean() >= RECOVERED_SHARE:
            return float(start)
    return RECOVERY_SECONDS


def is_good(one: Answered) -> bool:
    return one.status == 200 and one.seconds <= DEADLINE


# --- cores -----------------------------------------------------------------------------------------------------------


def halves() -> tuple[set[int], set[int]]:
    """The cores of the service and of the client: apart where there is more than one."""
    mine = sorted(os.sched_getaffinity(0))
    return (set(mine[:-1]), {mine[-1]}) if cores() > 1 else (set(mine), set(mine))


def cores_of(them: set[int]) -> int:
    return len(them)


@contextmanager
def pinned(them: set[int]) -> Any:
    """What is started meanwhile has these cores alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, them)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


if __name__ == "__main__":
    main()
