"""The decoder teacher: one language model that answers every task in words, about a member with their history."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from contracts.activity import Activity
from contracts.errors import BadInput
from contracts.features import CREATED_TIME, EVENT_TIME, MEMBER_ACTIVITY, MEMBER_KEY, MEMBER_TEXT
from contracts.tables import parts, read_as_of, read_table
from contracts.tasks import ENGAGEMENT_TASKS, TASKS
from contracts.versions import json_hash
from contracts.workspace import Workspace
from models.config import DecoderConfig
from models.teachers.text import TextTeacher

if TYPE_CHECKING:
    from models.teachers.pairs import TeacherPairs
    from models.teachers.teacher_model import TeacherModel
    from models.teachers.verbal import Asker
    from models.training.rows import Rows

log = logging.getLogger("rolecall")

KNOWN = (EVENT_TIME, CREATED_TIME)


class DecoderTeacher(TextTeacher):
    """Answers all tasks by one model; an unseen task is a question that it was not trained on.

    Attributes:
        sentences: Task -> the question that asks it.
    """

    name = "decoder"
    tasks = ("relevance", *ENGAGEMENT_TASKS)
    Config = DecoderConfig
    starts_student = False
    reads = (f"features/{MEMBER_TEXT}", f"features/{MEMBER_ACTIVITY}")
    sentences: ClassVar[Mapping[str, str]] = TASKS
    _asked: np.ndarray | None = None
    _read: tuple[Rows, Mapping[str, Asker]] | None = None

    def depends_on(self) -> list[Any]:
        from models.layers.folder import decoder_folder

        decoder_folder(self.config.backbone)
        return super().depends_on()

    def version(self, rows: Rows) -> str:
        told = [[str(part) for part in asker] for asker in self.askers(rows).values()]
        return json_hash([super().version(rows), told, rows.views.tolist()])

    def fit(self, rows: Rows, targets: np.ndarray, stopped: Path) -> int:
        self._asked = np.isfinite(targets)  # what is not known is not asked in training
        return super().fit(rows, targets, stopped)

    def untrained(self, tasks: tuple[str, ...]) -> tuple[TeacherModel, Path]:
        import torch

        from models.layers.folder import decoder_folder
        from models.teachers.packed_decoder import PackedDecoder

        config: DecoderConfig = self.config
        beside_adapters = config.lora is not None and config.precision == "bfloat16"
        folder = decoder_folder(config.backbone)
        dtype = torch.bfloat16 if beside_adapters else torch.float32
        sentences = {task: self.sentences[task] for task in tasks}
        return PackedDecoder.begin(folder, sentences, config, dtype), folder

    def read_pairs(self, rows: Rows, model: TeacherModel, folder: Path, frozen: int) -> TeacherPairs:
        from models.teachers.packed_decoder import PackedDecoder, PackedPairs

        assert isinstance(model, PackedDecoder)
        asked = None if self._asked is None else self._asked[:, [self.tasks.index(task) for task in model.tasks]]
        return PackedPairs(rows, model, folder, self.config, self.askers(rows), asked)

    def askers(self, rows: Rows) -> Mapping[str, Asker]:
        """List id -> who asks, with the text and the actions that were known at the request's time.

        A job that the list asks about stands in no history: what the member did with it is the answer.
        """
        from models.teachers.verbal import require_past

        if self._read is None or self._read[0] is not rows:
            asked: dict[str, set[str]] = {}
            for list_id, job_id in zip(rows.list_ids.tolist(), rows.job_ids.tolist(), strict=True):
                asked.setdefault(list_id, set()).add(job_id)
            askers = read_askers(self.workspace, rows, asked)
            require_past(askers, asked)
            self._read = rows, askers
        return self._read[1]


def read_askers(
    workspace: Workspace,
    rows: Rows,
    asked: Mapping[str, set[str]],
    requests: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Asker]:
    """Who asks, of each list of a training set or of other requests.

    Args:
        workspace: With the training set and the members' features.
        rows: The pairs, by list id.
        asked: List id -> ids of the jobs that are asked about, which stand in no history.
        requests: List id -> who asked for what and when, in the columns of a training set; None: read from that.

    Raises:
        BadInput: The members' texts are of another version than the jobs'.
    """
    from models.teachers.verbal import Asker

    columns = ["list_id", MEMBER_KEY, "query", EVENT_TIME]
    found = requests or {row["list_id"]: row for row in read_table(workspace.training, columns).to_pylist()}
    first = dict(zip(rows.list_ids[::-1].tolist(), rows.request[::-1].tolist(), strict=True))
    moments = [(found[name][MEMBER_KEY], found[name][EVENT_TIME]) for name in first]
    texts = read_as_of(workspace.features / MEMBER_TEXT, MEMBER_KEY, moments, ["text", "text_version"], KNOWN)
    activities = read_as_of(workspace.features / MEMBER_ACTIVITY, MEMBER_KEY, moments, ["activity"], KNOWN)
    if others := {text["text_version"] for text in texts if text} - {rows.text_version}:
        what = f"members' text is of version {', '.join(sorted(others))}, that of the training set {rows.text_version}"
        cure = "run `rolecall label`, then `rolecall features training-set`"
        raise BadInput(what, where=str(workspace.features / MEMBER_TEXT), cure=cure)
    if not parts(workspace.features / MEMBER_ACTIVITY):
        log.warning("decoder teacher: no table %s, so its prompts have no history", MEMBER_ACTIVITY)
    askers = {}
    for (name, request), text, activity in zip(first.items(), texts, activities, strict=True):
        row, known = found[name], Activity.from_json(activity["activity"] if activity else None)
        shots = tuple(entry for entry in known.entries if entry.job_id not in asked[name])
        # Who is nobody of the records has the request's own text, which tells the query and the activity as well.
        own = text["text"] if text else rows.requests[request]
        askers[name] = Asker(own, row[EVENT_TIME], shots, row["query"] if text else "")
    return askers
