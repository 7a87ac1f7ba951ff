"""Tries a rule on the logged lists: which of the jobs shown it would have removed, and what people did with those.

Each request is as it was made then, and the jobs are those of the current index. A rule that removes what people
applied to does harm; one that removes what they dismissed for its reason does what it is for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import polars as pl

from contracts.arrow import arrow_schema
from contracts.errors import NotReady
from contracts.records import Event
from contracts.tables import latest, read_table
from contracts.tasks import INTEREST
from contracts.text.fitted import open_verbalizer
from contracts.workspace import Workspace
from history.as_of import LoggedRequest, requests_as_of
from history.unclicked import Unclicked, unclicked_days
from retrieval.index.job_index import JobIndex
from retrieval.request import Request
from retrieval.rules.rules import Rule

OUTCOMES = ("hired", "applied", "viewed", "dismissed")
"""The strongest first; a job that was applied to was viewed too."""
_ACTIONS = {"hired": ("hire",), "applied": ("apply",), "viewed": INTEREST, "dismissed": ("dismiss",)}
_COLUMNS = ["id", "time", "request_id", "member_id", "query", "job_id", "action", "reason"]


class Example(NamedTuple):
    """A job that the rule would remove, and its strongest outcome; empty where nobody did anything with it."""

    request_id: str
    job_id: str
    outcome: str


class Trial(NamedTuple):
    """What one rule would have done. In the counts "shown" is all jobs, and "answered" those dismissed for its reason.

    Attributes:
        rule: The rule.
        requests: Of the log.
        applied: Requests that know what the rule's conditions ask for.
        shown: Outcome -> jobs shown.
        removed: Outcome -> jobs that the rule would remove.
        examples: The strongest outcomes first.
    """

    rule: Rule
    requests: int
    applied: int
    shown: Counter[str]
    removed: Counter[str]
    examples: list[Example]


class _LoggedList(NamedTuple):
    """The m jobs shown for one request that the index holds.

    rows: (m,) int32 of the index; outcomes: of each job; reasons: of each dismissal, empty for none.
    """

    request_id: str
    request: Request
    rows: np.ndarray
    job_ids: list[str]
    outcomes: list[tuple[str, ...]]
    reasons: list[str]


def try_rules(
    workspace: Workspace, rules: Sequence[Rule], requests: int = 2_000, seed: int = 0, examples: int = 5
) -> list[Trial]:
    """Each rule alone, enabled or not, on an even sample of the logged requests.

    Raises NotReady where there is no log of impressions that name their request, no index, or no member text.
    """
    index = JobIndex.load(workspace.index)
    lists = _logged_lists(workspace, index, unclicked_days(rules), requests, seed)
    return [_trial(index, rule, lists, examples) for rule in rules]


def _trial(index: JobIndex, rule: Rule, lists: Sequence[_LoggedList], examples: int) -> Trial:
    shown: Counter[str] = Counter()
    removed: Counter[str] = Counter()
    all_examples: list[Example] = []
    applied = 0
    for logged in lists:
        counted = [
            ("shown", *outcomes, *(["answered"] if reason == rule.reason else []))
            for outcomes, reason in zip(logged.outcomes, logged.reasons, strict=True)
        ]
        shown.update(name for names in counted for name in names)
        met = rule.met(index, logged.request)
        if met is None:
            continue
        applied += 1
        for i in np.flatnonzero(met[logged.rows]):
            removed.update(counted[i])
            all_examples.append(Example(logged.request_id, logged.job_ids[i], next(iter(logged.outcomes[i]), "")))
    order = {outcome: i for i, outcome in enumerate((*OUTCOMES[:-1], "", OUTCOMES[-1]))}
    all_examples.sort(key=lambda example: order[example.outcome])
    return Trial(rule, len(lists), applied, shown, removed, all_examples[:examples])


def _logged_lists(workspace: Workspace, index: JobIndex, days: float, most: int, seed: int) -> list[_LoggedList]:
    table = read_table(workspace.records / "events", _COLUMNS, schema=arrow_schema(Event))
    events = pl.DataFrame(latest(table, "id", "time")).sort("time", "id")
    named = events.filter(pl.col("request_id") != "")
    impressions = named.filter(pl.col("action") == "impression")
    if impressions.is_empty():
        cure = "ingest the service's log: `rolecall ingest --data WORKSPACE/logs`"
        raise NotReady(f"no impression that names its request in {workspace.records / 'events'}", cure=cure)
    sample = impressions.group_by("request_id").agg(pl.col("time", "member_id", "query").first()).sort("request_id")
    drawn = np.random.default_rng(seed).permutation(len(sample))[:most]
    sample = sample[np.sort(drawn)]
    shown = _outcomes(named.join(sample.select("request_id"), on="request_id", how="semi"))
    unclicked = _unclicked(events, sample, days)
    past = [LoggedRequest(row["member_id"], row["query"], row["time"], ()) for row in sample.iter_rows(named=True)]
    requests = requests_as_of(workspace, past, percentiles=open_verbalizer(workspace).percentiles)
    lists = []
    for name, request in zip(sample["request_id"], requests, strict=True):
        facts = replace(request.facts, unclicked=unclicked.get(name, {}))
        jobs = [job for job in shown[name] if index.rows([job[0]])[0] >= 0]
        job_ids = [job_id for job_id, *_ in jobs]
        lists.append(
            _LoggedList(
                name,
                replace(request, facts=facts),
                index.rows(job_ids),
                job_ids,
                [outcomes for _, outcomes, _ in jobs],
                [reason for *_, reason in jobs],
            )
        )
    return lists


def _outcomes(named: pl.DataFrame) -> dict[str, list[tuple[str, tuple[str, ...], str]]]:
    """Request -> (job, outcomes, reason of the dismissal) of each job that it showed."""
    action = pl.col("action")
    rows = (
        named.group_by("request_id", "job_id")
        .agg(
            (action == "impression").any().alias("shown"),
            pl.col("reason").drop_nulls().first(),
            *(action.is_in(_ACTIONS[name]).any().alias(name) for name in OUTCOMES),
        )
        .filter("shown")
        .sort("request_id", "job_id")
    )
    by_request: dict[str, list[tuple[str, tuple[str, ...], str]]] = {}
    for row in rows.iter_rows(named=True):
        outcomes = tuple(name for name in OUTCOMES if row[name])
        by_request.setdefault(row["request_id"], []).append((row["job_id"], outcomes, row["reason"] or ""))
    return by_request


def _unclicked(events: pl.DataFrame, requests: pl.DataFrame, days: float) -> dict[str, dict[str, tuple[float, ...]]]:
    """Request -> the member's impressions without a click before it; events are in the order of time."""
    if not days:
        return {}
    of_members = events.join(requests.select("member_id").unique(), on="member_id", how="semi")
    request_ids, state = set(requests["request_id"]), Unclicked(days)
    by_request: dict[str, dict[str, tuple[float, ...]]] = {}
    columns = of_members.select("request_id", "member_id", "job_id", "action", "time")
    for request_id, member_id, job_id, action, time in columns.iter_rows():
        if request_id in request_ids and request_id not in by_request:
            by_request[request_id] = dict(state.of(member_id))
        state.add(member_id, job_id, action, time)
    return by_request
