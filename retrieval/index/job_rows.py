"""Which job stands in which row of an index, whether it may be shown, and what a person is shown of it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from copy import copy
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from contracts.errors import OtherWriter
from contracts.records import Job
from retrieval.engines.append_only import AppendOnlyArray

SHOWN = (
    "id",
    "title",
    "company",
    "location",
    "workplace",
    "employment",
    "seniority",
    "industry",
    "salary_min",
    "salary_max",
    "currency",
    "salary_period",
    "posted_at",
    "expires_at",
    "hidden",
    "read_out",
    "updated_at",
)
"""The fields of a job record that an index holds: all but the long texts."""
TEXT_HASH = "text_hash"
_OPEN, _HIDDEN, _ENDED = 0, 1, 2


class JobRows:
    """n rows. A row holds one version of a job for good; a job that changes gets a new row, and its old one ends.

    An immutable value; `appended` makes the next one, which shares its memory. `ids` may grow behind the first n, and
    `version` is that of the newest value.
    """

    def __init__(self, jobs: pa.Table) -> None:
        """jobs: the columns `SHOWN` and `TEXT_HASH`."""
        self.ids: list[str] = jobs["id"].to_pylist()
        self.n = self.built = len(self.ids)
        # A file is read in many chunks, among which every read of a row would look for its own.
        self._jobs, self._added = jobs.select(SHOWN).combine_chunks(), list[Job]()
        self._hashes, self._added_hashes = jobs[TEXT_HASH].combine_chunks(), list[str]()
        self._row = {job_id: row for row, job_id in enumerate(self.ids)}
        self._later: dict[str, list[int]] = {}
        self._deleted: dict[str, datetime] = {}
        self._state = np.array(jobs["hidden"].to_numpy(zero_copy_only=False), np.uint8)  # _OPEN or _HIDDEN
        self._ended, self._gone = AppendOnlyArray(np.zeros(0, np.int64)), 0
        self._writing = threading.Lock()

    def __len__(self) -> int:
        return self.n

    @property
    def current(self) -> int:
        """How many jobs there are: rows that have not ended."""
        return self.n - self._gone

    @property
    def ended(self) -> np.ndarray:
        """(m,) int64: the rows of jobs that were replaced or deleted."""
        return self._ended.first(self._gone)

    @property
    def ended_since_build(self) -> int:
        """How many of the rows that came after the build have ended: an index that is loaded again is without them."""
        return int(np.count_nonzero(self.ended >= self.built))

    def open(self, rows: np.ndarray | slice) -> np.ndarray:
        """(m,) bool: neither hidden nor ended."""
        return self._state[rows] == _OPEN

    def row(self, job_id: str, ended: bool = False) -> int:
        """The row of a job, -1 where there is none. ended: the last one that it had, though it was deleted."""
        later = [row for row in self._later.get(job_id, ()) if row < self.n]
        row = later[-1] if later else self._row.get(job_id, -1)
        return -1 if row >= 0 and not ended and self._state[row] == _ENDED else row

    def display(self, row: int) -> dict[str, Any]:
        """`SHOWN` of a job record."""
        if row < self.built:
            shown: dict[str, Any] = self._jobs.slice(row, 1).to_pylist()[0]
            return shown | {"read_out": tuple(shown["read_out"])}
        return self._added[row - self.built].model_dump(include=set(SHOWN))

    def displays(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """`display` of each row, those of the build read at once."""
        taken = self._jobs.take(pa.array([row for row in rows if row < self.built], pa.int64())).to_pylist()
        built = iter(taken)
        return [
            (shown := next(built)) | {"read_out": tuple(shown["read_out"])} if row < self.built else self.display(row)
            for row in rows
        ]

    def titles(self, rows: np.ndarray) -> list[str]:
        """The titles of (m,) rows."""
        built = iter(self._jobs["title"].take(pa.array(rows[rows < self.built])).to_pylist())
        return [next(built) if row < self.built else self._added[row - self.built].title for row in rows.tolist()]

    def text_hash(self, row: int) -> str:
        """`contracts.text.verbalizer.content_hash` of the text that the job's vector and item tokens were made from."""
        return self._hashes[row].as_py() if row < self.built else self._added_hashes[row - self.built]

    def version(self, job_id: str) -> tuple[datetime, bool] | None:
        """The newest version of a job: when it was true, and whether it is a deletion; None for a job never seen.

        Versions compare in time; of an upsert and a delete at one moment the delete is the later.
        """
        row = self.row(job_id, ended=True)
        versions = [(time, True) for time in (self._deleted.get(job_id),) if time]
        if row >= self.built:
            versions.append((self._added[row - self.built].updated_at, False))
        elif row >= 0:
            versions.append((self._jobs["updated_at"][row].as_py(), False))
        return max(versions, default=None)

    def added(self) -> tuple[dict[int, Job], dict[str, datetime]]:
        """Changes since the build: row to the job that it holds, and id to when it was deleted."""
        rows = np.flatnonzero(self._state[self.built :] != _ENDED) + self.built
        # A list, since whoever extends the newest value adds to the dict meanwhile.
        deleted = {job_id: time for job_id, time in list(self._deleted.items()) if self.row(job_id) < 0}
        return {row: self._added[row - self.built] for row in rows.tolist()}, deleted

    def appended(self, jobs: Sequence[Job], hashes: Sequence[str], deleted: Mapping[str, datetime]) -> JobRows:
        """These rows with one for each job behind them; rows of replaced and deleted jobs have ended.

        Args:
            jobs: Each id once.
            hashes: Of the jobs' texts.
            deleted: Id to when it was deleted.

        Raises:
            OtherWriter: This value was already appended to.
        """
        made = copy(self)
        with self._writing:  # one lock for all values made from one: the second of two writers is refused
            if (len(self.ids), self._ended.n) != (self.n, self._gone):
                raise OtherWriter(f"these {self.n:,} rows were already changed", cure="change the newest index")
            ended = [row for job_id in (*(job.id for job in jobs), *deleted) if (row := self.row(job_id)) >= 0]
            made.n, made._gone = self.n + len(jobs), self._gone + len(ended)
            made._state = np.concatenate([self._state, np.array([job.hidden for job in jobs], np.uint8)])
            made._state[ended] = _ENDED
            self._ended.append(np.array(ended, np.int64))
            self._deleted.update(deleted)
            self._added += jobs
            self._added_hashes += hashes
            for row, job in enumerate(jobs, self.n):
                self._later.setdefault(job.id, []).append(row)
            self.ids += [job.id for job in jobs]
        return made
