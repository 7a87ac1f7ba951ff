"""The log written for other tools: User Behavior Insights (UBI) as two files of JSON lines (`sources.schemas.ubi`)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from contracts.arrow import to_records
from contracts.errors import NotReady
from contracts.records import Event
from contracts.tables import latest, parts, read_records
from contracts.versions import staged_file
from contracts.workspace import Workspace
from sources.schemas.ubi import event, queries


def write_ubi(
    workspace: Workspace, folder: Path, start: datetime | None = None, end: datetime | None = None
) -> tuple[int, int]:
    """Write the events of the records as `ubi_queries.ndjson` and `ubi_events.ndjson`.

    Impressions that name their request are hits of its query; everything else is an event.

    Args:
        workspace: Holds the records.
        folder: Made where it is not there.
        start: First moment; None: from the beginning.
        end: The moment behind the last; None: to the end.

    Returns:
        How many queries and how many events were written.

    Raises:
        NotReady: There is no event.
    """
    if not parts(workspace.records / "events"):
        raise NotReady(f"no events in {workspace.records}", cure="ingest a log: `rolecall ingest --data FOLDER`")
    wanted = pc.scalar(True)
    if start is not None:
        wanted = wanted & (pc.field("time") >= start)
    if end is not None:
        wanted = wanted & (pc.field("time") < end)
    table = latest(read_records(workspace.records, "events", filter=wanted), "id", "time")
    named = pc.and_(pc.equal(table["action"], "impression"), pc.not_equal(table["request_id"], ""))
    shown = table.filter(named).sort_by([("request_id", "ascending"), ("position", "ascending"), ("id", "ascending")])
    others = table.filter(pc.invert(named)).sort_by([("time", "ascending"), ("id", "ascending")])
    return (
        _write(folder / "ubi_queries.ndjson", queries(_events(shown))),
        _write(folder / "ubi_events.ndjson", (event(one) for one in _events(others))),
    )


def _events(table: pa.Table) -> Iterator[Event]:
    return to_records(table.select(list(Event.model_fields)), Event)


def _write(path: Path, documents: Iterator[dict[str, Any]]) -> int:
    with staged_file(path) as staged, staged.open("wb") as file:
        return sum(1 for document in documents if file.write(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)))
