"""The README's tables, drawn from `results/spine.json`: `python -m benchmarks.tables` writes them between their marks.

A test holds the README and the result file together, so that no figure is typed by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "spine.json"
README = ROOT / "README.md"
JOB_VIEWS = "job views: "
QUALITY = ("nDCG@10", "R@10", "R@100", "RR")


def filled(readme: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """`readme` with the tables of these rows between `<!-- NAME -->` and `<!-- /NAME -->`."""
    quality = [row for row in rows if row["case"].startswith(JOB_VIEWS) and row["metric"] in QUALITY]
    speed = [row for row in rows if not row["case"].startswith(JOB_VIEWS)]
    for name, table in (("jobviews", _quality(quality)), ("spine", _speed(speed))):
        pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        readme = re.sub(pattern, lambda match, text=table: f"{match[1]}{text}{match[2]}", readme, flags=re.DOTALL)  # type: ignore[misc]
    return readme


def _quality(rows: Sequence[Mapping[str, Any]]) -> str:
    cases = dict.fromkeys(row["case"] for row in rows)
    first = next(iter(cases), "")
    rows = [row for row in rows if row["case"] == first]
    lines = ["| system | " + " | ".join(QUALITY) + " |", "|---" * (len(QUALITY) + 1) + "|"]
    for system in dict.fromkeys(row["system"] for row in rows):
        found = {row["metric"]: row for row in rows if row["system"] == system}
        cells = [_with_interval(found[metric]) if metric in found else "" for metric in QUALITY]
        lines.append(f"| {system} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _speed(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| what | system | measure | value |", "|---|---|---|---|"]
    lines += [f"| {row['case']} | {row['system']} | {row['metric']} | {_with_interval(row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _with_interval(row: Mapping[str, Any]) -> str:
    value = _number(row["value"]) + (
        f" {row['unit']}" if row.get("unit") not in (None, "", "ratio", row["metric"]) else ""
    )
    if row.get("low") is None or row.get("high") is None:
        return value
    return f"{value} ({_number(row['low'])} to {_number(row['high'])})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def main() -> None:
    README.write_text(filled(README.read_text(), json.loads(RESULTS.read_text())["rows"]))


if __name__ == "__main__":
    main()
