"""The room of reports: the figures of the last replay, with their intervals, and what was built when."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from contracts.errors import NotReady
from contracts.workspace import Workspace
from serving.engine import Engine
from serving.http.console.page import HEADERS, render, shown
from serving.http.state import Service

router = APIRouter(include_in_schema=False)
REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'none'"
"""Of the report, a page of its own with its styles in it: it runs nothing, and is kept from this origin."""


class Figure(NamedTuple):
    """A metric of a system, with its 95% interval and both as shares 0 to 1 of the metric's own range in the table."""

    value: float
    low: float | None
    high: float | None
    at: tuple[float, float, float] | None


class Table(NamedTuple):
    """A table of the replay: systems down, metrics across."""

    title: str
    about: str
    metrics: list[str]
    rows: list[tuple[str, list[Figure | None]]]


@router.get("/console/reports")
async def reports(service: Service) -> Response:
    return await shown(service, _page)


@router.get("/console/reports/report.html")
async def report(service: Service) -> Response:
    """The report as the replay wrote it, kept from the console's own origin."""

    def file(engine: Engine) -> Response:
        path = engine.workspace.report
        if not path.is_file():
            raise NotReady("no report in this workspace", cure="run `rolecall replay`")
        return HTMLResponse(path.read_bytes(), headers=HEADERS | {"Content-Security-Policy": REPORT_POLICY})

    return await shown(service, file)


@router.get("/console/reports/diffs/{name}")
async def diff(service: Service, name: str) -> Response:
    """The page of two runs as `rolecall replay diff` wrote it, kept from the console's own origin."""

    def file(engine: Engine) -> Response:
        there = {path.parent.name: path for path in _diffs(engine.workspace)}
        if name not in there:
            raise NotReady(f"no comparison {name[:200]!r} in this workspace", cure="run `rolecall replay diff`")
        return HTMLResponse(there[name].read_bytes(), headers=HEADERS | {"Content-Security-Policy": REPORT_POLICY})

    return await shown(service, file)


def tables_of(replay: dict[str, Any]) -> list[Table]:
    """The tables of `metrics.json` of a replay."""
    return [_table(table) for table in replay.get("tables", ())]


def _table(table: dict[str, Any]) -> Table:
    cells = {(cell["system"], cell["metric"]): cell for cell in table["cells"]}
    metrics = [name for name in table["metrics"] if any((system, name) in cells for system in table["systems"])]
    ranges = {}
    for name in metrics:
        ends = [
            end
            for cell in table["cells"]
            if cell["metric"] == name
            for end in (cell["low"], cell["high"], cell["value"])
            if end is not None
        ]
        ranges[name] = min(ends), max(ends)
    rows = [
        (system, [_figure(cells.get((system, name)), ranges[name]) for name in metrics]) for system in table["systems"]
    ]
    return Table(table["title"], table.get("about") or "", metrics, rows)


def _figure(cell: dict[str, Any] | None, ends: tuple[float, float]) -> Figure | None:
    if cell is None:
        return None
    value, low, high = cell["value"], cell["low"], cell["high"]
    if low is None or high is None or ends[0] == ends[1]:
        return Figure(value, low, high, None)
    low_at, at, high_at = ((end - ends[0]) / (ends[1] - ends[0]) for end in (low, value, high))
    return Figure(value, low, high, (low_at, at, high_at))


def _page(engine: Engine) -> str:
    workspace = engine.workspace
    replay = _read(workspace.replay / "metrics.json")
    return render(
        "reports.html",
        engine,
        "reports",
        replay=replay,
        tables=tables_of(replay),
        versions=replay.get("versions", {}),
        summary=_read(workspace.summary),
        has_report=workspace.report.is_file(),
        diffs=[_told(path) for path in _diffs(workspace)],
        builds=engine.beside.built(),
        stages=_stages(workspace.stages),
        served=engine.servable.index.manifest.version,
    )


def _diffs(workspace: Workspace) -> list[Path]:
    """The pages of comparisons, the newest first."""
    return sorted(workspace.replay_diffs.glob("*/diff.html"), key=lambda path: (-path.stat().st_mtime, path))


def _told(page: Path) -> dict[str, Any]:
    """What a comparison says: its name, its sentence and whether the second run is better."""
    content = _read(page.with_suffix(".json"))
    return {"name": page.parent.name} | {key: content.get(key, "") for key in ("sentence", "said", "first", "second")}


def _read(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty where there is none that can be read."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _stages(path: Path) -> list[dict[str, Any]]:
    """What each stage of the last recipe took; empty where none was run."""
    try:
        stages = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return []
    longest = max((stage["seconds"] for stage in stages), default=0) or 1
    return [stage | {"share": stage["seconds"] / longest} for stage in stages]
