"""Stored answers of a language model in one SQLite file, so that a run that was broken off pays for no pair twice."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.errors import JudgeFailed, UnreadableFile
from policy.judges.base import Judgement

_TABLE = "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, grade INT, rationale TEXT, probabilities TEXT)"

BUSY_S = 60.0
"""Seconds that a process waits for another one that holds the file."""
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_BROKEN = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}


class Answers:
    """Judgements by key. Several processes may open one file; an answer is on disk when `put` returns."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it.

        Raises:
            JudgeFailed: Another process locks the file; `get` and `put` raise both errors too.
            UnreadableFile: The file holds something else or cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        with _typed_errors(path):
            # Beam may set up a worker in one thread and run it in another, never in two at a time.
            self._file = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=NORMAL")
            self._file.execute(_TABLE)
        self.get("")

    def get(self, key: str) -> Judgement | None:
        """The stored answer of a key, if there is one."""
        with _typed_errors(self._path):
            row = self._file.execute(
                "SELECT grade, rationale, probabilities FROM answers WHERE key = ?", (key,)
            ).fetchone()
        if row is None:
            return None
        grade, rationale, probabilities = row
        return Judgement(grade, rationale, probabilities=tuple(json.loads(probabilities)) if probabilities else None)

    def put(self, key: str, answer: Judgement) -> None:
        """Store an answer in the place of an older one."""
        probabilities = json.dumps(answer.probabilities) if answer.probabilities else None
        row = (key, answer.grade, answer.rationale, probabilities)
        with _typed_errors(self._path):
            self._file.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", row)


@contextmanager
def _typed_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the higher bits only refine it
        if code in _BUSY:
            cure = "another run is using it: wait for that to end, then run again; answers are kept"
            raise JudgeFailed(str(error), where=str(path), cure=cure) from error
        cure = "delete it; its pairs are asked again" if code in _BROKEN else "see that it may be written, and for room"
        raise UnreadableFile(str(error), where=str(path), cure=cure) from error
