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
    impression = pl.col("action") == "impression"
    shown = pl.concat([_named(events.filter(impression)), _grouped(events.filter(impression))])
    others = events.filter(~impression)
    lists = shown["list_id"].unique().implode()
    named = pl.when(pl.col("request_id").is_in(lists)).then("request_id")
    others = others.with_columns(named.alias("list_id"))
    is_untold = (pl.col("request_id") == "") & (pl.col("member_id") != "")
    told, untold = others.filter(~is_untold), others.filter(is_untold)
    if len(untold) and len(shown):
        untold = (
            untold.drop("list_id")
            .sort("time", "id")
            .join_asof(
                shown.select("member_id", "job_id", "time", "list_id").sort("time"),
                on="time",
                by=["member_id", "job_id"],
                check_sortedness=False,
            )
        )
    return pl.concat([shown, told, untold]).with_columns(pl.col("list_id").fill_null(""))


def _named(impressions: pl.DataFrame) -> pl.DataFrame:
    return impressions.filter(pl.col("request_id") != "").with_columns(pl.col("request_id").alias("list_id"))


def _grouped(impressions: pl.DataFrame) -> pl.DataFrame:
    """Impressions that name no request, with the id of the first one of their list; without those of nobody."""
    unnamed = impressions.filter((pl.col("request_id") == "") & (pl.col("member_id") != ""))
    asker = ["member_id", "query"]
    unnamed = unnamed.sort(*asker, "time", "id")
    starts = (pl.col("time").diff().over(asker) > SESSION).fill_null(True)
    return unnamed.with_columns(pl.when(starts).then("id").forward_fill().alias("list_id"))
