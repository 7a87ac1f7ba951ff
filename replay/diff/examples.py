"""The requests at which the second run is worst against the first, as a person can read them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import numpy as np
import polars as pl

from contracts.records import Job
from contracts.workspace import Workspace
from history.as_of import JobVersions
from replay.diff.results import Example, Placed
from replay.runs.answers import SLICES
from replay.runs.folder import RunFolder

EXAMPLES = 6
PLACES = 5


def worst(
    workspace: Workspace,
    first: RunFolder,
    second: RunFolder,
    requests: list[str],
    apart: np.ndarray,
    values: np.ndarray,
) -> tuple[Example, ...]:
    """The largest losses, one a member.

    Args:
        workspace: Holds the jobs.
        first: A run.
        second: Another.
        requests: n ids that both were asked.
        apart: (n,) by how much the second is better.
        values: (n, 2) the measure of both.
    """
    about = {row["request_id"]: row for row in first.requests.iter_rows(named=True)}
    lost = [i for i in np.argsort(apart, kind="stable").tolist() if apart[i] < 0]
    chosen, members = list[int](), set[str]()
    for i in lost:
        member = about[requests[i]]["member_id"] or requests[i]
        if member not in members and len(chosen) < EXAMPLES:
            members.add(member)
            chosen.append(i)
    if not chosen:
        return ()
    ids, jobs = [requests[i] for i in chosen], JobVersions(workspace)
    answers = [_first_places(run, ids) for run in (first, second)]
    shown = first.table("shown").filter(pl.col("request_id").is_in(ids) & (pl.col("gain") > 0))
    gains: dict[str, dict[str, int]] = {}
    for request, job, gain in shown.select("request_id", "job_id", "gain").iter_rows():
        gains.setdefault(request, {})[job] = gain
    found = []
    for i, request in zip(chosen, ids, strict=True):
        row, of = about[request], gains.get(request, {})
        left, right = (_placed(jobs, answer.get(request, []), of, row["time"]) for answer in answers)
        found.append(
            Example(
                request_id=request,
                query=row["query"],
                about={kind: row[f"slice_{kind}"] for kind in SLICES if row[f"slice_{kind}"]},
                first=float(values[i, 0]),
                second=float(values[i, 1]),
                chosen=tuple(_record(jobs, job, row["time"]).title for job in sorted(of, key=lambda j: (-of[j], j))),
                first_jobs=left,
                second_jobs=right,
            )
        )
    return tuple(found)


def _first_places(run: RunFolder, ids: list[str]) -> Mapping[str, list[tuple[str, list[str]]]]:
    rows = run.table("answers").filter(pl.col("request_id").is_in(ids) & (pl.col("rank") <= PLACES))
    found: dict[str, list[tuple[str, list[str]]]] = {}
    for request, job, why in rows.sort("request_id", "rank").select("request_id", "job_id", "why").iter_rows():
        found.setdefault(request, []).append((job, list(why)))
    return found


def _placed(
    jobs: JobVersions, answer: list[tuple[str, list[str]]], gains: Mapping[str, int], time: datetime
) -> tuple[Placed, ...]:
    placed = []
    for job_id, why in answer:
        record = _record(jobs, job_id, time)
        placed.append(Placed(title=record.title, company=record.company, chosen=gains.get(job_id, 0), why=tuple(why)))
    return tuple(placed)


def _record(jobs: JobVersions, job_id: str, time: datetime) -> Job:
    """The job as of then; one that the records do not hold, as of a foreign run file, by its id."""
    try:
        [record] = jobs.as_of([(job_id, time)])
    except KeyError:
        return Job(id=job_id, title=job_id, updated_at=time)
    return record
