"""Plots as inline SVG: no script, no file, no network. Colours and fonts are the page's, so they follow light and dark.

Every plot is a figure that says in words what it shows, for those who do not see it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from models.training.metrics import Bin
from release import diagram, svg

WIDTH = 460
_ROW = 30
_LABEL = 150
_VALUE = 62


class Bar(NamedTuple):
    """One bar; low and high None where there is no interval; kind: a CSS class of the page."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    kind: str = "base"


def bars(title: str, rows: Sequence[Bar], show: Callable[[float], str], start: float = 0.0) -> Markup:
    """Horizontal bars with whiskers, one row each. start: where the axis begins; values below it are cut off."""
    top = max((row.high if row.high is not None else row.value for row in rows), default=start)
    ticks = svg.ticks(start, top if top > start else start + 0.1)
    scale = svg.scale(start, max(top, ticks[-1]), _LABEL, WIDTH - _VALUE)
    height = len(rows) * _ROW + 30
    parts = [svg.line(scale(t), 4, scale(t), height - 24, "grid") for t in ticks]
    parts += [svg.text(scale(t), height - 8, svg.plain(t), "tick", "middle") for t in ticks]
    for i, row in enumerate(rows):
        y = 4 + i * _ROW
        middle = y + _ROW / 2
        parts.append(svg.text(_LABEL - 8, middle + 4, row.label, "label", "end"))
        width = max(scale(row.value) - scale(start), 0)
        parts.append(
            f'<rect class="bar {row.kind}" x="{scale(start):.1f}" y="{y + 6}" width="{width:.1f}" height="{_ROW - 12}"'
            ' rx="2"/>'
        )
        if row.low is not None and row.high is not None:
            low, high = scale(max(row.low, start)), scale(max(row.high, start))
            parts += [
                svg.line(low, middle, high, middle, "whisker"),
                *(svg.line(x, middle - 4, x, middle + 4, "whisker") for x in (low, high)),
            ]
        parts.append(svg.text(WIDTH - 4, middle + 4, show(row.value), "value", "end"))
    description = "; ".join(f"{row.label} {show(row.value)}{_between(row, show)}" for row in rows)
    return _figure(title, description, WIDTH, height, parts)


def forest(title: str, rows: Sequence[Bar], show: Callable[[float], str]) -> Markup:
    """Differences as dots with whiskers around the line of none, one row each; kind: "up", "down" or "even"."""
    ends = [end for row in rows for end in (row.value, row.low, row.high) if end is not None]
    reach = max((abs(end) for end in ends), default=0.0) or 0.01
    left, right = _LABEL + 30, WIDTH - _VALUE
    x = svg.scale(-reach, reach, left, right)
    height = len(rows) * 22 + 34
    ticks = [tick for tick in svg.ticks(0.0, reach) if tick <= reach]
    both = [*(-tick for tick in ticks[:0:-1]), *ticks]
    parts = [svg.line(x(t), 4, x(t), height - 26, "grid" if t else "ideal") for t in both]
    parts += [svg.text(x(t), height - 8, svg.plain(t), "tick", "middle") for t in both]
    for i, row in enumerate(rows):
        y = 15.0 + i * 22
        parts.append(
            svg.text(left - 10, y + 4, row.label if len(row.label) < 30 else row.label[:28] + "…", "label", "end")
        )
        if row.low is not None and row.high is not None:
            parts.append(svg.line(x(row.low), y, x(row.high), y, f"reach {row.kind}"))
        parts.append(f'<circle class="at {row.kind}" cx="{x(row.value):.1f}" cy="{y:.1f}" r="4.5"/>')
        parts.append(svg.text(WIDTH - 4, y + 4, show(row.value), "value", "end"))
    description = "; ".join(f"{row.label} {show(row.value)}{_between(row, show)}" for row in rows)
    return _figure(title, description, WIDTH, height, parts)


def curves(title: str, series: Mapping[str, Sequence[float]], kinds: Mapping[str, str], x_label: str) -> Markup:
    """Lines over 1, 2, ... on a logarithmic axis, each named at its end. kinds: name -> CSS class."""
    height, left, right, bottom = 320, 40, WIDTH - 132, 280
    longest = max(map(len, series.values()))
    top = max(max(values) for values in series.values()) or 0.1
    ticks = svg.ticks(0.0, top)
    y = svg.scale(0.0, max(top, ticks[-1], 1e-9), bottom, 14)
    x = svg.scale(0.0, math.log10(max(longest, 2)), left, right)
    parts = [svg.line(left, y(t), right, y(t), "grid") for t in ticks]
    parts += [svg.text(left - 6, y(t) + 4, svg.plain(t), "tick", "end") for t in ticks]
    parts += [svg.text(x(math.log10(k)), bottom + 18, str(k), "tick", "middle") for k in _decades(longest)]
    parts.append(svg.text((left + right) / 2, height - 4, x_label, "tick", "middle"))
    ends = _apart({name: y(values[-1]) for name, values in series.items()}, 15, 14, bottom)
    for name, values in series.items():
        path = " ".join(f"{x(math.log10(k)):.1f},{y(v):.1f}" for k, v in enumerate(values, start=1))
        parts.append(f'<polyline class="curve {kinds[name]}" points="{path}"/>')
        parts.append(svg.line(right + 2, y(values[-1]), right + 9, ends[name], f"leader {kinds[name]}"))
        parts.append(svg.text(right + 12, ends[name] + 4, name, f"label {kinds[name]}", "start"))
    description = "; ".join(
        f"{name}: " + ", ".join(f"{values[k - 1]:.3f} at {k}" for k in _decades(len(values)))
        for name, values in series.items()
    )
    return _figure(title, description, WIDTH, height, parts)


def reliability(title: str, bins: Sequence[Bin]) -> Markup:
    """Observed against predicted rates with whiskers, and the diagonal where they would agree."""
    return _figure(
        title, diagram.reliability_words(bins), diagram.WIDTH, diagram.HEIGHT, diagram.reliability_marks(bins)
    )


def _figure(title: str, description: str, width: int, height: float, parts: Sequence[str]) -> Markup:
    return Markup(
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {width} {height:.0f}" role="img" '
        f'aria-label="{escape(title)}: {escape(description)}">{"".join(parts)}</svg></figure>'
    )


def _decades(last: int) -> list[int]:
    return [k for k in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000) if k <= last]


def _apart(places: Mapping[str, float], gap: float, top: float, bottom: float) -> dict[str, float]:
    """Label heights in the order of `places`, at least `gap` apart and inside [top, bottom] where there is room."""
    names = sorted(places, key=lambda name: places[name])
    heights: dict[str, float] = {}
    last = top - gap
    for name in names:
        last = heights[name] = max(places[name], last + gap)
    ceiling = bottom + gap
    for name in reversed(names):
        ceiling = heights[name] = min(heights[name], ceiling - gap)
    return heights


def _between(row: Bar, show: Callable[[float], str]) -> str:
    return "" if row.low is None or row.high is None else f" (between {show(row.low)} and {show(row.high)})"
