"""The plots of `docs/benchmarks/`, drawn from the committed result files as SVG that does not vary."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import chain
from benchmarks.ladder_data import SIMULATED
from benchmarks.markdown import Named, Rows, by_name
from benchmarks.order import CHOSEN
from benchmarks.pages import COLUMNS, rows_of
from benchmarks.replay_tables import scale_plot
from benchmarks.retrieval_plans import PLANS, PRESELECT
from benchmarks.retrieval_sizes import SHARES, K
from benchmarks.retrieval_tables import ENGINES, cases_of, jobs_of
from benchmarks.retrieval_turns import passing
from benchmarks.serving_tables import depth_plot


def draw(name: str, out: Path, rows: Rows | None = None) -> None:
    """Draw one of `PLOTS` as an SVG, of the committed rows where no others are given."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = name.removeprefix("retrieval_")
    from matplotlib import pyplot

    plot = PLOTS[name]
    figure = plot.figure(rows_of(plot.result) if rows is None else rows)
    if isinstance(figure, str):
        out.write_text(figure)
        return
    figure.tight_layout()
    figure.savefig(out, metadata={"Date": None})
    pyplot.close(figure)


def _ladder(rows: Rows) -> Any:
    """NDCG@10, AUC of views and pairs a second of each rung on the simulated market, a rung a line."""
    from matplotlib import pyplot

    named = {(row["system"], row["metric"]): row for row in rows if row["case"].startswith(SIMULATED)}
    systems = [name for name in dict.fromkeys(system for system, _ in named) if (name, "ndcg@10") in named][::-1]
    figure, axes = pyplot.subplots(1, 3, figsize=(14, 0.32 * len(systems) + 1.6), sharey=True)
    drawn = {"ndcg@10": COLUMNS["ndcg@10"], "view_auc": COLUMNS["view_auc"], "pairs_per_s": "pairs a second, INT8"}
    for axis, (metric, label) in zip(axes, drawn.items(), strict=True):
        for place, name in enumerate(systems):
            if (row := named.get((name, metric))) is not None:
                spread = [[row["value"] - row["low"]], [row["high"] - row["value"]]]
                color = "tab:gray" if name == "teachers" else "tab:blue"
                axis.errorbar(row["value"], place, xerr=spread, fmt="o", color=color)
        axis.set_yticks(range(len(systems)), systems)
        axis.set_xlabel(label)
        axis.grid(axis="x", alpha=0.3)
    axes[2].set_xscale("log")
    return figure


def _links(rows: Rows) -> Any:
    """Held-out hires found and jobs a member, by the liquidity; a band is the 95% interval."""
    from matplotlib import pyplot

    titles = {"recall": "held-out hires found", "jobs a member": "jobs that a member's links reach"}
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.6))
    for axis, (metric, title) in zip(axes, titles.items(), strict=True):
        for system in ("L1 graph", "ratio graph"):
            points = sorted(
                (int(row["case"].rsplit(" ", 1)[1]), row["value"], row["low"], row["high"])
                for row in rows
                if (row["system"], row["metric"]) == (system, metric)
                and "liquidity " in row["case"]
                and row["case"].startswith("shown")
            )
            sizes, values, low, high = zip(*points, strict=True)
            axis.plot(sizes, values, "o-", ms=3.5, lw=1.2, label=system)
            axis.fill_between(sizes, low, high, alpha=0.15)
        axis.set_title(title, fontsize=9)
        axis.set_xlabel("liquidity (theta)", fontsize=8)
        axis.set_xscale("log")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    return figure


def _order(rows: Rows) -> Any:
    """Every order that was measured: the policy against what members did; a ring is what was chosen."""
    from matplotlib import pyplot

    named = by_name(rows)
    panels = {"NDCG@10_graded": "NDCG@10 of the grades", "good_fits@10": "good fits", "poor_fits@10": "poor fits"}
    figure, axes = pyplot.subplots(1, 3, figsize=(13, 3.9))
    for axis, (metric, label) in zip(axes, panels.items(), strict=True):
        for case, system in dict.fromkeys((case, system) for case, system, _ in named):
            if system == "retrieval" and CHOSEN not in case:
                continue  # far from all others, which it would press together; the table has it
            behaviour, value = (named.get((case, system, name)) for name in ("NDCG@10", metric))
            if behaviour is None or value is None:
                continue
            if CHOSEN in case:
                axis.plot(behaviour["value"], value["value"], "o", ms=11, mfc="none", color="tab:red")
                continue
            name = system.partition(",")[0]
            color = {"blend": "tab:blue", "relevance": "tab:purple"}.get(name, "tab:brown")
            floor = system.partition("floor ")[2]
            axis.plot(behaviour["value"], value["value"], "s" if floor else "o", ms=4, color=color)
            if not floor:
                place = (behaviour["value"], value["value"])
                axis.annotate(
                    system.replace("blend, weight ", ""), place, fontsize=6, xytext=(3, 3), textcoords="offset points"
                )
        axis.set_xlabel("NDCG@10 of what members did", fontsize=8)
        axis.set_title(label, fontsize=9)
        axis.grid(alpha=0.3)
    return figure


