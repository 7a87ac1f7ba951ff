"""Past requests to learn from: which there were, which split each is of, which are drawn, and what came of them.

A log with impressions says what was shown. Its requests are split by time: the last 20% test, the 10% before valid.
A log without says only what was opened: each first view of a job is a request that led to it. Of every member with two
or more viewed jobs the last view is test; of the others, those of a tenth of the members are valid.

An outcome of a request is an action that names it and came at or after the job's impression. Of a training request it
came before the first request of another split as well: what ripens later (a hire) is not yet known there.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import polars as pl

from contracts.examples import SPLITS
from contracts.tasks import GAINS, INTEREST
from contracts.versions import row_hash

TEST_SHARE, VALID_SHARE = 0.2, 0.1
EVENT_COLUMNS = [
    "id",
    "time",
    "request_id",
    "member_id",
    "query",
    "job_id",
    "position",
    "action",
    "propensity",
]


class ShownJob(NamedTuple):
    """A job of a request. view, apply, dismiss, hire: 0 or 1, None where the log does not say."""

    job_id: str
    position: int | None
    propensity: float | None
    view: int | None
    apply: int | None
    dismiss: int | None
    hire: int | None


class PastRequest(NamedTuple):
    """A request of the log with its outcomes.

    Attributes:
        list_id: the request's id, or that of the event which stands for it.
        member_id: who asked; empty for an anonymous search.
        query: empty for a recommendation.
        time: when, in UTC.
        split: "train", "valid" or "test".
        shown: the jobs that the log names, by position.
        complete: whether `shown` is all that was shown.
        viewed: jobs that the member had viewed before, where these are no candidates.
        other_views: jobs that the member viewed on other occasions outside the test split; they are no negatives.
    """

    list_id: str
    member_id: str
    query: str
    time: datetime
    split: str
    shown: tuple[ShownJob, ...]
    complete: bool
    viewed: frozenset[str] = frozenset()
    other_views: frozenset[str] = frozenset()


def gains(request: PastRequest) -> dict[str, int]:
    """Job id -> the highest of `GAINS` among the actions on it in this request, without jobs of gain 0."""
    best = {job.job_id: max(GAINS[action] * (getattr(job, action) or 0) for action in GAINS) for job in request.shown}
    return {job: gain for job, gain in best.items() if gain}


def past_requests(events: pl.DataFrame, lists: Mapping[str, int], seed: int) -> list[PastRequest]:
    """Requests of each split, drawn evenly by a hash of each request, so that more events change little of the draw.

    Of the test split, requests that led to an outcome come first, so that few lists measure much. Train and valid are
    drawn regardless of what followed, so that probabilities learned from them hold.

    Args:
        events: EVENT_COLUMNS, each event once.
        lists: split -> the most requests of it.
        seed: of the draw.

    Returns:
        The requests by split, each split in drawn order.
    """
    if (events["action"] == "impression").any():
        return _of_impressions(events, lists, seed)
    return _of_views(events, lists, seed)


def end_of_training(events: pl.DataFrame) -> datetime | None:
    """The time up to which a model that learns from the log as a whole may read it.

    Args:
        events: EVENT_COLUMNS, each event once.

    Returns:
        The time of the first request outside the train split; None where all requests are of the train split.
    """
    shown = (events["action"] == "impression").any()
    requests = _shown_requests(events) if shown else _viewed_requests(events)
    return requests.filter(pl.col("split") != "train")["time"].min()  # type: ignore[return-value]


def _shown_requests(events: pl.DataFrame) -> pl.DataFrame:
    """list_id, time, member_id, query, split of every request that was shown something, by time."""
    requests = (
        events.filter((pl.col("request_id") != "") & (pl.col("action") == "impression"))
        .sort("time", "id")
        .group_by("request_id")
        .agg(pl.col("time", "member_id", "query").first())
        .sort("time", "request_id")
        .rename({"request_id": "list_id"})
    )
    place = pl.int_range(pl.len()) / pl.len()
    split = (
        pl.when(place >= 1 - TEST_SHARE)
        .then(pl.lit("test"))
        .when(place >= 1 - TEST_SHARE - VALID_SHARE)
        .then(pl.lit("valid"))
        .otherwise(pl.lit("train"))
    )
    return requests.with_columns(split.alias("split"))


def _of_impressions(events: pl.DataFrame, lists: Mapping[str, int], seed: int) -> list[PastRequest]:
    named = events.filter(pl.col("request_id") != "")
    requests = _shown_requests(events)
    rows = _outcomes(named, requests)
    led = rows.filter(pl.col("action").is_in(INTEREST))["request_id"].unique()
    drawn = _draw(requests.with_columns(pl.col("list_id").is_in(led.implode()).alias("led")), lists, seed)
    shown = _shown_jobs(rows.join(drawn.select("list_id"), left_on="request_id", right_on="list_id", how="semi"))
    return [
        PastRequest(
            row["list_id"],
            row["member_id"],
            row["query"],
            row["time"],
            row["split"],
            shown[row["list_id"]],
            complete=True,
        )
        for row in drawn.iter_rows(named=True)
    ]


def _outcomes(named: pl.DataFrame, requests: pl.DataFrame) -> pl.DataFrame:
    """The impressions and outcomes of requests, as the head of this module says.

    A job that was not shown counts from its request's time on. requests: list_id, time, split.
    """
    impression, keys = pl.col("action") == "impression", ["request_id", "job_id"]
    shown = named.filter(impression).group_by(keys).agg(pl.col("time").min().alias("shown"))
    held_out = pl.col("time").filter(pl.col("split") != "train").min()
    end = pl.when(pl.col("split") == "train").then(held_out)
    asked = requests.select(pl.col("list_id").alias("request_id"), pl.col("time").alias("asked"), end.alias("end"))
    follows = impression | (pl.col("time") >= pl.coalesce("shown", "asked"))
    known = (pl.col("time") == pl.col("asked")) | (pl.col("time") < pl.col("end")).fill_null(True)
    rows = named.join(asked, on="request_id").join(shown, on=keys, how="left")
    return rows.filter(follows & known).select(named.columns)


def _shown_jobs(events: pl.DataFrame) -> dict[str, tuple[ShownJob, ...]]:
    """Request -> its jobs with what was done to each, by position."""
    impression = pl.col("action") == "impression"
    rows = (
        events.sort("time", "id")
        .group_by("request_id", "job_id")
        .agg(
            pl.col("position").filter(impression).first(),
            pl.col("propensity").filter(impression).first(),
            pl.col("action").is_in(INTEREST).any().alias("view"),
            *((pl.col("action") == action).any().alias(action) for action in ("apply", "dismiss", "hire")),
        )
        .sort("request_id", "position", "job_id", nulls_last=True)
    )
    jobs_of: dict[str, list[ShownJob]] = {}
    for request, job, position, propensity, *labels in rows.iter_rows():
        jobs_of.setdefault(request, []).append(ShownJob(job, position, propensity, *map(int, labels)))
    return {request: tuple(jobs) for request, jobs in jobs_of.items()}


def _viewed_requests(events: pl.DataFrame) -> pl.DataFrame:
    """Every first view of a job by a member as a request of its own, by time: list_id, split, place among the member's
    views, and the event's own columns."""
    views = (
        events.filter(pl.col("action") == "view")
        .sort("time", "id")
        .unique(["member_id", "job_id"], keep="first", maintain_order=True)
        .with_columns(
            pl.when((pl.col("request_id") != "") & pl.col("request_id").is_unique())
            .then("request_id")
            .otherwise("id")
            .alias("list_id"),
            pl.int_range(pl.len()).over("member_id").alias("place"),
            pl.len().over("member_id").alias("of_member"),
            pl.lit(True).alias("led"),
        )
    )
    members = views["member_id"].unique(maintain_order=True)
    tenth = members.filter(pl.Series([_hash(member) < VALID_SHARE for member in members], dtype=pl.Boolean))
    last = (pl.col("of_member") > 1) & (pl.col("place") == pl.col("of_member") - 1)
    split = (
        pl.when(last)
        .then(pl.lit("test"))
        .when(pl.col("member_id").is_in(tenth.implode()))
        .then(pl.lit("valid"))
        .otherwise(pl.lit("train"))
    )
    return views.with_columns(split.alias("split"))


