"""Which layout a folder has."""

from __future__ import annotations

from pathlib import Path

from contracts.errors import UnknownSource
from sources import jobviews, layout, onet
from sources.rows import Source


def open_source(folder: Path, jobs_elsewhere: bool = False) -> Source:
    """The folder as a source of raw rows. Raises UnknownSource, naming what was looked for.

    jobs_elsewhere: whether a folder without jobs will do, because there are some already.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UnknownSource(f"{folder} is not a folder", cure="give the folder that holds the data files")
    for recognise in (jobviews.recognise, onet.recognise, layout.recognise):
        source = recognise(folder)
        if source is None:
            continue
        if "jobs" not in source.tables and not jobs_elsewhere:
            raise UnknownSource(
                f"found {', '.join(source.tables)} but no jobs",
                where=str(folder),
                cure="add jobs.parquet, jobs.csv or jobs.jsonl, or a folder jobs/ of such files, or ingest jobs first",
            )
        return source
    names = sorted(path.name for path in folder.iterdir())
    found = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "") if names else "nothing"
    raise UnknownSource(
        f"no known layout; it holds {found}",
        where=str(folder),
        cure="looked for jobs.parquet|.csv|.jsonl or jobs/ (Rolecall's layout, with members and events), "
        f"{jobviews.VIEWS} (job views), {onet.OCCUPATIONS!r} (O*NET)",
    )
