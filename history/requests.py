"""Past requests to learn from: which there were, which split each is of, which are drawn, and what came of them.

There are two kinds. A list that was shown is a request with all of its jobs (`history.attribution`). What a member
opened, saved, applied to or was hired for without such a list is a request that led to this one job: its first such
event. A log may hold either or both, and every request of it is kept.

Where most requests were shown, all are split by time: the last 20% test, the 10% before valid. Elsewhere of every
member with two or more opened jobs the last one is test, and so is what was shown to them after it; of the others,
those of a tenth of the members are valid.

An outcome of a request is an action that belongs to it and came at or after the job's impression. Of a training request
it came before the held-out requests as well, all of them or, in the second way, those of its member: what ripens later
(a hire) is not yet known there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import polars as pl

from contracts.examples import SPLITS
from contracts.records import Member
from contracts.tasks import EMPLOYER_TASKS, ENGAGEMENT_TASKS, GAINS, INTEREST, TOLD_BY
from contracts.versions import row_hash
from history.attribution import with_lists

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
    """A job of a request. Each of `ENGAGEMENT_TASKS`: 0 or 1, None where the log does not say."""

    job_id: str
    position: int | None = None
    propensity: float | None = None
    view: int | None = None
    apply: int | None = None
    dismiss: int | None = None
    hire: int | None = None
    shortlist: int | None = None
    interview: int | None = None
    offer: int | None = None
    reject: int | None = None


class PastRequest(NamedTuple):
    """A request of the log with its outcomes.

    Attributes:
        list_id: the request's id, or that of the event which stands for it or with which it begins.
        member_id: who asked; empty for an anonymous search.
        query: empty for a recommendation.
        time: when, in UTC.
        split: "train", "valid" or "test".
        shown: the jobs that the log names, by position.
        complete: whether `shown` is all that was shown.
        viewed: jobs that the member had opened before, where these are no candidates.
        other_views: jobs that the member opened on other occasions outside the test split; they are no negatives.
        profile: who asked, where that is nobody of the records (`history.made`).
        surface: as logged, where requests are asked again (`history.dealt`), as are the next two.
        acted: how many actions the member had done before.
        logged_by: bundle and index versions of what showed the list, empty where the log does not say.
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
    profile: Member | None = None
    surface: str = ""
    acted: int = 0
    logged_by: str = ""


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
    events = with_lists(events)
    requests = _split(shown_requests(events), opened_requests(events))
    rows = _outcomes(events, requests)
    led = rows.filter(pl.col("action").is_in(INTEREST))["list_id"].unique()
    requests = requests.with_columns((~pl.col("shown") | pl.col("list_id").is_in(led.implode())).alias("led"))
    drawn = _draw(requests, lists, seed)
    told = tasks_told(set(events["action"].unique()))
    jobs = _jobs(rows.join(drawn.select("list_id"), on="list_id", how="semi"), told)
    of_members = requests.filter(~pl.col("shown")).join(drawn.select("person").unique(), on="person", how="semi")
    history = opened_by(of_members)
    return [_request(row, jobs[row["list_id"]], history.get(row["person"], [])) for row in drawn.iter_rows(named=True)]


@dataclass(frozen=True)
class Which:
    """Which past requests are asked again; all conditions must hold.

    Attributes:
        splits: Of these splits alone; () for all.
        start: At or after it.
        end: Before it.
        ids: Of these ids alone; None for all.
        most: An even sample of so many where there are more.
        seed: Of the sample.
        within: An outcome later than so long after its impression is not counted; None: all are.
    """

    splits: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    ids: Collection[str] | None = None
    most: int = 2_000
    seed: int = 0
    within: timedelta | None = None


EARLY, LATE = "before its impression", "later than the window"
ABSENT = "requests that the log does not hold"


def wanted(which: Which) -> pl.Expr:
    """Which requests (list_id, time, split) are of those, but for their number."""
    conditions = [pl.lit(True)]
    conditions += [pl.col("split").is_in(which.splits)] if which.splits else []
    conditions += [pl.col("time") >= which.start] if which.start else []
    conditions += [pl.col("time") < which.end] if which.end else []
    conditions += [] if which.ids is None else [pl.col("list_id").is_in(list(which.ids))]
    return pl.all_horizontal(conditions)


