"""The score store: what each teacher says of each pair, as files of its own, so that one can be replaced."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.errors import BadInput, NotReady
from contracts.examples import scores_schema
from contracts.workspace import Workspace, set_current
from models.rows import KEYS, Rows

TEACHERS = ("policy", "click")


def write_scores(workspace: Workspace, teacher: str, version: str, rows: Rows, tasks: tuple[str, ...],
                 logits: np.ndarray) -> Path:  # fmt: skip
    """Store logits (n, tasks) float32 of all n rows under the teacher's version, and make it the current one."""
    folder = workspace.scores / teacher
    folder.mkdir(parents=True, exist_ok=True)
    columns = [pa.array(rows.list_ids), pa.array(rows.job_ids), *(pa.array(column) for column in logits.T)]
    table = pa.table(columns, schema=scores_schema(tasks)).replace_schema_metadata({"training": rows.version})
    path = folder / f"{version}.parquet"
    staged = path.with_suffix(".staged")
    pq.write_table(table, staged)
    staged.replace(path)
    set_current(folder, path.name)
    return path


def current_scores(workspace: Workspace, teacher: str) -> Path:
    """The current score file of a teacher. Raises NotReady where the teacher has not scored."""
    pointer = workspace.scores / teacher / "CURRENT"
    if not pointer.is_file():
        raise NotReady(f"the {teacher} teacher has no scores", cure=f"run `rolecall train {teacher}` first")
    return pointer.parent / pointer.read_text().strip()


def read_scores(path: Path, rows: Rows) -> tuple[tuple[str, ...], np.ndarray]:
    """A teacher's tasks and its logits (n, tasks) float32 in the order of `rows`.

    Raises BadInput where pairs of `rows` have no score, or the scores are of another training set.
    """
    table = pq.read_table(path)
    tasks = tuple(name for name in table.column_names if name not in KEYS)
    if (table.schema.metadata or {}).get(b"training", b"").decode() != rows.version:
        raise BadInput("scores of another training set", where=str(path), cure="let the teacher score this one")
    table = table.sort_by([(key, "ascending") for key in KEYS])
    same = table.num_rows == len(rows) and all(
        np.array_equal(table[key].to_numpy(), column)
        for key, column in zip(KEYS, (rows.list_ids, rows.job_ids), strict=True)
    )
    if not same:
        raise BadInput(
            f"{table.num_rows} scores for {len(rows)} pairs, or of other pairs",
            where=str(path),
            cure="let the teacher score this training set",
        )
    return tasks, np.stack([table[task].to_numpy() for task in tasks], axis=1)
