"""The reliability diagram: observed against predicted rates. The same bins give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from markupsafe import escape

from release.svg import line, plain, scale, text, ticks

if TYPE_CHECKING:
    from models.training.metrics import Bin

WIDTH, HEIGHT = 460, 370
_TITLE = 24
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #555 }
.grid { stroke: #ddd }
.ideal { stroke: #999; stroke-dasharray: 5 4 }
.whisker { stroke: #1f6feb; stroke-width: 2 }
.dot { fill: #1f6feb }
"""


def reliability_marks(bins: Sequence[Bin]) -> list[str]:
    """SVG elements on WIDTH x HEIGHT: a dot with its interval for each bin, and the diagonal of equal rates.

    Their CSS classes are grid, tick, ideal, whisker and dot.
    """
    left, right, bottom = 92, 404, 324
    highest = max(max(b.high for b in bins), max(b.predicted for b in bins))
    marks = ticks(0.0, highest)
    top = max(highest, marks[-1])
    x, y = scale(0.0, top, left, right), scale(0.0, top, bottom, 12)
    parts = [line(left, y(t), right, y(t), "grid") for t in marks]
    parts += [line(x(t), 12, x(t), bottom, "grid") for t in marks]
    parts += [text(left - 6, y(t) + 4, plain(t), "tick", "end") for t in marks]
    parts += [text(x(t), bottom + 18, plain(t), "tick", "middle") for t in marks]
    parts.append(line(x(0), y(0), x(top), y(top), "ideal"))
    for b in bins:
        parts.append(line(x(b.predicted), y(b.low), x(b.predicted), y(b.high), "whisker"))
        parts.append(f'<circle class="dot" cx="{x(b.predicted):.1f}" cy="{y(b.observed):.1f}" r="4.5"/>')
    parts.append(text((left + right) / 2, HEIGHT - 6, "predicted probability", "tick", "middle"))
    parts.append(
        f'<text class="tick" text-anchor="middle" transform="translate({left - 46} {bottom / 2:.0f}) rotate(-90)">'
        "observed rate</text>"
    )
    return parts


def reliability_words(bins: Sequence[Bin]) -> str:
    """The diagram in words, for those who do not see it."""
    return "; ".join(f"predicted {b.predicted:.3f}, observed {b.observed:.3f}, {b.n:,} pairs" for b in bins)


def reliability_svg(title: str, bins: Sequence[Bin]) -> str:
    """The diagram as the text of an SVG file that needs nothing around it."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT + _TITLE}" '
        f'viewBox="0 {-_TITLE} {WIDTH} {HEIGHT + _TITLE}" role="img">',
        f"<title>{escape(title)}</title><desc>{escape(reliability_words(bins))}</desc><style>{_STYLE}</style>",
        text(WIDTH / 2, -8, title, "title", "middle"),
        *reliability_marks(bins),
    ]
    return "\n".join([*parts, "</svg>", ""])
