"""The report: one HTML page that opens anywhere, from the results of a replay and the costs of the stages.

It shows counts, versions and measures. It is given no member's text, so it cannot show any.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from contracts.versions import write_text
from contracts.workspace import Workspace
from replay.fits import SHARE
from replay.report.charts import Bar, bars, curves, reliability
from replay.results import (
    BEST,
    BM25,
    BY_TRUTH,
    ENCODER_ALONE,
    JUDGE,
    LOWER_IS_BETTER,
    POPULARITY,
    RETRIEVAL,
    SERVED,
    WHOLE,
    Cell,
    Results,
    Table,
)

METRICS: Mapping[str, str] = {
    "nDCG@10": "NDCG@10",
    "R@10": "Recall@10",
    "R@100": "Recall@100",
    "RR": "MRR",
    "P(rel=3)@10": "Good fits in the first 10",
    "AUC view": "AUC, opened",
    "AUC apply": "AUC, applied",
    "AUC view by request": "AUC, opened, within a request",
    "AUC apply by request": "AUC, applied, within a request",
    "good_fits@10": "Good fits in the first 10",
    "poor_fits@10": "Poor fits in the first 10",
    "ndcg@10_graded": "NDCG@10 by grade",
    SHARE: "Share of the possible good fits",
    "rank_correlation": "Rank correlation",
    "kappa_with_judge": "Quadratic kappa with the judge",
}
MINUS = "\u2212"
"""A true minus sign, which stands as wide as the plus."""
KINDS: Mapping[str, str] = {
    POPULARITY: "popularity",
    BM25: "bm25",
    ENCODER_ALONE: "encoder",
    RETRIEVAL: "retrieval",
    WHOLE: "whole",
    SERVED: "whole",
}


def write_report(workspace: Workspace, results: Results, stages: Sequence[Mapping[str, Any]] = ()) -> Path:
    """Write `report.html` of a workspace; stages: see `render`."""
    out = workspace.report
    write_text(out, render(results, stages))
    return out


def render(results: Results, stages: Sequence[Mapping[str, Any]] = (), made: datetime | None = None) -> str:
    """The page. stages: {name, seconds, peak_mb} each, in their order; made: now where None."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"metric": _metric, "number": _number, "signed": _signed, "direction": _direction}
    return environment.get_template("report.html").render(
        r=results,
        headline=headline(results),
        tables=[(table, _plots(table, results)) for table in results.tables],
        reliability=[
            reliability(f"{by_task.task.capitalize()}: said and seen", by_task.bins) for by_task in results.reliability
        ],
        calibration=results.reliability,
        stages=stages,
        costs=_costs(stages),
        seconds=sum(stage["seconds"] for stage in stages),
        peak=max((stage["peak_mb"] for stage in stages), default=0),
        cohorts=_cohorts(results),
        made=made or datetime.now(UTC),
        quarantined=sum(results.quarantine.values()),
    )


def headline(results: Results) -> tuple[str, str]:
    """The result in a sentence, policy and behaviour, and the numbers behind it with their intervals."""
    table = results.table("end_to_end")
    if table is None:
        return _of_made_requests(results)
    whole, words = table.cell(WHOLE, "nDCG@10"), table.cell(BM25, "nDCG@10")
    assert whole.difference is not None
    by, low, high = whole.difference
    where = "On a simulated market, the" if results.simulated else "The"
    if table.requests == 1:
        verdict = "was asked once, from which nothing can be told"
    elif low > 0:
        verdict = "ranks better than BM25"
    elif high < 0:
        verdict = "ranks worse than BM25"
    else:
        verdict = "cannot be told apart from BM25"
    share = f" ({by / words.value:+.0%})".replace("-", MINUS) if words.value else ""
    behaviour = f"whole system {verdict}: NDCG@10 {whole.value:.3f} against {words.value:.3f}"
    served = results.served
    first = f"{where} {behaviour}."
    if served is not None:
        place = "On a simulated market, of" if results.simulated else "Of"
        first = (
            f"{place} the first ten jobs {_of_ten(served, SERVED)} ({_rivals(served)}); by what people did, the "
            f"{behaviour}."
        )
    return (
        first,
        f"The paired difference is {_signed(by)}{share}, 95% interval {_signed(low)} to {_signed(high)}, over "
        f"{table.requests:,} held-out requests and {results.jobs:,} jobs. The whole system finds "
        f"{table.cell(WHOLE, 'R@100').value:.0%} of the jobs that people went on to among its first 100, BM25 "
        f"{table.cell(BM25, 'R@100').value:.0%}.",
    )


