"""The page of a comparison of two runs: one HTML file that opens anywhere.

It shows what people searched for and the jobs at which the second run is worst, so that a person can judge them; of who
asked it shows what a slice says, no name and no profile.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from contracts.versions import write_text
from contracts.workspace import Workspace
from replay.diff.compare import MINUS, gate_sentence, signed
from replay.diff.parity import FOUR_FIFTHS
from replay.diff.results import Diff, Estimated, Line
from replay.diff.values import agreement
from replay.report.charts import Bar, bars, forest
from replay.results import LOWER_IS_BETTER
from replay.runs.folder import RunFolder
from replay.runs.measured import ABOUT, DESCRIBES

_KINDS = {"better": "up", "worse": "down", "not told apart": "even"}
_HISTORY = ("no action before", "1 to 4 actions", "5 to 19 actions", "20 actions or more")


def write_diff(folder: Path, diff: Diff) -> Path:
    """Write `diff.html` and `diff.json` of a comparison; returns the page."""
    write_text(folder / "diff.json", diff.model_dump_json(indent=1) + "\n")
    write_text(folder / "diff.html", render(diff))
    return folder / "diff.html"


def diff_folder(workspace: Workspace, first: RunFolder, second: RunFolder) -> Path:
    """Where the comparison of two runs of a workspace is written."""
    return workspace.replay_diffs / f"{first.manifest.name}--{second.manifest.name}"


def render(diff: Diff) -> str:
    """The page. It holds no time of day, so that the same comparison is the same page."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "signed": signed, "said": _said}
    return environment.get_template("diff.html").render(
        d=diff,
        gate=gate_sentence(diff.gate) if diff.gate else "",
        about=ABOUT,
        describes=DESCRIBES,
        direction=_direction,
        slices=_slices(diff),
        history=_history(diff),
        agreement=agreement(diff.values),
        value_plots=_values(diff),
        interval=_interval,
        four_fifths=FOUR_FIFTHS,
        minus=MINUS,
    )


def _number(value: float | None) -> str:
    if value is None:
        return "not known"
    return f"{value:.3f}" if abs(value) < 100 else f"{value:,.0f}"


def _interval(of: Any) -> str:
    """The interval of a mean or an estimate in words."""
    if of.low is None or of.high is None:
        return "one member: no interval" if getattr(of, "members", 0) == 1 else "no interval"
    return f"{_number(of.low)} to {_number(of.high)}".replace("-", MINUS)


def _said(one: Estimated) -> str:
    return "refused" if one.value is None else _number(one.value).replace("-", MINUS)


def _direction(line: Line) -> str:
    low, high = line.difference.low, line.difference.high
    if line.measure in DESCRIBES or low is None or high is None or low <= 0 <= high:
        return ""
    better = (low > 0) != (line.measure in LOWER_IS_BETTER)
    return "up" if better else "down"


def _slices(diff: Diff) -> list[Markup]:
    """The differences of all slices, a plot a kind."""
    plots = []
    for kind in dict.fromkeys(one.kind for one in diff.slices):
        rows = [
            Bar(one.name, one.difference.value, one.difference.low, one.difference.high, _KINDS[one.said])
            for one in diff.slices
            if one.kind == kind
        ]
        plots.append(forest(f"{kind.capitalize()}: {diff.measure}, second less first", rows, signed))
    return plots


def _history(diff: Diff) -> Markup | None:
    """The cold-start curve: the measure by how much the member had done before."""
    of = {one.name: one for one in diff.slices if one.kind == "history"}
    steps = [name for name in _HISTORY if name in of]
    if len(steps) < 2:
        return None
    rows = [
        Bar(f"{name}, {which}", getattr(of[name], side), kind=kind)
        for name in steps
        for which, side, kind in (("first", "first", "retrieval"), ("second", "second", "whole"))
    ]
    return bars(f"Cold start: {diff.measure} by actions before the request", rows, lambda value: f"{value:.3f}")


def _values(diff: Diff) -> list[Markup]:
    """The estimators' differences side by side, a plot a reward; those that are not to be used are grey."""
    plots = []
    for reward in dict.fromkeys(one.reward for one in diff.values):
        rows = [
            Bar(
                f"{one.estimator}, {'first place' if one.places == 1 else f'{one.places} places'}",
                one.difference.value,
                one.difference.low,
                one.difference.high,
                "even" if one.difference.verdict == "do not use" else _clear(one.difference),
            )
            for one in diff.values
            if one.reward == reward and one.difference.value is not None
        ]
        if rows:
            plots.append(forest(f"What a request brings ({reward}): second less first", rows, signed))
    return plots


def _clear(one: Estimated) -> str:
    if one.low is None or one.high is None or one.low <= 0 <= one.high:
        return "even"
    return "up" if one.low > 0 else "down"
