"""The score store: what each teacher says of each pair, as files of its own, so that one can be replaced.

`<teacher>/CURRENT` names the file that was written when the teacher learned, or a version that it was asked for since.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.errors import BadInput, NotReady, UnreadableFile
from contracts.examples import scores_schema
from contracts.tables import parts, reading
from contracts.validation import first_line
from contracts.versions import current, require_current, staged_file, unset_current, write_text
from contracts.workspace import Workspace
from models.training.rows import KEYS, Rows

_LEFT_OUT = "LEFT_OUT"
"""A file that says why there is no such teacher."""
_TRAINING, _TEACHER = "training", "teacher"
"""Versions in a file's metadata; one that lacks that of its teacher is named after it."""


def write_scores(
    workspace: Workspace, teacher: str, version: str, rows: Rows, tasks: tuple[str, ...], logits: np.ndarray
) -> Path:
    """Store logits (n, tasks) float32 of n rows under the teacher's version; rows of NaN were not scored."""
    path = workspace.scores / teacher / f"{version}.parquet"
    with staged_file(path) as staged:
        pq.write_table(scores_table(version, rows, tasks, logits), staged)
    return path


def scores_table(version: str, rows: Rows, tasks: tuple[str, ...], logits: np.ndarray) -> pa.Table:
    """Logits (n, tasks) float32 of n rows as they are stored, with the versions of teacher and training set."""
    scored = np.flatnonzero(np.isfinite(logits).all(1))
    keys = [pa.array(rows.list_ids[scored]), pa.array(rows.job_ids[scored])]
    columns = [*keys, *(pa.array(column) for column in logits[scored].T)]
    about = {_TRAINING: rows.version, _TEACHER: version}
    return pa.table(columns, schema=scores_schema(tasks)).replace_schema_metadata(about)


def leave_out(workspace: Workspace, teacher: str, why: str) -> None:
    """Leave the workspace without a teacher that has nothing to learn: a student is distilled from the others."""
    for folder in (workspace.teachers / teacher, workspace.scores / teacher):
        folder.mkdir(parents=True, exist_ok=True)  # DVC looks for both
        unset_current(folder)
    write_text(workspace.scores / teacher / _LEFT_OUT, why + "\n")


def is_left_out(workspace: Workspace, teacher: str) -> bool:
    """Whether `leave_out` was the last that was done with a teacher."""
    scores = workspace.scores / teacher
    return (scores / _LEFT_OUT).is_file() and current(scores) is None


def current_scores(workspace: Workspace, teacher: str) -> Path:
    """The current scores of a teacher: a file, or the folder of a version that a backfill made.

    Raises:
        NotReady: The teacher has not scored.
    """
    cure = f"run `rolecall train {teacher}` first"
    return require_current(workspace.scores / teacher, f"scores of the {teacher} teacher", cure)


def score_files(path: Path) -> list[Path]:
    """The files of scores that `current_scores` gives."""
    return parts(path) if path.is_dir() else [path]


def teacher_version(path: Path) -> str:
    """The version of the teacher that gave some scores. Raises UnreadableFile for a broken file."""
    return _about(path)[0]


def _about(path: Path) -> tuple[str, str]:
    """The versions of teacher and training set."""
    first = score_files(path)[0]
    with reading(first):
        about = pq.read_schema(first).metadata or {}
    return about.get(_TEACHER.encode(), path.stem.encode()).decode(), about.get(_TRAINING.encode(), b"").decode()


def scores_of(workspace: Workspace, teacher: str, version: str, training: str) -> Path:
    """What a version of a teacher said of a training set, when it learned it or was asked again.

    Raises:
        NotReady: It was not asked about it, or its scores are gone.
    """
    folder = workspace.scores / teacher
    for path in (
        folder / f"{version}.parquet",
        *sorted((one.parent for one in folder.glob("*/manifest.json")), reverse=True),
    ):
        if path.exists() and _about(path) == (version, training):
            return path
    cure = f"run `rolecall train {teacher}`, or `rolecall backfill run --what scores --teacher {teacher}`"
    raise NotReady(f"no scores of teacher {version} of training set {training}", where=str(folder), cure=cure)


def read_scores(path: Path, rows: Rows, needed: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """A teacher's tasks and its logits (n, tasks) float32 in the order of `rows`, NaN where a row has none.

    needed: numbers of the rows that must have one. Raises UnreadableFile for a broken file, BadInput where the scores
    are of another training set, a pair is unknown or there twice, or a needed row has none.
    """
    try:
        table = pa.concat_tables([pq.read_table(file) for file in score_files(path)])
    except (OSError, pa.ArrowInvalid) as error:
        raise UnreadableFile(first_line(error), where=str(path), cure="let the teacher score again") from error
    tasks = tuple(name for name in table.column_names if name not in KEYS)
    _, made_for = _about(path)
    if made_for != rows.version:
        raise BadInput(
            f"scores of training set {made_for or 'unknown'}, needed {rows.version}",
            where=str(path),
            cure="let the teacher score this training set",
        )
    place = {key: i for i, key in enumerate(zip(rows.list_ids.tolist(), rows.job_ids.tolist(), strict=True))}
    keys = zip(*(table[key].to_pylist() for key in KEYS), strict=True)
    numbers = np.array([place.get(key, -1) for key in keys], np.int64)
    if len(numbers) and (numbers.min() < 0 or len(np.unique(numbers)) < len(numbers)):
        raise BadInput(
            "it has pairs that the training set has not, or a pair twice",
            where=str(path),
            cure="let the teacher score this training set",
        )
    logits = np.full((len(rows), len(tasks)), np.nan, np.float32)
    logits[numbers] = np.stack([table[task].to_numpy() for task in tasks], axis=1)
    absent = needed[~np.isfinite(logits[needed]).all(1)]
    if len(absent):
        first = absent[0]
        raise BadInput(
            f"{len(absent)} of {len(needed)} pairs have no score, the first is list {rows.list_ids[first]}, job "
            f"{rows.job_ids[first]}",
            where=str(path),
            cure="let the teacher score this training set",
        )
    return tasks, logits
