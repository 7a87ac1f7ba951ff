"""What a log will be learned from, said before anything is loaded: its requests, and what of it tells nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import polars as pl

from contracts.records import Event, Job, Member, Record
from history.attribution import with_lists
from history.requests import EVENT_COLUMNS, past_requests

FEW = 20
"""Training requests under which requests are made beside them, by default (`label: {made_below}`)."""
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
    """Collects the records of a folder: `take` each, then `lines`."""

    def __init__(self) -> None:
        self._events: list[tuple] = []
        self._first: dict[type[Record], dict[str, datetime]] = {Member: {}, Job: {}}

    def take(self, record: Record) -> None:
        """Take in one record that fits."""
        if isinstance(record, Event):
            self._events.append(tuple(getattr(record, name) for name in EVENT_COLUMNS))
        elif isinstance(record, Member | Job):
            first = self._first[type(record)]
            first[record.id] = min(record.updated_at, first.get(record.id, record.updated_at))

    def lines(self) -> Iterator[str]:
        """What will be learned from, a line a finding."""
        if not self._events:
            yield "no log: requests are made of members and adverts, and what is learned are the judge's grades alone"
            return
        events = pl.DataFrame(self._events, _SCHEMA, orient="row").unique("id")
        every = dict.fromkeys(("train", "valid", "test"), len(events))
        requests = past_requests(events, every, 0)
        by_split = {split: sum(one.split == split for one in requests) for split in every}
        shown = sum(one.complete for one in requests)
        parts = ", ".join(f"{number:,} {split}" for split, number in by_split.items())
        opened = f"{len(requests) - shown:,} jobs that were opened without one"
        yield f"{shown:,} lists that were shown and {opened}: {parts}"
        if by_split["train"] < FEW:
            yield f"under {FEW} requests to learn from: requests are made of members and adverts beside them"
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
