"""What members did and how often jobs were viewed, folded again from the log.

Each event is known since the row of before that it led to, and a row since the last event that it holds: one that came
late is not known earlier for being folded again, nor is what was known without it forgotten. Rows that a service pushed
are carried over as they are: they say what was served.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from backfill.product import Maker, Piece, Product
from backfill.versions import Plan
from beam_jobs.activity import (
    FOLDED_BY,
    RowGroup,
    activity_of_members,
    read_group,
    row_groups,
    statistics_of_jobs,
    with_snippets,
)
from beam_jobs.ledger import FoldedEvents, note_folded_events
from contracts.activity import KNOWN_AFTER
from contracts.arrow import TIME
from contracts.erased import ErasedMembers
from contracts.errors import NotReady
from contracts.features import CREATED_TIME, EVENT_TIME, JOB_KEY, JOB_STATS, MEMBER_ACTIVITY, MEMBER_KEY
from contracts.tables import in_use, parts, read_table
from contracts.versions import json_hash, writing
from contracts.workspace import Workspace

FORMAT = 2
"""Version of the rows: raise it when the same events fold to other ones."""
RUN = "backfill"
"""What the names of parts say of who folded them, as the job's say the run."""
_EVENTS = ["id", "time", MEMBER_KEY, JOB_KEY, "action", "reason"]
_LOAD = re.compile(r"part-(\d{13})-")
_TIMES = pl.Datetime("us", "UTC")
_JOBS = ["id", "updated_at", "title", "company", "location"]


class Activity(Product):
    """Activity of members and statistics of jobs, which one job folds and one pointer switches."""

    name = "activity"
    key: Mapping[str, str] = {MEMBER_ACTIVITY: MEMBER_KEY, JOB_STATS: JOB_KEY}
    order: Sequence[str] = ("time", "id")
    part_rows = 20_000
    alone, exact = False, False

    def folder(self, workspace: Workspace) -> Path:
        """`features/activity`: both tables are switched by its pointer."""
        return workspace.features / "activity"

    def in_place(self, workspace: Workspace) -> Sequence[Path]:
        """What `rolecall activity` wrote."""
        return [workspace.features / view for view in self.key]

    def inputs(self, workspace: Workspace) -> dict[str, Any]:
        """The format of the rows: all else is the log as of the plan's time. Raises NotReady before a first fold."""
        if not any(parts(workspace.features / view) for view in self.key):
            cure = "run `rolecall activity` first: of a first load it takes the times of the events themselves"
            raise NotReady("no activity was folded yet", where=str(workspace.features), cure=cure)
        return {"format": FORMAT}

    def pieces(self, workspace: Workspace, time: datetime) -> list[Piece]:
        """The events that had come in by a time, a row group each, once for members and once for jobs."""
        found, erased = [], ErasedMembers(workspace)
        for path in _known(workspace.records / "events", time):
            for group in row_groups(path, new=True):
                rows = _acts(group)
                people = Counter(rows[MEMBER_KEY].to_pylist())
                gone = sum(number for member, number in people.items() if not member or member in erased)
                for table, number in ((MEMBER_ACTIVITY, rows.num_rows - gone), (JOB_STATS, rows.num_rows)):
                    if number:  # a log of impressions alone has none
                        name = json_hash([table, path.name, group.row_group, number])
                        found.append(Piece(name, table, {"": number}, group))
        return found

    def read(self, workspace: Workspace, piece: Piece) -> Iterator[pa.Table]:
        """Events but impressions; of members without those of nobody and of the erased."""
        rows = _acts(piece.what)
        if piece.table == MEMBER_ACTIVITY:
            erased = ErasedMembers(workspace)
            kept = [bool(member) and member not in erased for member in rows[MEMBER_KEY].to_pylist()]
            rows = rows.filter(pa.array(kept, pa.bool_()))
        yield rows

    def prefix(self, plan_inputs: Mapping[str, Any], table: str) -> str:
        """The job's, which removes what no finished run folded."""
        return f"{FOLDED_BY}{RUN}-"

    def begin(self, workspace: Workspace, plan: Plan, version: Path) -> None:
        """The note of what is folded, by which the job goes on from there."""
        sizes = {
            path.name: sum(_acts(group).num_rows for group in row_groups(path, new=True))
            for path in _known(workspace.records / "events", plan.time)
        }
        note_folded_events(version / MEMBER_ACTIVITY, FoldedEvents(sizes, [RUN]))

    def carry(self, workspace: Workspace, now: Path | None, then: Path | None) -> None:
        """The rows that a service pushed to what is in use."""
        there, here = ((of or workspace.features) / MEMBER_ACTIVITY for of in (now, then))
        with writing(here, "rows that a service pushed"):
            for path in there.glob("part-*.parquet"):
                if not path.name.startswith(f"part-{FOLDED_BY}") and not (here / path.name).exists():
                    staged = here / f"{path.name}.staged"
                    shutil.copyfile(path, staged)
                    staged.replace(here / path.name)

    def open(self, workspace: Workspace, plan: Plan, threads: int | None) -> Maker:
        """Reads what jobs say in a few words, and since when rows of before were known.

        Raises:
            NotReady: No job was known at the plan's time.
        """
        of_jobs = _known(workspace.records / "jobs", plan.time)
        if not of_jobs:
            cure = "name a later --time"
            raise NotReady(f"no jobs as of {plan.time.isoformat()}", where=str(workspace.records), cure=cure)
        jobs = pl.DataFrame(pa.concat_tables(map(_read_jobs, of_jobs)))
        before = {table: _created(workspace, table, key, plan.time) for table, key in self.key.items()}
        erased = ErasedMembers(workspace)

        def make(table: str, rows: pa.Table) -> Sequence[pa.Table]:
            key = self.key[table]
            if table == MEMBER_ACTIVITY:
                kept = [member not in erased for member in rows[MEMBER_KEY].to_pylist()]
                events = with_snippets(pl.DataFrame(rows.filter(pa.array(kept, pa.bool_()))), jobs)
                fold = activity_of_members
            else:
                events = pl.DataFrame(rows).filter(pl.col("action").is_in(["view", "apply"]))
                fold = statistics_of_jobs
            events = _with_generations(events, before[table], key, plan.time)
            made = [_with_created(fold(some), some, key) for some in _folds(events, key)]
            return (pa.concat_tables(made).combine_chunks(),)

        return make

    def touches(self, workspace: Workspace, plan: Plan) -> Sequence[str]:
        """Who reads them."""
        return (
            "labelling, training, replay and lists: they read the new rows from their next start on",
            "the online store: it holds what it holds until `rolecall features materialize`",
            "the next `rolecall index`: how popular a job was of late comes from the log itself",
        )


