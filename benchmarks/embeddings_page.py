"""What docs/retrieval.md shows of `results/embeddings.json`: a table a set of requests, between its marks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.tables import markdown_table, with_interval

MARK = "embeddings"
MEASURES = ("recall@10", "recall@100")


def filled(page: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """`page` with the tables of these rows between its marks."""
    cases = dict.fromkeys(row["case"] for row in rows)
    text = "\n".join(f"{case}\n\n{_table([row for row in rows if row['case'] == case])}" for case in cases)
    pattern = rf"(<!-- {MARK} -->\n).*?(<!-- /{MARK} -->)"
    return re.sub(pattern, lambda match: f"{match[1]}{text}{match[2]}", page, flags=re.DOTALL)


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Systems down; recall, and what is gained at the last depth over the system that it is compared with, across."""
    found = {(row["system"], row["metric"]): row for row in rows}
    lines = []
    for system in dict.fromkeys(row["system"] for row in rows):
        gained = f"{MEASURES[-1]} above "
        gains = [row for (name, metric), row in found.items() if name == system and metric.startswith(gained)]
        compared = "; ".join(f"{with_interval(gain)} over {gain['metric'].removeprefix(gained)}" for gain in gains)
        lines.append([system, *(with_interval(found[system, name]) for name in MEASURES), compared])
    return markdown_table(["system", *(name.capitalize() for name in MEASURES), "gain in recall@100"], lines)
