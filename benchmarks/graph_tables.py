"""The tables of `docs/benchmarks/graph.md`, of what `benchmarks.graph_teacher` wrote."""

from __future__ import annotations

from benchmarks.markdown import Rows, made_by, markdown_table, with_interval

FIGURES = ("recall@10", "ndcg@10")
ABOVE = tuple(f"{name}, above the text teacher's" for name in FIGURES)
SHARES = ("share of the oracle's gain", "share_of_gain_in_student")
ALONE = tuple(f"{name}, above distillation alone" for name in FIGURES)
COSTS = ("training and scoring", "times the text teacher's")
RUNGS = ("G0", "G1", "G1 without auxiliary tasks", "G2")
SYSTEMS = ("text teacher", "item-kNN", "what nobody opened yet", *RUNGS, "oracle")


def graph_tables(rows: Rows) -> dict[str, str]:
    """Figures of all requests, differences by degree, shares of gains, what a member's vector adds, costs."""
    of = {(row["case"], row["system"], row["metric"]): row for row in rows}
    cases = list(dict.fromkeys(row["case"] for row in rows))
    whole = [case for case in cases if not any(case.startswith(f"{other}, ") for other in cases)]
    figures = [
        [case, system, *(_cell(of, case, system, name) for name in FIGURES)]
        for case in whole
        for system in dict.fromkeys(row["system"] for row in rows if row["case"] == case)
        if (case, system, FIGURES[1]) in of
    ]
    by_degree = [
        [
            case,
            f"{of[case, 'requests', 'number']['value']:.0f}",
            system,
            *(_cell(of, case, system, name) for name in ABOVE),
        ]
        for case in cases
        for system in SYSTEMS[1:]
        if (case, system, ABOVE[1]) in of
    ]
    shares = [
        [row["case"], row["system"], row["metric"], with_interval(row)]
        for row in rows
        if row["metric"].endswith(SHARES) and row["system"] not in SYSTEMS[1:3]
    ]
    told = [
        [case, system, *(_cell(of, case, system, name) for name in ALONE)]
        for case, system, metric in of
        if metric == ALONE[1]
    ]
    costs = [
        [case, rung, *(_plain(of, case, rung, name) for name in COSTS)]
        for case in whole
        for rung in RUNGS
        if (case, rung, COSTS[0]) in of
    ]
    return {
        "figures": markdown_table(["data", "system", "Recall@10", "NDCG@10"], figures),
        "degrees": markdown_table(["requests", "number", "system", "Recall@10, above the text", "NDCG@10"], by_degree),
        "shares": markdown_table(["data", "system", "share", "value"], shares),
        "told": markdown_table(["requests", "student", "Recall@10, above distillation alone", "NDCG@10"], told)
        if told
        else "The published run has no such student.\n",
        "costs": markdown_table(["data", "rung", "training and scoring, s", "times the text teacher's"], costs),
        "made": made_by(rows),
    }


def _cell(of: dict, case: str, system: str, metric: str) -> str:
    row = of.get((case, system, metric))
    return with_interval(row) if row else ""


def _plain(of: dict, case: str, system: str, metric: str) -> str:
    row = of.get((case, system, metric))
    return f"{row['value']:.2f}" if row else ""