def _known(folder: Path, time: datetime) -> list[Path]:
    """The parts of records whose load began by a time: names of `ingest` begin with its milliseconds."""
    limit = int(time.timestamp() * 1_000) + 999
    return [path for path in parts(folder) if not (named := _LOAD.match(path.name)) or int(named[1]) <= limit]


def _acts(group: RowGroup) -> pa.Table:
    rows = read_group(group.path, _EVENTS, group.row_group)
    return rows.filter(pc.not_equal(rows["action"], "impression"))


def _read_jobs(path: Path) -> pa.Table:
    return read_group(path, _JOBS)


def _with_generations(events: pl.DataFrame, before: pl.DataFrame, key: str, time: datetime) -> pl.DataFrame:
    """Events with `known`, since when each of them was, and `generation`.

    One that came to be known after a later one of its key begins a generation, with all that were known with it: what
    was folded without it stays true of the time until then.

    Args:
        events: Of some keys, all of each.
        before: Of `_created`.
        key: Column of the keys.
        time: Since when events are known that no row of before is of.
    """
    times = events.with_columns((pl.col("time") + KNOWN_AFTER).alias(EVENT_TIME))
    known = times.join(before, on=[key, EVENT_TIME], how="left").rename({CREATED_TIME: "known"})
    came = known.with_columns(pl.col("known").fill_null(time)).sort(key, "known", "time", "id")
    late = pl.col("time") < pl.col("time").cum_max().over(key)
    came = came.with_columns(pl.when(late).then("known").alias("late"))
    first = pl.col("late").is_not_null() & pl.col("late").ne_missing(pl.col("late").forward_fill().shift(1).over(key))
    return came.with_columns(first.cast(pl.Int64).cum_sum().over(key).alias("generation"))


def _folds(events: pl.DataFrame, key: str) -> Iterator[pl.DataFrame]:
    """Of each generation all events that were known by then, with `new` for its own, as the job would fold them."""
    for generation in range(1 + max(events["generation"].to_list(), default=0)):
        of_keys = events.filter(pl.col("generation").max().over(key) >= generation)
        yield of_keys.filter(pl.col("generation") <= generation).with_columns(
            (pl.col("generation") == generation).alias("new")
        )


def _with_created(made: pa.Table, events: pl.DataFrame, key: str) -> pa.Table:
    """Rows that were folded from events, known since all events up to them are."""
    ordered = events.sort(key, "time", "id").with_columns(pl.col("known").cum_max().over(key))
    since = ordered.group_by(key, EVENT_TIME).agg(pl.col("known").max())
    rows = pl.DataFrame(made.select([key, EVENT_TIME]))
    known = rows.join(since, on=[key, EVENT_TIME], how="left", maintain_order="left")["known"]
    return made.append_column(CREATED_TIME, known.to_arrow().cast(TIME))


def _created(workspace: Workspace, table: str, key: str, time: datetime) -> pl.DataFrame:
    """Since when the rows in use are known, by key and event time; of rows that were pushed too the first counts."""
    folder = in_use(workspace.features / table)
    if not parts(folder):
        return pl.DataFrame(schema={key: pl.String, EVENT_TIME: _TIMES, CREATED_TIME: _TIMES})
    rows = pl.DataFrame(read_table(folder, [key, EVENT_TIME, CREATED_TIME])).filter(pl.col(CREATED_TIME) <= time)
    return rows.group_by(key, EVENT_TIME).agg(pl.col(CREATED_TIME).min())
