"""How fast the service answers over loopback, where the time goes, and what the obvious stack makes of the same.

    python -m benchmarks.serving --workspace artifacts/demo --jobs 100000 --encode 2000
    python -m benchmarks.serving --workspace artifacts/demo --parts depth        # depth against good fits alone

`/v1/recommend` of `rolecall serve` over the bundle of `--workspace` and a market of `--jobs` jobs
(`benchmarks.serving_market`): 500 candidates, 200 ranked, 20 returned. Without caches every request is of another
member; with them members are drawn by Zipf's law. Vectors of members come from the feature store, as where `embed` and
`materialize` run every night; one case has none there and encodes every member. `benchmarks.obvious_stack` answers the
same requests at the same depth in the same run, and `benchmarks.serving_limit` says what the cores could do at most.

Value: the percentile over all requests; low and high: its 95% bootstrap interval.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import result_file
from benchmarks.serving_depth import depth_rows
from benchmarks.serving_limit import limit_rows
from benchmarks.serving_load import Asked, Running, ask, program, service, vectors_read
from benchmarks.serving_market import market, without_vectors
from contracts.features import MEMBER_TEXT
from contracts.tables import read_table
from contracts.workspace import Workspace

log = logging.getLogger("rolecall")

PARTS = ("serve", "encoded", "caches", "obvious", "limit", "depth")
OURS, OBVIOUS = "rolecall serve", "obvious stack"
RETURNED = 20
WARM_UPS = 30
RESAMPLES = 1_000
ZIPF = 1.1
"""Exponent of the law by which members come back: the tenth asks a twelfth as often as the first."""
PATH = "/v1/recommend"
NO_CACHES = {f"ROLECALL_SERVE__CACHE__{name}_MB": "0" for name in ("VECTORS", "PREFIXES", "SCORES")}


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--workspace", type=Path, default=Path("artifacts/demo"), help="a workspace with a bundle")
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--encode", type=int, help="jobs whose text is encoded; all where absent")
    parser.add_argument("--requests", type=int, default=500, help="at each number of connections")
    parser.add_argument("--obvious", type=int, default=16, help="requests of the obvious stack, which are slow")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--workers", type=int, default=1, help="processes of the service")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    encoded = min(options.encode or options.jobs, options.jobs)
    name = f"{options.jobs:,} jobs" + (f" ({encoded:,} encoded)" if encoded < options.jobs else "")
    rows: list[dict[str, Any]] = []
    if set(options.parts) - {"depth"}:
        workspace = market(Workspace(options.workspace), options.jobs, encoded)
        asked = Requests(workspace, options.requests, options.connections)
        workers = ("--workers", str(options.workers)) if options.workers > 1 else ()
        if "serve" in options.parts:
            with service(workspace, *workers, settings=NO_CACHES) as running:
                rows += served(running, name, asked)
        if "encoded" in options.parts:
            with without_vectors(workspace), service(workspace, *workers, settings=NO_CACHES) as running:
                rows += asked.measured(running.port, name, asked.all_different(), ", members encoded")
        if "caches" in options.parts:
            with service(workspace, *workers) as running:
                rows += asked.measured(running.port, name, asked.zipf(), ", caches, members by Zipf's law")
                rows.append(row(f"{name}, caches, after all", "memory_mb", running.memory(), "MB"))
        if "obvious" in options.parts:
            rows += obvious(workspace, name, asked, options.obvious, rows)
        if "limit" in options.parts:
            rows += limit_rows(workspace, name, OURS)
    if "depth" in options.parts:
        rows += depth_rows(Workspace(options.workspace), OURS)
    command = result_file.command_line("benchmarks.serving")
    result_file.write("serving", command, rows, simulated=True, publish=options.publish)


class Requests:
    """The bodies of requests over a market, and how often and over how many connections they are sent."""

    def __init__(self, workspace: Workspace, count: int, connections: Sequence[int]) -> None:
        ids = sorted(set(read_table(workspace.features / MEMBER_TEXT, ["member_id"])["member_id"].to_pylist()))
        members = np.random.default_rng(0).permutation(ids)
        self.bodies = [json.dumps({"member_id": str(member), "k": RETURNED}).encode() for member in members]
        self.count, self.connections = count, connections

    def all_different(self) -> list[bytes]:
        """As many as are sent, each member as seldom as can be."""
        return [self.bodies[i % len(self.bodies)] for i in range(self.count)]

    def zipf(self) -> list[bytes]:
        """As many, members drawn by Zipf's law."""
        odds = 1 / np.arange(1, len(self.bodies) + 1) ** ZIPF
        drawn = np.random.default_rng(1).choice(len(self.bodies), self.count, p=odds / odds.sum())
        return [self.bodies[i] for i in drawn]

    def measured(self, port: int, name: str, bodies: Sequence[bytes], kind: str = "") -> list[dict[str, Any]]:
        """The rows of each number of connections."""
        ask(port, PATH, self.bodies[-WARM_UPS:], 1)
        rows = []
        for connections in self.connections:
            case = f"{name}, {connections} connections{kind}"
            log.info("%s", case)
            before = vectors_read(port)
            rows += measured(case, ask(port, PATH, bodies, connections))
            came = {outcome: count - before.get(outcome, 0.0) for outcome, count in vectors_read(port).items()}
            rows.append(row(case, "vectors_stored_share", came["stored"] / max(1, sum(came.values())), ""))
        return rows


