"""Past requests of a log of any length, dealt to parts on disk: what `history.requests` says, a bucket at a time.

Each question is asked where all rows that it hangs on lie together: which version of an event counts by its id; what
was sent twice, who is a program and which list an event of a member belongs to by the member; what came of a list by
the list; of which split a request is by the time. Between two of them the rows are dealt anew, on disk, so that memory
holds one bucket. What belongs to no list, as in a log of views alone, is held in memory; and of each request that is
drawn a number, while it is drawn.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from contracts.arrow import arrow_schema
from contracts.records import Event
from contracts.tables import reading
from contracts.versions import row_hash, writing
from history.attribution import named_lists, own_lists
from history.buckets import Buckets, write_rows
from history.requests import (
    ABSENT,
    EVENT_COLUMNS,
    PastRequest,
    ShownJob,
    Which,
    belonging,
    by_member,
    counted,
    is_split_by_time,
    job_rows,
    lots_of,
    opened_around,
    opened_by,
    opened_requests,
    shown_requests,
    split_of,
    tasks_told,
    wanted,
)
from history.set_apart import set_apart

COLUMNS = [*EVENT_COLUMNS, "surface", "logged_by"]
BUCKET_ROWS = 250_000
"""Events of a bucket, about."""
NO_LIST = "requests whose list the log does not show"
_BATCH_ROWS = 65_536
_GROUP = 64
"""Parts that are written from one bucket."""


class Dealt(NamedTuple):
    """Past requests in parts on disk, which `read_part` reads.

    Attributes:
        folder: Of the parts.
        parts: How many there may be; one that no request was dealt to has no file.
        requests: In all parts.
        ids: Hash of the requests' ids, by time.
        first: Time of the first request; None where there is none.
        splits: Split -> requests.
        apart: Cause -> events, outcomes or requests that are not counted.
    """

    folder: Path
    parts: int
    requests: int
    ids: str
    first: datetime | None
    splits: Counter[str]
    apart: Counter[str]

    @property
    def numbers(self) -> list[int]:
        """The parts that hold a request."""
        return sorted(int(path.stem) for path in self.folder.glob("*.parquet"))


def deal_requests(
    paths: Sequence[Path],
    which: Which,
    scratch: Path,
    part_requests: int,
    lists_alone: bool = False,
    bucket_rows: int = BUCKET_ROWS,
) -> Dealt:
    """Past requests to ask again, whatever came of them, with all outcomes that are known now.

    They are drawn evenly, regardless of what followed, so that means over them hold for all. Parts are dealt by a hash
    of a request's id. What is dealt is the same for any `bucket_rows` and however the log is cut into `paths`.

    Args:
        paths: Parts of the log; an event may be in it more than once.
        which: Of its requests.
        scratch: A folder of this call alone; the parts lie there.
        part_requests: Requests of a part, about.
        lists_alone: Whether those are left out whose list the log does not show.
        bucket_rows: Events that are worked on at once, about.

    Raises:
        UnreadableFile: A part of the log is broken.
        NotWritten: As on a full disk.
    """
    log = _by_lists(paths, scratch, bucket_rows)
    requests = _Requests(log)
    drawn = _draw(requests, which, scratch, lists_alone, log)
    parts = max(1, -(-drawn.requests // part_requests))
    _write_parts(log, drawn, which, scratch, parts)
    for folder in scratch.iterdir():
        if folder.name != "parts":
            shutil.rmtree(folder)
    apart = +Counter({**log.apart, **drawn.apart})
    return Dealt(scratch / "parts", parts, drawn.requests, drawn.ids, drawn.first, drawn.splits, apart)


def read_part(folder: Path, number: int) -> list[PastRequest]:
    """The requests of a part by time. folder: `Dealt.folder`."""
    rows = pl.read_parquet(folder / f"{number:05d}.parquet", glob=False).iter_rows(named=True)
    return [
        PastRequest(
            **row
            | {
                "shown": tuple(ShownJob(**job) for job in row["shown"]),
                "viewed": frozenset(row["viewed"]),
                "other_views": frozenset(row["other_views"]),
            }
        )
        for row in rows
    ]


@dataclass
class _Log:
    """A log by its lists.

    Attributes:
        buckets: How many.
        lists: Events of lists, by the list.
        requests: All requests, by their time.
        loose: Events of no list.
        shown: How many lists there are.
        opened: The requests that no list led to.
        told: Tasks of which the log tells.
        apart: Cause -> events that are set apart.
    """

    buckets: int
    lists: Buckets
    requests: Buckets
    loose: pl.DataFrame = field(default_factory=pl.DataFrame)
    shown: int = 0
    opened: pl.DataFrame = field(default_factory=pl.DataFrame)
    told: frozenset[str] = frozenset()
    apart: Counter[str] = field(default_factory=Counter)


def _by_lists(paths: Sequence[Path], scratch: Path, bucket_rows: int) -> _Log:
    rows = sum(pq.read_metadata(path).num_rows for path in paths)
    number = max(1, -(-rows // bucket_rows))
    events, (since, until) = _once(paths, scratch, number)
    log = _Log(number, Buckets(scratch / "lists"), Buckets(scratch / "requests"))
    if not events.rows:
        return log
    attributed = Buckets(scratch / "attributed")
    for _, of in events.drained():
        of, causes = set_apart(_with_acted(of))
        log.apart.update(causes)
        attributed.add(own_lists(of), _bucket(pl.coalesce("list_id", "request_id"), number))
    loose, actions = [], set[str]()
    width = max(1, (until - since) // number + 1)
    slices = (pl.col("time").cast(pl.Int64) - since) // width
    for _, of in attributed.drained():
        of = named_lists(of)
        actions |= set(of["action"].unique())
        loose.append(of.filter(pl.col("list_id") == ""))
        listed = of.filter(pl.col("list_id") != "")
        log.lists.add(listed, _bucket(pl.col("list_id"), number))
        shown = shown_requests(listed)
        log.shown += len(shown)
        log.requests.add(shown.select(_REQUEST), slices)
    if not loose:
        return log
    log.loose, log.told = pl.concat(loose), tasks_told(actions)
    log.opened = opened_requests(log.loose).select(_REQUEST)
    log.requests.add(log.opened, slices)
    return log


_REQUEST = [
    "list_id", "time", "member_id", "query", "person", "job_id", "shown", "surface", "acted", "logged_by",
]  # fmt: skip


def _once(paths: Sequence[Path], scratch: Path, number: int) -> tuple[Buckets, tuple[int, int]]:
    """Each event once, by its member, and the first and last time in microseconds."""
    by_id, by_person = Buckets(scratch / "by-id"), Buckets(scratch / "by-member")
    since, until = 2**62, -(2**62)
    for batch in _batches(paths):
        times = batch["time"].cast(pl.Int64)
        first, last = times.min(), times.max()
        assert isinstance(first, int) and isinstance(last, int)
        since, until = min(since, first), max(until, last)
        by_id.add(batch, _bucket(pl.col("id"), number))
    person = pl.when(pl.col("member_id") == "").then("id").otherwise("member_id")
    for _, rows in by_id.drained():
        # As `contracts.tables.latest`: the newest, among equals the later row.
        newest = rows.sort("time", maintain_order=True).unique("id", keep="last", maintain_order=True)
        by_person.add(newest, _bucket(person, number))
    return by_person, (since, until)


def _batches(paths: Sequence[Path]) -> Iterator[pl.DataFrame]:
    schema = arrow_schema(Event).append(pa.field("row_hash", pa.string()))
    none = pl.col("surface").fill_null(""), pl.col("logged_by").fill_null("")  # parts of before there was that field
    for path in paths:
        with reading(path):
            scanner = ds.dataset([str(path)], schema=schema, format="parquet").scanner(
                columns=COLUMNS, batch_size=_BATCH_ROWS, batch_readahead=2, fragment_readahead=1
            )
            for batch in scanner.to_batches():
                if batch.num_rows:
                    yield pl.DataFrame(batch).with_columns(none)


def _with_acted(events: pl.DataFrame) -> pl.DataFrame:
    """With `acted`: how many actions the member had done before each event. events: all of their members."""
    actions = events.filter((pl.col("action") != "impression") & (pl.col("member_id") != "")).sort("time")
    so_far = actions.select("member_id", "time", acted=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("member_id"))
    return (
        events.sort("time", "id")
        .join_asof(so_far, on="time", by="member_id", allow_exact_matches=False, check_sortedness=False)
        .with_columns(pl.col("acted").fill_null(0))
    )


class _Requests:
    """All requests of a log by time, with their splits; read anew each time."""

    def __init__(self, log: _Log) -> None:
        self._log = log

    def __iter__(self) -> Iterator[pl.DataFrame]:
        total, place = self._log.requests.rows, 0
        if not is_split_by_time(self._log.shown, len(self._log.opened)):
            frames = [rows for _, rows in self._log.requests]
            if frames:
                yield by_member(pl.concat(frames).sort("time", "list_id"))
            return
        for _, rows in self._log.requests:
            split = split_of(place + pl.int_range(pl.len()), total)
            yield rows.sort("time", "list_id").with_columns(split)
            place += len(rows)


@dataclass
class _Drawn:
    """Drawn requests: those with a list by the list, and the others with all that their persons opened."""

    lists: Buckets
    opened: list[pl.DataFrame]
    all_opened: list[pl.DataFrame]
    requests: int = 0
    ids: str = ""
    first: datetime | None = None
    splits: Counter[str] = field(default_factory=Counter)
    apart: Counter[str] = field(default_factory=Counter)


def _draw(requests: _Requests, which: Which, scratch: Path, lists_alone: bool, log: _Log) -> _Drawn:
    drawn, digest = _Drawn(Buckets(scratch / "drawn"), [], []), hashlib.sha256()
    last, absent = _last_lot(requests, which), set(which.ids or ())
    columns = [*_REQUEST, "split"]
    for rows in requests:
        absent -= set(rows["list_id"]) if absent else set()
        drawn.all_opened.append(rows.filter(~pl.col("shown")).select(columns))
        chosen = rows.filter(wanted(which)).select(columns)
        if last is not None:
            chosen = chosen.filter(pl.lit(lots_of(chosen["list_id"], which.seed)) <= last)
        if lists_alone:
            drawn.apart[NO_LIST] += int((~chosen["shown"]).sum())
            chosen = chosen.filter("shown")
        if not len(chosen):
            continue
        for name in chosen["list_id"]:
            digest.update(f"{name}\x00".encode())
        drawn.first = drawn.first or chosen["time"][0]
        drawn.requests += len(chosen)
        drawn.splits.update(chosen["split"].to_list())
        drawn.lists.add(chosen.filter("shown"), _bucket(pl.col("list_id"), log.buckets))
        drawn.opened.append(chosen.filter(~pl.col("shown")))
    drawn.apart[ABSENT] = len(absent)
    drawn.ids = digest.hexdigest()[:12]
    return drawn


def _last_lot(requests: _Requests, which: Which) -> float | None:
    """The lot of the last request that is drawn; None where all are."""
    if sum(len(rows.filter(wanted(which))) for rows in requests) <= which.most:
        return None
    lots = np.zeros(0)
    for rows in requests:
        of = lots_of(rows.filter(wanted(which))["list_id"], which.seed).to_numpy()
        lots = np.sort(np.concatenate([lots, of]))[: which.most]
    return float(lots[-1])


def _write_parts(log: _Log, drawn: _Drawn, which: Which, scratch: Path, parts: int) -> None:
    """Write the requests of each part, with their jobs, to `<scratch>/parts/<number>.parquet`."""
    groups = Buckets(scratch / "groups", held_rows=20_000)
    for bucket, requests in drawn.lists.drained():
        events = log.lists.read(bucket)
        assert events is not None
        _add(groups, requests, events, drawn.apart, which, log, parts)
    opened = pl.concat(drawn.opened) if drawn.opened else pl.DataFrame()
    if len(opened):
        all_opened = pl.concat(drawn.all_opened).join(opened.select("person").unique(), on="person", how="semi")
        _add(groups, opened, log.loose, drawn.apart, which, log, parts, opened_by(all_opened))
    with writing(scratch, "the log by its parts"):
        (scratch / "parts").mkdir(parents=True, exist_ok=True)
    for _, rows in groups.drained():
        for (part,), of in rows.partition_by("part", as_dict=True).items():
            write_rows(of.drop("part").sort("time", "list_id"), scratch / "parts" / f"{part:05d}.parquet")


def _add(
    groups: Buckets,
    requests: pl.DataFrame,
    events: pl.DataFrame,
    apart: Counter[str],
    which: Which,
    log: _Log,
    parts: int,
    history: dict[str, list[tuple[str, bool]]] | None = None,
) -> None:
    """Add requests with what came of them. history: of `opened_by`, where no list led to them."""
    rows, causes = counted(belonging(events, requests.with_columns(end=pl.lit(None, events.schema["time"]))), which)
    apart.update(causes)
    jobs = job_rows(rows, log.told)
    fields = [name for name in ShownJob._fields if name in jobs.columns]
    shown = jobs.group_by("list_id", maintain_order=True).agg(pl.struct(fields).alias("shown_jobs"))
    # One that nothing of what is counted belongs to is asked too: it has no job.
    found = requests.join(shown, on="list_id", how="left", maintain_order="left").with_columns(
        pl.col("shown_jobs").fill_null(pl.lit([], shown.schema["shown_jobs"]))
    )
    part = [int(row_hash(name, 7), 16) % parts for name in found["list_id"]]
    around = [
        (frozenset(), frozenset()) if history is None else opened_around(job, history[person])
        for person, job in found.select("person", "job_id").iter_rows()
    ]
    viewed, others = (pl.Series(values=[sorted(one[i]) for one in around], dtype=pl.List(pl.String)) for i in (0, 1))
    groups.add(
        found.select(
            "list_id", "member_id", "query", "time", "split",
            pl.col("shown_jobs").alias("shown"),
            pl.col("shown").alias("complete"),
            viewed.alias("viewed"), others.alias("other_views"),
            "surface", "acted", "logged_by",
            pl.Series("part", part, pl.Int64),
        ),
        pl.col("part") // _GROUP,
    )  # fmt: skip


def _bucket(key: pl.Expr, number: int) -> pl.Expr:
    return key.hash(seed=0) % number
