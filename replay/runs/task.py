"""What every part of a run has in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from beam_jobs.workers import Share
from policy.judges.base import JudgeConfig
from policy.types import Policy
from replay.runs.contender import Contender
from retrieval.rules.rules import RuleBook

OWN = "this run"
"""The name of the contender's own order in the table of measures, beside `BEST` and `POPULARITY`."""


ALONE = Share(1)


@dataclass(frozen=True)
class Task:
    """What every part of a run has in common; it can be pickled.

    Attributes:
        root: Of the workspace.
        folder: Of the run.
        asked: Folder of the parts' requests (`history.dealt`).
        contender: Who answers.
        index: Folder of the index as of the first request.
        known_from: Jobs that it would offer too early, with when they became known.
        rank_only: Whether the shown jobs alone are put in order.
        rules: In force; None for none.
        judge: Grades the first ten; None for nobody.
        policy: What it grades by, and whose table of work names occupations.
        market: Folder of a simulated market, whose truth then grades instead; None for none.
        share: Of a machine's cores, that each process takes.
    """

    root: Path
    folder: Path
    asked: Path
    contender: Contender
    index: Path
    known_from: Mapping[str, datetime]
    rank_only: bool = False
    rules: RuleBook | None = None
    judge: JudgeConfig | None = None
    policy: Policy | None = None
    market: Path | None = None
    share: Share = ALONE

    def part(self, number: int) -> Path:
        """The folder of a part; it is there when the part is done."""
        return self.folder / "parts" / f"{number:05d}"
