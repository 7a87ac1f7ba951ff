"""Lines, texts and axes of a plot as SVG text; colours and fonts are those of the CSS classes around it."""

from __future__ import annotations

import math
from collections.abc import Callable

from markupsafe import escape


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A line between two points. kind: its CSS class."""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def text(x: float, y: float, content: str, kind: str, anchor: str) -> str:
    """A line of text. kind: its CSS class; anchor: start, middle or end."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(content)}</text>'


def scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """The linear map from values low..high to coordinates start..end."""
    span = high - low or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers from `low` up to at least `high`."""
    span = max(high - low, 1e-9)
    power = 10.0 ** math.floor(math.log10(span))
    step = next(power * m for m in (0.2, 0.25, 0.5, 1.0, 2.0, 2.5, 5.0, 10.0) if span / (power * m) <= 5)
    return [low + i * step for i in range(math.ceil(span / step - 1e-9) + 1)]


def plain(value: float) -> str:
    """A tick's number: whole from 10 on, four significant digits below."""
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:.4g}"
