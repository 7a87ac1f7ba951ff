"""One list: the request as it was asked, the jobs that stand beside those that the log tells of, and its rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from contracts.examples import EXAMPLES, PAIR_FEATURES
from contracts.features import EVENT_TIME
from contracts.records import Grade
from contracts.versions import row_hash
from contracts.workspace import Workspace
from history.as_of import LoggedRequest, requests_as_of
from history.requests import PastRequest, ShownJob
from ranking.features import pair_features
from retrieval.index.job_index import JobIndex
from retrieval.request import Request

HARD_POOL = 100
"""Of a training list the retrieved jobs are drawn from this many best ones."""


class Ask(NamedTuple):
    """A past request as retrieval and the judge are asked."""

    past: PastRequest
    request: Request
    graded: bool


def asks_as_of(workspace: Workspace, past: Sequence[PastRequest], graded_lists: int) -> list[Ask]:
    """Each past request with the member's text, activity and record as they were known at its time.

    graded_lists: how many training lists the judge is to grade; it grades all others.
    """
    requests = requests_as_of(
        workspace, [LoggedRequest(one.member_id, one.query, one.time, one.viewed) for one in past]
    )
    train = [request.list_id for request in past if request.split == "train"]
    spared = set(train[graded_lists:])
    return [Ask(one, request, graded=one.list_id not in spared) for one, request in zip(past, requests, strict=True)]


def ask_key(ask: Ask) -> str:
    """A digest of all that a list is made from beside the index and the policy."""
    request, past = ask.request, ask.past
    texts = (request.request_text, request.words, request.titles, request.location, request.recent)
    asked = (past.list_id, past.member_id, past.query, past.time, past.split, past.shown, past.complete)
    return digest(asked, texts, sorted(past.other_views), sorted(request.exclude), request.member, ask.graded)


class Sizes(NamedTuple):
    """Jobs of a list: of all its jobs in train, of its retrieved ones in valid and test.

    random_share, hard_share: of the jobs that a training list is filled up with; the rest of them is `retrieved`.
    """

    train: int
    valid: int
    test: int
    random_share: float
    hard_share: float


class Pairs(NamedTuple):
    """Jobs of a list: rows (n,) int32 of the index, ids, strata, and what the log tells of each (None: nothing)."""

    rows: np.ndarray
    job_ids: list[str]
    strata: list[str]
    shown: list[ShownJob | None]


def choose_pairs(index: JobIndex, ask: Ask, vector: np.ndarray, sizes: Sizes, seed: int) -> Pairs:
    """The jobs of a list, see the head of this module. The draw is the list's own, whatever else is in its batch."""
    past, request = ask.past, ask.request
    train = past.split == "train"
    size = getattr(sizes, past.split)
    told = {one.job_id: one for one in past.shown}
    candidates = index.search(request, vector, HARD_POOL if train else size)
    if past.complete or train:
        logged = sorted(past.shown, key=lambda one: (not one.view, one.position or 0)) if train else past.shown
    else:
        logged = [one for one in past.shown if one.job_id in set(candidates.ids)]
    known = [one.job_id for one in logged if index.rows([one.job_id])[0] >= 0]
    chosen = dict.fromkeys(known[:size] if train else known, "logged")
    found = [job_id for job_id in candidates.ids if job_id not in told]
    if train:
        rng = np.random.default_rng(int(digest(seed, past.list_id)[:16], 16))
        room = max(0, size - len(chosen))
        anything, hard = round(room * sizes.random_share), round(room * sizes.hard_share)
        hardest = _hardest(index, request, found, hard)
        easier = [job_id for job_id in found if job_id not in hardest]
        easier = [easier[i] for i in rng.permutation(len(easier))[: max(0, room - anything - len(hardest))]]
        chosen |= dict.fromkeys(easier, "retrieved") | dict.fromkeys(hardest, "hard")
        alive = index.mask(request)
        alive[index.known_rows([*chosen, *told])] = False
        free = np.flatnonzero(alive)
        drawn = rng.choice(free, min(size - len(chosen), len(free)), replace=False) if len(free) else ()
        chosen |= {index.ids[row]: "random" for row in drawn}
    else:
        chosen |= dict.fromkeys(found, "retrieved")
    job_ids = list(chosen)
    return Pairs(index.rows(job_ids), job_ids, list(chosen.values()), [told.get(job_id) for job_id in job_ids])


def _hardest(index: JobIndex, request: Request, found: Sequence[str], number: int) -> list[str]:
    """At most so many of the retrieved jobs, given best first, of which retrieval and a plain reading differ most.

    A plain reading goes by the words of the title and by the region: near the top for other work or out of reach, or
    far down although both fit. The measure is the difference of a job's places in the two orders.
    """
    if not number:
        return []
    rows = index.rows(found)
    columns = [PAIR_FEATURES.index(name) for name in ("title_overlap", "same_region")]
    alike = pair_features(index, index.activity, request, rows)[:, columns].sum(axis=1)
    place = np.empty(len(found), np.int64)
    place[np.argsort(-alike, kind="stable")] = np.arange(len(found))
    apart = np.abs(place - np.arange(len(found)))
    return [found[i] for i in np.argsort(-apart, kind="stable")[:number] if apart[i]]


def list_rows(ask: Ask, pairs: Pairs, grades: Sequence[Grade | None], features: np.ndarray) -> pa.Table:
    past, n = ask.past, len(pairs.job_ids)
    same = {
        "list_id": past.list_id,
        "member_id": past.member_id,
        "query": past.query,
        "split": past.split,
        EVENT_TIME: past.time,
    }
    columns: dict[str, Any] = {name: [value] * n for name, value in same.items()}
    columns |= {"job_id": pairs.job_ids, "stratum": pairs.strata}
    for name in ("position", "propensity", "view", "apply", "dismiss", "hire"):
        columns[name] = [getattr(one, name) if one else None for one in pairs.shown]
    if not past.complete:
        columns["view"] = [
            1 if one else None if job_id in past.other_views else 0
            for job_id, one in zip(pairs.job_ids, pairs.shown, strict=True)
        ]
    for name in ("grade", "expected"):
        columns[name] = [getattr(grade, name) if grade else None for grade in grades]
    columns |= {name: features[:, i] for i, name in enumerate(PAIR_FEATURES)}
    return pa.table({field.name: pa.array(columns[field.name], field.type) for field in EXAMPLES}, schema=EXAMPLES)


def digest(*values: Any) -> str:
    """24 hex digits of values that JSON can say."""
    return row_hash(json.dumps(values, default=str, sort_keys=True), 12)
