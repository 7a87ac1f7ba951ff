"""How the walks of a member and of a job meet: what no mean of vectors can tell, since it forgets who was met.

For each metapath of the member and each of the job that end in one kind of node: the cosine of the two distributions
of where walks end (HeteSim), and the logarithm of the number of ways that lead from one to the other (path counts). So
"an advert of a company whose adverts the member opened" and "opened by members who opened what this one did" are
numbers of their own.

Source: HeteSim, Shi et al. 2014 (arXiv 1309.7393); path counts as in PathSim, Sun et al. (VLDB 2011).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from history.graph.config import WalkConfig
from history.graph.walks import JOB_PATHS, MEMBER_PATHS, ends_in
from models.teachers.graph.market import Market, Walked

ITSELF = "itself"
OF_JOB = {**JOB_PATHS, ITSELF: ()}
MEETINGS = tuple(
    (member, job)
    for member, path in MEMBER_PATHS.items()
    for job, other in OF_JOB.items()
    if ends_in(path) == (ends_in(other) if other else "job")
)
"""Metapaths of a member and of a job that end in one kind of node."""
FEATURES = 2 * len(MEETINGS)
BLOCK = 8_192


class Neighbourhood:
    """What is read of the graph for m rows.

    Attributes:
        members, jobs: The distinct neighbourhoods of each side.
        of_members, of_jobs: Metapath -> what these reach.
        found: (m,) bool: whether both sides have a neighbour; where not, no rung has a say.
    """

    def __init__(self, market: Market, rows: np.ndarray, config: WalkConfig) -> None:
        self.members, self.jobs = market.side(rows, "member"), market.side(rows, "job")
        self.of_members = market.reached(self.members, MEMBER_PATHS, config)
        self.of_jobs = market.reached(self.jobs, OF_JOB, config)
        met = [
            np.any([walked.found for name, walked in walks.items() if name != ITSELF], axis=0)[side.of_pair]
            for side, walks in ((self.members, self.of_members), (self.jobs, self.of_jobs))
        ]
        self.found = np.asarray(met[0] & met[1])

    def meetings(self) -> np.ndarray:
        """(m, FEATURES) float32: of each of `MEETINGS` the cosine and log(1 + ways); zeros where walks do not meet."""
        found = np.zeros((len(self.members.of_pair), FEATURES), np.float32)
        for column, (member, job) in enumerate(MEETINGS):
            mine, theirs = self.of_members[member], self.of_jobs[job]
            for start in range(0, len(found), BLOCK):
                rows = slice(start, start + BLOCK)
                of_member, of_job = self.members.of_pair[rows], self.jobs.of_pair[rows]
                found[rows, 2 * column] = _cosine(mine, theirs, of_member, of_job)
                both = mine.ways[of_member].multiply(theirs.ways[of_job])
                found[rows, 2 * column + 1] = np.log1p(np.asarray(both.sum(axis=1)).ravel())
        return found


def _cosine(mine: Walked, theirs: Walked, of_member: np.ndarray, of_job: np.ndarray) -> np.ndarray:
    a, b = mine.weight[of_member], theirs.weight[of_job]
    dot, left, right = (np.asarray(x.sum(axis=1)).ravel() for x in (a.multiply(b), a.multiply(a), b.multiply(b)))
    return np.asarray(dot / np.sqrt(np.maximum(left * right, 1e-30)))


class Structure(nn.Module):
    """The logits (n, tasks) that meetings (n, FEATURES) add; zeros until it has learned."""

    mean: Tensor
    scale: Tensor

    def __init__(self, tasks: int, width: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("scale", torch.ones(FEATURES))
        self.inner = nn.Linear(FEATURES, width)
        self.out = nn.Linear(width, tasks)
        self.drop = nn.Dropout(dropout)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def standardise(self, meetings: np.ndarray) -> None:
        """Take mean and scale from training rows (n, FEATURES); what never differs there counts for nothing."""
        deviation = meetings.std(axis=0)
        self.mean.copy_(torch.from_numpy(meetings.mean(axis=0)))
        self.scale.copy_(torch.from_numpy(np.where(deviation > 1e-6, 1 / np.maximum(deviation, 1e-6), 0.0)))

    def forward(self, meetings: Tensor) -> Tensor:
        scaled = ((meetings - self.mean) * self.scale).clamp(-5, 5)
        logits: Tensor = self.out(self.drop(nn.functional.gelu(self.inner(scaled))))
        return logits.float()
