"""How long `/v1/recommend` takes over loopback, and where the time goes: the service's part of `results/spine.json`.

    python -m benchmarks.serving --workspace artifacts/demo --jobs 100000 --encode 5000

The service is `rolecall serve` in a process of its own, over the bundle of `--workspace` and a simulated market of
`--jobs` jobs, which is made once under `artifacts/serving/` and kept. 500 candidates, 200 ranked, 20 returned.

Every job's words, attributes and activity are real ones of the market. `--encode N` encodes the texts of N jobs; the
others take the vector (with noise) and item tokens of one of those, which costs a request the same and is said in the
case. Clients are threads that each send their next request when they have their answer (a closed loop).

Value: the percentile over all requests; low and high: its 95% bootstrap interval.
"""

from __future__ import annotations

import json
import logging
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa

from benchmarks import result_file
from contracts.features import CREATED_TIME, EVENT_TIME, JOB_TEXT, JOB_VECTOR, MEMBER_TEXT
from contracts.tables import read_table, write_part
from contracts.versions import current, set_current
from contracts.workspace import Workspace

log = logging.getLogger("rolecall")

CACHE = Path("artifacts/serving")
MEMBERS, EVENTS_A_JOB = 2_000, 3
RETURNED = 20
WARM_UPS = 30
NOISE = 0.05
PART_ROWS = 10_000
RESAMPLES = 1_000
READY_SECONDS = 300


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--workspace", type=Path, default=Path("artifacts/demo"), help="a workspace with a bundle")
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--encode", type=int, help="jobs whose text is encoded; all where absent")
    parser.add_argument("--requests", type=int, default=500, help="at each number of connections")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8])
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    encoded = min(options.encode or options.jobs, options.jobs)
    workspace = market(Workspace(options.workspace), options.jobs, encoded)
    members = sorted(set(read_table(workspace.features / MEMBER_TEXT, ["member_id"])["member_id"].to_pylist()))
    bodies = [
        json.dumps({"member_id": m, "k": RETURNED}).encode() for m in np.random.default_rng(0).permutation(members)
    ]
    name = f"{options.jobs:,} jobs" + (f" ({encoded:,} encoded)" if encoded < options.jobs else "")
    rows: list[dict[str, Any]] = []
    with service(workspace) as (port, process):
        ask(port, "/v1/recommend", bodies[:WARM_UPS], 1)
        for connections in options.connections:
            sent = [bodies[i % len(bodies)] for i in range(options.requests)]
            started = time.perf_counter()
            walls, answers = ask(port, "/v1/recommend", sent, connections)
            seconds = time.perf_counter() - started
            case = f"/v1/recommend, {name}, 500 candidates, 200 ranked, 20 returned, {connections} connections"
            rows += measured(case, walls, answers, seconds)
        case = f"/v1/recommend, {name}"
        rows.append(row(case, "resident_mb", process.memory_info().rss / 1e6, "MB"))
    result_file.write(
        "spine", result_file.command_line("benchmarks.serving"), rows, simulated=True, publish=options.publish
    )


# --- the market ------------------------------------------------------------------------------------------------------


def market(source: Workspace, jobs: int, encoded: int) -> Workspace:
    """A workspace with the source's bundle and encoder over a simulated market; the one made before where there is."""
    from beam_jobs import activity, ingest, verbalize
    from feature_repo.store import apply, materialize
    from retrieval.index.build import build_index
    from simulator.market import simulate

    bundle = source.bundle.name
    workspace = Workspace(CACHE / f"{bundle}-{jobs}-{encoded}")
    if current(workspace.indexes):
        build_index(workspace, workspace.bundle)  # does nothing unless what an index is has changed since
        return workspace
    shutil.rmtree(workspace.root, ignore_errors=True)
    workspace.root.mkdir(parents=True)
    shutil.copy(source.percentiles, workspace.percentiles)
    shutil.copytree(source.encoder, workspace.encoder)
    shutil.copytree(source.bundle, workspace.bundles / bundle)
    set_current(workspace.bundles, bundle)
    raw, place = workspace.root / "raw", ["--workspace", str(workspace.root)]
    log.info("drawing a market of %s jobs", f"{jobs:,}")
    simulate(raw, members=MEMBERS, jobs=jobs, events=EVENTS_A_JOB * jobs)
    ingest.run([*place, "--source", str(raw)])
    verbalize.run(place)
    activity.run(place)
    write_encoded(workspace, encoded)
    apply(workspace)
    materialize(workspace)
    build_index(workspace, workspace.bundle)
    return workspace


