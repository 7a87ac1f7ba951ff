"""What each weight and floor makes of the policy and of what members did: the result file `order`, from a bundle.

    rolecall run --workspace artifacts/demo
    python -m benchmarks.order --workspace artifacts/demo

The rows are those of the bundle's `frontier.json`: every order that the release measured on the validation lists, each
list scored by what the others fitted, and what was chosen for each surface.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import result_file
from benchmarks.markdown import markdown_table
from contracts.bundle import read_manifest
from contracts.workspace import Workspace

METRICS = {"behaviour": "NDCG@10", "policy": "NDCG@10_graded", "good_fits": "good_fits@10", "poor_fits": "poor_fits@10"}
"""Field of a point -> metric of its row."""
COLUMNS = {
    "NDCG@10": "NDCG@10, what members did",
    "NDCG@10_graded": "NDCG@10, grades",
    "good_fits@10": "good fits@10",
    "poor_fits@10": "poor fits@10",
}
"""Metric -> head of its column."""
MEASURED, CHOSEN = "validation lists", "chosen for a"


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--workspace", type=Path, default=Path("artifacts/demo"), help="where `rolecall run` was done")
    parser.add_argument("--name", default="demo", help="what the data is: the cases begin with it")
    options = parser.parse_args(argv)
    bundle = Workspace(options.workspace).bundle
    frontier = json.loads((bundle / "frontier.json").read_text())
    simulated = bool(read_manifest(bundle).lineage.get("simulated"))
    command = f"rolecall run --workspace {options.workspace} && python -m benchmarks.order --name '{options.name}'"
    rows = list(frontier_rows(frontier, options.name))
    result_file.write("order", command, rows, simulated, publish=options.publish)


def frontier_rows(frontier: Mapping[str, Any], name: str) -> Iterator[dict[str, Any]]:
    """A row for each known figure of each point, then of what was chosen for each surface."""
    cases = [(MEASURED, point) for point in frontier["points"]]
    cases += [(f"{CHOSEN} {surface}", point) for surface, point in frontier["chosen"].items()]
    for case, point in cases:
        for field, metric in METRICS.items():
            if point[field] is not None:
                row = {"case": f"{name}, {case}", "system": system(point), "metric": metric}
                yield row | {"value": point[field], "unit": ""}


def frontier_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The simple orders, the blend alone and what was chosen, each with what it makes of both questions."""
    found = {(row["case"], row["system"], row["metric"]): row["value"] for row in rows}
    lines = []
    for case, name in dict.fromkeys((case, name) for case, name, _ in found):
        cells = [found.get((case, name, metric)) for metric in COLUMNS]
        if CHOSEN in case or name in ("retrieval", "relevance", "blend"):
            what = f"{case.partition(', ')[2]}: {name}" if CHOSEN in case else name
            lines.append([what, *("" if value is None else f"{value:.3f}" for value in cells)])
    return markdown_table(["order", *COLUMNS.values()], lines)


def system(point: Mapping[str, Any]) -> str:
    """A point's name, such as "blend, weight 2, floor 0.3"."""
    weight = f", weight {point['weight']:g}" if point["weight"] else ""
    return f"{point['order']}{weight}" + (f", floor {point['floor']:g}" if point["floor"] else "")


if __name__ == "__main__":
    main()
