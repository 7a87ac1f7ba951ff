"""Cohorts of past requests: by surface, length of the query, language, and the member's history, occupation, level and
region.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import polars as pl
import pyarrow.compute as pc

from contracts.tables import latest, parts, read_records
from contracts.text.language import language_of
from contracts.text.places import read_place
from contracts.text.words import words
from contracts.workspace import Workspace
from policy.rubric.titles import TitleReader
from policy.types import Policy
from replay.fits import SHARE
from replay.holdout import HeldOut
from replay.measures import mean_estimates, ratio_estimates
from replay.results import BEST, BM25, JUDGE, SERVED, Cell, Cohort
from replay.served_tables import Fits
from retrieval.request import Request

LEAST = 10
"""Requests from which a cohort is shown."""
MOST = 8
"""Cohorts of one kind that are shown, the largest ones."""
SYSTEMS = (BEST, JUDGE, SERVED, BM25)
METRICS = ("good_fits@10", "poor_fits@10")
_QUERY = ((0, "no query"), (1, "1 word"), (2, "2 words"), (3, "3 words or more"))
_HISTORY = ((0, "no action before"), (1, "1 to 4 actions"), (5, "5 to 19 actions"), (20, "20 actions or more"))


def cohorts(
    workspace: Workspace, held: Sequence[HeldOut], requests: Sequence[Request], policy: Policy | None
) -> Mapping[str, list[str]]:
    """The cohort of each held-out request, by kind of cohort; empty where it is not known.

    Args:
        workspace: Holds the log.
        held: n held-out requests.
        requests: n requests to retrieval, in the same order.
        policy: Whose table of work says what occupation a title is of; None: occupations are not known.
    """
    kinds = dict(kinds_of(requests, policy))
    if parts(workspace.records / "events"):
        columns = ["id", "time", "request_id", "member_id", "surface", "action"]
        members, ids = list({one.member_id for one in held}), [one.request_id for one in held]
        concerned = pc.field("member_id").isin(members) | pc.field("request_id").isin(ids) | pc.field("id").isin(ids)
        table = read_records(workspace.records, "events", columns, concerned)
        events = pl.DataFrame(latest(table, "id", "time"))
        kinds |= {"history": _history(events, held), "surface": _surfaces(events, held)}
    return kinds


def kinds_of(requests: Sequence[Request], policy: Policy | None) -> Mapping[str, list[str]]:
    """Those of `cohorts` that a request itself tells. policy: as there."""
    kinds = {
        "query": [_step(len(words(request.query)), _QUERY) for request in requests],
        "seniority": [str((request.member or {}).get("seniority") or "") for request in requests],
        "region": [_region(request) for request in requests],
        "language": [_language(request) for request in requests],
    }
    if policy is not None:
        titles = TitleReader(policy)
        kinds["occupation"] = [_field_of_work(titles, request) for request in requests]
    return kinds


def history_of(member_id: str, acted: int) -> str:
    """The cohort of a member who had done so many actions before; empty for nobody in particular."""
    return _step(acted, _HISTORY) if member_id else ""


def cohort_results(found: Fits, kinds: Mapping[str, Sequence[str]], seed: int, resamples: int) -> tuple[Cohort, ...]:
    """The first ten of each cohort of at least `LEAST` requests, the largest of each kind first.

    Args:
        found: The measures of all lists.
        kinds: Of `cohorts`.
        seed: Of the bootstrap.
        resamples: Of the bootstrap.
    """
    results = []
    for kind, names in kinds.items():
        of_lists = np.array([names[place] for place in found.places], object)
        for name, count in Counter(of_lists[of_lists != ""].tolist()).most_common(MOST):
            if count >= LEAST:
                chosen = of_lists == name
                cells = tuple(_cells(found, chosen, seed, resamples))
                results.append(Cohort(kind=kind, name=name, requests=count, cells=cells))
    return tuple(results)


def _cells(found: Fits, chosen: np.ndarray, seed: int, resamples: int) -> list[Cell]:
    systems = [system for system in SYSTEMS if system in found.systems]
    keys = [(system, metric) for system in systems for metric in METRICS]
    values = np.stack([found.of(*key)[chosen] for key in keys], axis=1)
    cells = [Cell.of(*key, mean) for key, mean in zip(keys, mean_estimates(values, seed, resamples), strict=True)]
    good = np.stack([found.of(system, METRICS[0])[chosen] for system in systems], axis=1)
    shares = ratio_estimates(good, found.of(BEST, METRICS[0])[chosen], seed, resamples)
    return cells + [Cell.of(system, SHARE, share) for system, share in zip(systems, shares, strict=True)]


def _step(count: int, steps: Sequence[tuple[int, str]]) -> str:
    return next(name for least, name in reversed(steps) if count >= least)


def _history(events: pl.DataFrame, held: Sequence[HeldOut]) -> list[str]:
    """By the number of the member's actions before the request; empty for an anonymous one."""
    actions = events.filter(pl.col("action") != "impression").sort("time")
    times = {member: of["time"] for (member,), of in actions.group_by("member_id")}
    before = [times[r.member_id].search_sorted(r.time, "left") if r.member_id in times else 0 for r in held]
    return [history_of(r.member_id, int(count)) for r, count in zip(held, before, strict=True)]


def _surfaces(events: pl.DataFrame, held: Sequence[HeldOut]) -> list[str]:
    """As logged; a request is named by its own id or, in a log without impressions, by that of its view."""
    ids = [request.request_id for request in held]
    logged: dict[str, str] = {}
    for key in ("id", "request_id"):
        logged |= dict(events.filter(pl.col(key).is_in(ids)).select(key, "surface").iter_rows())
    return [logged.get(request, "") or "" for request in ids]


def _region(request: Request) -> str:
    place = read_place(request.location)
    return place.region or place.country


def _language(request: Request) -> str:
    """Of the query, else of what the member writes; empty where neither says anything."""
    member = request.member or {}
    text = request.query or " ".join(str(member.get(name) or "") for name in ("headline", "summary"))
    return _language_of(text) if text.strip() else ""


_language_of = lru_cache(10_000)(language_of)


def _field_of_work(titles: TitleReader, request: Request) -> str:
    """The field of the newest title that the table of work knows; empty for none."""
    member = request.member or {}
    for title in (member.get("headline"), *(position.get("title") for position in member.get("positions") or ())):
        kinds = titles.read(title or "").kinds
        if kinds:
            return min(kinds)[0]
    return ""
