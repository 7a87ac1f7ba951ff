"""One list: its request as of the past, the jobs that are chosen for it, and its rows of `examples`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from beam_jobs.config import LabelFlags
from beam_jobs.labelling.draw import disagreement, draw_pairs, shares
from contracts.examples import EXAMPLES, PAIR_FEATURES, SERVED, SPLITS
from contracts.features import EVENT_TIME
from contracts.records import Grade
from contracts.tasks import ENGAGEMENT_TASKS
from contracts.text.fitted import open_verbalizer
from contracts.versions import row_hash
from contracts.workspace import Workspace
from history.as_of import LoggedRequest, requests_as_of
from history.requests import PastRequest, ShownJob
from ranking.features import pair_features
from retrieval.index.job_index import CANDIDATES, JobIndex
from retrieval.request import Request

HARD_POOL = 100
"""The retrieved jobs of a training list are drawn from this many best ones."""


class ListRequest(NamedTuple):
    """A past request of which a list is made.

    Attributes:
        past: The request in the log.
        request: The same as retrieval and the judge get it, with what was known then.
        graded: Whether the judge grades the list.
        served: How many of the best retrieved jobs it grades beside the list.
        budget: Of these it grades so many at most; all where None.
        listed: Whether a list is made of it at all, and not only what is graded beside one.
    """

    past: PastRequest
    request: Request
    graded: bool
    served: int = 0
    budget: int | None = None
    listed: bool = True


def requests_to_label(
    workspace: Workspace,
    past: Sequence[PastRequest],
    lists: Mapping[str, int],
    graded_lists: int,
    served_lists: Mapping[str, int],
    candidates: int,
    pairs: int | None = None,
) -> list[ListRequest]:
    """Join past requests with the member's text, activity and record as they were known at the request's time.

    Args:
        workspace: With the feature tables and records.
        past: Requests of the log.
        lists: Split -> requests of which lists are made, the first ones.
        graded_lists: Training lists that the judge grades, the first ones; it grades all valid and test lists.
        served_lists: Split -> requests of which it grades what retrieval returns, the first ones.
        candidates: How many of the best retrieved jobs these are.
        pairs: Of all these it grades so many; None for all.
    """
    logged_requests = [
        LoggedRequest(logged.member_id, logged.query, logged.time, logged.viewed, logged.profile) for logged in past
    ]
    requests = requests_as_of(workspace, logged_requests, open_verbalizer(workspace).percentiles)
    by_split = {split: [one.list_id for one in past if one.split == split] for split in SPLITS}
    ungraded = set(by_split["train"][graded_lists:])
    listed = {list_id for split, ids in by_split.items() for list_id in ids[: lists[split]]}
    served = [list_id for split, ids in by_split.items() for list_id in ids[: served_lists[split]]]
    budgets: dict[str, int | None] = dict.fromkeys(served)
    if pairs is not None:
        budgets |= dict(zip(served, shares(pairs, len(served)), strict=True))
    return [
        ListRequest(
            logged,
            request,
            logged.list_id not in ungraded,
            candidates if logged.list_id in budgets else 0,
            budgets.get(logged.list_id),
            logged.list_id in listed,
        )
        for logged, request in zip(past, requests, strict=True)
    ]


def request_digest(to_label: ListRequest) -> str:
    """A digest of everything that a list is made from beside the index and the policy."""
    request, past = to_label.request, to_label.past
    texts = (request.request_text, request.words, request.titles, request.location, request.recent)
    logged = (past.list_id, past.member_id, past.query, past.time, past.split, past.shown, past.complete)
    return digest(logged, texts, sorted(past.other_views), sorted(request.exclude), request.member, to_label[2:])


class ListedJobs(NamedTuple):
    """The n jobs of a list.

    Attributes:
        rows: (n,) int32 rows of the index.
        job_ids: n ids.
        strata: n strata.
        shown: What the log says of each job; None for nothing.
        retrieved: The place of each candidate that a service would rank, from 1; none for a training list.
        inclusion: Probability with which each was drawn for the judge; () where nobody drew.
    """

    rows: np.ndarray
    job_ids: list[str]
    strata: list[str]
    shown: list[ShownJob | None]
    retrieved: Mapping[str, int]
    inclusion: Sequence[float] = ()


NO_JOBS = ListedJobs(np.zeros(0, np.int32), [], [], [], {})


def choose_jobs(index: JobIndex, to_label: ListRequest, vector: np.ndarray, config: LabelFlags) -> ListedJobs:
    """Choose the jobs of a list, see the head of `beam_jobs.label`.

    Args:
        index: Of the jobs' first versions.
        to_label: The request.
        vector: (dim,) float32, the request's.
        config: How many jobs of which stratum, and the seed of the draw, which else depends on the list's id alone.
    """
    past, request = to_label.past, to_label.request
    train = past.split == "train"
    size: int = getattr(config, f"{past.split}_candidates")
    shown = {job.job_id: job for job in past.shown}
    candidates = index.search(request, vector, HARD_POOL if train else size)
    served = () if train else index.search(request, vector, CANDIDATES).ids
    if past.complete or train:
        logged = sorted(past.shown, key=lambda job: (not job.view, job.position or 0)) if train else past.shown
    else:
        logged = [job for job in past.shown if job.job_id in set(candidates.ids)]
    indexed = [job.job_id for job in logged if index.rows([job.job_id])[0] >= 0]
    chosen = dict.fromkeys(indexed[:size] if train else indexed, "logged")
    retrieved = [job_id for job_id in candidates.ids if job_id not in shown]
    if train:
        rng = np.random.default_rng(int(digest(config.seed, past.list_id)[:16], 16))
        room = max(0, size - len(chosen))
        random, hard = round(room * config.random_share), round(room * config.hard_share)
        hardest = _hardest(index, request, retrieved, hard)
        easier = [job_id for job_id in retrieved if job_id not in hardest]
        easier = [easier[i] for i in rng.permutation(len(easier))[: max(0, room - random - len(hardest))]]
        chosen |= dict.fromkeys(easier, "retrieved") | dict.fromkeys(hardest, "hard")
        alive = index.mask(request)
        alive[index.known_rows([*chosen, *shown])] = False
        free = np.flatnonzero(alive)
        drawn = rng.choice(free, min(size - len(chosen), len(free)), replace=False) if len(free) else ()
        chosen |= {index.ids[row]: "random" for row in drawn}
    else:
        chosen |= dict.fromkeys(retrieved, "retrieved")
    job_ids = list(chosen)
    of_log = [shown.get(job_id) for job_id in job_ids]
    places = {job_id: place for place, job_id in enumerate(served, start=1)}
    return ListedJobs(index.rows(job_ids), job_ids, list(chosen.values()), of_log, places)


def served_jobs(
    index: JobIndex,
    one: ListRequest,
    vector: np.ndarray,
    listed: ListedJobs,
    config: LabelFlags,
    estimate: Callable[[np.ndarray], np.ndarray] | None = None,
) -> ListedJobs:
    """The best `one.served` retrieved jobs of a request that its list does not hold, as rows of stratum `SERVED`.

    With a budget, so many of them: of a training request those on which retrieval's order, that by its words and that
    of a former round's grades differ most, and a floor of any; of another request any.

    Args:
        index: Of the jobs' first versions.
        one: The request.
        vector: (dim,) float32, the request's.
        listed: The jobs of its list.
        config: The floor and the seed of the draw, which else depends on the list's id alone.
        estimate: What a former round's grades say of rows (n,) of the index for this request; None: nothing.
    """
    past, candidates = one.past, index.search(one.request, vector, one.served)
    shown, taken = {job.job_id: job for job in past.shown}, set(listed.job_ids)
    new = np.flatnonzero([job_id not in taken for job_id in candidates.ids])
    orders = [-np.arange(len(candidates), dtype=np.float64), candidates.terms]
    orders += [estimate(candidates.rows)] if estimate is not None else []
    train = past.split == "train"
    rng = np.random.default_rng(int(digest(config.seed, past.list_id, SERVED)[:16], 16))
    drawn = draw_pairs(
        disagreement(orders)[new] if train else np.zeros(len(new)),
        len(new) if one.budget is None else one.budget,
        config.floor_share if train else 1.0,
        rng,
    )
    chosen = new[drawn.places]
    job_ids = [candidates.ids[place] for place in chosen]
    jobs = [shown.get(job_id) for job_id in job_ids]
    inclusion, strata = drawn.inclusion.tolist(), [SERVED] * len(job_ids)
    return ListedJobs(candidates.rows[chosen], job_ids, strata, jobs, listed.retrieved, inclusion)


def _hardest(index: JobIndex, request: Request, retrieved: Sequence[str], number: int) -> list[str]:
    """At most `number` of the retrieved jobs, given best first, on which retrieval and a plain reading differ most.

    A plain reading orders by the title's words and the region. The measure is the difference of a job's two places.
    """
    if not number:
        return []
    rows = index.rows(retrieved)
    columns = [PAIR_FEATURES.index(name) for name in ("title_overlap", "same_region")]
    alike = pair_features(index, index.activity, request, rows)[:, columns].sum(axis=1)
    place = np.empty(len(retrieved), np.int64)
    place[np.argsort(-alike, kind="stable")] = np.arange(len(retrieved))
    apart = np.abs(place - np.arange(len(retrieved)))
    return [retrieved[i] for i in np.argsort(-apart, kind="stable")[:number] if apart[i]]


def list_rows(
    request: ListRequest, jobs: ListedJobs, grades: Sequence[Grade | None], features: np.ndarray, match: np.ndarray
) -> pa.Table:
    """The rows of a list by the schema `EXAMPLES`.

    Args:
        request: The list's request.
        jobs: Its n jobs.
        grades: n grades, None where the judge gave none.
        features: (n, features) float32 in the order of `PAIR_FEATURES`.
        match: (n, C) uint8 from `ranking.match.match_bins`.
    """
    past, n = request.past, len(jobs.job_ids)
    same = {
        "list_id": past.list_id,
        "member_id": past.member_id,
        "query": past.query,
        "split": past.split,
        EVENT_TIME: past.time,
    }
    columns: dict[str, Any] = {name: [value] * n for name, value in same.items()}
    columns |= {"job_id": jobs.job_ids, "stratum": jobs.strata}
    columns["retrieved"] = [jobs.retrieved.get(job_id) for job_id in jobs.job_ids]
    for name in ("position", "propensity", *ENGAGEMENT_TASKS):
        columns[name] = [getattr(shown, name) if shown else None for shown in jobs.shown]
    if not past.complete:  # the member went to another job, so what is known of that one is a no of these
        passed_over = [
            job_id not in past.other_views and stratum != SERVED
            for job_id, stratum in zip(jobs.job_ids, jobs.strata, strict=True)
        ]
        for task in ENGAGEMENT_TASKS:
            if any(getattr(opened, task) is not None for opened in past.shown):
                rows = zip(columns[task], jobs.shown, passed_over, strict=True)
                columns[task] = [label if shown else 0 if passed else None for label, shown, passed in rows]
    for name in ("grade", "expected"):
        columns[name] = [getattr(grade, name) if grade else None for grade in grades]
    columns |= {name: features[:, i] for i, name in enumerate(PAIR_FEATURES)}
    columns |= {"match": list(match), "inclusion": list(jobs.inclusion) if jobs.inclusion else [None] * n}
    columns["asker_text"] = [request.request.request_text if past.profile else None] * n
    return pa.table({field.name: pa.array(columns[field.name], field.type) for field in EXAMPLES}, schema=EXAMPLES)


def digest(*values: Any) -> str:
    """24 hex digits of values that JSON can hold, or of their text."""
    return row_hash(json.dumps(values, default=str, sort_keys=True), 12)
