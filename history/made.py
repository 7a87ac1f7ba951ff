"""Requests for a board without a log: made of its own members, or of the titles and skills of its adverts.

A judge needs no clicks. What it needs are requests as people would make them: recommendations of members by what they
are, and searches for titles, skills and places. Where there are few members, profiles made of adverts stand for them.
A made request asks for any job but the advert that it was made of; nobody knows what would have come of it. All are of
one moment, by which every record was known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from contracts.errors import NotReady
from contracts.features import JOB_TEXT, MEMBER_TEXT
from contracts.records import EARLIEST, Member
from contracts.tables import latest, parts, read_table
from contracts.time.open import open_at
from contracts.versions import row_hash
from contracts.workspace import Workspace
from history.as_of import KNOWN
from history.requests import TEST_SHARE, VALID_SHARE, PastRequest

MOST = 80
"""Made requests at most, half of them searches: a judge grades hundreds of candidates of each, and a board waits."""
A_JOB = 2
"""Made requests at most for each open job: on a board of thirty jobs more would say the same again."""
_SKILLS = 5
_MADE = "made:"
_MEMBER, _PROFILE, _SEARCH = (f"{_MADE}{kind}:" for kind in ("member", "profile", "search"))
_COLUMNS = ["id", "title", "location", "seniority", "skills", "posted_at", "expires_at", "hidden", "updated_at"]


def is_made(list_id: pl.Expr) -> pl.Expr:
    """Whether a list is of a made request, by its name."""
    return list_id.str.starts_with(_MADE)


def made_requests(workspace: Workspace, seed: int) -> list[PastRequest]:
    """The made requests of a board, in an order that was drawn; the same records and seed make the same.

    Args:
        workspace: With records and their texts.
        seed: Of the draw.

    Raises:
        NotReady: There are no jobs, or none is open.
    """
    time = _known_by(workspace)
    jobs = pl.DataFrame(latest(read_table(workspace.records / "jobs", _COLUMNS), "id", "updated_at"))
    jobs = jobs.filter(open_at(time)).sort("id")
    if jobs.is_empty():
        raise NotReady(f"none of the jobs is open at {time.isoformat()}", cure="ingest jobs that are open")
    half = _half(len(jobs))
    adverts = [jobs.row(int(i), named=True) for i in np.random.default_rng([seed, 23]).permutation(len(jobs))]
    members = _drawn(_members(workspace), seed)[:half]
    recommendations = [_of_member(member, time) for member in members]
    recommendations += [_of_profile(advert, time) for advert in adverts[: half - len(members)]]
    searches = [_search(advert, time, seed) for advert in adverts[::-1][:half]]
    return [
        request._replace(split=split)
        for kind in (recommendations, searches)
        for request, split in zip(kind, _splits(len(kind)), strict=True)
    ]


def made_counts(open_jobs: int) -> Counter[str]:
    """Split -> how many requests are made for a board of so many open jobs."""
    return Counter([*_splits(_half(open_jobs))] * 2)  # as many recommendations as searches


class MadeOf(NamedTuple):
    """What a made request was made of: the advert, empty for a member's own; and the profile that asks, if any."""

    advert: str
    profile: Member | None


def made_of(workspace: Workspace, list_ids: Collection[str]) -> dict[str, MadeOf]:
    """What those of some lists that were made were made of, by their names."""
    found: dict[str, MadeOf] = {}
    adverts = {
        name: name.removeprefix(prefix)
        for prefix in (_PROFILE, _SEARCH)
        for name in list_ids
        if name.startswith(prefix)
    }
    if not adverts:
        return dict.fromkeys((name for name in list_ids if name.startswith(_MADE)), MadeOf("", None))
    ids = pa.array(sorted(set(adverts.values())), pa.string())
    jobs = latest(read_table(workspace.records / "jobs", _COLUMNS, pc.field("id").isin(ids)), "id", "updated_at")
    by_id = {job["id"]: job for job in jobs.to_pylist()}
    for name in list_ids:
        if name in adverts:
            profile = _profile(by_id[adverts[name]]) if name.startswith(_PROFILE) else None
            found[name] = MadeOf(adverts[name], profile)
        elif name.startswith(_MADE):
            found[name] = MadeOf("", None)
    return found


def _known_by(workspace: Workspace) -> datetime:
    """A moment at which every text was known."""
    tables = [workspace.features / name for name in (MEMBER_TEXT, JOB_TEXT)]
    known = [pl.DataFrame(read_table(table, KNOWN)).max_horizontal() for table in tables if parts(table)]
    times: list[Any] = [of_table.max() for of_table in known]
    if not times:
        raise NotReady(f"no text in {workspace.features}", cure="run `rolecall verbalize` first")
    latest_known: datetime = max(times)
    return latest_known + timedelta(milliseconds=1)


def _members(workspace: Workspace) -> list[str]:
    folder = workspace.records / "members"
    return sorted(read_table(folder, ["id"])["id"].unique().to_pylist()) if parts(folder) else []


def _drawn(names: list[str], seed: int) -> list[str]:
    return sorted(names, key=lambda name: row_hash(f"{seed}/{name}"))


def _half(open_jobs: int) -> int:
    return min(MOST, A_JOB * open_jobs) // 2


def _splits(number: int) -> Iterator[str]:
    """The split of each of so many requests; from three on each split has one."""
    test, valid = (max(1, round(share * number)) for share in (TEST_SHARE, VALID_SHARE))
    for place in range(number):
        yield "train" if place < number - test - valid else "valid" if place < number - test else "test"


def _of_member(member_id: str, time: datetime) -> PastRequest:
    return PastRequest(f"{_MEMBER}{member_id}", member_id, "", time, "", (), complete=True)


def _of_profile(advert: Mapping[str, Any], time: datetime) -> PastRequest:
    profile, viewed = _profile(advert), frozenset((advert["id"],))
    return PastRequest(f"{_PROFILE}{advert['id']}", "", "", time, "", (), complete=True, viewed=viewed, profile=profile)


def _profile(advert: Mapping[str, Any]) -> Member:
    """Somebody who does what the advert is for, and lives where it is."""
    return Member(
        id=f"{_PROFILE}{advert['id']}",
        headline=advert["title"],
        skills=tuple(advert["skills"][:_SKILLS]),
        location=advert["location"],
        seniority=advert["seniority"],
        updated_at=EARLIEST,
    )


def _search(advert: Mapping[str, Any], time: datetime, seed: int) -> PastRequest:
    """Somebody who types a title, with its place or not, or skills."""
    name = f"{_SEARCH}{advert['id']}"
    dice = np.random.default_rng(int(row_hash(f"{seed}/{name}", 6), 16)).random(2)
    skills, city = list(advert["skills"]), advert["location"].partition(",")[0].strip()
    query = advert["title"]
    if dice[0] < 0.3 and skills:
        query = " ".join(skills[: 1 + int(2 * dice[1])])
    elif dice[0] < 0.5 and city:
        query = f"{query} in {city}"
    return PastRequest(name, "", query, time, "", (), complete=True, viewed=frozenset((advert["id"],)))
