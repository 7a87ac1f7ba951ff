"""What of a log is no person's choice: actions sent twice, and members who act as no person can.

Nothing goes in silence: what is set apart is counted by its cause. An event that came twice with one id is one event
already (`contracts.tables.latest`); a repeat here has an id of its own, as of a page that sends a click twice.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

MOST_AN_HOUR = 300
"""Actions of one member in one hour, above which a program acts: one every twelve seconds, without a pause."""
REPEATED, PROGRAM = "sent twice", "of a program"


def set_apart(events: pl.DataFrame, most_an_hour: int = MOST_AN_HOUR) -> tuple[pl.DataFrame, Mapping[str, int]]:
    """A log without repeats and programs, and how many events each cause took away.

    Args:
        events: At least time, request_id, member_id, job_id and action, each event once; impressions are kept where
            only a program's actions are many, as its lists are its own.
        most_an_hour: Actions of a known member in one hour above which all events of that member go.
    """
    acted = events.filter((pl.col("action") != "impression") & (pl.col("member_id") != ""))
    busy = (
        acted.group_by("member_id", pl.col("time").dt.truncate("1h"))
        .len()
        .filter(pl.col("len") > most_an_hour)["member_id"]
        .unique()
    )
    people = events.filter(~pl.col("member_id").is_in(busy.implode()))
    keys = ["member_id", "request_id", "job_id", "action"]
    known = (pl.col("member_id") != "") & (pl.col("action") != "impression")
    once = people.filter(known).with_columns(pl.col("time").dt.truncate("1s").alias("_second"))
    once = once.sort("time", "id").unique([*keys, "_second"], keep="first", maintain_order=True).drop("_second")
    kept = pl.concat([people.filter(~known), once]).sort("time", "id")
    causes = {PROGRAM: len(events) - len(people), REPEATED: len(people) - len(kept)}
    return kept, {cause: number for cause, number in causes.items() if number}
