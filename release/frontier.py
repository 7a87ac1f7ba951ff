"""The frontier of the policy against what members did, drawn. The same points give the same bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import escape

from release.svg import line, plain, scale, text, ticks

if TYPE_CHECKING:
    from release.order import Frontier
    from release.orders import Point

WIDTH, HEIGHT = 860, 400
_PANEL, _LEFT, _TOP, _BOTTOM = 330, 80, 40, 330
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #555 }
.grid { stroke: #ddd }
.least { stroke: #999; stroke-dasharray: 5 4 }
.weight { stroke: #1f6feb; stroke-opacity: 0.35; fill: none }
.blend { fill: #1f6feb }
.relevance { fill: #bf3989 }
.retrieval { fill: #9a6700 }
.poor { fill: #fff; stroke-width: 1.5 }
.poor.blend { stroke: #1f6feb }
.poor.relevance { stroke: #bf3989 }
.poor.retrieval { stroke: #9a6700 }
.chosen { fill: none; stroke: #cf222e; stroke-width: 2 }
"""
Value = Callable[["Point"], float]


def frontier_svg(frontier: Frontier) -> str:
    """The frontier as the text of an SVG file that needs nothing around it.

    Left NDCG@10 of the grades, right the shares of good fits (filled) and poor fits (hollow), both against NDCG@10 of
    what members did; a line joins the floors of one weight, a ring marks what was chosen, a dashed line the least that
    it had to reach. The order of retrieval is drawn where it was chosen alone: far below, it would press the others
    together. CSS classes are grid, least, weight, blend, relevance, retrieval, poor and chosen.
    """
    drawn = [point for point in frontier.points if point.order != "retrieval" or point in frontier.chosen.values()]
    points = [point for point in drawn if math.isfinite(point.behaviour) and math.isfinite(point.policy)]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'role="img">',
        f"<title>The orders that could be served</title><desc>{escape(frontier_words(frontier))}</desc>"
        f"<style>{_STYLE}</style>",
    ]
    if points:
        parts += _panel(frontier, points, _LEFT, "NDCG@10 of the grades", [lambda point: point.policy])
        shares: list[Value] = [lambda point: point.good_fits, lambda point: point.poor_fits]
        title = "share of the first ten: good fits, poor fits (hollow)"
        parts += _panel(frontier, points, _LEFT + _PANEL + 90, title, shares)
        for place, name in enumerate(dict.fromkeys(point.order for point in points)):
            parts.append(f'<circle class="{name}" cx="{_LEFT + 110 * place}" cy="{HEIGHT - 12}" r="4"/>')
            parts.append(text(_LEFT + 8 + 110 * place, HEIGHT - 8, name, "tick", "start"))
    return "\n".join([*parts, "</svg>", ""])


def frontier_words(frontier: Frontier) -> str:
    """What was chosen, in words, for those who do not see it."""
    from release.order import in_words

    return "; ".join(f"{surface}: {in_words(point)}" for surface, point in frontier.chosen.items())


def _panel(
    frontier: Frontier, points: Sequence[Point], left: int, title: str, values: Sequence[Value]
) -> Iterator[str]:
    right = left + _PANEL
    x, across = _axis([point.behaviour for point in points], left, right)
    y, up = _axis([value(point) for point in points for value in values], _BOTTOM, _TOP)
    yield text(left, _TOP - 16, title, "title", "start")
    for mark in across:
        yield line(x(mark), _TOP, x(mark), _BOTTOM, "grid")
        yield text(x(mark), _BOTTOM + 18, plain(mark), "tick", "middle")
    for mark in up:
        yield line(left, y(mark), right, y(mark), "grid")
        yield text(left - 6, y(mark) + 4, plain(mark), "tick", "end")
    yield text((left + right) / 2, _BOTTOM + 38, "NDCG@10 of what members did", "tick", "middle")
    for least in dict.fromkeys(trial.least_behaviour for trial in frontier.trials.values()):
        if least is not None and across[0] <= least <= across[-1]:
            yield line(x(least), _TOP, x(least), _BOTTOM, "least")
    for number, value in enumerate(values):
        for key in dict.fromkeys((point.order, point.weight) for point in points):
            of_weight = sorted((p for p in points if (p.order, p.weight) == key), key=lambda point: point.floor)
            places = " ".join(f"{x(p.behaviour):.1f},{y(value(p)):.1f}" for p in of_weight)
            yield f'<polyline class="weight" points="{places}"/>'
        for point in points:
            kind = f"poor {point.order}" if number else point.order
            said = f"{point.order}, weight {point.weight:g}, floor {point.floor:g}"
            place = f'cx="{x(point.behaviour):.1f}" cy="{y(value(point)):.1f}"'
            yield f'<circle class="{kind}" {place} r="3"><title>{escape(said)}</title></circle>'
        for point in dict.fromkeys(frontier.chosen.values()):
            if point in points:
                yield f'<circle class="chosen" cx="{x(point.behaviour):.1f}" cy="{y(value(point)):.1f}" r="7"/>'


def _axis(values: Sequence[float], start: float, end: float) -> tuple[Callable[[float], float], list[float]]:
    """The map from values to coordinates, and the numbers that are marked, round ones around all values."""
    low, high = min(values), max(values)
    step = np.diff(ticks(low, max(high, low + 1e-3)))[0]
    first = math.floor(low / step + 1e-9) * step
    marks = ticks(first, max(high, first + step))
    return scale(marks[0], marks[-1], start, end), marks
