"""Which list of the log an event belongs to: the one that it names, or the last one that showed the job to the member.

A log need not name its requests. Impressions without a request are one list where they are of one member, of one query
and no more than `SESSION` apart. An outcome without a request belongs to the last list before it that showed this job
to this member, however long ago: an employer answers after weeks. One that names a request of which the log shows no
list was another occasion. Of nobody in particular nothing is told but what the log itself names.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

SESSION = timedelta(minutes=30)


def with_lists(events: pl.DataFrame) -> pl.DataFrame:
    """The events with the column `list_id`: the shown list that each belongs to, "" for none.

    Args:
        events: `history.requests.EVENT_COLUMNS`, each event once.
    """
    return named_lists(own_lists(events))


def own_lists(events: pl.DataFrame) -> pl.DataFrame:
    """The events with the `list_id` that a member's own events tell, null for others: of all that are shown, and of
    what names no request.

    Args:
        events: All of some members, and any of nobody in particular.
    """
    impression = pl.col("action") == "impression"
    shown = pl.concat([_named(events.filter(impression)), _grouped(events.filter(impression))])
    others = events.filter(~impression)
    is_untold = (pl.col("request_id") == "") & (pl.col("member_id") != "")
    none = pl.lit(None, pl.String).alias("list_id")
    told, untold = others.filter(~is_untold).with_columns(none), others.filter(is_untold)
    untold = (
        untold.sort("time", "id")
        .join_asof(
            shown.sort("time", "id").select("member_id", "job_id", "time", "list_id"),
            on="time",
            by=["member_id", "job_id"],
            check_sortedness=False,
        )
        .select(told.columns)
    )
    return pl.concat([shown, told, untold])


def named_lists(events: pl.DataFrame) -> pl.DataFrame:
    """The events with the list that they name where they have none yet, "" where it was not shown.

    Args:
        events: Of `own_lists`, all that have or name some lists.
    """
    lists = events.filter(pl.col("action") == "impression")["list_id"].unique().implode()
    named = pl.when(pl.col("request_id").is_in(lists)).then("request_id").otherwise(pl.lit(""))
    return events.with_columns(pl.coalesce("list_id", named))


def _named(impressions: pl.DataFrame) -> pl.DataFrame:
    return impressions.filter(pl.col("request_id") != "").with_columns(pl.col("request_id").alias("list_id"))


def _grouped(impressions: pl.DataFrame) -> pl.DataFrame:
    """Impressions that name no request, with the id of the first one of their list; without those of nobody."""
    unnamed = impressions.filter((pl.col("request_id") == "") & (pl.col("member_id") != ""))
    asker = ["member_id", "query"]
    unnamed = unnamed.sort(*asker, "time", "id")
    starts = (pl.col("time").diff().over(asker) > SESSION).fill_null(True)
    return unnamed.with_columns(pl.when(starts).then("id").forward_fill().alias("list_id"))
