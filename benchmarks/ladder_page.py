"""`docs/ladder.md` and its plot, drawn from `results/recipe_ladder.json`: `python -m benchmarks.ladder_page`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.branch import CASE as BRANCH
from benchmarks.branch import FULL, PARTIAL
from benchmarks.ladder_data import ONET, SIMULATED, SPEED, TEACHER, TEACHER_INT8
from benchmarks.result_file import in_words
from benchmarks.tables import ROOT, markdown_table, with_interval
from sources.onet import ATTRIBUTION

RESULTS = ROOT / "benchmarks" / "results" / "recipe_ladder.json"
PAGE, PLOT = ROOT / "docs" / "ladder.md", ROOT / "docs" / "ladder.svg"
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

Row = Mapping[str, Any]


def main() -> None:
    document = json.loads(RESULTS.read_text())
    PAGE.write_text(page(document))
    plot(document["rows"], PLOT)


def page(document: Mapping[str, Any]) -> str:
    rows = document["rows"]
    cases = dict.fromkeys(row["case"] for row in rows if row["metric"] == "ndcg@10")
    sections = [(case[0].upper() + case[1:], _note(case) + _quality(rows, case)) for case in cases]
    sections += [
        ("Speed", _speed(rows)),
        ("Two teachers against one", _sums(rows)),
        ("Who agrees with the truth", _kappas(rows)),
        ("Another click teacher", _branch(rows)),
    ]
    return "\n".join([_head(document), *(f"## {title}\n\n{text}" for title, text in sections)])


def _head(document: Mapping[str, Any]) -> str:
    mine: Row = next((row for row in document["rows"] if row["metric"] == "ndcg@10"), {})
    machine = mine.get("machine") or in_words(document["machine"])
    return f"""# The ladder

What each step of the recipe adds, on lists that nothing was trained on. `{mine.get("command", document["command"])}`
trains and measures all of it; this page is drawn from [its result file](../benchmarks/results/recipe_ladder.json), made
on {machine}.

Each rung's student was trained under several seeds, the teachers once. An interval of a student's quality is 95% of
bootstrap draws of seeds and of held-out lists together, one of the teachers' of held-out lists alone. "Of the
teacher's" is the figure over that of the teacher that answers the task, on the same draws. ECE is the expected
calibration error after isotonic regression on the validation lists. Pairs a second (at 200 candidates a request, median
and the range of nine in ten requests) and bytes are those of the INT8 graphs on two cores, of the teachers those of the
policy teacher's; rungs of one shape share them. "Neurons 25% less": a quarter of the feed-forward neurons of every
layer of the trained student went, without and with distillation after it.

