"""The loads of a workspace: what was taken in, when and from where, noted beside the records; and how one is undone.

Every part of the records carries the id of its load in its name, so that a load can be taken back as a whole. The note
is also the workspace's memory of where its records come from: a simulated market and real records are never mixed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from beam_jobs import ledger
from contracts.errors import BadInput
from contracts.features import EVENT_TIME, JOB_TEXT, JOB_VECTOR, KEYS, MEMBER_ENCODING, MEMBER_TEXT, MEMBER_VECTOR
from contracts.records import RECORDS
from contracts.tables import parts, read_table, write_part
from contracts.values import FrozenModel
from contracts.versions import write_text
from contracts.workspace import RAW, Workspace
from simulator.market import is_market
from sources import quarantine

if TYPE_CHECKING:
    import polars as pl

_NOTE = "_loads.json"
_VIEWS = {"members": (MEMBER_TEXT, MEMBER_VECTOR), "jobs": (JOB_TEXT, JOB_VECTOR)}


class Load(FrozenModel):
    """One run of `ingest`.

    Attributes:
        id: What the names of its parts begin with; sorts by time.
        time: When it began, in UTC.
        source: The folder.
        simulated: Whether the folder holds a simulated market.
        written: Table -> records that were written; empty of a load that was broken off.
    """

    id: str
    time: datetime
    source: Path
    simulated: bool = False
    written: Mapping[str, int] = {}


class Undone(FrozenModel):
    """What undoing a load took away.

    Attributes:
        load: It.
        removed: Table -> records.
        again: Folders of later loads: a row that they share with it was not written twice, so they are ingested again.
    """

    load: Load
    removed: Mapping[str, int]
    again: tuple[Path, ...]


def read_loads(workspace: Workspace) -> list[Load]:
    """The loads of a workspace, oldest first; none of one that was loaded before loads were noted."""
    path = workspace.records / _NOTE
    return [Load.model_validate(row) for row in json.loads(path.read_text())] if path.is_file() else []


def note_load(workspace: Workspace, load: Load) -> None:
    """Add a load to the note, or replace what it says of this load."""
    _write(workspace, [*(one for one in read_loads(workspace) if one.id != load.id), load])


def finish_load(workspace: Workspace, load: Load) -> None:
    """Say what a load wrote; one that wrote nothing beside others is forgotten."""
    others = [one for one in read_loads(workspace) if one.id != load.id]
    _write(workspace, [*others, load] if load.written or not others else others)


def is_simulated(workspace: Workspace) -> bool | None:
    """Whether the records are of a simulated market; None where nothing was loaded yet."""
    loads = [load for load in read_loads(workspace) if not is_own_log(workspace, load.source)]
    if loads:
        return loads[-1].simulated
    if not parts(workspace.records / "jobs"):
        return None
    return is_market(workspace.root / RAW)  # loaded before loads were noted


def own_source(workspace: Workspace) -> Path | None:
    """The folder that the records came from last, beside the service's own log; None where that is not known."""
    if is_simulated(workspace):
        return workspace.root / RAW
    folders = [load.source for load in read_loads(workspace) if not is_own_log(workspace, load.source)]
    return folders[-1] if folders else None


def require_one_world(workspace: Workspace, source: Path) -> bool:
    """Whether a folder holds a simulated market.

    Raises:
        BadInput: It does and the records of the workspace are real, or the other way round.
    """
    here, simulated = is_simulated(workspace), is_market(source)
    if here is None or here == simulated or is_own_log(workspace, source):
        return simulated
    kinds = "a simulated market", "real records"
    new, old = kinds if simulated else kinds[::-1]
    raise BadInput(
        f"{source} holds {new}, and the workspace {workspace.root} {old}; they are never mixed",
        cure="give each a --workspace of its own",
    )


def undo(workspace: Workspace, load_id: str) -> Undone:
    """Take a load back: its records, what was set aside of its folder, and the text and vectors that were made of it.

    What is made from events, an index and a model follow when their stages run again.

    Raises:
        BadInput: There is no such load.
    """
    loads = read_loads(workspace)
    load = next((load for load in loads if load.id == load_id), None)
    if load is None:
        listed = ", ".join(one.id for one in loads) or "the workspace has none"
        raise BadInput(f"no load {load_id!r}", where=str(workspace.records), cure=f"one of {listed}")
    removed: dict[str, int] = {}
    for table in RECORDS:
        folder = workspace.records / table
        for path in parts(folder):
            if path.name.startswith(f"part-{load_id}-"):
                removed[table] = removed.get(table, 0) + pq.read_metadata(path).num_rows
                path.unlink()
        if table in removed:
            ledger.note_units_taken_in(folder, {})  # rows of other files may have been duplicates of these
        _forget_quarantined(workspace, table, load.source)
        if table in removed and table in _VIEWS:
            _drop_orphans(workspace, table)
    _write(workspace, [one for one in loads if one.id != load_id])
    later = dict.fromkeys(one.source for one in loads if one.id > load_id)
    return Undone(load=load, removed=removed, again=tuple(later))


def _write(workspace: Workspace, loads: list[Load]) -> None:
    ordered = sorted(loads, key=lambda load: load.id)
    write_text(workspace.records / _NOTE, json.dumps([load.model_dump(mode="json") for load in ordered], indent=1))


def is_own_log(workspace: Workspace, source: Path) -> bool:
    """Whether a folder is the log of the service that runs on this workspace."""
    return source.resolve() == workspace.logs.resolve()


def _forget_quarantined(workspace: Workspace, table: str, source: Path) -> None:
    for path in quarantine.sources(workspace.quarantine, table):
        if Path(path).is_relative_to(source):
            quarantine.forget(workspace.quarantine, table, Path(path))


def _drop_orphans(workspace: Workspace, table: str) -> None:
    """Take the text of records that are gone out of the features, and the vectors of that text."""
    text, vector = _VIEWS[table]
    of_text, of_hash = [KEYS[text], EVENT_TIME], [KEYS[text], "text_hash"]
    _keep(workspace.features / text, [KEYS[text], "row_hash"], _keys(workspace.records / table, ["id", "row_hash"]))
    _keep(workspace.features / vector, of_text, _keys(workspace.features / text, of_text))
    if table == "members":
        _keep(workspace.features / MEMBER_ENCODING, of_hash, _keys(workspace.features / text, of_hash))


def _keys(folder: Path, columns: list[str]) -> pl.DataFrame | None:
    import polars as pl  # the command line starts without it

    return pl.DataFrame(read_table(folder, columns)) if parts(folder) else None


def _keep(folder: Path, columns: list[str], known: pl.DataFrame | None) -> None:
    """Rewrite the parts of a table without the rows whose `columns` are not in `known`."""
    import polars as pl

    for path in parts(folder):
        table: pa.Table = pq.read_table(path)
        rows = pl.DataFrame(table.select(columns)).with_row_index("row")
        kept = rows.clear() if known is None else rows.join(known, left_on=columns, right_on=known.columns, how="semi")
        if kept.is_empty():
            path.unlink()
        elif len(kept) < table.num_rows:
            write_part(path.parent, table.take(kept["row"].sort().to_arrow()), path.stem.removeprefix("part-"))
