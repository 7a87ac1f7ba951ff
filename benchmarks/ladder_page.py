"""`docs/ladder.md` and its plot, drawn from `results/recipe_ladder.json`: `python -m benchmarks.ladder_page`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.ladder_data import ONET, SIMULATED, TEACHER, TEACHER_INT8
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
    ]
    return "\n".join([_head(document), *(f"## {title}\n\n{text}" for title, text in sections)])


def _head(document: Mapping[str, Any]) -> str:
    machine = document["machine"]
    return f"""# The ladder

What each step of the recipe adds, on lists that nothing was trained on. `{document["command"]}`
trains and measures all of it; this page is drawn from [its result file](../benchmarks/results/recipe_ladder.json), made
on {machine.get("cpu", "?")} ({machine.get("cores", "?")} cores). Each rung's student was trained under several seeds;
an interval is 95% over seeds and held-out lists together. "Of the teacher's": the figure over that of the teacher that
answers the task, on the same draws.

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
    lines = [[name, *(with_interval(found[name, column]) if (name, column) in found else "" for column in columns)]
             for name in systems]  # fmt: skip
    return markdown_table(["rung", *(COLUMNS[column] for column in columns)], lines)


def _speed(rows: Sequence[Row]) -> str:
    found = {(row["system"], row["metric"]): row for row in rows if row["case"].endswith("threads")}
    systems = [name for name in dict.fromkeys(system for system, _ in found) if (name, "pairs_per_s") in found]
    columns = ("pairs_per_s", f"times_{TEACHER}", f"times_{TEACHER_INT8}", "bytes", "operations_a_pair")
    heads = ("system", "pairs a second", "times the teacher in PyTorch", "times the teacher as INT8 ONNX", "bytes",
             "operations a pair")  # fmt: skip
    lines = [[name, *(with_interval(found[name, column]) if (name, column) in found else "" for column in columns)]
             for name in systems]  # fmt: skip
    return markdown_table(heads, lines) + "\n" + _limit(found)


def _limit(found: Mapping[tuple[str, str], Row]) -> str:
    """What the cores could do: the matrix products alone, at the rate of one that does nothing else."""
    limits = {name: row["value"] for (name, metric), row in found.items() if metric == "operations_per_s"}
    int8 = next((rate for name, rate in limits.items() if name.endswith("int8")), None)
    if int8 is None:
        return ""
    lines = []
    for (name, metric), row in found.items():
        if metric == "operations_a_pair":
            most = int8 / row["value"]
            share = found[name, "pairs_per_s"]["value"] / most
            lines.append([name, f"{most:,.0f}", f"{share:.0%}"])
    shown = ", ".join(f"{name.rsplit(', ')[-1]} {rate / 1e9:,.0f}" for name, rate in limits.items())
    return (
        f"The two cores do {shown} thousand million operations a second in matrix products of this shape alone. At that"
        " rate, with the prefix for nothing, a student could at most score:\n\n"
        + markdown_table(["system", "pairs a second at most", "share reached"], lines)
    )


def _sums(rows: Sequence[Row]) -> str:
    lines = [[row["system"], row["metric"], with_interval(row)] for row in rows if row["metric"].startswith("sum of")]
    return (
        "The sum is NDCG@10 by grades plus the mean AUC of views and applications. A student of one teacher answers for"
        " the other's objective with the score that it has: relevance for views and applications, views for relevance."
        "\n\n" + markdown_table(["student of", "measure", "value"], lines)
    )


def _kappas(rows: Sequence[Row]) -> str:
    lines = [[row["system"], row["metric"], with_interval(row)] for row in rows if "kappa" in row["metric"]]
    return markdown_table(["who grades", "measure", "value"], lines)


def plot(rows: Sequence[Row], out: Path) -> None:
    """NDCG@10 and AUC of views of each rung on the simulated market, and NDCG@10 against pairs a second."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "ladder"
    from matplotlib import pyplot

    found = {(row["system"], row["metric"]): row for row in rows if row["case"].startswith(SIMULATED)}
    systems = [name for name in dict.fromkeys(system for system, _ in found) if (name, "ndcg@10") in found][::-1]
    figure, axes = pyplot.subplots(1, 3, figsize=(14, 0.32 * len(systems) + 1.6), width_ratios=(1, 1, 1.1))
    for axis, metric in zip(axes, ("ndcg@10", "view_auc"), strict=False):
        for place, name in enumerate(systems):
            if (row := found.get((name, metric))) is not None:
                spread = [[row["value"] - row["low"]], [row["high"] - row["value"]]]
                axis.errorbar(
                    row["value"], place, xerr=spread, fmt="o", color="tab:gray" if name == "teachers" else "tab:blue"
                )
        axis.set_yticks(range(len(systems)), systems if metric == "ndcg@10" else [""] * len(systems))
        axis.set_xlabel(COLUMNS[metric])
        axis.grid(axis="x", alpha=0.3)
    speeds = {row["system"]: row["value"] for row in rows if row["metric"] == "pairs_per_s"}
    for name, rate in speeds.items():
        rung = "teachers" if name.startswith("policy teacher") else name.removesuffix(", INT8")
        if (rung, "ndcg@10") in found:
            value = found[rung, "ndcg@10"]["value"]
            axes[2].plot(rate, value, "o", color="tab:gray" if rung == "teachers" else "tab:blue")
            axes[2].annotate(
                name.removesuffix(", INT8"), (rate, value), textcoords="offset points", xytext=(4, 4), fontsize=7
            )
    axes[2].set_xscale("log")
    axes[2].set_xlabel("pairs a second, two cores (students as INT8)")
    axes[2].set_ylabel("NDCG@10")
    axes[2].grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(out, metadata={"Date": None})


if __name__ == "__main__":
    main()
