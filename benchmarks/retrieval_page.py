"""The figures and plots of docs/retrieval.md, drawn from `results/retrieval_cpu.json`.

`python -m benchmarks.retrieval_page` writes the tables between their marks, and docs/retrieval_*.svg.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.retrieval_plans import PLANS, PRESELECT
from benchmarks.retrieval_rivals import RIVALS
from benchmarks.retrieval_sizes import SHARES, TERMS, K
from benchmarks.retrieval_turns import OURS, passing
from benchmarks.tables import ROOT, between_marks, markdown_table, with_interval

RESULTS = ROOT / "benchmarks" / "results" / "retrieval_cpu.json"
PAGE = ROOT / "docs" / "retrieval.md"
PLOTS = ("plans", "recall", "sizes")
MOST = 1_000_000


class About(NamedTuple):
    """What a reader chooses an engine by, beside figures."""

    params: str
    good_for: str
    filters: str
    updates: str


_REBUILD = "next build"
_INSIDE = "inside; the stricter, the more of the index is looked at, at last as exact"
ENGINES: dict[str, About] = {
    OURS: About("`engine: exact`", "the default: never misses; filters make it faster", "inside", "live"),
    f"{OURS}, float16": About("`ExactEngine`, alone", "half the memory", "inside", "live"),
    f"{OURS}, int8": About("`ExactEngine`, alone", "a quarter of the memory", "inside", "live"),
    "FAISS flat": About("`faiss: {kind: flat}`", "a baseline", "inside", _REBUILD),
    "FAISS ivf": About("`faiss: {kind: ivf}`", "millions of jobs, weak filters, memory to spare", _INSIDE, _REBUILD),
    "FAISS hnsw": About(
        "`faiss: {kind: hnsw}`", "hundreds of thousands of jobs that seldom change; slow to build", _INSIDE, _REBUILD
    ),
    "FAISS sq8": About("`faiss: {kind: sq8}`", "as ivf, a quarter of its memory", _INSIDE, _REBUILD),
    "FAISS pq": About("`faiss: {kind: pq}`", "as ivf, the least memory", _INSIDE, _REBUILD),
    TERMS: About("always there", "words, phrases, synonyms; explains itself", "a mask over scores", "`appended`"),
}

Row = Mapping[str, Any]
Found = Mapping[tuple[str, str, str], Row]


def main() -> None:
    rows = json.loads(RESULTS.read_text())["rows"]
    PAGE.write_text(filled(PAGE.read_text(), rows))
    for name in PLOTS:
        plot(name, rows, PAGE.with_name(f"retrieval_{name}.svg"))


def filled(page: str, rows: Sequence[Row]) -> str:
    """`page` with the tables of these rows between their marks."""
    found = {(row["case"], row["system"], row["metric"]): row for row in rows}
    tables = {
        "engines": _engines(found),
        "rivals": _rivals(found),
        "bandwidth": _bandwidth(found),
        "crossover": _crossover(found),
        "dtypes": _dtypes(found),
        "preselection": _preselection(found),
        "sizes": _sizes(found),
    }
    for name, table in tables.items():
        page = between_marks(page, name, table)
    return page


def _engines(found: Found) -> str:
    """Each engine, with its figures at the largest number of jobs up to `MOST`; none where it was not measured."""
    lines = []
    for system, about in ENGINES.items():
        cases = [case for case in _cases(found) if (case, system, "mb") in found and _jobs(case) <= MOST]
        case = cases[-1] if cases else ""
        recall = found.get((f"{case}, {passing(1.0)}", system, "recall"))
        times = [found.get((f"{case}, {passing(share)}", system, "ms")) for share in SHARES]
        lines.append(
            [
                system,
                about.params,
                about.good_for,
                case,
                with_interval(recall) if recall else "",
                *(_plain(row) for row in times),
                *(_plain(found.get((case, system, name))) for name in ("mb", "build_s")),
                about.filters,
                about.updates,
            ]
        )
    times_heads = [f"ms, {passing(share)}" for share in SHARES]
    return markdown_table(
        [
            "engine",
            "params",
            "for",
            "measured at",
            f"recall@{K}",
            *times_heads,
            "memory",
            "build",
            "filters",
            "changes",
        ],
        lines,
    )


def _rivals(found: Found) -> str:
    lines = []
    for case, system, metric in found:
        if system == OURS and metric == "times_fastest_rival":
            vectors, share, queries, k = case.split(", ")
            beside = [found.get((case, rival, "times_rolecall")) for rival in RIVALS]
            ratios = [with_interval(row) if row else "" for row in beside]
            ours = [with_interval(found[case, OURS, name]) for name in ("ms", "times_fastest_rival")]
            lines.append([vectors, share, queries, k, *ours, *ratios])
    return markdown_table(
        [
            "vectors",
            "passing",
            "queries",
            "k",
            OURS,
            "of the fastest rival's time",
            *(f"{rival}: times ours" for rival in RIVALS),
        ],
        lines,
    )


def _bandwidth(found: Found) -> str:
    lines = []
    for case, system, metric in found:
        if system == OURS and metric == "share_of_bandwidth":
            vectors, share, _, k = case.split(", ")
            cells = [_percent(found.get((case, name, metric))) for name in (OURS, *RIVALS)]
            read = found[vectors, "memory", "read_bandwidth"], found[vectors, "memory", "copy_bandwidth"]
            lines.append([vectors, share, k, *cells, *(_plain(row) for row in read)])
    return markdown_table(["vectors", "passing", "k", OURS, *RIVALS, "memory is read at", "copied at"], lines)


def _crossover(found: Found) -> str:
    lines = []
    for case, system, metric in found:
        if metric == "crossover":
            vectors, _, queries, k = case.split(", ")
            shares = [found[case, system, name]["value"] for name in ("crossover", "chosen")]
            lines.append([vectors, queries, k, *(f"{share:.0%}" for share in shares)])
    return markdown_table(["vectors", "queries", "k", "gathering is faster below", "the engine gathers below"], lines)


def _dtypes(found: Found) -> str:
    lines = []
    for case, system, metric in found:
        if ", stored as, " in case and metric == "ms":
            vectors, _, queries, k = case.split(", ")
            cells = [with_interval(found[case, system, name]) for name in ("ms", "recall")]
            lines.append([vectors, queries, k, system, *cells, _plain(found[case, system, "mb"])])
    return markdown_table(["vectors", "queries", "k", "stored as", "time", "recall", "memory"], lines)


def _preselection(found: Found) -> str:
    lines = []
    for case, system, metric in found:
        if " sign bits, " in case and metric == "ms":
            vectors, bits, _, share, k = case.split(", ")
            recall = found.get((case, system, "recall"))
            cells = [with_interval(found[case, system, "ms"]), with_interval(recall) if recall else "1"]
            lines.append([vectors, bits, share, k, system, *cells])
    return markdown_table(["vectors", "codes", "passing", "k", "system", "time", "recall"], lines)


def _sizes(found: Found) -> str:
    lines = []
    for case in _cases(found):
        for system in dict.fromkeys(s for c, s, metric in found if c == case and metric == "mb"):
            times = [found.get((f"{case}, {passing(share)}", system, "ms")) for share in SHARES]
            recall = found.get((f"{case}, {passing(1.0)}", system, "recall"))
            cells = [_plain(found[case, system, "build_s"]), _plain(found[case, system, "mb"])]
            lines.append(
                [case, system, *cells, *(_plain(row) for row in times), with_interval(recall) if recall else ""]
            )
    heads = [f"one query, {passing(share)}" for share in SHARES]
    return markdown_table(["jobs", "engine", "build", "memory", *heads, f"recall@{K}, all pass"], lines)


def _cases(found: Found) -> list[str]:
    """What engines were built over, smallest first, vectors before words."""
    cases = dict.fromkeys(case for case, _, metric in found if metric == "mb" and ", stored as, " not in case)
    return sorted(cases, key=lambda case: ("words" in case, _jobs(case)))


def _jobs(case: str) -> int:
    return int(re.split(r" x | jobs", case)[0].replace(",", ""))


def _percent(row: Row | None) -> str:
    return f"{row['value']:.0%}" if row else ""


def _plain(row: Row | None) -> str:
    return with_interval({**row, "low": None}) if row else ""


def plot(name: str, rows: Sequence[Row], out: Path) -> None:
    """One of PLOTS as an SVG."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = name
    from matplotlib import pyplot

    found = {(row["case"], row["system"], row["metric"]): row for row in rows}
    panels = list({"plans": _plan_panels, "recall": _recall_panels, "sizes": _size_panels}[name](found))
    figure, axes = pyplot.subplots(1, len(panels), figsize=(4.6 * len(panels), 3.9), squeeze=False)
    for axis, panel in zip(axes[0], panels, strict=True):
        for (label, points), color in zip(panel.lines.items(), _colors(panel.lines), strict=True):
            axis.plot(*zip(*sorted(points), strict=True), "o-", ms=3.5, lw=1.2, label=label, color=color)
        for label, place in panel.marks.items():
            axis.axvline(place, ls=":", lw=1, color="gray")
            axis.annotate(label, (place, 0.98), xycoords=("data", "axes fraction"), rotation=90, va="top", fontsize=7)
        axis.set_title(panel.title, fontsize=9)
        axis.set_xlabel(panel.x, fontsize=8)
        axis.set_ylabel(panel.y, fontsize=8)
        axis.set_xscale("log")
        axis.set_yscale(panel.scale)
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=6.5)
    figure.tight_layout()
    figure.savefig(out, metadata={"Date": None})
    pyplot.close(figure)