def counted(rows: pl.DataFrame, which: Which) -> tuple[pl.DataFrame, Counter[str]]:
    """The events of `belonging` that count, and how many outcomes do not: `EARLY` (clocks that differ) and `LATE`."""
    acts, since = pl.col("action") != "impression", pl.col("time") - pl.coalesce("first", "asked")
    early = acts & (since < timedelta(0))
    late = acts & (since > which.within) if which.within is not None else pl.lit(False)
    apart = Counter({EARLY: len(rows.filter(early)), LATE: len(rows.filter(late))})
    return rows.filter(~early & ~late), apart


def end_of_training(events: pl.DataFrame) -> datetime | None:
    """The time up to which a model that learns from the log as a whole may read it.

    Args:
        events: EVENT_COLUMNS, each event once.

    Returns:
        The time of the first request outside the train split; None where all requests are of the train split.
    """
    events = with_lists(events)
    requests = _split(shown_requests(events), opened_requests(events))
    return requests.filter(pl.col("split") != "train")["time"].min()  # type: ignore[return-value]


_ABOUT = ("surface", "acted", "logged_by")
"""What else of a request's event goes with the request, where events have it."""


def shown_requests(events: pl.DataFrame) -> pl.DataFrame:
    """Every list that was shown: list_id, time, member_id, query, and person, who is the member or else nobody else."""
    about = [name for name in _ABOUT if name in events.columns]
    return (
        events.filter((pl.col("list_id") != "") & (pl.col("action") == "impression"))
        .sort("time", "id")
        .group_by("list_id")
        .agg(pl.col("time", "member_id", "query", *about).first())
        .with_columns(_person("list_id"), pl.lit(None, pl.String).alias("job_id"), pl.lit(True).alias("shown"))
    )


def opened_requests(events: pl.DataFrame) -> pl.DataFrame:
    """What each person first did with a job that no list had shown them: the same columns, with the job's id."""
    opened = (
        events.filter((pl.col("list_id") == "") & pl.col("action").is_in(INTEREST))
        .filter((pl.col("member_id") != "") | (pl.col("query") != ""))  # of whom nothing is known, nothing is learned
        .with_columns(_person("id"))
        .sort("time", "id")
        .unique(["person", "job_id"], keep="first", maintain_order=True)
    )
    taken = events.filter(pl.col("list_id") != "")["list_id"].unique().implode()
    named = (pl.col("request_id") != "") & pl.col("request_id").is_unique() & ~pl.col("request_id").is_in(taken)
    about = [name for name in _ABOUT if name in events.columns]
    return opened.with_columns(pl.when(named).then("request_id").otherwise("id").alias("list_id")).select(
        "list_id", "time", "member_id", "query", *about, "person", "job_id", pl.lit(False).alias("shown")
    )


def _person(else_: str) -> pl.Expr:
    """The member, or of nobody in particular a name that nobody else has."""
    nobody = pl.col("member_id") == ""
    return pl.when(nobody).then(pl.concat_str(pl.lit("\x00"), else_)).otherwise("member_id").alias("person")


def _split(shown: pl.DataFrame, opened: pl.DataFrame) -> pl.DataFrame:
    """All requests by time, with their split and `end`, before which an outcome of a training request is known."""
    requests = pl.concat([shown.select(opened.columns), opened]).sort("time", "list_id")
    if not is_split_by_time(len(shown), len(opened)):
        return by_member(requests)
    requests = requests.with_columns(split_of(pl.int_range(pl.len()), len(requests)))
    return requests.with_columns(pl.col("time").filter(pl.col("split") != "train").min().alias("end"))


def is_split_by_time(shown: int, opened: int) -> bool:
    """Whether a log of so many lists, and so many opened jobs without one, is split by time, and not by member."""
    return 0 < shown >= opened


