"""First records that are trusted back to the first event of their member or job.

An export dates its rows by the day on which it was made, or by their last change. Then nothing was known of anybody
when the events happened, and a request of then would have no text to learn from. What a first record says was true
earlier, in all likelihood; later records keep their times, so nothing that is known to have changed is told too early.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.arrow import TIME
from contracts.features import CREATED_TIME, EVENT_TIME, JOB_KEY, JOB_TEXT, KEYS, MEMBER_KEY, MEMBER_TEXT
from contracts.tables import parts, read_table, write_part
from contracts.workspace import Workspace

BEFORE = timedelta(milliseconds=1)
"""A record is known so long before the event."""
_VIEWS = {"members": MEMBER_TEXT, "jobs": JOB_TEXT}
_SINCE = "since"


def trust_first_records(workspace: Workspace, table: str) -> int:
    """Move the text of first records back to the first event of their member or job, where that lies before it.

    Args:
        workspace: With records and their text.
        table: "members" or "jobs".

    Returns:
        How many records are trusted back, those of earlier runs among them.
    """
    view, records = _VIEWS[table], workspace.records / table
    if not parts(records) or not parts(workspace.records / "events"):
        return 0
    since = _since(workspace, table)
    key = KEYS[view]
    for path in parts(workspace.features / view):
        rows = pq.read_table(path)
        times = pl.DataFrame(rows.select([key, "row_hash", EVENT_TIME, CREATED_TIME]))
        wanted = times.join(since, on=[key, "row_hash"], how="left", maintain_order="left")[_SINCE]
        late = (wanted < times[EVENT_TIME]).fill_null(False)
        if not late.any():
            continue
        for name in (EVENT_TIME, CREATED_TIME):
            moved = times.select(pl.when(late).then(wanted).otherwise(name).alias(name))[name]
            column = pa.chunked_array([moved.to_arrow().cast(TIME)])
            rows = rows.set_column(rows.schema.get_field_index(name), name, column)
        write_part(path.parent, rows, path.stem.removeprefix("part-"))
    return len(since)


def _since(workspace: Workspace, table: str) -> pl.DataFrame:
    """The first records that an event lies before: the key of their view, row_hash, and since when they are known."""
    posted = ["posted_at"] if table == "jobs" else []
    key = MEMBER_KEY if table == "members" else JOB_KEY
    records = pl.DataFrame(read_table(workspace.records / table, ["id", "row_hash", "updated_at", *posted]))
    first = records.sort("updated_at").unique("id", keep="first", maintain_order=True)
    events = pl.DataFrame(read_table(workspace.records / "events", [key, "time"]))
    acted = events.group_by(key).agg(pl.col("time").min() - BEFORE)
    since = pl.max_horizontal("time", *posted).alias(_SINCE)
    trusted = (
        first.join(acted, left_on="id", right_on=key).with_columns(since).filter(pl.col(_SINCE) < pl.col("updated_at"))
    )
    return trusted.select(pl.col("id").alias(key), "row_hash", _SINCE)