class Panel(NamedTuple):
    """lines: label -> points; marks: label -> where a vertical line stands."""

    title: str
    x: str
    y: str
    lines: Mapping[str, list[tuple[float, float]]]
    marks: Mapping[str, float] = {}
    scale: str = "log"


def _plan_panels(found: Found) -> Iterator[Panel]:
    """Time by the share that passes, one panel for each width and number of queries."""
    for case in dict.fromkeys(case for case, _, metric in found if metric == "crossover"):
        lines: dict[str, list[tuple[float, float]]] = {}
        for (other, plan, metric), row in found.items():
            if metric == "ms" and plan in (*PLANS, PRESELECT) and other.startswith(f"{case}, "):
                share = float(other.rsplit(", ", 1)[1].split("%")[0]) / 100
                lines.setdefault(plan, []).append((share, row["value"]))
        marks = {name: found[case, "gather below", name]["value"] for name in ("crossover", "chosen")}
        yield Panel(case.replace(", plans", ""), "share of the rows that pass", "ms", lines, marks)


def _recall_panels(found: Found) -> Iterator[Panel]:
    """Recall against time without a filter, for each number of jobs with approximate indexes that miss any."""
    for case in _cases(found):
        lines: dict[str, list[tuple[float, float]]] = {}
        for (other, system, metric), row in found.items():
            if other == f"{case}, {passing(1.0)}" and metric == "recall":
                kind = system.split(", nprobe")[0].split(", ef_search")[0]
                lines.setdefault(kind, []).append((found[other, system, "ms"]["value"], row["value"]))
        if any(len(points) > 1 for points in lines.values()):
            yield Panel(f"{case}, all pass, one query", "ms (median)", f"recall@{K}", lines, scale="linear")


def _size_panels(found: Found) -> Iterator[Panel]:
    """Build time, memory and latency by the number of jobs."""
    for metric, suffix, y in (
        ("build_s", "", "build, s"),
        ("mb", "", "memory, MB"),
        ("ms", f", {passing(1.0)}", "one query, all pass, ms"),
        ("ms", f", {passing(SHARES[1])}", f"one query, {passing(SHARES[1])}, ms"),
    ):
        lines: dict[str, list[tuple[float, float]]] = {}
        for case in _cases(found):
            for system in ENGINES:
                if (row := found.get((f"{case}{suffix}", system, metric))) is not None:
                    lines.setdefault(system, []).append((_jobs(case), max(row["value"], 1e-3)))
        yield Panel(y, "jobs", y, lines)


def _colors(lines: Mapping[str, Any]) -> list[str]:
    """Each engine's own color on all plots."""
    known = [*ENGINES, *PLANS, PRESELECT]
    return [f"C{known.index(label) % 10}" for label in lines]


if __name__ == "__main__":
    main()
