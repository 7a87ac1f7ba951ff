"""The README's tables, drawn from `results/spine.json`: `python -m benchmarks.tables` writes them between their marks.

A test holds the README and the result file together, so that no figure is typed by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.jobviews import NAME as JOB_VIEWS

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "spine.json"
README = ROOT / "README.md"
MARKET = "simulated market"
FIRST = "End to end, all jobs"
QUALITY = {"nDCG@10": "NDCG@10", "R@10": "Recall@10", "R@100": "Recall@100", "RR": "MRR"}
"""Measure as ir_measures names it -> as people do."""
SPEED = {
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
    "resident_mb": "memory",
}
"""Metrics that the README shows -> in words; the result file holds the others."""

Row = Mapping[str, Any]


def filled(readme: str, rows: Sequence[Row]) -> str:
    """`readme` with the tables of these rows between `<!-- NAME -->` and `<!-- /NAME -->`."""
    tables = {
        "quality": _quality(rows, f"{MARKET}: {FIRST}"),
        "jobviews": _quality(rows, f"{JOB_VIEWS}: {FIRST}"),
        "spine": _speed(rows),
        "stages": _stages(rows),
    }
    for name, table in tables.items():
        readme = between_marks(readme, name, table)
    return readme


def between_marks(page: str, name: str, text: str) -> str:
    """`page` with `text` in place of what stands between `<!-- NAME -->` and `<!-- /NAME -->`."""
    pattern = rf"(<!-- {re.escape(name)} -->\n).*?(<!-- /{re.escape(name)} -->)"
    return re.sub(pattern, lambda match: f"{match[1]}{text}{match[2]}", page, flags=re.DOTALL)


def _quality(rows: Sequence[Row], case: str) -> str:
    """Systems down, measures across."""
    found = {(row["system"], row["metric"]): row for row in rows if row["case"] == case}
    systems = dict.fromkeys(system for system, _ in found)
    lines = [
        [system, *(with_interval(found[system, name]) if (system, name) in found else "" for name in QUALITY)]
        for system in systems
    ]
    return markdown_table(["system", *QUALITY.values()], lines)


def _speed(rows: Sequence[Row]) -> str:
    lines = [
        [row["case"], row["system"], SPEED[row["metric"]], with_interval(row)]
        for row in rows
        if row["metric"] in SPEED and not row["case"].startswith((MARKET, JOB_VIEWS))
    ]
    return markdown_table(["what", "system", "measure", "value"], lines)


def _stages(rows: Sequence[Row]) -> str:
    """Stages of a request down; median and 99th percentile at each number of connections across."""
    found = {(row["case"], row["metric"]): row for row in rows if row["case"].endswith("connections")}
    cases = list(dict.fromkeys(case for case, _ in found))
    stages = dict.fromkeys(match[1] for _, metric in found if (match := re.fullmatch(r"p50_(\w+)_ms", metric)))
    head = [f"p{q}, {case.rsplit(', ', 1)[1]}" for case in cases for q in (50, 99)]
    lines = [
        [stage, *(_with_unit(found[case, f"p{q}_{stage}_ms"]) for case in cases for q in (50, 99))] for stage in stages
    ]
    return markdown_table(["stage", *head], lines)


def markdown_table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(_markdown([head, ["---"] * len(head), *lines])) + "\n"


def _markdown(lines: Sequence[Sequence[str]]) -> Iterator[str]:
    return (f"| {' | '.join(line)} |" for line in lines)


def with_interval(row: Row) -> str:
    if row.get("low") is None or row.get("high") is None:
        return _with_unit(row)
    return f"{_with_unit(row)} ({_number(row['low'])} to {_number(row['high'])})"


def _with_unit(row: Row) -> str:
    unit = row.get("unit") or ""
    return _number(row["value"]) + (f" {unit}" if unit not in ("", "ratio", "x", "1/s") else "")


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def main() -> None:
    README.write_text(filled(README.read_text(), json.loads(RESULTS.read_text())["rows"]))


if __name__ == "__main__":
    main()