def _panels(panels_of: Callable[[Named], Iterator[Panel]]) -> Callable[[Rows], Any]:
    """A row of panels of lines over a logarithmic axis."""

    def figure_of(rows: Rows) -> Any:
        from matplotlib import pyplot

        panels = list(panels_of(by_name(rows)))
        figure, axes = pyplot.subplots(1, len(panels), figsize=(4.6 * len(panels), 3.9), squeeze=False)
        for axis, panel in zip(axes[0], panels, strict=True):
            for (label, points), color in zip(panel.lines.items(), _colors(panel.lines), strict=True):
                axis.plot(*zip(*sorted(points), strict=True), "o-", ms=3.5, lw=1.2, label=label, color=color)
            for label, place in panel.marks.items():
                axis.axvline(place, ls=":", lw=1, color="gray")
                axis.annotate(
                    label, (place, 0.98), xycoords=("data", "axes fraction"), rotation=90, va="top", fontsize=7
                )
            axis.set_title(panel.title, fontsize=9)
            axis.set_xlabel(panel.x, fontsize=8)
            axis.set_ylabel(panel.y, fontsize=8)
            axis.set_xscale("log")
            axis.set_yscale(panel.scale)
            axis.tick_params(labelsize=7)
            axis.grid(alpha=0.3)
            axis.legend(fontsize=6.5)
        return figure

    return figure_of


class Panel(NamedTuple):
    """lines: label -> points; marks: label -> where a vertical line stands."""

    title: str
    x: str
    y: str
    lines: Mapping[str, list[tuple[float, float]]]
    marks: Mapping[str, float] = {}
    scale: str = "log"


def _plan_panels(named: Named) -> Iterator[Panel]:
    """Time by the share that passes, one panel for each width and number of queries."""
    for case in dict.fromkeys(case for case, _, metric in named if metric == "crossover"):
        lines: dict[str, list[tuple[float, float]]] = {}
        for (other, plan, metric), row in named.items():
            if metric == "ms" and plan in (*PLANS, PRESELECT) and other.startswith(f"{case}, "):
                share = float(other.rsplit(", ", 1)[1].split("%")[0]) / 100
                lines.setdefault(plan, []).append((share, row["value"]))
        marks = {name: named[case, "gather below", name]["value"] for name in ("crossover", "chosen")}
        yield Panel(case.replace(", plans", ""), "share of the rows that pass", "ms", lines, marks)


def _recall_panels(named: Named) -> Iterator[Panel]:
    """Recall against time without a filter, for each number of jobs with approximate indexes that miss any."""
    for case in cases_of(named):
        lines: dict[str, list[tuple[float, float]]] = {}
        for (other, system, metric), row in named.items():
            if other == f"{case}, {passing(1.0)}" and metric == "recall":
                kind = system.split(", nprobe")[0].split(", ef_search")[0]
                lines.setdefault(kind, []).append((named[other, system, "ms"]["value"], row["value"]))
        if any(len(points) > 1 for points in lines.values()):
            yield Panel(f"{case}, all pass, one query", "ms (median)", f"recall@{K}", lines, scale="linear")


def _size_panels(named: Named) -> Iterator[Panel]:
    """Build time, memory and latency by the number of jobs."""
    for metric, suffix, y in (
        ("build_s", "", "build, s"),
        ("mb", "", "memory, MB"),
        ("ms", f", {passing(1.0)}", "one query, all pass, ms"),
        ("ms", f", {passing(SHARES[1])}", f"one query, {passing(SHARES[1])}, ms"),
    ):
        lines: dict[str, list[tuple[float, float]]] = {}
        for case in cases_of(named):
            for system in ENGINES:
                if (row := named.get((f"{case}{suffix}", system, metric))) is not None:
                    lines.setdefault(system, []).append((jobs_of(case), max(row["value"], 1e-3)))
        yield Panel(y, "jobs", y, lines)


def _colors(lines: Mapping[str, Any]) -> list[str]:
    """Each engine's own color on all plots."""
    known = [*ENGINES, *PLANS, PRESELECT]
    return [f"C{known.index(label) % 10}" for label in lines]


class Plot(NamedTuple):
    """The name of a result file, and what makes a matplotlib figure, or the text of an SVG, of its rows."""

    result: str
    figure: Callable[[Rows], Any]


PLOTS = {
    "serving_depth": Plot("serving", depth_plot),
    "chain": Plot("affinity", chain.draw),
    "ladder": Plot("recipe_ladder", _ladder),
    "links": Plot("links", _links),
    "order": Plot("order", _order),
    "replay_scale": Plot("replay_scale", scale_plot),
    "retrieval_plans": Plot("retrieval_cpu", _panels(_plan_panels)),
    "retrieval_recall": Plot("retrieval_cpu", _panels(_recall_panels)),
    "retrieval_sizes": Plot("retrieval_cpu", _panels(_size_panels)),
}
