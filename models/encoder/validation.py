"""What an encoder is chosen by: validation requests of the log, and how many of the jobs that were taken it finds.

The requests are those of the split `valid` (history/requests.py) that led to something, with what was known then. The
candidates of all of them are the jobs that were known by the last of them, each with its first text.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import polars as pl

from contracts.versions import content_hash
from contracts.workspace import Workspace
from history.as_of import LoggedRequest, requests_as_of
from history.requests import gains, past_requests
from models.encoder.log_positives import first_texts, log_events

DEPTH, SHOWN = 100, 10
MEASURES = (f"recall@{DEPTH}", f"nDCG@{SHOWN}")


@dataclass(frozen=True)
class Searches:
    """n requests, and what each should find among m jobs.

    Attributes:
        requests: n texts.
        jobs: m texts.
        gains: Of each request: row of a job that it should find -> gain, at least one.
        excluded: Of each request the rows of jobs that are no candidates.
        askers: n names; requests of one asker are resampled together.
    """

    requests: list[str]
    jobs: list[str]
    gains: list[dict[int, float]]
    excluded: list[list[int]]
    askers: list[str]

    def __len__(self) -> int:
        return len(self.requests)

    @property
    def version(self) -> str:
        """Twelve hex digits of all of it."""
        wanted = [sorted(gains.items()) for gains in self.gains]
        return content_hash(json.dumps([self.requests, self.jobs, wanted, self.excluded, self.askers]))

    def found(self, requests: np.ndarray, jobs: np.ndarray) -> np.ndarray:
        """(n, len(MEASURES)) of each request by the cosines of (n, dim) and (m, dim); ties count against the system."""
        return np.stack([self.scored(i, jobs @ request) for i, request in enumerate(requests)])

    def scored(self, i: int, scores: np.ndarray) -> np.ndarray:
        """(len(MEASURES),) of request i by (m,) scores of the jobs."""
        wanted, discounts = self.gains[i], 1 / np.log2(np.arange(2, SHOWN + 2))
        scores = scores.copy()
        scores[[row for row in self.excluded[i] if row not in wanted]] = -np.inf
        gain = np.fromiter(wanted.values(), np.float64, len(wanted))
        ranks = np.array([np.count_nonzero(scores >= score) for score in scores[list(wanted)]])
        ideal, shown = np.sort(gain)[::-1][:SHOWN], ranks <= SHOWN
        ndcg = gain[shown] @ discounts[ranks[shown] - 1] / (ideal @ discounts[: len(ideal)])
        return np.array([(ranks <= DEPTH).mean(), ndcg])


def valid_searches(workspace: Workspace, most: int, most_jobs: int, seed: int) -> Searches:
    """The validation requests of a log, none where it has none.

    Args:
        workspace: With events and texts.
        most: Requests at most.
        most_jobs: Jobs at most: those that were taken, and any others drawn by seed.
        seed: Of both draws.

    Raises:
        NotReady: Events or texts are missing.
    """
    events = log_events(workspace)
    drawn = past_requests(events, {"train": 0, "valid": len(events), "test": 0}, seed)
    led = [(one, worth) for one in drawn if (worth := gains(one))]
    if not led:
        return Searches([], [], [], [], [])
    texts = first_texts(workspace, last=max(one.time for one, _ in led))
    led = [(one, known) for one, worth in led if (known := {job: gain for job, gain in worth.items() if job in texts})]
    led = led[:most]
    as_of = requests_as_of(workspace, [LoggedRequest(one.member_id, one.query, one.time, one.viewed) for one, _ in led])
    asked = [(one, worth, request) for (one, worth), request in zip(led, as_of, strict=True) if request.request_text]
    taken = {job for _, worth, _ in asked for job in worth}
    others = pl.Series([job for job in texts if job not in taken], dtype=pl.String)
    others = others.sample(min(len(others), max(0, most_jobs - len(taken))), seed=seed)
    row = {job: i for i, job in enumerate([*sorted(taken), *others])}
    return Searches(
        requests=[request.request_text for _, _, request in asked],
        jobs=[texts[job] for job in row],
        gains=[{row[job]: float(gain) for job, gain in worth.items()} for _, worth, _ in asked],
        excluded=[sorted(row[job] for job in request.exclude if job in row) for _, _, request in asked],
        askers=[one.member_id or request.request_text for one, _, request in asked],
    )
