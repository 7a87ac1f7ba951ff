"""One answer over HTTP, as a client would get it: the end of the recipe and the first thing a newcomer sees."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pyarrow.compute as pc

from contracts.tables import read_table
from contracts.workspace import Workspace

RESULTS = 5


def serve_once(workspace: Workspace) -> str:
    """Start the service on a free port, ask it for the most active member's jobs, stop it; the answer as text."""
    from serving.engine import Engine
    from serving.http.run import running

    body = {"member_id": _active_member(workspace), "k": RESULTS}
    with running(Engine(workspace)) as url:
        answer = httpx.post(f"{url}/v1/recommend", json=body, timeout=30).raise_for_status().json()
    return _as_text(f"POST /v1/recommend {json.dumps(body)}", answer)


def _active_member(workspace: Workspace) -> str:
    events = read_table(workspace.records / "events", ["member_id"], pc.field("action") != "impression")
    counts = events["member_id"].value_counts().to_pylist()
    return max(counts, key=lambda count: (count["counts"], count["values"]))["values"]


def _as_text(request: str, answer: dict[str, Any]) -> str:
    lines = [request, ""]
    for result in answer["results"]:
        tasks = "  ".join(f"{task} {value:.3f}" for task, value in result["scores"].items())
        place = ", ".join(part for part in (result.get("company"), result.get("location")) if part)
        lines.append(f"{result['rank']:>3}  {result['title']}  ({place})")
        lines.append(f"     {tasks}  found by {', '.join(result['found_by'])}")
    lines.append("")
    lines.append(f"bundle {answer['bundle_version']}, index {answer['index_version']}")
    return "\n".join(lines)
