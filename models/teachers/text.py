"""Teachers that read the two texts of a pair with a language model. PyTorch is imported when one learns or scores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contracts.errors import BadInput
from contracts.versions import require_current
from models.config import TeacherConfig
from models.teachers.base import Teacher

if TYPE_CHECKING:
    from models.teachers.pairs import TeacherPairs
    from models.teachers.teacher_model import TeacherModel
    from models.training.rows import Rows


class TextTeacher(Teacher):
    """A language model over request and job, of the architecture that the backbone or the knobs name.

    It begins as the teacher of `starts_from` where `warm_start` is set, else as the backbone.
    """

    unversioned = frozenset(
        {"backbone", "base", "memory_mb", "checkpointing", "device", "least_kappa_share", "least_kappa", "least_graded"}
    )
    starts_student = True
    _pairs: TeacherPairs

    def depends_on(self) -> list[Any]:
        from models.layers.folder import backbone_version, complete_folder

        parent = self.parent()
        start = "" if parent is None else parent.name if self.config.base is None else backbone_version(parent)
        return [backbone_version(complete_folder(self.config.backbone)), start]

    def parent(self) -> Path | None:
        """The folder of the teacher that this one begins as.

        Raises:
            BadInput: `base` is no teacher's folder.
            NotReady: The teacher of `starts_from` is not trained.
        """
        base: Path | None = self.config.base
        if base is not None:
            if not (base / "teacher.json").is_file():
                raise BadInput("teacher.json missing", where=str(base), cure="give the folder of a teacher")
            return base
        if self.starts_from is None or not self.config.warm_start:
            return None
        cure = f"run `rolecall train {self.starts_from}` first"
        return require_current(self.workspace.teachers / self.starts_from, f"{self.starts_from} teacher", cure)

    def least_agreement(self, people: float | None) -> float:
        config: TeacherConfig = self.config
        return config.least_kappa if people is None else config.least_kappa_share * people

    def members(self) -> Iterator[Teacher]:
        yield self
        for number in range(1, self.config.seeds):
            yield type(self)(self.workspace, self.config.model_copy(update={"seed": self.config.seed + number}))

    def untrained(self, tasks: tuple[str, ...]) -> tuple[TeacherModel, Path]:
        """The model that is to learn some tasks, and the folder of its backbone."""
        from models.teachers.fit_text import untrained

        return untrained(tasks, self.config)

    def read_pairs(self, rows: Rows, model: TeacherModel, folder: Path, frozen: int) -> TeacherPairs:
        """The pairs for its model; frozen: number of lowest layers that are not trained."""
        from models.teachers.pairs import read_pairs

        return read_pairs(rows, model, folder, self.config, frozen)

    def fit(self, rows: Rows, targets: np.ndarray, stopped: Path) -> int:
        from models.teachers.fit_text import fit_text

        self._pairs, trained_on = fit_text(self, self.parent(), rows, targets, stopped)
        self.answered = self._pairs.model.tasks
        return trained_on

    def scores(self, rows: Rows, chosen: np.ndarray) -> np.ndarray:
        from models.teachers.fit_text import score_pairs

        assert rows is self._pairs.rows
        return score_pairs(self._pairs, chosen, self.config.precision, f"{self.name} teacher scores")

    def save(self, folder: Path) -> None:
        from models.layers.folder import complete_folder
        from models.teachers.teacher_model import save_teacher

        save_teacher(folder, self._pairs.model, self.config, complete_folder(self.config.backbone))