def served(running: Running, name: str, asked: Requests) -> list[dict[str, Any]]:
    """What the service does without caches: from its start on."""
    idle = running.memory()
    rows = [row(f"{name}, idle", "memory_mb", idle, "MB"), row(f"{name}, start", "ready_s", running.ready, "s")]
    rows += asked.measured(running.port, name, asked.all_different())
    return [*rows, row(f"{name}, after all", "memory_mb", running.memory(), "MB")]


def obvious(
    workspace: Workspace, name: str, asked: Requests, count: int, ours: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The obvious stack over the same market, and how many times its throughput is ours of the same run."""
    rows: list[dict[str, Any]] = []
    throughput = {of["case"]: of["value"] for of in ours if of["metric"] == "requests_per_second"}
    with program(["benchmarks.obvious_stack", "--workspace", str(workspace.root)], workspace.root) as running:
        ask(running.port, PATH, asked.bodies[-2:], 1)
        for connections in asked.connections:
            case = f"{name}, {connections} connections"
            log.info("%s, %s", OBVIOUS, case)
            found = ask(running.port, PATH, asked.bodies[:count], connections)
            rate = len(found.walls) / found.seconds
            rows += [percentile(case, f"p{q}_ms", found.walls, q, OBVIOUS) for q in (50, 99)]
            rows.append(row(case, "requests_per_second", rate, "1/s", OBVIOUS))
            if case in throughput:
                rows.append(row(case, "times", throughput[case] / rate, "x", OBVIOUS))
        rows.append(row(f"{name}, after all", "memory_mb", running.memory(), "MB", OBVIOUS))
    return rows


def measured(case: str, asked: Asked) -> list[dict[str, Any]]:
    """Percentiles of the wall time and of every stage, the throughput, how deep was ranked, and what was refused."""
    walls, answers = asked.walls, asked.answers
    rows = [percentile(case, f"p{q}_ms", walls, q) for q in (50, 99)]
    stages = list(answers[0]["timings_ms"])
    times = {stage: np.array([a["timings_ms"].get(stage, 0.0) for a in answers]) for stage in stages}
    between = walls.sum() - times["total"].sum()
    rows += [percentile(case, f"p{q}_{stage}_ms", times[stage], q) for stage in stages for q in (50, 99)]
    rows.append(row(case, "mean_http_ms", between / len(walls), "ms"))
    rows.append(row(case, "requests_per_second", len(walls) / asked.seconds, "1/s"))
    rows.append(row(case, "degraded_share", float(np.mean([bool(a["degraded"]) for a in answers])), ""))
    rows.append(row(case, "ranked", float(np.mean([a["depth"] for a in answers])), ""))
    rows.append(row(case, "refused_share", asked.refused / (asked.refused + len(answers)), ""))
    return rows


def percentile(case: str, metric: str, values: np.ndarray, q: float, system: str = OURS) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    drawn = np.percentile(rng.choice(values, (RESAMPLES, len(values))), q, axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return row(case, metric, float(np.percentile(values, q)), "ms", system) | {"low": float(low), "high": float(high)}


def row(case: str, metric: str, value: float, unit: str, system: str = OURS) -> dict[str, Any]:
    return {"case": case, "system": system, "metric": metric, "value": value, "unit": unit}


if __name__ == "__main__":
    main()
