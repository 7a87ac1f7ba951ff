"""Interleaving two runs, simulated: of one list made of both, whose jobs would have been chosen?

In each round a coin says which run picks first; each picks its best job that is not in the list yet, and what is chosen
of its picks counts for it. What people chose is taken from the log, so that a job which the log never showed counts for
nobody: over whole lists (`rank_only`) all is known, else the run that is more like the logged one has an advantage.

Source: Radlinski, Kurup and Joachims, How does clickthrough data reflect retrieval quality? (CIKM 2008), team-draft.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from replay.clustered import clustered_mean
from replay.diff.results import Interleaved
from replay.runs.folder import RunFolder

DRAWS, PLACES = 20, 10


def team_draft(
    first: Sequence[str], second: Sequence[str], places: int, draw: np.random.Generator
) -> tuple[list[str], list[int]]:
    """One list of both.

    Args:
        first: Jobs of the first run, best first, each once.
        second: Of the second.
        places: The length of the list at most.
        draw: Tosses the coin of each round.

    Returns:
        The jobs, and who picked each: 0 the first run, 1 the second.
    """
    rankings, at = (first, second), [0, 0]
    jobs: list[str] = []
    teams: list[int] = []
    taken: set[str] = set()
    while len(jobs) < places:
        before = len(jobs)
        heads = int(draw.integers(2))
        for team in (heads, 1 - heads):
            ranking = rankings[team]
            while at[team] < len(ranking) and ranking[at[team]] in taken:
                at[team] += 1
            if at[team] < len(ranking) and len(jobs) < places:
                taken.add(ranking[at[team]])
                jobs.append(ranking[at[team]])
                teams.append(team)
        if len(jobs) == before:
            break
    return jobs, teams


def interleaved(
    first: RunFolder, second: RunFolder, ids: Sequence[str], members: Sequence[str], level: float
) -> Interleaved | None:
    """Which of two runs' picks would have been chosen more often.

    Args:
        first: What is there.
        second: What may replace it.
        ids: n requests that both were asked.
        members: n, who asked; for the interval.
        level: Of the interval.

    Returns:
        None where no request led to anything.
    """
    theirs, others = (_answers(run, ids) for run in (first, second))
    chosen = _chosen(first)
    values = np.full(len(ids), np.nan)
    wins = np.zeros(3)
    for i, request in enumerate(ids):
        if not (liked := chosen.get(request)):
            continue
        draw = np.random.default_rng([i, 0])
        of = np.zeros(3)
        for _ in range(DRAWS):
            jobs, teams = team_draft(theirs.get(request, ()), others.get(request, ()), PLACES, draw)
            credit = [0, 0]
            for job, team in zip(jobs, teams, strict=True):
                credit[team] += job in liked
            of[1 + int(np.sign(credit[1] - credit[0]))] += 1 / DRAWS
        values[i], wins = of[2] - of[0], wins + of
    mean = clustered_mean(values, members, level)
    if mean is None:
        return None
    shares = wins / wins.sum()
    return Interleaved(first=shares[0], ties=shares[1], second=shares[2], difference=mean, places=PLACES, draws=DRAWS)


def _answers(run: RunFolder, ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
    wanted = pl.DataFrame({"request_id": list(ids)}, {"request_id": pl.String})
    rows = run.table("answers").filter(pl.col("rank") <= PLACES).join(wanted, on="request_id", how="semi")
    found = rows.sort("request_id", "rank").group_by("request_id").agg("job_id")
    return dict(found.iter_rows())


def _chosen(run: RunFolder) -> Mapping[str, frozenset[str]]:
    rows = run.table("shown").filter(pl.col("gain") > 0).group_by("request_id").agg("job_id")
    return {request: frozenset(jobs) for request, jobs in rows.iter_rows()}
