"""The tables and the plot of docs/benchmarks/replay.md about whole runs, by the length of the log, and the scorer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.markdown import Rows, by_name, markdown_table, plain, with_interval

REPLAY, SCORER, PAIRS = "rolecall replay run --rank-only", "scorer, texts and pairs", "scorer, pairs alone"
KINDS = {"replay": f"{REPLAY}, its parts", "scorer": SCORER, "pairs": PAIRS}
"""What takes turns -> how the rows call it."""


def scale_tables(rows: Rows) -> dict[str, str]:
    """The tables of docs/benchmarks/replay.md about whole runs and the scorer."""
    named = by_name(rows)
    metrics = ["wall_seconds", "processor_seconds", "pairs_per_second", "peak_memory_gb", "share_of_scorer"]
    cases = [row["case"] for row in rows if row["metric"] == "wall_seconds" and row["system"] == REPLAY]
    lines = [[case, *(plain(named.get((case, REPLAY, metric))) for metric in metrics)] for case in cases]
    head = ["log", "seconds", "processor seconds", "pairs a second", "memory, all processes", "share of the scorer"]
    turns = [
        [row["system"], row["case"], with_interval(row), plain(named.get((row["case"], row["system"], metrics[-1])))]
        for row in rows
        if _is_of_turns(row)
    ]
    return {
        "scale": markdown_table(head, lines),
        "scorer": markdown_table(["in turns", "pairs", "pairs a second", "share of the scorer"], turns),
    }


def _is_of_turns(row: Mapping[str, Any]) -> bool:
    return row["system"] in KINDS.values() and row["metric"] == "pairs_per_second"


def scale_plot(rows: Rows) -> Any:
    """Seconds and memory by the length of the log."""
    from matplotlib import pyplot
    from matplotlib.ticker import EngFormatter, FuncFormatter

    named = by_name(rows)
    cases = [row["case"] for row in rows if row["metric"] == "impressions" and row["system"] == REPLAY]
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.6))
    if not cases:
        axes[0].set_title("no run is published yet")
        return figure
    for axis, metric, label in zip(
        axes, ("wall_seconds", "peak_memory_gb"), ("seconds", "GB, all processes"), strict=True
    ):
        for drawn, marker, name in ((False, "o", "every request asked"), (True, "s", "some requests drawn")):
            of = [case for case in cases if ("drawn" in case) == drawn]
            x, y = ([named[case, REPLAY, which]["value"] for case in of] for which in ("impressions", metric))
            axis.plot(x, y, marker=marker, label=name)
        axis.set_xscale("log")
        axis.set_xlabel("impressions in the log")
        axis.set_ylabel(label)
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
        axis.grid(alpha=0.3, which="both")
    axes[0].set_yscale("log")
    for ticks in (axes[0].yaxis.set_major_formatter, axes[0].yaxis.set_minor_formatter):
        ticks(FuncFormatter(lambda value, _: f"{value:g}"))
    axes[1].axhline(3, color="tab:gray", linestyle="--", label="3 GB")
    axes[1].set_ylim(0, 3.2)
    axes[1].legend(loc="lower right")
    return figure
