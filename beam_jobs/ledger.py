"""Notes that earlier runs left beside their tables, so that a run does only what is new. Each is replaced atomically.

There are four, because jobs skip by different things:

- `_sources.json` of `ingest`: units of raw data, which are not opened again while their content is the same.
- `_folded.json` of `activity`: parts of the event records, and the runs whose parts of features count.
- `_LOADED` of `verbalize`: that a first load came to its end. Which rows are done the text itself says.
- `_FROM` of a text that a backfill made of part of the time: what was superseded before then has none.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from contracts.tables import parts
from contracts.versions import file_hash, row_hash, write_text
from sources.layout import Layout
from sources.rows import Shard, Source

_SOURCES, _FOLDED, _LOADED, _FROM = "_sources.json", "_folded.json", "_LOADED", "_FROM"


class Unit(NamedTuple):
    """What is read or skipped as one: the shards of one file, or a table that is joined from several files."""

    name: str
    inputs: tuple[Path, ...]
    shards: tuple[Shard, ...]
    digest: str


def units(source: Source, table: str) -> list[Unit]:
    """The units of a table in reading order. In Rolecall's layout a file stands for itself; others join their files."""
    shards = source.shards(table)
    if not isinstance(source, Layout):
        inputs = tuple(sorted(path for path in source.folder.rglob("*") if path.is_file()))
        return [Unit(str(source.folder), inputs, tuple(shards), _digest(inputs))] if shards else []
    files = dict.fromkeys(shard.path for shard in shards)
    return [
        Unit(path, (Path(path),), tuple(s for s in shards if s.path == path), _digest([Path(path)], source.reading))
        for path in files
    ]


def units_taken_in(records: Path) -> dict[str, tuple[str, int]]:
    """Unit -> (digest, rows) of those whose every row is in a records folder: read once, without a reject."""
    note = _read(records / _SOURCES) if parts(records) else {}
    return {name: (digest, rows) for name, (digest, rows) in note.items()}


def note_units_taken_in(records: Path, units: dict[str, tuple[str, int]]) -> None:
    """Note the units whose every row is in a records folder."""
    write_text(records / _SOURCES, json.dumps(units, indent=1))


class FoldedEvents(NamedTuple):
    """What earlier runs folded. events: part -> its number of events but impressions; runs: those that finished."""

    events: dict[str, int]
    runs: list[str]


def folded_events(features: Path, present: Collection[str]) -> FoldedEvents:
    """The note of a feature folder; an empty one where a part that it names is not `present`, for records made anew."""
    note = FoldedEvents(**(_read(features / _FOLDED) or {"events": {}, "runs": []}))
    return note if set(note.events) <= set(present) else FoldedEvents({}, [])


def note_folded_events(features: Path, folded: FoldedEvents) -> None:
    """Note the folded parts and the finished runs."""
    write_text(features / _FOLDED, json.dumps(folded._asdict(), indent=1))


def was_loaded(features: Path) -> bool:
    """Whether a table's first load came to its end; until then a row counts as known from when it happened."""
    return (features / _LOADED).is_file()


def note_loaded(features: Path) -> None:
    """Note that a table's first load came to its end. Raises NotWritten as on a full disk."""
    if not was_loaded(features):  # a folder that nothing is written to says that nothing is new
        write_text(features / _LOADED, "")


def text_from(features: Path) -> datetime | None:
    """The time before which a table of text leaves superseded records out; None: it has all."""
    path = features / _FROM
    return datetime.fromisoformat(path.read_text()) if path.is_file() else None


def note_text_from(features: Path, since: datetime) -> None:
    """Note that a table of text leaves out what was superseded before a time. Raises NotWritten as on a full disk."""
    write_text(features / _FROM, since.isoformat())


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.is_file() else {}


def _digest(paths: Sequence[Path], reading: str = "") -> str:
    """reading: how the files are read, where that is stated; other rows may come of the same file read otherwise."""
    return row_hash("\n".join(f"{path}\x00{file_hash(path)}" for path in paths) + reading)
