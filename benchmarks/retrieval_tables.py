"""The tables of the retrieval pages: engines, rivals, bandwidth, sizes, from the rows of the retrieval benchmarks."""

from __future__ import annotations

import re
from typing import NamedTuple

from benchmarks.markdown import Named, Rows, by_name, made_by, markdown_table, percent, plain, with_interval
from benchmarks.retrieval_rivals import RIVALS
from benchmarks.retrieval_sizes import SHARES, TERMS, K
from benchmarks.retrieval_turns import OURS, passing

MOST = 1_000_000
"""Jobs up to which an engine is shown in the table of engines."""


class Engine(NamedTuple):
    """What a reader chooses an engine by, beside figures."""

    params: str
    good_for: str
    filters: str
    updates: str


_REBUILD = "next build"
_INSIDE = "inside; the stricter, the more of the index is looked at, at last as exact"
ENGINES: dict[str, Engine] = {
    OURS: Engine("`engine: exact`", "the default: never misses; filters make it faster", "inside", "live"),
    f"{OURS}, float16": Engine("`ExactEngine`, alone", "half the memory", "inside", "live"),
    f"{OURS}, int8": Engine("`ExactEngine`, alone", "a quarter of the memory", "inside", "live"),
    "FAISS flat": Engine("`faiss: {kind: flat}`", "a baseline", "inside", _REBUILD),
    "FAISS ivf": Engine("`faiss: {kind: ivf}`", "millions of jobs, weak filters, memory to spare", _INSIDE, _REBUILD),
    "FAISS hnsw": Engine(
        "`faiss: {kind: hnsw}`", "hundreds of thousands of jobs that seldom change; slow to build", _INSIDE, _REBUILD
    ),
    "FAISS sq8": Engine("`faiss: {kind: sq8}`", "as ivf, a quarter of its memory", _INSIDE, _REBUILD),
    "FAISS pq": Engine("`faiss: {kind: pq}`", "as ivf, the least memory", _INSIDE, _REBUILD),
    TERMS: Engine("always there", "words, phrases, synonyms; explains itself", "a mask over scores", "`appended`"),
}


def retrieval_tables(rows: Rows) -> dict[str, str]:
    named = by_name(rows)
    return {
        "engines": _engines(named),
        "rivals": _rivals(named),
        "bandwidth": _bandwidth(named),
        "crossover": _crossover(named),
        "dtypes": _dtypes(named),
        "preselection": _preselection(named),
        "sizes": _sizes(named),
        "made": made_by(rows),
    }


def _engines(named: Named) -> str:
    """Each engine, with its figures at the largest number of jobs up to `MOST`; none where it was not measured."""
    lines = []
    for system, about in ENGINES.items():
        cases = [case for case in cases_of(named) if (case, system, "mb") in named and jobs_of(case) <= MOST]
        case = cases[-1] if cases else ""
        recall = named.get((f"{case}, {passing(1.0)}", system, "recall"))
        times = [named.get((f"{case}, {passing(share)}", system, "ms")) for share in SHARES]
        lines.append(
            [
                system,
                about.params,
                about.good_for,
                case,
                with_interval(recall) if recall else "",
                *(plain(row) for row in times),
                *(plain(named.get((case, system, name))) for name in ("mb", "build_s")),
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


def _rivals(named: Named) -> str:
    lines = []
    for case, system, metric in named:
        if system == OURS and metric == "times_fastest_rival":
            vectors, share, queries, k = case.split(", ")
            beside = [named.get((case, rival, "times_rolecall")) for rival in RIVALS]
            ratios = [with_interval(row) if row else "" for row in beside]
            ours = [with_interval(named[case, OURS, name]) for name in ("ms", "times_fastest_rival")]
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


def _bandwidth(named: Named) -> str:
    lines = []
    for case, system, metric in named:
        if system == OURS and metric == "share_of_bandwidth":
            vectors, share, _, k = case.split(", ")
            cells = [percent(named.get((case, name, metric))) for name in (OURS, *RIVALS)]
            read = named[vectors, "memory", "read_bandwidth"], named[vectors, "memory", "copy_bandwidth"]
            lines.append([vectors, share, k, *cells, *(plain(row) for row in read)])
    return markdown_table(["vectors", "passing", "k", OURS, *RIVALS, "memory is read at", "copied at"], lines)


def _crossover(named: Named) -> str:
    lines = []
    for case, system, metric in named:
        if metric == "crossover":
            vectors, _, queries, k = case.split(", ")
            shares = [named[case, system, name]["value"] for name in ("crossover", "chosen")]
            lines.append([vectors, queries, k, *(f"{share:.0%}" for share in shares)])
    return markdown_table(["vectors", "queries", "k", "gathering is faster below", "the engine gathers below"], lines)


def _dtypes(named: Named) -> str:
    lines = []
    for case, system, metric in named:
        if ", stored as, " in case and metric == "ms":
            vectors, _, queries, k = case.split(", ")
            cells = [with_interval(named[case, system, name]) for name in ("ms", "recall")]
            lines.append([vectors, queries, k, system, *cells, plain(named[case, system, "mb"])])
    return markdown_table(["vectors", "queries", "k", "stored as", "time", "recall", "memory"], lines)


def _preselection(named: Named) -> str:
    lines = []
    for case, system, metric in named:
        if " sign bits, " in case and metric == "ms":
            vectors, bits, _, share, k = case.split(", ")
            recall = named.get((case, system, "recall"))
            cells = [with_interval(named[case, system, "ms"]), with_interval(recall) if recall else "1"]
            lines.append([vectors, bits, share, k, system, *cells])
    return markdown_table(["vectors", "codes", "passing", "k", "system", "time", "recall"], lines)


def _sizes(named: Named) -> str:
    lines = []
    for case in cases_of(named):
        for system in dict.fromkeys(s for c, s, metric in named if c == case and metric == "mb"):
            times = [named.get((f"{case}, {passing(share)}", system, "ms")) for share in SHARES]
            recall = named.get((f"{case}, {passing(1.0)}", system, "recall"))
            cells = [plain(named[case, system, "build_s"]), plain(named[case, system, "mb"])]
            lines.append(
                [case, system, *cells, *(plain(row) for row in times), with_interval(recall) if recall else ""]
            )
    heads = [f"one query, {passing(share)}" for share in SHARES]
    return markdown_table(["jobs", "engine", "build", "memory", *heads, f"recall@{K}, all pass"], lines)


def cases_of(named: Named) -> list[str]:
    """What engines were built over, smallest first, vectors before words."""
    cases = dict.fromkeys(case for case, _, metric in named if metric == "mb" and ", stored as, " not in case)
    return sorted(cases, key=lambda case: ("words" in case, jobs_of(case)))


def jobs_of(case: str) -> int:
    return int(re.split(r" x | jobs", case)[0].replace(",", ""))
