"""One answer over HTTP, as a client would get it: the end of the recipe and the first thing a newcomer sees."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pyarrow.compute as pc

from contracts.tables import latest, parts, read_table
from contracts.workspace import Workspace

RESULTS = 5
PATIENCE_SECONDS = 30.0
"""Of the one request: a machine that has just trained may be busy still."""


def serve_once(workspace: Workspace) -> str:
    """Start the service on a free port, ask it once, stop it; the question and the answer as text.

    It is asked for the most active member's jobs; where nobody did anything for any member's, and where there are no
    members for those of a profile such as the newest advert looks for.
    """
    from serving.config import ServeConfig
    from serving.engine import Engine
    from serving.http.run import running

    body = {**_asker(workspace), "k": RESULTS}
    with running(Engine(workspace, ServeConfig(deadline=PATIENCE_SECONDS))) as url:
        answer = httpx.post(f"{url}/v1/recommend", json=body, timeout=2 * PATIENCE_SECONDS).raise_for_status().json()
    return _as_text(f"POST /v1/recommend {json.dumps(body, ensure_ascii=False)}", answer)


def _asker(workspace: Workspace) -> dict[str, Any]:
    if parts(workspace.records / "members"):
        members = pc.unique(read_table(workspace.records / "members", ["id"])["id"])
        counts: list[dict[str, Any]] = []
        if parts(workspace.records / "events"):
            acted = (pc.field("action") != "impression") & pc.field("member_id").isin(members)
            events = read_table(workspace.records / "events", ["member_id"], acted)
            counts = events["member_id"].value_counts().to_pylist()
        active = max(counts, key=lambda count: (count["counts"], count["values"]), default=None)
        return {"member_id": active["values"] if active else min(members.to_pylist())}
    columns = ["id", "title", "skills", "location", "updated_at"]
    advert = latest(read_table(workspace.records / "jobs", columns), "id", "updated_at").to_pylist()[-1]
    profile = {"headline": advert["title"], "skills": advert["skills"][:5], "location": advert["location"]}
    return {"profile": {name: value for name, value in profile.items() if value}}


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
