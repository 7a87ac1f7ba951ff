"""The tables and plots of the README and of `docs/benchmarks/`, made from the committed result files.

`python -m benchmarks.pages` writes each table between its marks, `<!-- NAME -->` and `<!-- /NAME -->`, and draws the
plots beside the pages. A test holds pages and result files together, so that no figure is typed by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import result_file
from benchmarks.as_of import as_of_tables
from benchmarks.branch import CASE as BRANCH
from benchmarks.branch import FULL, PARTIAL
from benchmarks.decoder_tables import decoder_tables
from benchmarks.estimators_tables import estimators_tables
from benchmarks.graph_tables import graph_tables
from benchmarks.intake import intake_tables
from benchmarks.jobviews import NAME as JOB_VIEWS
from benchmarks.ladder_data import ONET, SIMULATED, SPEED, TEACHER, TEACHER_INT8
from benchmarks.languages import languages_tables
from benchmarks.markdown import Rows, by_name, filled, made_by, markdown_table, plain, with_interval
from benchmarks.match import match_tables
from benchmarks.occupations import occupations_tables
from benchmarks.order import frontier_table
from benchmarks.replay_tables import scale_tables
from benchmarks.retrieval_tables import retrieval_tables
from benchmarks.serving_tables import serving_tables, stages_table
from benchmarks.teacher_sets_tables import teacher_sets_tables
from benchmarks.titles import titles_tables

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "benchmarks"


def main() -> None:
    from benchmarks import plots

    for page, about in SOURCES.items():
        path = ROOT / page
        path.write_text(filled(path.read_text(), about.tables(rows_of(*about.results))))
    for name in plots.PLOTS:
        plots.draw(name, PAGES / f"{name}.svg")


def rows_of(*results: str) -> list[dict[str, Any]]:
    """The rows of committed result files, one file after another."""
    files = (result_file.read(result_file.PUBLISHED / f"{result}.json") for result in results)
    return [row for file in files for row in file["rows"]]


# --- the README ------------------------------------------------------------------------------------------------------

MARKET = "simulated market"
FIRST, KNOWN = "End to end, all jobs", "End to end, jobs known by then"
QUALITY = {"nDCG@10": "NDCG@10", "R@10": "Recall@10", "R@100": "Recall@100", "RR": "MRR"}
"""Measure as ir_measures names it -> as people do."""
FITS_CASE = "demo, served candidates, true fit"
FRESH_CASE = "fresh market, served candidates, true fit"
JUDGED_CASE = f"{JOB_VIEWS}, served candidates, the judge's grades"
FITS = {"good_fits@10": "good fits", "poor_fits@10": "poor fits", "share_of_possible": "of the possible good fits"}
FIT_SYSTEMS = {
    "best possible": "the best possible",
    "judge": "the judge, on the records",
    "student, relevance": "the student's relevance",
    "served order": "served",
    "BM25": "BM25",
    "retrieval alone": "retrieval alone",
}
"""System in the result file -> in words, in the order of the table."""
README_METRICS = {
    "of_plain_loop": "rows a second, of a plain loop's",
    "second_run_1pct": "a second run with 1% changed, of the first",
    "pairs_per_s": "pairs a second",
    "times_policy teacher, PyTorch float32": "times the policy teacher's pairs a second",
    "ndcg@10_of_teacher": "NDCG@10 on graded lists, of the policy teacher's",
    "view_auc_of_teacher": "AUC of views, of the click teacher's",
    "apply_auc_of_teacher": "AUC of applications, of the click teacher's",
    "quadratic kappa": "weighted kappa",
    "p50_ms": "median of a request",
    "p99_ms": "99th percentile of a request",
    "requests_per_second": "requests a second",
    "memory_mb": "memory",
    "times": "times the obvious stack's throughput",
}
"""Metrics that the README shows -> in words; the result file holds the others."""


def readme_tables(rows: Rows) -> dict[str, str]:
    return {
        "fits": _fits(rows, FITS_CASE),
        "fresh-fits": _fits(rows, FRESH_CASE),
        "quality": _end_to_end(rows, f"{MARKET}: {FIRST}"),
        "jobviews": _end_to_end(_known_first(rows), f"{JOB_VIEWS}: {FIRST}"),
        "jobviews-fits": _fits(rows, JUDGED_CASE),
        "spine": _spine(rows),
        "stages": stages_table(rows),
    }


def _known_first(rows: Rows) -> Rows:
    """The rows with those over jobs known by then before those over all jobs, where there are any, both as one case."""
    case, of_all = f"{JOB_VIEWS}: {FIRST}", ", also jobs of the future"
    known = [{**row, "case": case} for row in rows if row["case"] == f"{JOB_VIEWS}: {KNOWN}"]
    if not known:
        return rows
    return [*known, *({**row, "system": row["system"] + of_all} for row in rows if row["case"] == case)]


def _end_to_end(rows: Rows, case: str) -> str:
    """Systems down, measures across."""
    found = {(row["system"], row["metric"]): row for row in rows if row["case"] == case}
    systems = dict.fromkeys(system for system, _ in found)
    lines = [
        [system, *(with_interval(found[system, name]) if (system, name) in found else "" for name in QUALITY)]
        for system in systems
    ]
    return markdown_table(["system", *QUALITY.values()], lines)


def _fits(rows: Rows, case: str) -> str:
    """Orders of the served candidates down, how they fill the first ten across."""
    of_case = {(row["system"], row["metric"]): row for row in rows if row["case"] == case}
    lines = [
        [words, *(with_interval(of_case[system, metric]) for metric in FITS)]
        for system, words in FIT_SYSTEMS.items()
        if (system, next(iter(FITS))) in of_case
    ]
    return markdown_table(["order of the same candidates", *FITS.values()], lines)


def _spine(rows: Rows) -> str:
    lines = [
        [row["case"], row["system"], README_METRICS[row["metric"]], with_interval(row)]
        for row in rows
        if row["metric"] in README_METRICS and not row["case"].startswith((MARKET, JOB_VIEWS))
    ]
    return markdown_table(["what", "system", "measure", "value"], lines)


# --- trained embeddings -----------------------------------------------------------------------------------------------


MEASURES = ("recall@10", "recall@100")


def embeddings_tables(rows: Rows) -> dict[str, str]:
    """A table for each set of requests."""
    cases = dict.fromkeys(row["case"] for row in rows)
    return {
        "embeddings": "\n".join(f"{case}\n\n{_recalls([r for r in rows if r['case'] == case])}" for case in cases),
        "made": made_by(rows),
    }


def _recalls(rows: Rows) -> str:
    """Systems down; recall, and what is gained at the last depth over the system that it is compared with, across."""
    named = {(row["system"], row["metric"]): row for row in rows}
    lines = []
    for system in dict.fromkeys(row["system"] for row in rows):
        gained = f"{MEASURES[-1]} above "
        gains = [row for (name, metric), row in named.items() if name == system and metric.startswith(gained)]
        compared = "; ".join(f"{with_interval(gain)} over {gain['metric'].removeprefix(gained)}" for gain in gains)
        lines.append([system, *(with_interval(named[system, name]) for name in MEASURES), compared])
    return markdown_table(["system", *(name.capitalize() for name in MEASURES), "gain in recall@100"], lines)


# --- links ------------------------------------------------------------------------------------------------------------


GRAPHS = ("L1 graph", "ratio graph", "ratio graph, ties cut by hires")


def links_tables(rows: Rows) -> dict[str, str]:
    """A table for each kind of pairs without a hire."""
    kinds = dict.fromkeys(row["case"].split(": ")[0] for row in rows)
    return {kind: _graph_sizes(kind, rows) for kind in kinds} | {"made": made_by(rows)}


def _graph_sizes(kind: str, rows: Rows) -> str:
    """Recalls down; links of each system, the times that the L1 graph is smaller, and non-hires joined across."""
    named = by_name(rows)
    cases = dict.fromkeys(row["case"] for row in rows if row["case"].startswith(f"{kind}: recall "))
    lines = []
    for case in cases:
        cells = [named[case, name, "links"] for name in GRAPHS]
        cells += [named[case, name, "times the L1 graph"] for name in GRAPHS[1:]]
        cells += [named[case, name, "non-hires joined"] for name in GRAPHS]
        lines.append([case.rsplit(" ", 1)[1], *map(with_interval, cells)])
    short = ("L1", "ratio", "ratio, ties cut")
    head = ["recall", *(f"links, {name}" for name in short), *(f"{name}: times L1" for name in short[1:])]
    return markdown_table([*head, *(f"non-hires joined, {name}" for name in short)], lines)


# --- live changes -----------------------------------------------------------------------------------------------------


def live_tables(rows: Rows) -> dict[str, str]:
    """Upserts a second down; the wait until a change is found and the time of a search across."""
    named = by_name(rows)
    cases = [case for case in dict.fromkeys(row["case"] for row in rows) if case.endswith(" upserts/s")]
    metrics = ("p50_searchable_ms", "p99_searchable_ms", "p50_search_ms", "p99_search_ms", "changes_found")
    lines = []
    for case in cases:
        system = next(row["system"] for row in rows if row["case"] == case)
        cells = [named.get((case, system, metric)) for metric in metrics]
        lines.append([case.rsplit(", ", 1)[1].split()[0], *(plain(cell) for cell in cells)])
    heads = ["upserts a second", "found after, p50", "p99", "a search, p50", "p99", "share found"]
    return {"live": markdown_table(heads, lines), "made": made_by(rows)}


# --- the ladder -------------------------------------------------------------------------------------------------------


COLUMNS = {
    "ndcg@10": "NDCG@10",
    "ndcg@10_of_teacher": "of the teacher's",
    "view_auc": "AUC view",
    "view_auc_of_teacher": "of the teacher's",
    "apply_auc": "AUC apply",
    "apply_auc_of_teacher": "of the teacher's",
    "relevance_ece": "ECE relevance",
    "view_ece": "ECE view",
    "apply_ece": "ECE apply",
    "pairs_per_s": "pairs a second",
    "bytes": "bytes on disk",
}


def ladder_tables(rows: Rows) -> dict[str, str]:
    cases = {row["case"].split(",")[0]: row["case"] for row in rows if row["metric"] == "ndcg@10"}
    names = {"simulated": SIMULATED, "onet": ONET, "jobviews": JOB_VIEWS}
    tables = {name: _rungs(rows, cases[case]) for name, case in names.items() if case in cases}
    return tables | {
        "speed": _rung_speed(rows),
        "limit": _limit(rows),
        "mixing": _measures(rows, "student of", lambda metric: metric.startswith("sum of")),
        "kappas": _measures(rows, "who grades", lambda metric: "kappa" in metric),
        "branch": _branch(rows),
        "made": made_by(rows),
    }


def _rungs(rows: Rows, case: str) -> str:
    named = {(row["system"], row["metric"]): row for row in rows if row["case"] == case}
    columns = [name for name in COLUMNS if any(metric == name for _, metric in named)]
    systems = [name for name in dict.fromkeys(system for system, _ in named) if (name, "ndcg@10") in named]
    lines = [
        [name, *(with_interval(named[name, column]) if (name, column) in named else "" for column in columns)]
        for name in systems
    ]
    return f"{case[0].upper()}{case[1:]}:\n\n" + markdown_table(
        ["rung", *(COLUMNS[column] for column in columns)], lines
    )


def _rung_speed(rows: Rows) -> str:
    named = {(row["system"], row["metric"]): row for row in rows if row["case"].startswith(SPEED)}
    systems = [name for name in dict.fromkeys(system for system, _ in named) if (name, "pairs_per_s") in named]
    columns = ("pairs_per_s", f"times_{TEACHER}", f"times_{TEACHER_INT8}")
    heads = ("system", "pairs a second", "times the teacher in PyTorch", "times the teacher as INT8 ONNX")
    lines = [
        [name, *(with_interval(named[name, column]) if (name, column) in named else "" for column in columns)]
        for name in systems
    ]
    return markdown_table(heads, lines)


def _limit(rows: Rows) -> str:
    """The most that the cores could do: at the rate of matrix products alone, and of reading memory alone."""
    value = {(row["system"], row["metric"]): row["value"] for row in rows if row["case"].startswith(SPEED)}
    rates = {name.rsplit(", ")[-1]: rate for (name, metric), rate in value.items() if metric == "operations_per_s"}
    memory = next((rate for (_, metric), rate in value.items() if metric == "bytes_per_s"), None)
    if "int8" not in rates or memory is None:
        return ""
    lines = [[f"{precision} products", "operations a second", f"{rate:,.3g}"] for precision, rate in rates.items()]
    measured = markdown_table(
        ["the two cores", "measure", "value"], [*lines, ["memory", "bytes read a second", f"{memory:,.3g}"]]
    )
    lines = []
    for name in [name for name, metric in value if metric == "operations_a_pair"]:
        operations, moved = value[name, "operations_a_pair"], value[name, "bytes_a_pair"]
        most = rates["int8"] / operations, memory / moved
        share = value[name, "pairs_per_s"] / min(most)
        lines.append([name, f"{operations:,.0f}", f"{moved:,.0f}", *(f"{rate:,.0f}" for rate in most), f"{share:.0%}"])
    heads = [
        "system",
        "operations a pair",
        "bytes a pair",
        "pairs a second by arithmetic",
        "by memory",
        "share of the lower that is reached",
    ]
    return f"{measured}\n{markdown_table(heads, lines)}"


def _measures(rows: Rows, of: str, wanted: Callable[[str], bool]) -> str:
    lines = [[row["system"], row["metric"], with_interval(row)] for row in rows if wanted(row["metric"])]
    return markdown_table([of, "measure", "value"], lines)


def _branch(rows: Rows) -> str:
    seconds = {row["system"]: row["value"] for row in rows if row["case"] == BRANCH and row["metric"] == "seconds"}
    stages = [system.removeprefix(f"{FULL}, ") for system in seconds if system.startswith(f"{FULL}, ")]
    names = [("the whole recipe", (FULL, PARTIAL)), *((s, (f"{FULL}, {s}", f"{PARTIAL}, {s}")) for s in stages)]
    lines = [[name, *(f"{seconds[run]:.1f}" if run in seconds else "" for run in runs)] for name, runs in names]
    return markdown_table(["stage", FULL, PARTIAL], lines)


def order_tables(rows: Rows) -> dict[str, str]:
    return {"frontier": frontier_table(rows), "made": made_by(rows)}


class Source(NamedTuple):
    """Where a page's tables come from: the names of result files, and what makes tables of their rows."""

    results: tuple[str, ...]
    tables: Callable[[Rows], dict[str, str]]