def split_of(place: pl.Expr, number: int) -> pl.Expr:
    """The split of the request at a place, from 0, of a number of requests by time."""
    return (
        pl.when((place / number >= 1 - TEST_SHARE) | ((number > 1) & (place == number - 1)))
        .then(pl.lit("test"))
        .when(place / number >= 1 - TEST_SHARE - VALID_SHARE)
        .then(pl.lit("valid"))
        .otherwise(pl.lit("train"))
        .alias("split")
    )


def by_member(requests: pl.DataFrame) -> pl.DataFrame:
    """All requests, in the order of their time, with their split and `end`, of a log that has few lists."""
    is_opened = ~pl.col("shown")
    last = pl.col("time").filter(is_opened).last().over("person")
    several = pl.col("job_id").count().over("person") > 1
    people = requests["person"].unique(maintain_order=True)
    tenth = people.filter(pl.Series([_hash(person) < VALID_SHARE for person in people], dtype=pl.Boolean))
    is_last = pl.int_range(pl.len()).over("person") >= pl.col("_place_of_last")
    split = (
        pl.when(several & is_last)
        .then(pl.lit("test"))
        .when(pl.col("person").is_in(tenth.implode()))
        .then(pl.lit("valid"))
        .otherwise(pl.lit("train"))
    )
    place = pl.int_range(pl.len()).over("person")
    of_last = pl.when(is_opened).then(place).max().over("person").alias("_place_of_last")
    requests = requests.with_columns(of_last).with_columns(split.alias("split"), last.alias("end"))
    return requests.with_columns(pl.when(several).then("end").alias("end")).drop("_place_of_last")


def opened_by(opened: pl.DataFrame) -> dict[str, list[tuple[str, bool]]]:
    """Person -> the jobs that they opened outside lists, by time, and whether each is held out."""
    history: dict[str, list[tuple[str, bool]]] = {}
    for person, job, where in opened.sort("time", "list_id").select("person", "job_id", "split").iter_rows():
        history.setdefault(person, []).append((job, where == "test"))
    return history


def _outcomes(events: pl.DataFrame, requests: pl.DataFrame) -> pl.DataFrame:
    """The impressions and outcomes of requests with the `list_id` of each, as the head of this module says.

    A job that was not shown counts from its request's time on.
    """
    rows = belonging(events, requests)
    impression = pl.col("action") == "impression"
    follows = impression | (pl.col("time") >= pl.coalesce("first", "asked"))
    end = pl.when(pl.col("split") == "train").then("end")
    known = (pl.col("time") == pl.col("asked")) | (pl.col("time") < end).fill_null(True)
    return rows.filter(follows & known).select(events.columns)


def belonging(events: pl.DataFrame, requests: pl.DataFrame) -> pl.DataFrame:
    """All events of requests, with `asked`, `split` and `end` of the request, and `first`: when the job was shown."""
    impression, keys = pl.col("action") == "impression", ["list_id", "job_id"]
    asked = requests.select("list_id", "shown", pl.col("time").alias("asked"), "split", "end")
    named = events.filter(pl.col("list_id") != "").join(asked.filter("shown").drop("shown"), on="list_id")
    first = named.filter(impression).group_by(keys).agg(pl.col("time").min().alias("first"))
    named = named.join(first, on=keys, how="left")
    opened = requests.filter(~pl.col("shown")).select("person", "job_id", pl.col("list_id").alias("of"))
    loose = events.filter(pl.col("list_id") == "").with_columns(_person("id")).drop("list_id")
    loose = loose.join(opened, on=["person", "job_id"]).rename({"of": "list_id"}).drop("person")
    loose = loose.join(asked.drop("shown"), on="list_id").with_columns(
        pl.lit(None, events.schema["time"]).alias("first")
    )
    return pl.concat([named, loose.select(named.columns)])


def tasks_told(actions: Collection[str]) -> frozenset[str]:
    """The tasks of which a log of opened jobs tells, and of employers' outcomes that of shown ones too.

    actions: all that are in the log.
    """
    return frozenset(task for task in ENGAGEMENT_TASKS if task in actions or task == "view")


