"""What both runs would have brought, by the propensities that the log has: off-policy estimates and their verdicts.

The policy in question puts the run's own jobs at its first places, for certain. What the log showed there by chance
tells of it; everything else tells nothing, so that most logs say much of the first place and little of whole lists.

A service logs the marginal probability of a job at its place, which `iips` reads. A simulated market logs it given the
jobs above (docs/decisions/0048), whose product is that of the list, which `rips` and `snips` read. At the first place
both are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from contracts.errors import BadInput
from contracts.versions import row_hash
from replay.diff.results import Estimated, Value
from replay.estimators.estimate import Adder, DifferenceAdder, Estimate, bucket_sums, requests_needed, resampled
from replay.estimators.estimators import ESTIMATORS
from replay.estimators.logged import LoggedLists
from replay.runs.folder import RunFolder
from simulator.market import LOGGED_BY

PLACES = (1, 10)
REWARDS = ("view", "apply")
GAIN = 0.1
"""Share of the first run's value for which requests are counted that would be needed."""


class _Log(NamedTuple):
    """The same requests with the places of both runs, and whether propensities are given the jobs above."""

    first: LoggedLists
    second: LoggedLists
    conditional: bool


def values(first: RunFolder, second: RunFolder, level: float = 0.95) -> tuple[tuple[Value, ...], str]:
    """The estimates of both runs over the requests that both were asked, and why there is none.

    Raises:
        BadInput: A propensity is not above 0 and up to 1.
    """
    if first.manifest.rank_only or second.manifest.rank_only:
        return (), "re-ranking what was shown is another policy at each list: run without --rank-only"
    rows = _rows(first, second)
    if rows["propensity"].null_count() == len(rows):
        return (), "no shown job has a propensity: let the service explore (`serve: {trials}`), or log it"
    found = [value for places in PLACES for reward in REWARDS for value in _of(rows, reward, places, 1 - level)]
    return tuple(found), "" if found else "no list has a propensity at each of its first places"


def _rows(first: RunFolder, second: RunFolder) -> pl.DataFrame:
    """A row a shown job of the requests of both, with its place in both runs."""
    shown, other = (run.table("shown").with_columns(pl.col("rank").fill_null(0)) for run in (first, second))
    rows = shown.join(other.select("request_id", "job_id", pl.col("rank").alias("other")), on=["request_id", "job_id"])
    rows = rows.join(first.requests.select("request_id", "logged_by"), on="request_id")
    wrong = rows.filter((pl.col("propensity") <= 0) | (pl.col("propensity") > 1) | pl.col("propensity").is_nan())
    if len(wrong):
        one = wrong.row(0, named=True)
        raise BadInput(
            f"propensity {one['propensity']:g} of {len(wrong):,} shown jobs",
            where=f"request {one['request_id']}, job {one['job_id']}",
            cure="log the probability above 0 and up to 1 with which a job was shown; ingest those events again",
        )
    return rows


def _log(rows: pl.DataFrame, reward: str, places: int) -> _Log | None:
    """The lists whose first places are all known, with their propensities; None where there is none."""
    top = rows.filter(pl.col("position").is_between(1, places)).sort("request_id", "position")
    ok = (
        (pl.col("position") == pl.int_range(1, pl.len() + 1)).all()
        & pl.col("propensity").is_not_null().all()
        & pl.col(reward).is_not_null().all()
    )
    top = top.filter(ok.over("request_id"))
    if not len(top):
        return None
    ids = top["request_id"].unique(maintain_order=True)
    row = top["request_id"].replace_strict(ids, pl.Series(range(len(ids))), return_dtype=pl.Int64).to_numpy()
    column = top["position"].to_numpy().astype(np.int64) - 1
    shape = (len(ids), places)
    logging, rewards = np.ones(shape), np.zeros(shape)
    targets = np.ones(shape), np.ones(shape)
    logging[row, column] = top["propensity"].to_numpy()
    rewards[row, column] = top[reward].to_numpy()
    for target, name in zip(targets, ("rank", "other"), strict=True):
        target[row, column] = (top[name] == top["position"]).to_numpy()
    first_rows = top.unique("request_id", keep="first", maintain_order=True)
    who = [member or request for member, request in zip(first_rows["member_id"], ids, strict=True)]
    members = np.array([int(row_hash(name, 7), 16) for name in who], np.int64)
    left, right = (
        LoggedLists(members, rewards, logging, target, logging_at=logging, target_at=target) for target in targets
    )
    return _Log(left, right, bool((first_rows["logged_by"] == LOGGED_BY).any()))


