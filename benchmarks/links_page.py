"""What docs/links.md shows of `results/links.json`: tables between their marks, and the liquidity knob as an SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from benchmarks.tables import between_marks, markdown_table, with_interval

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, GAP = 760, 330, 62, 46, 270, 90
PANEL = (WIDTH - LEFT - GAP - 30) / 2
SYSTEMS = ("L1 graph", "ratio graph", "ratio graph, ties cut by hires")
COLOURS = {"L1 graph": "#1f6feb", "ratio graph": "#d4761a"}
TITLES = {"recall": "held-out hires found", "jobs a member": "jobs that a member's links reach"}
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #555 }
.head { font-weight: 600 }
.grid { stroke: #ddd }
polyline { fill: none; stroke-width: 2 }
polygon { fill-opacity: 0.15 }
"""


def filled(page: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """`page` with a table between `<!-- KIND -->` and `<!-- /KIND -->` for each kind of non-hires."""
    for kind in dict.fromkeys(row["case"].split(": ")[0] for row in rows):
        page = between_marks(page, kind, _sizes(kind, rows))
    return page


def _sizes(kind: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Recalls down; links of each system, the times that the L1 graph is smaller, and non-hires joined across."""
    found = {(row["case"], row["system"], row["metric"]): row for row in rows}
    cases = dict.fromkeys(row["case"] for row in rows if row["case"].startswith(f"{kind}: recall "))
    lines = []
    for case in cases:
        cells = [found[case, name, "links"] for name in SYSTEMS]
        cells += [found[case, name, "times the L1 graph"] for name in SYSTEMS[1:]]
        cells += [found[case, name, "non-hires joined"] for name in SYSTEMS]
        lines.append([case.rsplit(" ", 1)[1], *map(with_interval, cells)])
    short = ("L1", "ratio", "ratio, ties cut")
    head = ["recall", *(f"links, {name}" for name in short), *(f"{name}: times L1" for name in short[1:])]
    return markdown_table([*head, *(f"non-hires joined, {name}" for name in short)], lines)


def liquidity_svg(rows: Sequence[Mapping[str, Any]], case: str) -> str:
    """Two panels over the liquidity on a logarithmic axis: recall with its interval, and jobs a member.

    case: how the cases of the rows begin that are drawn; the liquidity follows it.
    """
    found = [row for row in rows if row["case"].startswith(case)]
    said = "; ".join(f"{r['case']}, {r['system']}: {r['metric']} {r['value']:.3g}" for r in found)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'role="img">',
        "<title>The liquidity knob (simulated market)</title>",
        f"<desc>{escape(said)}</desc><style>{_STYLE}</style>",
    ]
    for place, metric in enumerate(TITLES):
        parts += _panel(LEFT + place * (PANEL + GAP), metric, [row for row in found if row["metric"] == metric])
    for place, (name, colour) in enumerate(COLOURS.items()):
        x = LEFT + place * 150
        parts.append(f'<line x1="{x}" y1="{HEIGHT - 12}" x2="{x + 24}" y2="{HEIGHT - 12}" stroke="{colour}"/>')
        parts.append(_text(x + 30, HEIGHT - 8, name, "start"))
    return "\n".join([*parts, "</svg>", ""])


def _panel(left: float, metric: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    sizes = sorted({_liquidity(row) for row in rows})
    first, last = math.log(sizes[0]), math.log(sizes[-1])
    top = max(row["high"] for row in rows)

    def x(size: float) -> float:
        return left + (math.log(size) - first) / max(last - first, 1e-9) * PANEL

    def y(value: float) -> float:
        return BOTTOM - value / max(top, 1e-9) * (BOTTOM - TOP)

    parts = [_text(left + PANEL / 2, 24, TITLES[metric], "middle", "head")]
    for tick in (0.0, top / 2, top):
        parts.append(f'<line class="grid" x1="{left}" y1="{y(tick):.1f}" x2="{left + PANEL}" y2="{y(tick):.1f}"/>')
        parts.append(_text(left - 6, y(tick) + 4, f"{tick:,.2f}" if top <= 1 else f"{tick:,.0f}", "end"))
    parts += [_text(x(size), BOTTOM + 18, f"{size:,}", "middle") for size in sizes]
    parts.append(_text(left + PANEL / 2, BOTTOM + 36, "liquidity (theta)", "middle"))
    for name, colour in COLOURS.items():
        mine = sorted((row for row in rows if row["system"] == name), key=_liquidity)
        line = " ".join(f"{x(_liquidity(r)):.1f},{y(r['value']):.1f}" for r in mine)
        band = [f"{x(_liquidity(r)):.1f},{y(r['low']):.1f}" for r in mine]
        band += [f"{x(_liquidity(r)):.1f},{y(r['high']):.1f}" for r in reversed(mine)]
        parts.append(f'<polygon points="{" ".join(band)}" fill="{colour}"/>')
        parts.append(f'<polyline points="{line}" stroke="{colour}"/>')
    return parts


def _liquidity(row: Mapping[str, Any]) -> int:
    return int(row["case"].rsplit(" ", 1)[1])


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
