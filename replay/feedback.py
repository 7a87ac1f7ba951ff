"""Member feedback in the log: dismissals by reason, by surface, and by the retrieval source that found the job."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from contracts.arrow import arrow_schema
from contracts.errors import NotReady
from contracts.records import Event
from contracts.tables import latest, read_table
from contracts.workspace import Workspace

NOT_SAID = "not said"
_COLUMNS = ["id", "time", "surface", "request_id", "job_id", "action", "reason", "found_by"]


class Feedback(NamedTuple):
    """Counts of dismissals.

    A job that two sources found counts for both. The source is "not said" where the log has no impression of the job or
    the impression names none; so is a reason that was not given.

    Attributes:
        dismissed: Reason -> dismissals, most first.
        by_surface: Reason -> surface -> dismissals.
        by_source: Reason -> source -> dismissals.
        shown: Surface or source -> impressions.
    """

    dismissed: dict[str, int]
    by_surface: dict[str, dict[str, int]]
    by_source: dict[str, dict[str, int]]
    shown: dict[str, int]


def feedback(workspace: Workspace) -> Feedback:
    """Count the dismissals of all events in the records. Raises NotReady where there is none."""
    table = read_table(workspace.records / "events", _COLUMNS, schema=arrow_schema(Event))
    if not table.num_rows:
        raise NotReady(f"no events in {workspace.records}", cure="ingest a log")
    events = pl.DataFrame(latest(table, "id", "time"))
    sources = pl.col("found_by").fill_null("").replace("", NOT_SAID).str.split(",")
    impressions = events.filter(pl.col("action") == "impression").with_columns(sources.alias("source"))
    keys = ["request_id", "job_id"]
    found_by = impressions.filter(pl.col("request_id") != "").unique(keys, keep="first", maintain_order=True)
    dismissed = (
        events.filter(pl.col("action") == "dismiss")
        .with_columns(pl.col("reason").fill_null(NOT_SAID))
        .join(found_by.select(*keys, "source"), on=keys, how="left")
        .with_columns(pl.col("source").fill_null(pl.lit([NOT_SAID])))
    )
    counts = dismissed["reason"].value_counts(sort=True).sort("count", "reason", descending=[True, False])
    shown = [impressions["surface"], impressions["source"].explode()]
    return Feedback(
        dismissed=dict(counts.iter_rows()),
        by_surface=_by(dismissed, "surface"),
        by_source=_by(dismissed.explode("source"), "source"),
        shown={name: count for column in shown for name, count in column.value_counts().sort(column.name).iter_rows()},
    )


def _by(dismissed: pl.DataFrame, column: str) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for reason, name, count in dismissed.group_by("reason", column).len().sort("reason", column).iter_rows():
        counts.setdefault(reason, {})[name] = count
    return counts
