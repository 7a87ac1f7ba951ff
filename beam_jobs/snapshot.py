"""A snapshot: a folder that holds all jobs of its day. The jobs of the records that it does not name are closed."""

from __future__ import annotations

import logging

import pyarrow as pa
import pyarrow.compute as pc

from beam_jobs.deduplicate import STAMPED
from beam_jobs.loads import Load
from contracts.arrow import TIME, arrow_schema
from contracts.errors import BadInput
from contracts.records import Job
from contracts.tables import latest, parts, read_table, write_part
from contracts.text.verbalizer import content_hash
from contracts.workspace import Workspace
from sources.check import named_id
from sources.layout import unread_files
from sources.rows import Source

log = logging.getLogger("rolecall")


def close_absent(workspace: Workspace, source: Source, load: Load, most: float) -> int:
    """Close the jobs that a folder does not name: each gets one more version, which is hidden, at the load's time.

    A row that was set aside still names its job. Where a file is not read, nothing is closed.

    Args:
        workspace: With the job records.
        source: The folder, which was taken in.
        load: The load that the versions belong to.
        most: Share of the open jobs that may be closed.

    Returns:
        The number of jobs that were closed.

    Raises:
        BadInput: It would close more; nothing is closed.
    """
    folder = workspace.records / "jobs"
    named = _named(source)
    if named is None or not parts(folder):
        return 0
    schema = arrow_schema(Job).append(pa.field("row_hash", pa.string())).append(pa.field(STAMPED, pa.bool_()))
    jobs = latest(read_table(folder, schema=schema), "id", "updated_at")
    still_open = jobs.filter(pc.invert(jobs["hidden"]))
    absent = still_open.filter(pc.invert(pc.is_in(still_open["id"], pa.array(sorted(named), pa.string()))))
    if absent.num_rows > most * still_open.num_rows:
        share = absent.num_rows / still_open.num_rows
        raise BadInput(
            f"the snapshot would close {absent.num_rows:,} of {still_open.num_rows:,} open jobs ({share:.0%}), "
            f"most_closed is {most:.0%}",
            where=str(source.folder),
            cure="look whether the folder is whole; if it is, raise --most-closed",
        )
    if absent.num_rows:
        hashes = [content_hash(f"closed by load {load.id}: {id_}") for id_ in absent["id"].to_pylist()]
        closed = {
            "hidden": pa.array([True] * absent.num_rows),
            "updated_at": pa.array([load.time] * absent.num_rows, TIME),
            "row_hash": pa.array(hashes, pa.string()),
            STAMPED: pa.array([True] * absent.num_rows),
        }
        for name, column in closed.items():
            at = absent.schema.get_field_index(name)
            absent = absent.set_column(at, absent.schema.field(at), column)
        write_part(folder, absent, f"{load.id}-closed")
    return absent.num_rows


def _named(source: Source) -> set[str] | None:
    """The ids of all jobs that the folder names; None where a row or a file of it is not read, or a row has no id."""
    if unread := unread_files(source):
        log.warning("%s may hold jobs and is not read, so the snapshot closes none", ", ".join(unread))
        return None
    named: set[str] = set()
    for shard in source.shards("jobs"):
        for row in source.read(shard):
            id_ = named_id(row)
            if id_ is None:
                log.warning("%s row %s names no job, so the snapshot closes none", row.source, f"{row.row:,}")
                return None
            named.add(id_)
    return named
