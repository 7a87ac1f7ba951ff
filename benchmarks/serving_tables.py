"""The tables of docs/benchmarks/serving.md and the plot of depth, from `serving`, `overload` and `replicas`."""

from __future__ import annotations

import re
from typing import Any

from benchmarks.markdown import Rows, by_name, made_by, markdown_table, with_interval, with_unit

OURS, OBVIOUS = "rolecall serve", "obvious stack"
THROUGHPUT = {
    "requests_per_second": "requests a second",
    "p50_ms": "median",
    "p99_ms": "99th percentile",
    "ranked": "ranked",
    "degraded_share": "share degraded",
    "vectors_stored_share": "share of members' vectors from the store",
}
ONCE = {
    "ready_s": "from start to ready",
    "memory_mb": "memory, shared pages in shares",
    "requests_per_second": "requests a second",
    "tokens_encoded": "tokens that retrieval reads of a member",
    "tokens_of_prefix": "tokens that the student reads of a member",
    "operations_a_request": "operations a request",
    "operations_per_s": "operations a second, products alone",
}
OVERLOAD = {
    "sent_per_second": "requests sent a second",
    "goodput_share": "answers of 200 within the deadline, of the capacity",
    "full_depth_share": "of these, with all 200 candidates ranked",
    "mean_depth": "candidates ranked of these, in the mean",
    "p50_ms": "median of these",
    "p99_ms": "99th percentile of these",
    "late_answers": "answers later than the deadline and 100 ms",
    "refused_share": "share refused with 429",
    "refused_in_50ms_share": "of these, within 50 ms",
    "other_answers": "answers of any other kind",
    "healthz_p99_ms": "99th percentile of /healthz",
    "resident_before_mb": "memory before",
    "resident_most_mb": "memory at most",
    "recovery_s": "until 95% of half the capacity's requests are answered in time again",
}
REPLICAS = {
    "known_at_next_request": "share of applications that the other's next answer knows",
    "p50_known_ms": "until it has come, median",
    "p99_known_ms": "until it has come, 99th percentile",
    "p50_ms": "median of a request",
    "p99_ms": "99th percentile of a request",
    "late_answers": "share of answers after the deadline and 100 ms",
    "degraded_answers": "share degraded",
    "recovery_s": "from letting Redis go on until features are there again",
    "read_ms": "one read",
}
DEPTH = re.compile(r"depth of ranking (\d+)$")


def serving_tables(rows: Rows) -> dict[str, str]:
    """Throughput by connections, the stages of a request, what is measured once, depth, overload, and replicas."""
    return {
        "throughput": _throughput(rows),
        "stages": stages_table(rows),
        "once": _once(rows),
        "depth": _depth(rows),
        "overload": _overload(rows),
        "replicas": _replicas(rows),
        "made": made_by(rows),
    }


def _throughput(rows: Rows) -> str:
    """Cases and systems down, measures across."""
    named = by_name(rows)
    cases = [
        (case, system) for case, system, metric in named if metric == "requests_per_second" and "connections" in case
    ]
    lines = []
    for case, system in cases:
        cells = [named.get((case, system, metric)) for metric in THROUGHPUT]
        times = named.get((case, OBVIOUS, "times")) if system == OURS else None
        lines.append([case, system, *(with_interval(cell) if cell else "" for cell in (*cells, times))])
    return markdown_table(["case", "system", *THROUGHPUT.values(), "times the obvious stack's throughput"], lines)


def stages_table(rows: Rows) -> str:
    """Stages of a request down; median and 99th percentile at each number of connections without caches across."""
    found = {(row["case"], row["metric"]): row for row in rows if row["case"].endswith("connections")}
    found = {key: row for key, row in found.items() if row["system"] == OURS}
    cases = list(dict.fromkeys(case for case, _ in found))
    stages = dict.fromkeys(match[1] for _, metric in found if (match := re.fullmatch(r"p50_(\w+)_ms", metric)))
    head = [f"p{q}, {case.rsplit(', ', 1)[1]}" for case in cases for q in (50, 99)]
    lines = [
        [stage, *(with_unit(found[case, f"p{q}_{stage}_ms"]) for case in cases for q in (50, 99))] for stage in stages
    ]
    return markdown_table(["stage", *head], lines)


def _once(rows: Rows) -> str:
    lines = [
        [row["case"], row["system"], ONCE[row["metric"]], with_unit(row)]
        for row in rows
        if row["metric"] in ONCE and "connections" not in row["case"] and "capacity" not in row["case"]
    ]
    return markdown_table(["case", "system", "measure", "value"], lines)


def _overload(rows: Rows) -> str:
    """Measures down, times of the capacity across; the capacity is in the head."""
    capacity = {row["metric"]: row for row in rows if row["case"].startswith("capacity, ")}
    cases = list(dict.fromkeys(row["case"] for row in rows if "times capacity" in row["case"]))
    found = {(row["case"], row["metric"]): row for row in rows}
    rate = with_unit(capacity["requests_per_second"]) if capacity else ""
    head = [f"capacity: {rate} whole answers a second", *(case.partition(",")[0] for case in cases)]
    lines = [[label, *(with_unit(found[case, metric]) for case in cases)] for metric, label in OVERLOAD.items()]
    return markdown_table(head, lines)


def _replicas(rows: Rows) -> str:
    cases = ("two services, ", "Redis ")
    lines = [
        [row["case"], row["system"], REPLICAS[row["metric"]], with_interval(row)]
        for row in rows
        if row["case"].startswith(cases)
    ]
    return markdown_table(["case", "system", "measure", "value"], lines)


def _depth(rows: Rows) -> str:
    named = by_name(rows)
    lines = [
        [str(depth), *(with_interval(named[case, OURS, metric]) for metric in ("good_fits@10", "ranking_p50_ms"))]
        for depth, case in _depths(rows)
    ]
    return markdown_table(["candidates that the student ranks", "good fits in the first ten", "ranking, median"], lines)


def _depths(rows: Rows) -> list[tuple[int, str]]:
    cases = dict.fromkeys(row["case"] for row in rows)
    return sorted((int(match[1]), case) for case in cases if (match := DEPTH.search(case)))


def depth_plot(rows: Rows) -> Any:
    """Good fits in the first ten against the time of ranking; a point is a depth."""
    from matplotlib import pyplot

    named = by_name(rows)
    figure, axis = pyplot.subplots(figsize=(6, 3.8))
    points = []
    for depth, case in _depths(rows):
        fits, time = (named[case, OURS, metric] for metric in ("good_fits@10", "ranking_p50_ms"))
        spread = [[fits["value"] - fits["low"]], [fits["high"] - fits["value"]]]
        axis.errorbar(time["value"], fits["value"], yerr=spread, fmt="o", color="tab:blue")
        axis.annotate(str(depth), (time["value"], fits["value"]), xytext=(5, 4), textcoords="offset points", fontsize=8)
        points.append((time["value"], fits["value"]))
    axis.plot(*zip(*points, strict=True), lw=1, color="tab:blue", alpha=0.5)
    axis.set_xlabel("ranking, median, ms")
    axis.set_ylabel("good fits in the first ten")
    axis.set_title("Candidates that the student ranks", fontsize=10)
    axis.grid(alpha=0.3)
    return figure
