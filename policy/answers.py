"""What a language model answered before: one SQLite file, so that a run that was broken off asks nobody twice."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from contracts.errors import UnreadableFile
from policy.judge import Judgement

_TABLE = "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, grade INT, rationale TEXT, probabilities TEXT)"


class Answers:
    """Judgements by key. Several processes may hold one file; each answer is there as soon as `put` returns."""

    def __init__(self, path: Path) -> None:
        """Raises UnreadableFile where the file is there and holds something else."""
        path.parent.mkdir(parents=True, exist_ok=True)
        # Beam may set up a worker in one thread and run it in another, never in two at a time.
        self._file = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
        try:
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=NORMAL")
            self._file.execute(_TABLE)
            self.get("")
        except sqlite3.DatabaseError as error:
            self._file.close()
            raise UnreadableFile(str(error), where=str(path), cure="delete it; its pairs are asked again") from error

    def get(self, key: str) -> Judgement | None:
        found = self._file.execute(
            "SELECT grade, rationale, probabilities FROM answers WHERE key = ?", (key,)
        ).fetchone()
        if found is None:
            return None
        grade, rationale, probabilities = found
        return Judgement(grade, rationale, probabilities=tuple(json.loads(probabilities)) if probabilities else None)

    def put(self, key: str, answer: Judgement) -> None:
        probabilities = json.dumps(answer.probabilities) if answer.probabilities else None
        row = (key, answer.grade, answer.rationale, probabilities)
        self._file.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", row)
