"""The room of rows that did not become records: why, how many, and the rows themselves."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import islice
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from contracts.cells import guard
from contracts.tables import parts, read_table
from serving.engine import Engine
from serving.http.console.forms import fields_of
from serving.http.console.page import HEADERS, render, shown
from serving.http.state import Service
from sources.quarantine import SCHEMA, set_aside

router = APIRouter(include_in_schema=False)
PAGE = 50
MOST_ROWS = 100_000
"""Of a file; the command line writes all."""
MOST_CHARS = 4_000
"""Of a raw row on the page."""


@router.get("/console/quarantine")
async def quarantine(service: Service, request: Request) -> Response:
    fields = await fields_of(request)
    return await shown(service, lambda engine: _page(engine, fields))


@router.get("/console/quarantine.csv")
async def quarantine_csv(service: Service, request: Request) -> Response:
    fields = await fields_of(request)

    def file(engine: Engine) -> Response:
        headers = HEADERS | {"Content-Disposition": 'attachment; filename="quarantine.csv"'}
        return StreamingResponse(_lines(engine, fields), media_type="text/csv; charset=utf-8", headers=headers)

    return await shown(service, file)


def _page(engine: Engine, fields: dict[str, str]) -> str:
    table, reason = fields.get("table", ""), fields.get("reason", "")
    page = int(number) if (number := fields.get("page", "1")).isdecimal() and len(number) < 6 else 1
    start = (max(page, 1) - 1) * PAGE
    rows = list(islice(set_aside(engine.workspace.quarantine, table, reason), start, start + PAGE + 1))
    return render(
        "quarantine.html",
        engine,
        "quarantine",
        counts=_counts(engine),
        rows=[row | {"raw": row["raw"][:MOST_CHARS], "cut": len(row["raw"]) > MOST_CHARS} for row in rows[:PAGE]],
        more=len(rows) > PAGE,
        table=table,
        reason=reason,
        page=max(page, 1),
    )


def _counts(engine: Engine) -> list[dict[str, Any]]:
    """How many rows by table and reason, the most first."""
    if not parts(engine.workspace.quarantine):
        return []
    rows = read_table(engine.workspace.quarantine, ["table", "reason", "row"])
    counted = rows.group_by(["table", "reason"]).aggregate([("row", "count")])
    return counted.sort_by([("row_count", "descending")]).to_pylist()


def _lines(engine: Engine, fields: dict[str, str]) -> Iterator[str]:
    """CSV that is safe to open in a spreadsheet, a row at a time."""
    rows = set_aside(engine.workspace.quarantine, fields.get("table", ""), fields.get("reason", ""))
    yield "\ufeff" + _line(SCHEMA.names)
    for row in islice(rows, MOST_ROWS):
        yield _line([guard(row[name]) for name in SCHEMA.names])


def _line(cells: list[str]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(cells)
    return text.getvalue()