def _of(rows: pl.DataFrame, reward: str, places: int, alpha: float) -> Iterator[Value]:
    log = _log(rows, reward, places)
    if log is None:
        return
    names = ("ips", "snips") if places == 1 else ("rips", "snips") if log.conditional else ("iips",)
    for name in names:
        estimates = []
        for lists in (log.first, log.second):
            adder = Adder(ESTIMATORS[name](), most=float(places))
            adder.add(lists)
            estimates.append(adder.result(alpha))
        difference = _difference(log, alpha) if name == "snips" else _own_difference(name, log, estimates, alpha)
        base = estimates[0].value
        known = difference.verdict.says != "do not use" and base > 0
        known = (
            known and bool(np.isfinite([difference.low, difference.high]).all()) and difference.high > difference.low
        )
        yield Value(
            estimator=name,
            assumes=ESTIMATORS[name].assumes,
            reward=reward,
            places=places,
            requests=len(log.first),
            first=_estimated(estimates[0]),
            second=_estimated(estimates[1]),
            difference=_estimated(difference),
            needed=requests_needed(difference, GAIN * base, alpha) if known else None,
        )


def _difference(log: _Log, alpha: float) -> Estimate:
    """The difference with the control variate of least variance, which normalises as `snips` does."""
    adder = DifferenceAdder()
    adder.add(log.second, log.first)
    return adder.result(alpha)


def _own_difference(name: str, log: _Log, estimates: Sequence[Estimate], alpha: float) -> Estimate:
    """The difference of an estimator's two means, request by request, so that what both have in common cancels."""
    worse = max(estimates, key=lambda one: one.verdict.rank)
    if worse.verdict.refuses:
        return worse
    estimator = ESTIMATORS[name]()
    apart = estimator.columns(log.second) - estimator.columns(log.first)
    apart[:, 1] = 1.0
    value, low, high = resampled(bucket_sums(log.first.members, apart), estimator.value, alpha, 0)
    return worse._replace(value=value, low=low, high=high)


def _estimated(one: Estimate) -> Estimated:
    value, low, high = (number if np.isfinite(number) else None for number in (one.value, one.low, one.high))
    effective = float(one.support.effective)
    return Estimated(
        value=value, low=low, high=high, verdict=one.verdict.says, reasons=one.verdict.reasons, effective=effective
    )


def agreement(found: Sequence[Value]) -> Mapping[tuple[str, int], str]:
    """(reward, places) -> what the estimators that may be believed say together of the difference."""
    said: dict[tuple[str, int], str] = {}
    for key in dict.fromkeys((value.reward, value.places) for value in found):
        of = [value.difference for value in found if (value.reward, value.places) == key]
        trusted = [one for one in of if one.verdict != "do not use" and one.low is not None and one.high is not None]
        signs = {1 if one.low > 0 else -1 if one.high < 0 else 0 for one in trusted}  # type: ignore[operator]
        if not trusted:
            said[key] = "none may be believed"
        elif len(signs) > 1 and {1, -1} <= signs:
            said[key] = "they contradict each other"
        else:
            said[key] = {1: "more", -1: "less", 0: "not told apart"}[signs.pop() if len(signs) == 1 else 0]
    return said