def job_rows(rows: pl.DataFrame, told: frozenset[str]) -> pl.DataFrame:
    """The jobs of requests, by request and position: list_id and the fields of `ShownJob`.

    Args:
        rows: Events of requests, with the `list_id` of each.
        told: From `tasks_told`.
    """
    impression = pl.col("action") == "impression"
    # What was not done to a job that was shown is known, but of employers only where the log speaks of them at all; of
    # one that was opened a dismissal is not, for nobody dismisses what they went to.
    of_shown = [task for task in ENGAGEMENT_TASKS if task not in EMPLOYER_TASKS or task in told]
    of_opened = [task for task in ENGAGEMENT_TASKS if task in told and task != "dismiss"]

    def label(task: str) -> pl.Expr:
        known = pl.when("shown").then(task in of_shown).otherwise(task in of_opened)
        return pl.when(known).then(pl.col(task).cast(pl.Int8)).alias(task)

    return (
        rows.sort("time", "id")
        .with_columns(impression.any().over("list_id").alias("shown"))
        .group_by("list_id", "job_id")
        .agg(
            pl.col("shown").first(),
            pl.col("position").filter(impression).first(),
            pl.col("propensity").filter(impression).first(),
            *(pl.col("action").is_in(TOLD_BY[task]).any().alias(task) for task in ENGAGEMENT_TASKS),
        )
        .sort("list_id", "position", "job_id", nulls_last=True)
        .select("list_id", "job_id", "position", "propensity", *map(label, ENGAGEMENT_TASKS))
    )


def _jobs(rows: pl.DataFrame, told: frozenset[str]) -> dict[str, tuple[ShownJob, ...]]:
    """Request -> its jobs with what was done to each, by position. rows: from `_outcomes`; told: from `tasks_told`."""
    jobs_of: dict[str, list[ShownJob]] = {}
    for list_id, *fields in job_rows(rows, told).select("list_id", *ShownJob._fields).iter_rows():
        jobs_of.setdefault(list_id, []).append(ShownJob(*fields))
    return {request: tuple(jobs) for request, jobs in jobs_of.items()}


def _request(row: dict[str, Any], jobs: tuple[ShownJob, ...], opened: list[tuple[str, bool]]) -> PastRequest:
    """A drawn request. opened: all jobs that its person opened outside lists, by time, and whether each is held out."""
    viewed, others = frozenset[str](), frozenset[str]()
    if not row["shown"]:
        viewed, others = opened_around(row["job_id"], opened)
    asked = {name: row[name] for name in ("list_id", "member_id", "query", "time", "split")}
    return PastRequest(**asked, shown=jobs, complete=row["shown"], viewed=viewed, other_views=others)


def opened_around(job_id: str, opened: list[tuple[str, bool]]) -> tuple[frozenset[str], frozenset[str]]:
    """`PastRequest.viewed` and `other_views` of a person who opened a job. opened: theirs, of `opened_by`."""
    place = [job for job, _ in opened].index(job_id)
    others = frozenset(job for job, test in opened if not test and job != job_id)
    return frozenset(job for job, _ in opened[:place]), others


def _draw(requests: pl.DataFrame, lists: Mapping[str, int], seed: int) -> pl.DataFrame:
    """The requests that are drawn, by split. requests: list_id, split and led (to an outcome), among others."""
    lot = lots_of(requests["list_id"], seed)
    late = (pl.col("split") == "test") & ~pl.col("led")
    ordered = requests.with_columns(lot, late.alias("late")).sort("late", "lot")
    return pl.concat([ordered.filter(pl.col("split") == split).head(lists[split]) for split in SPLITS])


def lots_of(list_ids: pl.Series, seed: int) -> pl.Series:
    """(n,) Float64 in [0, 1): of so many requests as are drawn it is those of the lowest."""
    return pl.Series("lot", [_hash(f"{seed}/{name}") for name in list_ids], dtype=pl.Float64)


def _hash(text: str) -> float:
    """A number in [0, 1), evenly spread over texts and the same on every machine."""
    return int.from_bytes(bytes.fromhex(row_hash(text, 7))) / 2**56
