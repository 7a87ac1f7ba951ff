"""The formats of raw data that are known, and which of them a folder has."""

from __future__ import annotations

from pathlib import Path

from contracts.errors import UnknownSource
from contracts.plugins import Registry
from sources.layout import Layout
from sources.mapping.model import NAME, read_mapping
from sources.rows import Source

SOURCES: Registry[Source] = Registry("rolecall.sources", {"rolecall": "sources.layout:Layout"})


def open_source(folder: Path, jobs_elsewhere: bool = False, mapping: Path | None = None) -> Source:
    """The folder as a source of raw rows; where several formats recognise it, that of a plugin comes first.

    Args:
        folder: Holds the data files.
        jobs_elsewhere: A folder without jobs will do, because there are some already.
        mapping: Says which column is which field; none: `mapping.yaml` in the folder, where there is one.

    Raises:
        BadInput: The mapping is none, or names what is not there.
        UnknownSource: No format recognises the folder, or it holds no jobs; the error names what was looked for.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UnknownSource(f"{folder} is not a folder", cure="give the folder that holds the data files")
    if mapping is None and (folder / NAME).is_file():
        mapping = folder / NAME
    kinds = [SOURCES.get(name) for name in reversed(SOURCES.names())]
    if mapping is not None:
        layout = Layout(folder, read_mapping(mapping), str(mapping))
        layout.require_files()
        source: Source | None = layout
    else:
        source = next((kind(folder) for kind in kinds if kind.recognises(folder)), None)
    if source is None or not source.tables:
        names = sorted(path.name for path in folder.iterdir())
        listed = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "") if names else "nothing"
        looked_for = ", ".join(kind.looks_for for kind in reversed(kinds))
        workbook = next((name for name in names if name.lower().endswith((".xlsx", ".xls", ".ods"))), "")
        cure = f"save {workbook} as CSV; " if workbook else ""
        cure += f"looked for {looked_for}; name a reader of another format under `plugins`"
        raise UnknownSource(f"no known layout; it holds {listed}", where=str(folder), cure=cure)
    if "jobs" not in source.tables and not jobs_elsewhere:
        raise UnknownSource(
            f"found {', '.join(source.tables)} but no jobs",
            where=str(folder),
            cure="add jobs.parquet, jobs.csv or jobs.jsonl, or a folder jobs/ of such files, or ingest jobs first",
        )
    return source
