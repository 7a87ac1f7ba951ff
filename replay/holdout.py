"""The held-out requests: who asked for what and when, and what the person then did. The same for every system.

They are the requests that `history.requests` calls "test", which nothing is trained on. In a log with impressions they
are the last fifth in time; in a log without, each member's last view: the candidates are then all jobs but those that
the member viewed before, and a job that is viewed again counts at its first view alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from contracts.activity import KNOWN_AFTER
from contracts.records import Member
from contracts.tables import latest, parts, read_table
from contracts.text.verbalizer import Percentiles
from contracts.workspace import Workspace
from history.as_of import LoggedRequest
from history.as_of import requests_as_of as past_requests_as_of
from history.made import MadeOf, made_of
from history.requests import EVENT_COLUMNS, gains, past_requests
from retrieval.index.job_index import JobIndex
from retrieval.request import Request

LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class HeldOut:
    """One request and its outcome.

    gains: job -> `GAINS` of what the person did with it on this occasion; viewed: jobs that are no candidates because
    the person viewed them before (logs without impressions only); profile: who asked, where that is nobody of the
    records.
    """

    request_id: str
    member_id: str
    query: str
    time: datetime
    gains: Mapping[str, int]
    viewed: frozenset[str]
    profile: Member | None = None


def held_out(workspace: Workspace, most: int, seed: int = 0) -> list[HeldOut]:
    """The held-out requests that led to something, by time; an even sample of `most` where there are more."""
    if not parts(workspace.records / "events"):
        return []
    events = latest(read_table(workspace.records / "events", EVENT_COLUMNS), "id", "time")
    drawn = past_requests(pl.DataFrame(events), {"train": 0, "valid": 0, "test": most}, seed)
    held = [
        HeldOut(request.list_id, request.member_id, request.query, request.time, of_request, request.viewed)
        for request in drawn
        if (of_request := gains(request))
    ]
    return sorted(held, key=lambda request: (request.time, request.request_id))


def requests_of_pairs(workspace: Workspace, pairs: pa.Table) -> list[HeldOut]:
    """The request of each list of a test table (`contracts.examples.EXAMPLES`), without its outcome."""
    columns = ["list_id", "member_id", "query", "event_timestamp"]
    lists = pairs.group_by(columns, use_threads=False).aggregate([])
    rows = zip(*(lists[name].to_pylist() for name in columns), strict=True)
    made = made_of(workspace, lists["list_id"].to_pylist())
    found = []
    for list_id, member_id, query, time in rows:
        advert, profile = made.get(list_id, MadeOf("", None))
        found.append(HeldOut(list_id, member_id, query, time, {}, frozenset((advert,) if advert else ()), profile))
    return found


def requests_as_of(
    workspace: Workspace,
    held: Sequence[HeldOut],
    known_from: Mapping[str, datetime],
    percentiles: Percentiles | None = None,
) -> list[Request]:
    """What retrieval is asked for each held-out request, with the member's text and activity as known just before it.

    Args:
        workspace: Holds the members' features and records.
        held: n held-out requests.
        known_from: Jobs that were not there from the start, and when they became known; see `PastIndex`.
        percentiles: Of the member texts, for what compares pay: rules, and the match of a pair. No rule knows the
            impressions before a request.

    Returns:
        n requests, in the order of `held`.
    """
    asks = [
        LoggedRequest(
            request.member_id,
            request.query,
            request.time,
            (*request.viewed, *(job for job, time in known_from.items() if time > request.time)),
            request.profile,
        )
        for request in held
    ]
    return past_requests_as_of(workspace, asks, percentiles)


def first_views(workspace: Workspace, index: JobIndex) -> dict[str, datetime]:
    """The jobs that do not say when they were posted, and when it was known that somebody had viewed them.

    Among such jobs a log of views holds those of the future: that a job is in the log says that somebody will view it.

    Args:
        workspace: Holds the log.
        index: Holds the jobs.
    """
    dated = np.isfinite(index.attributes.number("posted_at"))
    undated = [job for job, says in zip(index.ids, dated.tolist(), strict=True) if not says]
    if not undated:
        return {}
    events = pl.scan_parquet(parts(workspace.records / "events")).select("job_id", "time")
    first = dict(events.group_by("job_id").agg(pl.col("time").min()).collect(engine="streaming").iter_rows())
    return {job: first[job] + KNOWN_AFTER if job in first else LATEST for job in undated}


def only_known(held: Sequence[HeldOut], known_from: Mapping[str, datetime]) -> list[HeldOut]:
    """The held-out requests with the outcomes on jobs that were known before them; without those of no such outcome."""
    kept = [
        replace(
            request,
            gains={
                job: gain
                for job, gain in request.gains.items()
                if job not in known_from or known_from[job] <= request.time
            },
        )
        for request in held
    ]
    return [request for request in kept if request.gains]


def has_impressions(workspace: Workspace) -> bool:
    """Whether the log tells what was shown, and so what was passed over."""
    paths = map(str, parts(workspace.records / "events"))
    return any(ds.dataset(path).head(1, columns=["id"], filter=pc.field("action") == "impression") for path in paths)