def write_encoded(workspace: Workspace, encoded: int) -> None:
    """Vectors and item tokens of every job, the first `encoded` of them from their own text."""
    from ranking.scorer import ItemEncoder
    from retrieval.encoder import TextEncoder

    texts = read_table(workspace.features / JOB_TEXT)
    own = texts["text"].slice(0, encoded).to_pylist()
    encoder = TextEncoder(workspace.encoder)
    vectors = in_slices(partial(encoder.encode, side="job"), own, "vectors")
    items = in_slices(ItemEncoder(workspace.bundle).encode, own, "item tokens").astype(np.float16)
    rng = np.random.default_rng(0)
    for start in range(0, texts.num_rows, PART_ROWS):
        part = texts.slice(start, PART_ROWS)
        rows = np.arange(start, start + part.num_rows)
        found = vectors[rows % encoded]
        found = found + NOISE * (rows >= encoded)[:, None] * rng.standard_normal(found.shape).astype(np.float32)
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        keys = part.select(["job_id", "text_hash"])
        tokens = lists(items[rows % encoded].reshape(len(rows), -1))
        write_part(workspace.items / workspace.bundle.name, keys.append_column("tokens", tokens))
        table = part.select(["job_id", EVENT_TIME, CREATED_TIME]).append_column("vector", lists(found))
        table = table.append_column("title_vector", table["vector"])
        table = table.append_column("vector_hash", part["text_hash"])
        made_by = pa.array([encoder.version] * len(rows), pa.string())
        write_part(workspace.features / JOB_VECTOR, table.append_column("encoder_version", made_by))


def in_slices(encode: Any, texts: list[str], what: str) -> np.ndarray:
    found, said = [], time.monotonic()
    for start in range(0, len(texts), 256):
        found.append(encode(texts[start : start + 256]))
        if time.monotonic() - said > 5:
            said = time.monotonic()
            log.info("%s: %s of %s texts", what, f"{start:,}", f"{len(texts):,}")
    return np.concatenate(found)


def lists(values: np.ndarray) -> pa.Array:
    """A list column of (rows, width) values."""
    offsets = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.ravel()))


# --- the service and its clients -------------------------------------------------------------------------------------


@contextmanager
def service(workspace: Workspace, *more: str) -> Iterator[tuple[int, psutil.Process]]:
    """`rolecall serve` in a process of its own, ready; gives its port and the process. more: further arguments."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = ["serve", "--workspace", str(workspace.root), "--port", str(port), *more]
    command = [sys.executable, "-m", "rolecall", *arguments]
    with (workspace.root / "serve.log").open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
    try:
        until = time.monotonic() + READY_SECONDS
        while not _is_ready(port):
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"the service did not get ready: see {said.name}")
            time.sleep(0.5)
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def _is_ready(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def ask(port: int, path: str, bodies: Sequence[bytes], connections: int) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Send the bodies over so many connections at once; the wall time of each in ms, and the answers."""
    walls: list[float] = []
    answers: list[dict[str, Any]] = []

    def client(mine: Sequence[bytes]) -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        for body in mine:
            started = time.perf_counter()
            connection.request("POST", path, body, {"content-type": "application/json"})
            reply = connection.getresponse()
            content = reply.read()
            walls.append((time.perf_counter() - started) * 1_000)
            if reply.status != 200:
                raise SystemExit(f"{reply.status}: {content.decode()}")
            answers.append(json.loads(content))
        connection.close()

    threads = [threading.Thread(target=client, args=(bodies[i::connections],)) for i in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(answers) != len(bodies):
        raise SystemExit(f"{len(bodies) - len(answers)} of {len(bodies)} requests failed")
    return np.array(walls), answers


# --- the rows --------------------------------------------------------------------------------------------------------


def measured(case: str, walls: np.ndarray, answers: list[dict[str, Any]], seconds: float) -> list[dict[str, Any]]:
    """Percentiles of the wall time and of every stage, the throughput and the share of degraded answers."""
    rows = [percentile(case, "p50_ms", walls, 50), percentile(case, "p99_ms", walls, 99)]
    stages = list(answers[0]["timings_ms"])
    times = {stage: np.array([a["timings_ms"].get(stage, 0.0) for a in answers]) for stage in stages}
    between = walls.sum() - times["total"].sum()
    rows += [percentile(case, f"p{q}_{stage}_ms", times[stage], q) for stage in stages for q in (50, 99)]
    rows.append(row(case, "mean_http_ms", between / len(walls), "ms"))
    rows.append(row(case, "requests_per_second", len(walls) / seconds, "1/s"))
    rows.append(row(case, "degraded_share", float(np.mean([bool(a["degraded"]) for a in answers])), ""))
    return rows


def percentile(case: str, metric: str, values: np.ndarray, q: float) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    drawn = np.percentile(rng.choice(values, (RESAMPLES, len(values))), q, axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return row(case, metric, float(np.percentile(values, q)), "ms") | {"low": float(low), "high": float(high)}


def row(case: str, metric: str, value: float, unit: str) -> dict[str, Any]:
    return {"case": case, "system": "rolecall serve", "metric": metric, "value": value, "unit": unit}


if __name__ == "__main__":
    main()
