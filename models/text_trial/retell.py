"""The texts of a training set made again in another form, from the records that they were made of."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from contracts.arrow import to_records
from contracts.errors import BadInput
from contracts.features import JOB_KEY, JOB_TEXT, MEMBER_KEY, MEMBER_TEXT
from contracts.records import Job, Member
from contracts.tables import read_records, read_table
from contracts.text.fitted import open_verbalizer
from contracts.text.verbalizer import Verbalizer
from contracts.workspace import Workspace
from models.training.rows import Rows

log = logging.getLogger("rolecall")

R = TypeVar("R", Member, Job)

_SEPARATOR = " | "
_CURE = "run `rolecall verbalize`, `rolecall label` and `rolecall features training-set`"


class Origins(NamedTuple):
    """What the texts of a training set were made of.

    Attributes:
        verbalizer: That made them.
        members: Number of a request's text -> the member's part of it and the record of that part. A request without a
            member of the records, such as an anonymous search, is not there.
        jobs: The record of each job's text, in the order of the texts.
        asked_by: List id -> member id, empty for an anonymous search.
    """

    verbalizer: Verbalizer
    members: dict[int, tuple[str, Member]]
    jobs: list[Job]
    asked_by: dict[str, str]


def read_origins(workspace: Workspace, rows: Rows) -> Origins:
    """Find the records behind the texts of a training set.

    Args:
        workspace: With records, text features and the training set.
        rows: The training set.

    Raises:
        BadInput: The texts are of another version than the workspace's, or the record of a job or member is not there.
        NotReady: A table is absent.
    """
    verbalizer = open_verbalizer(workspace)
    if rows.text_version != verbalizer.version:
        what = f"the training set has text of version {rows.text_version}, the workspace of {verbalizer.version}"
        raise BadInput(what, where=str(workspace.training), cure=_CURE)
    lists = read_table(workspace.training, ["list_id", "member_id"])
    asked_by = dict(zip(lists["list_id"].to_pylist(), lists["member_id"].to_pylist(), strict=True))
    return Origins(verbalizer, _members(workspace, rows, asked_by), _jobs(workspace, rows), asked_by)


def retell(rows: Rows, origins: Origins, verbalizer: Verbalizer) -> Rows:
    """The same pairs, their texts made by another verbaliser; what is not of the records stays as it is."""
    requests = list(rows.requests)
    for number, (part, member) in origins.members.items():
        rest, text = requests[number].removesuffix(part), verbalizer.member(member)
        requests[number] = rest + text if text else rest.removesuffix(_SEPARATOR)
    jobs = [verbalizer.job(job) for job in origins.jobs]
    return replace(rows, requests=requests, jobs=jobs, text_version=verbalizer.version)


def _members(workspace: Workspace, rows: Rows, asked_by: dict[str, str]) -> dict[int, tuple[str, Member]]:
    asker = {int(number): asked_by[name] for number, name in zip(rows.request, rows.list_ids, strict=True)}
    texts: dict[str, list[tuple[str, str]]] = {}
    for member_id, text, row_hash in _texts(workspace, MEMBER_TEXT, MEMBER_KEY, rows.text_version, asker.values()):
        if text:
            texts.setdefault(member_id, []).append((text, row_hash))
    found: dict[int, tuple[str, str, str]] = {}
    for number, member_id in asker.items():
        request = _SEPARATOR + rows.requests[number]
        parts = [(text, row_hash) for text, row_hash in texts.get(member_id, ()) if request.endswith(_SEPARATOR + text)]
        if parts:
            text, row_hash = max(parts, key=lambda part: len(part[0]))
            found[number] = text, member_id, row_hash
    records = _records(workspace, Member, [row for *_, row in found.values()])
    for _, member_id, row_hash in found.values():
        if (member_id, row_hash) not in records:
            what = f"no record behind the text of member {member_id}"
            raise BadInput(what, where=str(workspace.records), cure=_CURE)
    log.info("texts: %d of %d requests have a member's part, which is made again", len(found), len(rows.requests))
    return {number: (text, records[member_id, row_hash]) for number, (text, member_id, row_hash) in found.items()}


def _jobs(workspace: Workspace, rows: Rows) -> list[Job]:
    job_of = {int(number): str(job_id) for number, job_id in zip(rows.job, rows.job_ids, strict=True)}
    made_of = {
        (job_id, text): row_hash
        for job_id, text, row_hash in _texts(workspace, JOB_TEXT, JOB_KEY, rows.text_version, job_of.values())
    }
    wanted = [made_of.get((job_of[number], rows.jobs[number])) for number in range(len(rows.jobs))]
    records = _records(workspace, Job, [row for row in wanted if row])
    jobs = [records.get((job_of[number], row or "")) for number, row in enumerate(wanted)]
    if None in jobs:
        name = job_of[jobs.index(None)]
        raise BadInput(f"no record behind the text of job {name}", where=str(workspace.records), cure=_CURE)
    return [job for job in jobs if job is not None]


def _texts(
    workspace: Workspace, view: str, key: str, version: str, ids: Iterable[str]
) -> Iterable[tuple[str, str, str]]:
    """(id, text, row hash) of the text rows of some ids in a text version."""
    chosen = pc.field(key).isin(pa.array(sorted(set(ids)), pa.string())) & (pc.field("text_version") == version)
    table = read_table(workspace.features / view, [key, "text", "row_hash"], chosen)
    return zip(*(table[name].to_pylist() for name in (key, "text", "row_hash")), strict=True)


def _records(workspace: Workspace, kind: type[R], hashes: list[str]) -> dict[tuple[str, str], R]:
    """(id, row hash) -> record, of the records with these hashes."""
    chosen = pc.field("row_hash").isin(pa.array(sorted(set(hashes)), pa.string()))
    rows = read_records(workspace.records, "members" if kind is Member else "jobs", filter=chosen)
    keys = zip(rows["id"].to_pylist(), rows["row_hash"].to_pylist(), strict=True)
    return dict(zip(keys, to_records(rows, kind), strict=True))
