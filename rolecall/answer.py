"""One answer over HTTP, as a client would get it: the end of the recipe and the first thing a newcomer sees."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from contracts.errors import NotReady
from contracts.tables import latest, read_table
from contracts.workspace import Workspace

START_WITHIN = 120.0
RESULTS = 5


def serve_once(workspace: Workspace) -> str:
    """Start the service on a free port, ask it for the most active member's jobs, stop it; the answer as text.

    Raises NotReady where the service does not come up in `START_WITHIN` seconds.
    """
    member = _active_member(workspace)
    process, url = _start(workspace)
    try:
        body = {"member_id": member, "k": RESULTS}
        answer = _post(f"{url}/v1/recommend", body)
    finally:
        process.terminate()
        process.wait(timeout=30)
    return _as_text(f"POST {url}/v1/recommend {json.dumps(body)}", answer)


def _active_member(workspace: Workspace) -> str:
    events = read_table(workspace.records / "events", ["member_id", "action"])
    counts = events.filter([action != "impression" for action in events["action"].to_pylist()])[
        "member_id"
    ].value_counts()
    busiest = max(counts.to_pylist(), key=lambda count: (count["counts"], count["values"]), default=None)
    if busiest is not None:
        return busiest["values"]
    return latest(read_table(workspace.records / "members", ["id", "updated_at"]), "id", "updated_at")["id"][0].as_py()


def _start(workspace: Workspace) -> tuple[subprocess.Popen[bytes], str]:
    where = workspace.logs / "service.json"
    where.unlink(missing_ok=True)
    argv = [sys.executable, "-m", "rolecall", "--quiet", "serve", "--workspace", str(workspace.root), "--port", "0"]
    process = subprocess.Popen(argv)
    deadline = time.monotonic() + START_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        url = _address(where)
        if url and _ready(url):
            return process, url
        time.sleep(0.2)
    process.kill()
    raise NotReady("the service did not come up", where=str(workspace.root), cure="see what it said above")


def _address(where: Path) -> str:
    return json.loads(where.read_text())["url"] if where.is_file() else ""


def _ready(url: str) -> bool:
    try:
        with urlopen(f"{url}/readyz", timeout=5) as answer:
            return answer.status == 200
    except (URLError, OSError):
        return False


def _post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    request = Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urlopen(request, timeout=30) as answer:
        return json.load(answer)


def _as_text(asked: str, answer: dict[str, Any]) -> str:
    lines = [asked, ""]
    for result in answer["results"]:
        tasks = "  ".join(f"{task} {value:.2f}" for task, value in result["scores"].items())
        place = ", ".join(part for part in (result.get("company"), result.get("location")) if part)
        lines.append(f"{result['rank']:>3}  {result['title']}  ({place})")
        lines.append(f"     {tasks}  found by {', '.join(result['found_by'])}")
    lines.append("")
    lines.append(f"bundle {answer['bundle_version']}, index {answer['index_version']}")
    return "\n".join(lines)