def _of_views(events: pl.DataFrame, lists: Mapping[str, int], seed: int) -> list[PastRequest]:
    views = _viewed_requests(events)
    drawn = _draw(views, lists, seed)
    of_members = views.join(drawn.select("member_id").unique(), on="member_id", how="semi")
    history: dict[str, list[tuple[str, bool]]] = {}
    for member, job, where in of_members.select("member_id", "job_id", "split").iter_rows():
        history.setdefault(member, []).append((job, where == "test"))
    requests = []
    for row in drawn.iter_rows(named=True):
        own = history[row["member_id"]]
        positive = ShownJob(row["job_id"], None, None, 1, None, None, None)
        requests.append(
            PastRequest(
                row["list_id"],
                row["member_id"],
                row["query"],
                row["time"],
                row["split"],
                (positive,),
                complete=False,
                viewed=frozenset(job for job, _ in own[: row["place"]]),
                other_views=frozenset(job for job, test in own if not test and job != row["job_id"]),
            )
        )
    return requests


def _draw(requests: pl.DataFrame, lists: Mapping[str, int], seed: int) -> pl.DataFrame:
    """The requests that are drawn, by split. requests: list_id, split and led (to an outcome), among others."""
    lot = pl.Series("lot", [_hash(f"{seed}/{name}") for name in requests["list_id"]], dtype=pl.Float64)
    late = (pl.col("split") == "test") & ~pl.col("led")
    ordered = requests.with_columns(lot, late.alias("late")).sort("late", "lot")
    return pl.concat([ordered.filter(pl.col("split") == split).head(lists[split]) for split in SPLITS])


def _hash(text: str) -> float:
    """A number in [0, 1), evenly spread over texts and the same on every machine."""
    return int.from_bytes(bytes.fromhex(row_hash(text, 7))) / 2**56
