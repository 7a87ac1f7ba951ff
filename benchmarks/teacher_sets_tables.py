"""The tables of `docs/benchmarks/teacher_sets.md`, of what `benchmarks.teacher_sets` wrote."""

from __future__ import annotations

from benchmarks.markdown import Row, Rows, by_name, made_by, markdown_table, with_interval

HEADS = {
    "good_fits@10": "good fits",
    "poor_fits@10": "poor fits",
    "good_fits@10_judge": "good fits, by the judge",
    "poor_fits@10_judge": "poor fits, by the judge",
    "NDCG@10": "NDCG@10 of actions",
}
"""Metric of the result file -> head of its column."""
ALL, SOME = "all candidates", "the first "
"""What the cases of all requests and of the sample that the teachers read are called."""
COSTS = ("training and scoring", "student", "export", "items", "index")
RATES = ("scored pairs", "a request, retrieved and scored")
MINUS = " minus "


def teacher_sets_tables(rows: Rows) -> dict[str, str]:
    """What is served, what each teacher adds, the teachers themselves, costs, and what was left out."""
    measured = [row for row in rows if row["case"] not in ("costs", "left out")]
    of_all = [row for row in measured if row["case"].endswith(ALL)]
    return {
        "served": _figures(of_all),
        "added": _added(of_all),
        "teachers": _figures([row for row in measured if SOME in row["case"]]),
        "costs": _costs(rows),
        "left-out": _left_out(rows),
        "made": made_by(rows),
    }


def _figures(rows: Rows) -> str:
    """Orders down, measures across, below the case that they are of."""
    plain = [row for row in rows if MINUS not in row["metric"]]
    named = by_name(plain)
    tables = []
    for case in dict.fromkeys(row["case"] for row in plain):
        systems = dict.fromkeys(row["system"] for row in plain if row["case"] == case)
        lines = [[system, *(_cell(named.get((case, system, metric))) for metric in HEADS)] for system in systems]
        tables.append(f"{case}:\n\n" + markdown_table(["order", *HEADS.values()], lines))
    return "\n".join(tables)


def _added(rows: Rows) -> str:
    """Each student less that of the set without its last teacher, paired by request."""
    found: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        metric, minus, other = row["metric"].partition(MINUS)
        if minus:
            found.setdefault((row["system"], other), {})[metric] = row
    lines = [
        [system, other, *(_cell(metrics.get(metric)) for metric in HEADS)] for (system, other), metrics in found.items()
    ]
    return markdown_table(["order", "less that of the", *HEADS.values()], lines)


def _costs(rows: Rows) -> str:
    named = {(row["system"], row["metric"]): row for row in rows if row["case"] == "costs"}
    columns = [metric for metric in (*COSTS, *RATES) if any(metric == of for _, of in named)]
    systems = dict.fromkeys(system for system, _ in named)
    lines = [[system, *(_cell(named.get((system, metric))) for metric in columns)] for system in systems]
    return markdown_table(["what", *columns], lines)


def _left_out(rows: Rows) -> str:
    lines = [f"- {row['system']}: {row['metric']}\n" for row in rows if row["case"] == "left out"]
    return "".join(lines) or "Nothing was left out.\n"


def _cell(row: Row | None) -> str:
    return with_interval(row) if row else ""
