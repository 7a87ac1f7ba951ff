"""A reliability diagram as an SVG file: what was said against what was seen. The same bins, the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.training.metrics import Bin

SIZE, MARGIN = 340, 56
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #555 }
line { stroke: #999; stroke-width: 1 }
.ideal { stroke-dasharray: 4 4 }
.interval { stroke: #1f6feb; stroke-width: 2 }
circle { fill: #1f6feb }
"""


def reliability_svg(title: str, bins: Sequence[Bin]) -> str:
    """The SVG text. Each dot is a bin of pairs with the interval of its observed rate; on the diagonal they agree."""
    top = max([0.01, *(b.high for b in bins), *(b.predicted for b in bins)])
    span = SIZE - 2 * MARGIN

    def x(value: float) -> str:
        return f"{MARGIN + value / top * span:.1f}"

    def y(value: float) -> str:
        return f"{SIZE - MARGIN - value / top * span:.1f}"

    said = "; ".join(f"said {b.predicted:.3f}, seen {b.observed:.3f}, {b.n:,} pairs" for b in bins)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{SIZE}" height="{SIZE}" role="img">',
        f"<title>{escape(title)}</title><desc>{escape(said)}</desc><style>{_STYLE}</style>",
        f'<line x1="{x(0)}" y1="{y(0)}" x2="{x(top)}" y2="{y(0)}"/>',
        f'<line x1="{x(0)}" y1="{y(0)}" x2="{x(0)}" y2="{y(top)}"/>',
        f'<line class="ideal" x1="{x(0)}" y1="{y(0)}" x2="{x(top)}" y2="{y(top)}"/>',
        f'<text x="{SIZE / 2}" y="{MARGIN - 20}" text-anchor="middle">{escape(title)}</text>',
        f'<text x="{SIZE / 2}" y="{SIZE - 8}" text-anchor="middle">said</text>',
        f'<text transform="translate(12 {SIZE / 2}) rotate(-90)" text-anchor="middle">seen</text>',
    ]
    for tick in (0.0, top / 2, top):
        parts.append(f'<text x="{x(tick)}" y="{SIZE - MARGIN + 16}" text-anchor="middle">{tick:.2g}</text>')
        parts.append(f'<text x="{MARGIN - 6}" y="{y(tick)}" text-anchor="end">{tick:.2g}</text>')
    for b in bins:
        place = x(b.predicted)
        parts.append(f'<line class="interval" x1="{place}" y1="{y(b.low)}" x2="{place}" y2="{y(b.high)}"/>')
        parts.append(f'<circle cx="{place}" cy="{y(b.observed)}" r="4"/>')
    return "\n".join([*parts, "</svg>", ""])
