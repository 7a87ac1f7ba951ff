"""What a teacher is: a class that learns pairs of requests and jobs and scores them for the student."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel

from contracts.versions import json_hash
from contracts.workspace import Workspace
from models.config import MODEL_FORMAT, TeacherConfig

if TYPE_CHECKING:
    from models.training.rows import Rows


class Teacher(ABC):
    """One teacher. A subclass is named in `models.registry.TEACHERS`, an entry point or a `register` decorator.

    It reads of a pair what it likes: `rows` holds both texts, the pair features and the keys of both sides, and the
    workspace all tables as they were.

    Attributes:
        name: Of its folder, its score file and its section `<name>_teacher` of the parameters.
        tasks: Tasks that it may answer, first the one by which it orders jobs.
        Config: Pydantic class of its knobs.
        unversioned: Knobs that change nothing of the result.
        starts_student: Whether a student may start as its weights: its folder is one that
            `models.teachers.cross_encoder.load_teacher` reads.
        starts_from: The teacher that it builds on, which is trained before it; None: none. What it reads of any other
            stands in `reads`.
        reads: Paths below the workspace that it reads beside the training set, the grades and that teacher.
        answered: Tasks that it answers after `fit`, in the order of the columns of `scores`.
    """

    name: ClassVar[str]
    tasks: ClassVar[tuple[str, ...]]
    Config: ClassVar[type[BaseModel]] = TeacherConfig
    unversioned: ClassVar[frozenset[str]] = frozenset()
    starts_student: ClassVar[bool] = False
    starts_from: ClassVar[str | None] = None
    reads: ClassVar[tuple[str, ...]] = ()

    def __init__(self, workspace: Workspace, config: Any) -> None:
        """Take the knobs; nothing is loaded.

        Args:
            workspace: With the training set, and the teachers before this one.
            config: An instance of `Config`.
        """
        self.workspace, self.config = workspace, config
        self.answered: tuple[str, ...] = self.tasks

    def version(self, rows: Rows) -> str:
        """Twelve hex digits of the training set, the knobs and whatever else the result depends on."""
        knobs = self.config.model_dump(mode="json", exclude=self.unversioned)
        return json_hash([MODEL_FORMAT, rows.version, self.name, knobs, *self.depends_on()])

    def members(self) -> Iterator[Teacher]:
        """The teachers, this one first, the mean of whose logits is what it says: an ensemble, where a kind has one."""
        yield self

    def depends_on(self) -> list[Any]:
        """Versions of what else is learned from, such as a backbone."""
        return []

    def least_agreement(self, people: float | None) -> float:
        """Quadratic kappa with its judge that this teacher must reach before anything is distilled from it.

        Args:
            people: The judge's kappa with people; None where it was not measured.

        Returns:
            0 where nothing is demanded.
        """
        return 0.0

    def targets(self, rows: Rows) -> np.ndarray:
        """(n, tasks) float32 of all rows, NaN where nothing is known."""
        from models.training.lists import masked_targets

        return masked_targets(rows, self.tasks)

    @abstractmethod
    def fit(self, rows: Rows, targets: np.ndarray, stopped: Path) -> int:
        """Learn from the rows of the training split.

        Args:
            rows: All n rows of the training set.
            targets: (n, tasks) from `targets`.
            stopped: A folder for the last good state of a run that fails.

        Returns:
            The number of pairs that were learned from.
        """

    @abstractmethod
    def scores(self, rows: Rows, chosen: np.ndarray) -> np.ndarray:
        """Score pairs, after `fit`.

        Args:
            rows: As given to `fit`.
            chosen: (m,) row numbers.

        Returns:
            (m, answered) float32 logits.
        """

    def save(self, folder: Path) -> None:
        """Write the teacher to an absent folder. Its `teacher.json` holds tasks and knobs, for the bundle's lineage."""
        folder.mkdir(parents=True, exist_ok=True)
        about = {"tasks": self.answered, "config": self.config.model_dump(mode="json")}
        (folder / "teacher.json").write_text(json.dumps(about, indent=2))