def _of_made_requests(results: Results) -> tuple[str, str]:
    """What can be said where no request of the log was held out."""
    served = results.served
    first = (
        "Nobody graded the answers."
        if served is None
        else (f"Of the first ten jobs {_of_ten(served, SERVED)} by the judge's grades ({_rivals(served)}).")
    )
    return (
        first,
        f"The log holds no request to measure by: the {results.requests:,} requests were made of members and adverts, "
        f"over {results.jobs:,} jobs. What people would do with the answers, nobody can tell from them.",
    )


def possible_share(results: Results) -> str:
    """What share of the possible good fits the served order has in its first ten, or that nobody graded."""
    served = results.served
    if served is None:
        return results.judged_by
    names = {JUDGE: "the judge's order", BM25: "BM25"}
    rivals = " and ".join(
        f"{name} {served.cell(system, SHARE).value:.0%}" for system, name in names.items() if system in served.systems
    )
    by = "truly fit" if served.name == BY_TRUTH else "fit by the judge's grades"
    return (
        f"Of the jobs that {by} and could stand in the first ten, the served order has "
        f"{served.cell(SERVED, SHARE).value:.0%} there, {rivals}."
    )


def _rivals(served: Table) -> str:
    systems = [system for system in (BEST, JUDGE, BM25) if system in served.systems]
    return ", ".join(f"{system} {_good_and_poor(served, system)}" for system in systems)


def _of_ten(served: Table, system: str) -> str:
    good, poor = (10 * served.cell(system, metric).value for metric in ("good_fits@10", "poor_fits@10"))
    return f"{good:.1f} fit and {poor:.1f} do not"


def _good_and_poor(served: Table, system: str) -> str:
    good, poor = (10 * served.cell(system, metric).value for metric in ("good_fits@10", "poor_fits@10"))
    return f"{good:.1f} and {poor:.1f}"


def _plots(table: Table, results: Results) -> list[Markup]:
    coin = table.name == "told_apart"  # an AUC of 0.5 is that of a coin, so the axis begins there
    drawn = table.metrics if not table.name.startswith("end_to_end") else ("nDCG@10", "R@10", "R@100")
    plots = [
        bars(
            f"{_metric(metric)}, axis from 0.5" if coin else _metric(metric),
            [_bar(table.cell(system, metric)) for system in table.systems],
            lambda value: f"{value:.3f}",
            0.5 if coin else 0.0,
        )
        for metric in drawn
    ]
    if table.name == "end_to_end":
        kinds = {system: KINDS[system] for system in results.recall}
        plots.append(curves("Recall at K", results.recall, kinds, "K, the number of jobs shown"))
    return plots


def _bar(cell: Cell) -> Bar:
    return Bar(cell.system, cell.value, cell.low, cell.high, KINDS.get(cell.system, _family(cell.system)))


def _family(system: str) -> str:
    return "student" if system.startswith("student") else "teacher"


def _costs(stages: Sequence[Mapping[str, Any]]) -> list[Markup]:
    if not stages:
        return []
    names = [stage["name"].replace("_", " ") for stage in stages]
    seconds = [Bar(name, stage["seconds"], kind="cost") for name, stage in zip(names, stages, strict=True)]
    memory = [Bar(name, stage["peak_mb"], kind="cost") for name, stage in zip(names, stages, strict=True)]
    return [
        bars("Wall time, seconds", seconds, lambda v: f"{v:,.1f}"),
        bars("Peak memory, MB", memory, lambda v: f"{v:,.0f}"),
    ]


def _metric(name: str) -> str:
    return METRICS.get(name, name)


def _number(value: float) -> str:
    return f"{value:.3f}"


def _direction(cell: Cell) -> str:
    """Whether a cell is clear of chance better ("up") or worse ("down") than the reference; else empty."""
    if cell.difference is None:
        return ""
    _, low, high = cell.difference
    if cell.metric in LOWER_IS_BETTER:
        low, high = -high, -low
    return "up" if low > 0 else "down" if high < 0 else ""


def _cohorts(results: Results) -> list[dict[str, Any]]:
    """A row a cohort: its name, its requests, and the cells of the systems that are shown beside each other."""
    shown = [(SERVED, "good_fits@10"), (SERVED, "poor_fits@10"), (SERVED, SHARE), (JUDGE, SHARE), (BM25, SHARE)]
    return [
        {
            "kind": cohort.kind,
            "name": cohort.name,
            "requests": cohort.requests,
            "cells": [cohort.cell(*key) for key in shown],
        }
        for cohort in results.cohorts
    ]


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", MINUS)
