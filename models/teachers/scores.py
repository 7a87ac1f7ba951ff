"""The score store: what each teacher says of each pair, as files of its own, so that one can be replaced."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.errors import BadInput, UnreadableFile
from contracts.examples import scores_schema
from contracts.validation import first_line
from contracts.versions import current, require_current, staged_file, unset_current, write_text
from contracts.workspace import Workspace
from models.training.rows import KEYS, Rows

_LEFT_OUT = "LEFT_OUT"
"""A file that says why there is no such teacher."""


def write_scores(
    workspace: Workspace, teacher: str, version: str, rows: Rows, tasks: tuple[str, ...], logits: np.ndarray
) -> Path:
    """Store logits (n, tasks) float32 of n rows under the teacher's version; rows of NaN were not scored."""
    scored = np.flatnonzero(np.isfinite(logits).all(1))
    keys = [pa.array(rows.list_ids[scored]), pa.array(rows.job_ids[scored])]
    columns = [*keys, *(pa.array(column) for column in logits[scored].T)]
    table = pa.table(columns, schema=scores_schema(tasks)).replace_schema_metadata({"training": rows.version})
    path = workspace.scores / teacher / f"{version}.parquet"
    with staged_file(path) as staged:
        pq.write_table(table, staged)
    return path


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
    """The current score file of a teacher. Raises NotReady where the teacher has not scored."""
    cure = f"run `rolecall train {teacher}` first"
    return require_current(workspace.scores / teacher, f"scores of the {teacher} teacher", cure)


def read_scores(path: Path, rows: Rows, needed: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """A teacher's tasks and its logits (n, tasks) float32 in the order of `rows`, NaN where a row has none.

    needed: numbers of the rows that must have one. Raises UnreadableFile for a broken file, BadInput where the scores
    are of another training set, a pair is unknown or there twice, or a needed row has none.
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise UnreadableFile(first_line(error), where=str(path), cure="let the teacher score again") from error
    tasks = tuple(name for name in table.column_names if name not in KEYS)
    made_for = (table.schema.metadata or {}).get(b"training", b"").decode()
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
