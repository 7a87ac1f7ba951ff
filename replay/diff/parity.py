"""Outcomes and exposure of groups that the user names, and impact ratios: a group's rate over that of the best group.

Four fifths is where the guidelines of US employers begin to ask why (29 CFR 1607.4 D), and audits of hiring tools
publish the same ratio (New York City, Local Law 144). A ratio here is a number about a recommender on a log: it is no
legal advice, and no audit.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from contracts.errors import BadInput, MissingColumn, NotReady, UnreadableFile
from replay.diff.results import Group, Parity
from replay.runs.folder import RunFolder
from replay.runs.task import OWN

FOUR_FIFTHS = 0.8
RESAMPLES = 1_000
_PLACES = 10
OF_MEMBERS = "share of requests whose first ten places hold a job that the person chose"
OF_JOBS = "share of the attention in the first ten places, over the group's share of the first hundred"


def read_groups(path: Path) -> tuple[str, dict[str, str]]:
    """A CSV with the columns `member_id,group` or `job_id,group`.

    Returns:
        The name of the first column, and id -> group.

    Raises:
        NotReady: There is no such file.
        MissingColumn: It has other columns.
        BadInput: An id stands in two groups, or no id in any.
        UnreadableFile: It is no CSV in UTF-8.
    """
    if not path.is_file():
        raise NotReady(f"no file {path}", where="--groups", cure="give a CSV with member_id,group or job_id,group")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            key = next((name for name in ("member_id", "job_id") if name in columns), None)
            if key is None or "group" not in columns:
                what = f"columns {', '.join(columns) or 'none'}"
                raise MissingColumn(what, where=str(path), cure="name them member_id,group or job_id,group")
            groups: dict[str, str] = {}
            for number, row in enumerate(reader, start=2):
                if groups.setdefault(row[key], row["group"]) != row["group"]:
                    where, cure = f"{path}, line {number}", "name each id once"
                    raise BadInput(f"{row[key]!r} stands in two groups", where=where, cure=cure)
    except (UnicodeDecodeError, csv.Error) as error:
        raise UnreadableFile(f"no CSV: {error}", where=str(path), cure="write it as CSV in UTF-8") from error
    if not groups:
        raise BadInput("no id in it", where=str(path), cure=f"write a line {key},group for each")
    return key, groups


def parity(
    first: RunFolder,
    second: RunFolder,
    requests: Sequence[str],
    key: str,
    groups: Mapping[str, str],
    least: int,
    level: float = 0.95,
) -> Parity:
    """Groups of members by outcome, or groups of jobs by exposure.

    Args:
        first: A run.
        second: Another.
        requests: Ids that both were asked.
        key: "member_id" or "job_id".
        groups: Id -> group.
        least: Members that a group needs, or of jobs the requests at which one could be shown, in both runs.
        level: Of intervals.
    """
    of_members = key == "member_id"
    rates = [(_outcomes if of_members else _exposures)(run, requests, groups) for run in (first, second)]

    def size(name: str) -> int:
        return min(len(set(rate[name][0]) if of_members else rate[name][0]) for rate in rates)

    kept = [name for name in sorted(set(rates[0]) & set(rates[1])) if size(name) >= least]
    found = []
    ratios = [_ratios({name: rate[name] for name in kept}, level) for rate in rates]
    for name in kept:
        (who, over, under), (_, over2, under2) = rates[0][name], rates[1][name]
        found.append(
            Group(
                name=name,
                requests=len(who),
                members=len(set(who)),
                first=float(over.sum() / under.sum()),
                second=float(over2.sum() / under2.sum()),
                first_ratio=ratios[0][name],
                second_ratio=ratios[1][name],
            )
        )
    suppressed = len({*rates[0], *rates[1]}) - len(kept)
    return Parity(what=OF_MEMBERS if of_members else OF_JOBS, groups=tuple(found), suppressed=suppressed)


_Rate = tuple[list[str], np.ndarray, np.ndarray]
"""Who asked (the member, else the request itself), numerators and denominators, one a request."""
_WHO = pl.when(pl.col("member_id") == "").then("request_id").otherwise("member_id").alias("who")


def _outcomes(run: RunFolder, requests: Sequence[str], groups: Mapping[str, str]) -> dict[str, _Rate]:
    rows = run.measures.filter((pl.col("system") == OWN) & pl.col("request_id").is_in(requests))
    rows = rows.filter(pl.col("R@10").is_not_nan()).with_columns(
        pl.col("member_id").replace_strict(groups, default=None, return_dtype=pl.String).alias("group")
    )
    found = {}
    for (name,), of in rows.drop_nulls("group").with_columns(_WHO).group_by("group", maintain_order=True):
        hit = (of["R@10"].to_numpy() > 0).astype(np.float64)
        found[str(name)] = (of["who"].to_list(), hit, np.ones(len(hit)))
    return found


def _exposures(run: RunFolder, requests: Sequence[str], groups: Mapping[str, str]) -> dict[str, _Rate]:
    """Attention falls with the place as in DCG.

    Source: Singh and Joachims, Fairness of exposure in rankings (KDD 2018).
    """
    rows = run.table("answers").filter(pl.col("request_id").is_in(requests))
    group = pl.col("job_id").replace_strict(groups, default=None, return_dtype=pl.String).alias("group")
    seen = pl.when(pl.col("rank") <= _PLACES).then(1 / (pl.col("rank").cast(pl.Float64) + 1).log(2)).otherwise(0.0)
    rows = rows.with_columns(group, seen.alias("seen"))
    rows = rows.with_columns(
        (pl.col("seen") / pl.col("seen").sum().over("request_id")).alias("seen"),
        (1 / pl.len().over("request_id")).alias("there"),
    )
    shares = rows.drop_nulls("group").group_by("group", "request_id", "member_id").agg(pl.col("seen", "there").sum())
    found = {}
    for (name,), of in shares.with_columns(_WHO).sort("group", "request_id").group_by("group", maintain_order=True):
        found[str(name)] = (of["who"].to_list(), of["seen"].to_numpy(), of["there"].to_numpy())
    return found


def _ratios(rates: Mapping[str, _Rate], level: float) -> dict[str, tuple[float, float | None, float | None]]:
    """Each group's rate over the highest one, with a bootstrap interval over members."""
    values = {name: float(over.sum() / under.sum()) for name, (_, over, under) in rates.items()}
    top = max(values, key=lambda name: (values[name], name), default="")
    if not top or values[top] == 0:
        return {name: (1.0, None, None) for name in rates}
    drawn = _resampled(rates)
    found: dict[str, tuple[float, float | None, float | None]] = {}
    for name, value in values.items():
        low = high = None
        of, best = drawn.get(name), drawn.get(top)
        if of is not None and best is not None and name != top:
            with np.errstate(divide="ignore", invalid="ignore"):
                low, high = (float(end) for end in np.nanquantile(of / best, [(1 - level) / 2, (1 + level) / 2]))
        found[name] = (value / values[top], low, high)
    return found


def _resampled(rates: Mapping[str, _Rate]) -> dict[str, np.ndarray]:
    """(RESAMPLES,) rates of resampled members of each group that has more than one.

    All groups are of one draw: where groups of jobs share the places of a list, what one has another lacks, and draws
    of their own would make the intervals too narrow.
    """
    people, at = np.unique(np.concatenate([who for who, _, _ in rates.values()]).astype(str), return_inverse=True)
    count, begins = len(people), np.cumsum([0, *(len(who) for who, _, _ in rates.values())])
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    found = {}
    for (name, (_, over, under)), begin in zip(rates.items(), begins[:-1], strict=True):
        group = at[begin : begin + len(over)]
        if len(set(group.tolist())) > 1:
            sums = drawn @ np.stack([np.bincount(group, of, count) for of in (over, under)], axis=1)
            with np.errstate(divide="ignore", invalid="ignore"):
                found[name] = sums[:, 0] / sums[:, 1]
    return found
