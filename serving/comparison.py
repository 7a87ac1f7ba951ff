"""Answers to one request held against each other: which jobs moved, came and went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

FIRST = 10
"""Places that `overlap` looks at."""


class Move(NamedTuple):
    """Where a job stands in one order, and where in the order it is compared with.

    Attributes:
        job_id: Of the job.
        place: From 1.
        before: In the other order, from 1; None: it does not stand there.
    """

    job_id: str
    place: int
    before: int | None

    @property
    def up(self) -> int:
        """By how many places it stands higher; 0 where it stands nowhere in the other order."""
        return 0 if self.before is None else self.before - self.place


class Difference(NamedTuple):
    """How one order differs from another.

    Attributes:
        moves: Of its jobs, best first.
        gone: Jobs of the other order that it lacks, with their places there.
        overlap: Share of the first `FIRST` places (or as many as the longer has) whose jobs both have there.
    """

    moves: tuple[Move, ...]
    gone: tuple[tuple[str, int], ...]
    overlap: float


def difference(before: Sequence[str], after: Sequence[str]) -> Difference:
    """How the order `after` differs from `before`; both are ids of jobs, best first, each once."""
    places = {job_id: place for place, job_id in enumerate(before, start=1)}
    moves = tuple(Move(job_id, place, places.get(job_id)) for place, job_id in enumerate(after, start=1))
    kept = set(after)
    gone = tuple((job_id, place) for job_id, place in places.items() if job_id not in kept)
    return Difference(moves, gone, overlap(before, after))


def overlap(before: Sequence[str], after: Sequence[str], first: int = FIRST) -> float:
    """Share of the first places whose jobs both orders have there; 1 where both are empty."""
    size = min(first, max(len(before), len(after)))
    return len({*before[:first]} & {*after[:first]}) / size if size else 1.0
