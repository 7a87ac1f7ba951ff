"""Two effects that no text tells and the graph of the market does, planted so that it is known how much is recovered.

- company: a member likes adverts of companies whose adverts they opened on an earlier day;
- company they keep (co-application): a member likes adverts that others opened on earlier days who opened what this
  member did, the more ways lead there the more, up to `MOST_WAYS`.

Both are exact functions of what was opened before the day, so that an oracle can read them off the log.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

MOST_WAYS = 4


class Planted(NamedTuple):
    """(pairs,) float64 each, in [0, 1]."""

    company: np.ndarray
    together: np.ndarray


class Effects:
    """What was opened so far, and what follows from it."""

    def __init__(self, members: int, company: np.ndarray) -> None:
        """Nothing was opened yet. members: their number; company: (jobs,) int, of each job."""
        self._of_job = company
        self._company = csr_matrix((np.ones(len(company)), (np.arange(len(company)), company)))
        self._opened = csr_matrix((members, len(company)))

    def add(self, members: np.ndarray, jobs: np.ndarray) -> None:
        """Note that members (n,) opened jobs (n,)."""
        opened = self._opened + csr_matrix((np.ones(len(members)), (members, jobs)), self._opened.shape)
        opened.data[:] = 1.0
        self._opened = opened

    def of(self, members: np.ndarray, jobs: np.ndarray) -> Planted:
        """The effects on pairs (members[i], jobs[i]), by what was added so far."""
        distinct, row = np.unique(members, return_inverse=True)
        mine = self._opened[distinct]
        company = _cells(mine @ self._company, row, self._of_job[jobs])
        others = _cells(mine @ (self._opened.T @ self._opened), row, jobs)
        has = _cells(mine, row, jobs)
        # Ways through the member, and through the job itself, lead to nobody else.
        degree, times = mine.sum(axis=1).A1[row], np.asarray(self._opened.sum(axis=0)).ravel()[jobs]
        ways = others - has * (degree + times - 1)
        return Planted((company > 0).astype(np.float64), np.clip(ways, 0, MOST_WAYS) / MOST_WAYS)


def _cells(matrix: csr_matrix, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return np.asarray(matrix[rows, columns]).ravel()


class Moments(NamedTuple):
    """(n,) int64 each: who, which job, and the number of the day."""

    member: np.ndarray
    job: np.ndarray
    day: np.ndarray


def planted(members: int, company: np.ndarray, opened: Moments, asked: Moments) -> Planted:
    """What the market planted on pairs, read off its log: the oracle's features.

    Exact as long as a day has fewer requests than a block of the simulation.

    Args:
        members: Their number.
        company: (jobs,) int, of each job.
        opened: What was opened.
        asked: The pairs, on the days of their requests.
    """
    effects = Effects(members, company)
    found = Planted(np.zeros(len(asked.day)), np.zeros(len(asked.day)))
    order = np.argsort(opened.day, kind="stable")
    days, done = opened.day[order], 0
    for day in np.unique(asked.day):
        until = int(np.searchsorted(days, day))
        effects.add(opened.member[order[done:until]], opened.job[order[done:until]])
        done = until
        rows = np.flatnonzero(asked.day == day)
        for column, values in zip(found, effects.of(asked.member[rows], asked.job[rows]), strict=True):
            column[rows] = values
    return found