![Quality and speed of each rung](ladder.svg)
"""


def _note(case: str) -> str:
    if case.startswith(SIMULATED):
        return "Everything here is simulated; grades are the rubric judge's.\n\n"
    return f"{ATTRIBUTION}\n\n" if case.startswith(ONET) else ""


def _quality(rows: Sequence[Row], case: str) -> str:
    found = {(row["system"], row["metric"]): row for row in rows if row["case"] == case}
    columns = [name for name in COLUMNS if any(metric == name for _, metric in found)]
    systems = [name for name in dict.fromkeys(system for system, _ in found) if (name, "ndcg@10") in found]
    lines = [
        [name, *(with_interval(found[name, column]) if (name, column) in found else "" for column in columns)]
        for name in systems
    ]
    return markdown_table(["rung", *(COLUMNS[column] for column in columns)], lines)


def _speed(rows: Sequence[Row]) -> str:
    found = {(row["system"], row["metric"]): row for row in rows if row["case"].startswith(SPEED)}
    systems = [name for name in dict.fromkeys(system for system, _ in found) if (name, "pairs_per_s") in found]
    columns = ("pairs_per_s", f"times_{TEACHER}", f"times_{TEACHER_INT8}")
    heads = ("system", "pairs a second", "times the teacher in PyTorch", "times the teacher as INT8 ONNX")
    lines = [
        [name, *(with_interval(found[name, column]) if (name, column) in found else "" for column in columns)]
        for name in systems
    ]
    return (
        "The median of all requests in all rounds, in brackets the range of nine in ten of them; a ratio is taken"
        " request by request. Systems took turns in one run. Of several rungs with one shape one stands here.\n\n"
        + markdown_table(heads, lines)
        + "\n"
        + _limit(found)
    )


def _limit(found: Mapping[tuple[str, str], Row]) -> str:
    """What the cores could do: at the rate of matrix products that do nothing else, and of memory that is only read."""
    value = {key: row["value"] for key, row in found.items()}
    rates = {name.rsplit(", ")[-1]: rate for (name, metric), rate in value.items() if metric == "operations_per_s"}
    memory = next((rate for (_, metric), rate in value.items() if metric == "bytes_per_s"), None)
    if "int8" not in rates or memory is None:
        return ""
    lines = []
    for name in [name for name, metric in value if metric == "operations_a_pair"]:
        operations, moved = value[name, "operations_a_pair"], value[name, "bytes_a_pair"]
        most = rates["int8"] / operations, memory / moved
        share = value[name, "pairs_per_s"] / min(most)
        lines.append([name, f"{operations:,.0f}", f"{moved:,.0f}", *(f"{rate:,.0f}" for rate in most), f"{share:.0%}"])
    shown = ", ".join(f"{precision} {rate / 1e9:,.0f}" for precision, rate in rates.items())
    return (
        f"The two cores do {shown} thousand million operations a second in matrix products of this shape alone, and"
        f" read {memory / 1e9:,.1f} GB of memory a second. Operations of a pair are those of the scoring layers' matrix"
        " products; bytes are its item tokens and its share of the scoring weights. At those rates, with the prefix for"
        " nothing, a student could at most score:\n\n"
        + markdown_table(
            [
                "system",
                "operations a pair",
                "bytes a pair",
                "pairs a second by arithmetic",
                "by memory",
                "share of the lower that is reached",
            ],
            lines,
        )
    )


def _sums(rows: Sequence[Row]) -> str:
    lines = [[row["system"], row["metric"], with_interval(row)] for row in rows if row["metric"].startswith("sum of")]
    return (
        "The sum is NDCG@10 by grades plus the mean AUC of views and applications. The three students were trained"
        " alike, with the same knobs, pairs and seeds, and differ in their teachers alone: each starts as the"
        " mean of its teachers, and a task that none of a student's teachers answers it learns from the labels."
        " Intervals are 95% over seeds and lists; a difference is taken on the same draws of both.\n\n"
        + markdown_table(["student of", "measure", "value"], lines)
    )


def _kappas(rows: Sequence[Row]) -> str:
    lines = [[row["system"], row["metric"], with_interval(row)] for row in rows if "kappa" in row["metric"]]
    return (
        "Intervals are 95% of bootstrap draws of lists, since pairs of one list are not independent; the difference of"
        " teacher and judge is taken on the same draws.\n\n" + markdown_table(["who grades", "measure", "value"], lines)
    )


def _branch(rows: Sequence[Row]) -> str:
    seconds = {row["system"]: row["value"] for row in rows if row["case"] == BRANCH and row["metric"] == "seconds"}
    stages = [system.removeprefix(f"{FULL}, ") for system in seconds if system.startswith(f"{FULL}, ")]
    names = [("the whole recipe", (FULL, PARTIAL)), *((s, (f"{FULL}, {s}", f"{PARTIAL}, {s}")) for s in stages)]
    lines = [[name, *(f"{seconds[run]:.1f}" if run in seconds else "" for run in runs)] for name, runs in names]
    return (
        "`python -m benchmarks.branch` runs the recipe, and again with another learning rate of the click teacher:"
        " stages that do not hang on it find their work done. Seconds by the clock, a run each; a stage's start is in"
        " them.\n\n" + markdown_table(["stage", FULL, PARTIAL], lines)
    )


def plot(rows: Sequence[Row], out: Path) -> None:
    """NDCG@10, AUC of views and pairs a second of each rung on the simulated market, a rung a line."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "ladder"
    from matplotlib import pyplot

    found = {(row["system"], row["metric"]): row for row in rows if row["case"].startswith(SIMULATED)}
    systems = [name for name in dict.fromkeys(system for system, _ in found) if (name, "ndcg@10") in found][::-1]
    figure, axes = pyplot.subplots(1, 3, figsize=(14, 0.32 * len(systems) + 1.6), sharey=True)
    drawn = {"ndcg@10": COLUMNS["ndcg@10"], "view_auc": COLUMNS["view_auc"], "pairs_per_s": "pairs a second, INT8"}
    for axis, (metric, label) in zip(axes, drawn.items(), strict=True):
        for place, name in enumerate(systems):
            if (row := found.get((name, metric))) is not None:
                spread = [[row["value"] - row["low"]], [row["high"] - row["value"]]]
                color = "tab:gray" if name == "teachers" else "tab:blue"
                axis.errorbar(row["value"], place, xerr=spread, fmt="o", color=color)
        axis.set_yticks(range(len(systems)), systems)
        axis.set_xlabel(label)
        axis.grid(axis="x", alpha=0.3)
    axes[2].set_xscale("log")
    figure.tight_layout()
    figure.savefig(out, metadata={"Date": None})


if __name__ == "__main__":
    main()
