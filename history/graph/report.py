"""How the market graph is connected at a moment: degrees by kind and relation, hubs, and nodes without an edge."""

from __future__ import annotations

from typing import Any

import numpy as np

from history.graph.density import degrees
from history.graph.edges import FOREVER
from history.graph.graph import KINDS, RELATIONS, Graph


def degree_report(graph: Graph, time: int = FOREVER - 1) -> dict[str, Any]:
    """Degrees as of a moment.

    Args:
        graph: Of the market.
        time: Microseconds; by default after all that is known.

    Returns:
        `nodes`: one row a kind with its nodes, those without an edge, and its busiest node; `edges`: one row a relation
        and end with edges, nodes that have some, and the median, 90th percentile and most of those; `dropped`: edges
        that were left out, by cause.
    """
    total = degrees(graph, time)
    nodes, edges = [], []
    for kind in KINDS:
        of_kind = total[graph.first[kind] : graph.first[kind] + len(graph.keys[kind])]
        busiest = int(of_kind.argmax()) if len(of_kind) else None
        nodes.append(
            {
                "kind": kind,
                "nodes": len(of_kind),
                "without_edges": int((of_kind == 0).sum()),
                "busiest": None if busiest is None else str(graph.keys[kind][busiest]),
                "most": 0 if busiest is None else int(of_kind[busiest]),
            }
        )
    for name, relation in RELATIONS.items():
        for way, kind in (("", relation.source), ("~", relation.target)):
            first = graph.first[kind]
            degree = graph.adjacency[f"{way}{name}"].degrees(time)[first : first + len(graph.keys[kind])]
            some = degree[degree > 0]
            median, high = np.percentile(some, (50, 90)) if len(some) else (0.0, 0.0)
            edges.append(
                {
                    "relation": f"{way}{name}",
                    "from": kind,
                    "edges": int(degree.sum()),
                    "nodes": len(some),
                    "median": float(median),
                    "p90": float(high),
                    "most": int(some.max(initial=0)),
                }
            )
    return {"nodes": nodes, "edges": edges, "dropped": dict(graph.dropped)}


def as_text(report: dict[str, Any]) -> str:
    """The report for people."""
    lines = [f"{'kind':<10}{'nodes':>10}{'no edge':>10}{'most':>10}  busiest"]
    lines += [
        f"{row['kind']:<10}{row['nodes']:>10,}{row['without_edges']:>10,}{row['most']:>10,}  {row['busiest'] or ''}"
        for row in report["nodes"]
    ]
    lines += ["", f"{'relation':<14}{'from':<10}{'edges':>10}{'nodes':>10}{'median':>8}{'p90':>8}{'most':>10}"]
    lines += [
        f"{row['relation']:<14}{row['from']:<10}{row['edges']:>10,}{row['nodes']:>10,}{row['median']:>8g}{row['p90']:>8g}"
        f"{row['most']:>10,}"
        for row in report["edges"]
    ]
    lines += [f"left out: {count:,} {cause}" for cause, count in report["dropped"].items() if count]
    return "\n".join(lines)