def replay_tables(rows: Rows) -> dict[str, str]:
    """The tables of docs/benchmarks/replay.md."""
    return {**as_of_tables(rows), **scale_tables(rows)}


SOURCES = {
    "README.md": Source(("spine", "affinity", "serving"), readme_tables),
    "docs/explanation/recipe.md": Source(("match",), match_tables),
    "docs/benchmarks/ladder.md": Source(("recipe_ladder",), ladder_tables),
    "docs/benchmarks/retrieval.md": Source(("retrieval_cpu",), retrieval_tables),
    "docs/benchmarks/embeddings.md": Source(("embeddings",), embeddings_tables),
    "docs/benchmarks/links.md": Source(("links",), links_tables),
    "docs/benchmarks/decoder_teacher.md": Source(("decoder_teacher",), decoder_tables),
    "docs/benchmarks/graph.md": Source(("graph_teacher",), graph_tables),
    "docs/benchmarks/teacher_sets.md": Source(("teacher_sets",), teacher_sets_tables),
    "docs/benchmarks/live.md": Source(("retrieval_live",), live_tables),
    "docs/benchmarks/serving.md": Source(("serving", "overload", "replicas"), serving_tables),
    "docs/benchmarks/replay.md": Source(("replay_scale",), replay_tables),
    "docs/benchmarks/estimators.md": Source(("estimators", "open_bandit"), estimators_tables),
    "docs/benchmarks/intake.md": Source(("intake",), intake_tables),
    "docs/how-to/order.md": Source(("order",), order_tables),
    "docs/how-to/languages.md": Source(("languages",), languages_tables),
    "docs/how-to/trained-encoder.md": Source(("occupations",), occupations_tables),
    "docs/how-to/merging.md": Source(("titles",), titles_tables),
}

if __name__ == "__main__":
    main()
