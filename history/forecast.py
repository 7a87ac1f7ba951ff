"""What a log will be learned from, said before anything is loaded: its requests, and what of it tells nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from typing import Any

import polars as pl

from contracts.records import Event, Job, Member, Record
from contracts.time.open import why_closed
from history.attribution import with_lists
from history.made import made_counts
from history.requests import EVENT_COLUMNS, PastRequest, past_requests

TITLES = 2_000
"""Titles that are kept, the first ones of different jobs."""
_SCHEMA: dict[str, Any] = {
    "id": pl.String,
    "time": pl.Datetime("us", "UTC"),
    "request_id": pl.String,
    "member_id": pl.String,
    "query": pl.String,
    "job_id": pl.String,
    "position": pl.Int64,
    "action": pl.String,
    "propensity": pl.Float64,
}


class Forecast:
    """Collects the records of a folder: `take` each, then `lines`.

    Attributes:
        titles: Of the first `TITLES` jobs.
    """

    def __init__(self, made_below: int) -> None:
        """made_below: Requests to learn from under which others are made (`label: {made_below}`)."""
        self._made_below = made_below
        self._events: list[tuple] = []
        self._first: dict[type[Record], dict[str, datetime]] = {Member: {}, Job: {}}
        self._newest: dict[str, tuple[datetime, datetime | None, datetime | None, bool]] = {}
        self.titles: list[str] = []

    def take(self, record: Record) -> None:
        """Take in one record that fits."""
        if isinstance(record, Event):
            self._events.append(tuple(getattr(record, name) for name in EVENT_COLUMNS))
        elif isinstance(record, Member | Job):
            first = self._first[type(record)]
            first[record.id] = min(record.updated_at, first.get(record.id, record.updated_at))
        if isinstance(record, Job):
            if record.id not in self._newest and len(self.titles) < TITLES:
                self.titles.append(record.title)
            if record.id not in self._newest or record.updated_at >= self._newest[record.id][0]:
                self._newest[record.id] = (record.updated_at, record.posted_at, record.expires_at, record.hidden)

    @property
    def jobs(self) -> int:
        return len(self._newest)

    def open_jobs(self, t: datetime) -> int:
        """Jobs whose newest record is open at a moment, timezone-aware."""
        return sum(not why_closed(posted, expires, hidden, t) for _, posted, expires, hidden in self._newest.values())

    def requests(self) -> Counter[str]:
        """Split -> requests of the log."""
        return Counter(request.split for request in self._requests)

    def made(self, t: datetime) -> Counter[str]:
        """Split -> requests that are made beside them at a moment, where they are."""
        return made_counts(self.open_jobs(t)) if self.makes else Counter()

    @property
    def makes(self) -> bool:
        """Whether requests are made."""
        return self.requests()["train"] < self._made_below

    @cached_property
    def _table(self) -> pl.DataFrame:
        return pl.DataFrame(self._events, _SCHEMA, orient="row").unique("id")

    @cached_property
    def _requests(self) -> list[PastRequest]:
        every = dict.fromkeys(("train", "valid", "test"), len(self._table))
        return past_requests(self._table, every, 0) if self._events else []

    def lines(self) -> Iterator[str]:
        """What will be learned from, a line a finding."""
        if not self._events:
            yield "no log: requests are made of members and adverts, and what is learned are the judge's grades alone"
            return
        events, by_split = self._table, self.requests()
        shown = sum(one.complete for one in self._requests)
        parts = ", ".join(f"{by_split[split]:,} {split}" for split in ("train", "valid", "test"))
        opened = f"{len(self._requests) - shown:,} jobs that were opened without one"
        yield f"{shown:,} lists that were shown and {opened}: {parts}"
        if self.makes:
            below = self._made_below
            yield f"under {below} requests to learn from: requests are made of members and adverts beside them"
        if not by_split["test"]:
            yield "no request is held out: the replay measures by made requests (log more, or of a member two jobs)"
        of_nobody = events.filter((pl.col("member_id") == "") & (pl.col("request_id") == "") & (pl.col("query") == ""))
        if len(of_nobody):
            yield f"{len(of_nobody):,} events say neither who nor in which request: they count for popularity alone"
        grouped = with_lists(events).filter((pl.col("action") == "impression") & (pl.col("request_id") == ""))
        if len(grouped):
            lists = grouped["list_id"].n_unique()
            yield f"{len(grouped):,} impressions name no request: by member and half hour they are {lists:,} lists"
        for model, key in ((Member, "member_id"), (Job, "job_id")):
            known = pl.DataFrame(
                list(self._first[model].items()), {key: pl.String, "first": _SCHEMA["time"]}, orient="row"
            )
            early = events.join(known, on=key).filter(pl.col("time") < pl.col("first"))
            if len(early):
                share = f"{len(early) / len(events):.0%}"
                yield f"{share} of the events lie before their {key[:-3]}'s first record, which is trusted back to them"
