"""The picture of the chain: the share of the possible good fits that is left after each link, from people to served.

One column, so that it is legible on a phone; its colours follow light and dark. Drawn from the rows of `affinity`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import escape

from release.svg import line, scale, text
from replay.fits import SHARE
from replay.results import BEST, BY_TRUTH, JUDGE, SERVED, STUDENT_FLOAT, STUDENT_RELEVANCE
from replay.served_tables import BEFORE, LINKS_TITLE, TITLES

Rows = Sequence[Mapping[str, Any]]

NAME = "demo"
CHANGE = f"{SHARE} minus {BEFORE}"
WORDS = {
    BEST: "people: the best possible",
    JUDGE: "the judge, on the records",
    "policy teacher": "the policy teacher",
    STUDENT_FLOAT: "the student, float32",
    STUDENT_RELEVANCE: "the student, INT8",
    SERVED: "served: the student and behaviour",
}
"""A link in the result file -> in words, in the order of the chain."""
WIDTH, ROW, HEAD, FOOT, EDGE = 360, 44, 34, 40, 10
STYLE = """
text { font-family: system-ui, -apple-system, "Segoe UI", sans-serif; font-size: 14px; fill: #1f2328 }
.title { font-weight: 600 }
.value { font-weight: 600 }
.lost { fill: #b3261e }
.foot { font-size: 12px; fill: #59636e }
.room { fill: #d1d9e0 }
.bar { fill: #2f6feb }
.whisker { stroke: #1f2328; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc }
.lost { fill: #ff938a }
.foot { fill: #9198a1 }
.room { fill: #3d444d }
.bar { fill: #4493f8 }
.whisker { stroke: #f0f6fc }
}
"""


class Link(NamedTuple):
    """A link's share of the possible good fits with its interval, and what it lost of the link before."""

    words: str
    value: float
    low: float
    high: float
    lost: float


def links(rows: Rows) -> tuple[str, list[Link]]:
    """The links of the data `NAME`, and the case that they are of: the one whose chain has the most links."""
    shares: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        if row["metric"] == SHARE and row["system"] in WORDS:
            shares.setdefault(row["case"], {})[row["system"]] = row
    starts = [f"{NAME}, {title[0].lower()}{title[1:]}" for title in (LINKS_TITLE, TITLES[BY_TRUTH])]
    cases = [case for start in starts for case in shares if case.startswith(start) and ": " not in case]
    case = max(cases, key=lambda name: len(shares[name]))  # of equals the first
    changes = {row["system"]: row["value"] for row in rows if row["case"] == case and row["metric"] == CHANGE}
    chain: list[Link] = []
    for system in (name for name in WORDS if name in shares[case]):
        found = shares[case][system]
        lost = changes.get(system, found["value"] - chain[-1].value if chain else 0.0)
        chain.append(Link(WORDS[system], found["value"], found["low"], found["high"], lost))
    return case, chain


def draw(rows: Rows) -> str:
    """The picture as the text of an SVG file that needs nothing around it."""
    case, chain = links(rows)
    height = HEAD + ROW * len(chain) + FOOT
    x = scale(0, 1, EDGE, WIDTH - EDGE)
    title = "Good fits in the first ten, of the possible"
    sample = case.rpartition(", the first ")[2] if ", the first " in case else ""
    sample = sample.replace(" of ", " candidates of ", 1)
    foot = ["Simulated market; lines are 95% intervals.", f"On the first {sample}." if sample else "One demo run."]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'role="img">',
        f"<title>{escape(title)}</title><desc>{escape(in_words(chain))}</desc><style>{STYLE}</style>",
        text(EDGE, 22, title, "title", "start"),
    ]
    for i, link in enumerate(chain):
        y = HEAD + i * ROW
        parts += [
            text(EDGE, y + 16, link.words, "label", "start"),
            text(WIDTH - EDGE, y + 16, f"{link.value:.0%}", "value", "end"),
            *([text(WIDTH - EDGE - 46, y + 16, _points(link.lost), "lost", "end")] if i else ()),
            _bar(x(0), x(1), y + 23, "room"),
            _bar(x(0), x(min(link.value, 1.0)), y + 23, "bar"),
            line(x(link.low), y + 28, x(min(link.high, 1.0)), y + 28, "whisker"),
        ]
    parts += [text(EDGE, height - FOOT + 16 + 16 * i, words, "foot", "start") for i, words in enumerate(foot)]
    return "\n".join([*parts, "</svg>", ""])


def in_words(chain: Sequence[Link]) -> str:
    """The picture for those who do not see it."""
    return "; ".join(f"{link.words} {link.value:.3f} ({link.low:.3f} to {link.high:.3f})" for link in chain)


def _bar(start: float, end: float, y: float, kind: str) -> str:
    return f'<rect class="{kind}" x="{start:.1f}" y="{y}" width="{end - start:.1f}" height="10" rx="2"/>'


def _points(change: float) -> str:
    """A change of a share in points of a hundred."""
    return f"{100 * change:+.0f}".replace("-", "\N{MINUS SIGN}")
