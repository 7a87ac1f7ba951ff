"""The links of one member as an SVG file: what they have, each link, what jobs ask for. Same links, same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from retrieval.links.graph import Link
from retrieval.links.values import Value

MOST = 20
"""Links that a person can still follow with the eye; the rest is told in words."""
WIDTH, ROW, TOP = 860, 26, 58
MEMBER, LINK, JOB = 250, 430, 610
"""Where the member's values end, the links stand and the jobs' values begin."""
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #555 }
.head { font-weight: 600 }
path { fill: none; stroke: #1f6feb; stroke-opacity: 0.5 }
circle { fill: #1f6feb }
.pinned { fill: #d4761a }
"""


def links_svg(title: str, links: Sequence[Link], jobs: Sequence[int]) -> str:
    """The SVG text of the first `MOST` links, best first; jobs: how many each leads to. Thicker lines are better."""
    shown = list(zip(links, jobs, strict=True))[:MOST]
    haves = _places(value for link, _ in shown for value in link.member)
    needs = _places(value for link, _ in shown for value in link.job)
    height = TOP + ROW * max(len(shown), len(haves), len(needs), 1) + 12
    description = "; ".join(link.explain() for link, _ in shown) or "no links"
    more = f", {len(links) - len(shown):,} more not drawn" if len(links) > len(shown) else ""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'role="img">',
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc><style>{_STYLE}</style>",
        _text(WIDTH / 2, 18, f"{title}: {len(links):,} links{more}", "middle", "head"),
        *(
            _text(x, 42, text, anchor, "head")
            for x, text, anchor in ((MEMBER, "the member", "end"), (LINK, "link", "middle"), (JOB, "jobs", "start"))
        ),
    ]
    top = max((link.quality for link, _ in shown), default=1.0)
    for place, (link, count) in enumerate(shown):
        y, thick = _y(place), 0.8 + 2.2 * max(link.quality, 0.0) / max(top, 1e-9)
        parts += [_curve(MEMBER + 6, _y(haves[value]), LINK - 8, y, thick) for value in link.member]
        parts += [_curve(LINK + 8, y, JOB - 6, _y(needs[value]), thick) for value in link.job]
        parts.append(f'<circle cx="{LINK}" cy="{y}" r="5"{_pinned(link)}/>')
        parts.append(_text(LINK, y - 8, f"{link.quality:.2f}, {count:,} jobs", "middle"))
    parts += [_text(MEMBER, _y(place) + 4, str(value), "end") for value, place in haves.items()]
    parts += [_text(JOB, _y(place) + 4, str(value), "start") for value, place in needs.items()]
    return "\n".join([*parts, "</svg>", ""])


def _places(values: Iterable[Value]) -> dict[Value, int]:
    """Each value's row, in the order in which links name them."""
    return {value: place for place, value in enumerate(dict.fromkeys(values))}


def _y(place: int) -> int:
    return TOP + ROW * place + ROW // 2


def _pinned(link: Link) -> str:
    return ' class="pinned"' if link.pinned else ""


def _curve(x1: float, y1: float, x2: float, y2: float, thick: float) -> str:
    middle = (x1 + x2) / 2
    return f'<path stroke-width="{thick:.1f}" d="M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}"/>'


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'
