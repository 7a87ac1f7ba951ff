"""The learning curve as an SVG file that needs nothing around it. The same curve gives the same bytes."""

from __future__ import annotations

import math
from collections.abc import Callable

from markupsafe import escape

from beam_jobs.labelling.curve import Curve
from release.svg import line, plain, scale, text, ticks

WIDTH, HEIGHT = 560, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 440, 34, 282
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #555 }
.title { font-weight: 600 }
.grid { stroke: #ddd }
.kappa { stroke: #1f6feb; fill: #1f6feb }
.spearman { stroke: #9a6700; fill: #9a6700 }
polyline.kappa, polyline.spearman { fill: none; stroke-width: 2 }
polygon.kappa, polygon.spearman { stroke: none; opacity: .15 }
text.kappa, text.spearman { stroke: none }
"""


def curve_svg(curve: Curve) -> str:
    """Kappa and Spearman with their intervals over the graded pairs, on a logarithmic axis."""
    points = curve.points
    series = {
        "kappa": [(p.kappa, p.kappa_low, p.kappa_high) for p in points],
        "spearman": [(p.spearman, p.spearman_low, p.spearman_high) for p in points],
    }
    values = [value for of_one in series.values() for point in of_one for value in point if math.isfinite(value)]
    marks = ticks(min(0.0, *values), max(values))
    y = scale(marks[0], marks[-1], _BOTTOM, _TOP)
    logs = [math.log2(point.pairs) for point in points]
    x = scale(logs[0], logs[-1], _LEFT, _RIGHT)
    parts = [line(_LEFT, y(t), _RIGHT, y(t), "grid") for t in marks]
    parts += [text(_LEFT - 6, y(t) + 4, plain(t), "tick", "end") for t in marks]
    parts += [text(x(at), _BOTTOM + 18, f"{p.pairs:,}", "tick", "middle") for at, p in zip(logs, points, strict=True)]
    parts.append(text((_LEFT + _RIGHT) / 2, HEIGHT - 8, "pairs that the judge graded", "tick", "middle"))
    for kind, name in (("kappa", "quadratic kappa"), ("spearman", "Spearman")):
        parts += _series(kind, [x(at) for at in logs], series[kind], y)
        parts.append(text(_RIGHT + 8, y(series[kind][-1][0]) + 4, name, kind, "start"))
    title = f"Agreement with the judge on held-out requests: {curve.learner}"
    words = "; ".join(f"{p.pairs:,} pairs: kappa {p.kappa:.3f}, Spearman {p.spearman:.3f}" for p in points)
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'role="img">',
        f"<title>{escape(title)}</title><desc>{escape(words)}</desc><style>{_STYLE}</style>",
        text(WIDTH / 2, 16, title, "title", "middle"),
    ]
    return "\n".join([*head, *parts, "</svg>", ""])


def _series(
    kind: str, across: list[float], values: list[tuple[float, float, float]], y: Callable[[float], float]
) -> list[str]:
    """The line of (value, low, high), its band and its dots."""
    upper = [f"{at:.1f},{y(high):.1f}" for at, (_, _, high) in zip(across, values, strict=True)]
    lower = [f"{at:.1f},{y(low):.1f}" for at, (_, low, _) in zip(across, values, strict=True)]
    middle = [f"{at:.1f},{y(value):.1f}" for at, (value, _, _) in zip(across, values, strict=True)]
    dots = [
        f'<circle class="{kind}" cx="{at:.1f}" cy="{y(value):.1f}" r="3.5"/>'
        for at, (value, _, _) in zip(across, values, strict=True)
    ]
    return [
        f'<polygon class="{kind}" points="{" ".join([*upper, *reversed(lower)])}"/>',
        f'<polyline class="{kind}" points="{" ".join(middle)}"/>',
        *dots,
    ]
