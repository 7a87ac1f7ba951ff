"""What each teacher said of a pair, as the score store has it: for people who ask why a job stands where it stands."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from contracts.errors import UnreadableFile
from contracts.tables import parts, read_table
from contracts.versions import current
from contracts.workspace import Workspace
from models.teachers.scores import score_files, teacher_version
from models.training.rows import KEYS


class Opinion(NamedTuple):
    """What one teacher said of a pair.

    Attributes:
        teacher: Its name.
        version: Its own.
        time: Of the request that it was asked about; the records were as they were then.
        probabilities: Task -> probability.
    """

    teacher: str
    version: str
    time: datetime
    probabilities: dict[str, float]


def stored_opinions(workspace: Workspace, member_id: str, query: str, job_id: str) -> list[Opinion]:
    """What each teacher that has scores said of the newest request of this asker that held the job.

    Args:
        workspace: Holds the training set and the score store.
        member_id: Empty for an anonymous search.
        query: Empty for a recommendation.
        job_id: Of the job.

    Returns:
        By teacher's name; none where the pair stands in no training set, or no teacher has scores.
    """
    if not parts(workspace.training) or not workspace.scores.is_dir():
        return []
    asked = (pc.field("job_id") == job_id) & (pc.field("member_id") == member_id) & (pc.field("query") == query)
    rows = read_table(workspace.training, [*KEYS, "event_timestamp"], filter=asked)
    if not rows.num_rows:
        return []
    newest = rows.sort_by([("event_timestamp", "descending")]).slice(0, 1).to_pylist()[0]
    folders = sorted(path for path in workspace.scores.iterdir() if path.is_dir())
    found = [_opinion(folder, newest) for folder in folders]
    return [opinion for opinion in found if opinion]


def _opinion(folder: Path, row: dict) -> Opinion | None:
    path = current(folder)
    if path is None or not path.exists():
        return None
    try:
        keep = (pc.field("list_id") == row["list_id"]) & (pc.field("job_id") == row["job_id"])
        table = pa.concat_tables([pq.read_table(file, filters=keep) for file in score_files(path)])
        version = teacher_version(path)
    except (OSError, pa.ArrowInvalid, UnreadableFile):
        return None  # it is being written again; who trains is told elsewhere
    if not table.num_rows:
        return None
    logits = {name: table[name][0].as_py() for name in table.column_names if name not in KEYS}
    probabilities = {task: float(1 / (1 + np.exp(-logit))) for task, logit in logits.items()}
    return Opinion(folder.name, version, row["event_timestamp"], probabilities)
