"""The tables of docs/benchmarks/estimators.md, from the rows of the result files `estimators` and `open_bandit`."""

from __future__ import annotations

from benchmarks.markdown import Rows, by_name, made_by, markdown_table, plain, with_interval

AGREEMENT, RIVAL = "2,000 requests, the same arrays", "sb-obp"
PLAIN = "mean of the log"


def estimators_tables(rows: Rows) -> dict[str, str]:
    """Whether intervals hold the truth, what is found out, and what another library says of the same log."""
    return {
        "coverage": _coverage(rows),
        "flagged": _flagged(rows),
        "agreement": _agreement(rows),
        "made": made_by(rows),
    }


def _coverage(rows: Rows) -> str:
    named, lines = by_name(rows), []
    for case, system, metric in named:
        if metric != "coverage" or system.endswith(", safe"):
            continue
        cells = (named[case, system, "coverage"], named.get((case, f"{system}, safe", "coverage")))
        errors = (named.get((case, system, "error")), named.get((case, PLAIN, "error")))
        lines.append(
            [system, case, *(with_interval(c) if c else "" for c in cells), *(plain(c) if c else "" for c in errors)]
        )
    head = ["estimator", "what holds", "intervals that hold the truth", "safe intervals", "error", "of the log's mean"]
    return markdown_table(head, lines)


def _flagged(rows: Rows) -> str:
    asked = {"broken_overlap_flagged": "not trusted", "refused": "refused"}
    lines = [
        [row["system"], row["case"], asked[row["metric"]], with_interval(row)] for row in rows if row["metric"] in asked
    ]
    return markdown_table(["estimator", "log", "outcome", "share of logs"], lines)


def _agreement(rows: Rows) -> str:
    of_both = {
        (row["metric"], row["system"].partition(" ")[0]): row["value"] for row in rows if row["case"] == AGREEMENT
    }
    lines = [
        [name, f"{of_both[name, 'rolecall']:.9f}", f"{theirs:.9f}", f"{abs(theirs - of_both[name, 'rolecall']):.1e}"]
        for (name, system), theirs in of_both.items()
        if system == RIVAL
    ]
    return markdown_table(["estimator", "Rolecall", "Open Bandit Pipeline (sb-obp)", "apart"], lines)
