"""The held-out requests: what was asked, when, by whom, and what the person then did. The same for every system.

They are the requests that `history.requests` calls "test", which nothing is trained on: of a log with impressions the
last fifth in time; of a log without, each member's last view, where the candidates are all jobs but those that the
member viewed before and a job viewed again counts at its first view alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from contracts.errors import NotReady
from contracts.tables import latest, read_table
from contracts.workspace import Workspace
from history.requests import EVENT_COLUMNS, gains, past_requests


@dataclass(frozen=True)
class HeldOut:
    """One request and its outcome.

    gains: job -> `GAINS` of what the person did with it on this occasion; viewed: jobs that are no candidates because
    the person viewed them before (logs without impressions only).
    """

    request_id: str
    member_id: str
    query: str
    time: datetime
    gains: Mapping[str, int]
    viewed: frozenset[str]


def held_out(workspace: Workspace, most: int, seed: int = 0) -> list[HeldOut]:
    """The held-out requests that led to something, by time; an even sample of `most` where there are more.

    Raises NotReady where there is none.
    """
    events = latest(read_table(workspace.records / "events", EVENT_COLUMNS), "id", "time")
    drawn = past_requests(pl.DataFrame(events), {"train": 0, "valid": 0, "test": most}, seed)
    found = [
        HeldOut(request.list_id, request.member_id, request.query, request.time, worth, request.viewed)
        for request in drawn
        if (worth := gains(request))
    ]
    if not found:
        raise NotReady(
            f"no held-out request among {events.num_rows:,} events led to a view or more", cure="ingest a longer log"
        )
    return sorted(found, key=lambda request: (request.time, request.request_id))


def asked(pairs: pa.Table) -> list[HeldOut]:
    """The request of each list of a test table (`contracts.examples.EXAMPLES`), without its outcome."""
    columns = ["list_id", "member_id", "query", "event_timestamp"]
    lists = pairs.group_by(columns, use_threads=False).aggregate([])
    rows = zip(*(lists[name].to_pylist() for name in columns), strict=True)
    return [HeldOut(list_id, member_id, query, time, {}, frozenset()) for list_id, member_id, query, time in rows]


def has_impressions(workspace: Workspace) -> bool:
    """Whether the log tells what was shown, and so what was passed over."""
    return bool(read_table(workspace.records / "events", ["id"], pc.field("action") == "impression").num_rows)
