"""What job adverts say in their text, read into the fields that nobody filled, as their records are written.

By which names skills are known is counted over the records and the load that is taken in (`Workspace.skills`), so that
a board's first load is read by its own words too.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from beam_jobs.pipeline import count
from contracts.arrow import arrow_schema
from contracts.records import RECORDS
from contracts.tables import parts, read_table
from contracts.text.adverts.reader import PAY, as_said, read_advert
from contracts.text.adverts.skills import LEAST_LISTED, Gazetteer
from contracts.versions import write_text
from contracts.workspace import Workspace

LISTING = ("members", "jobs")
"""Tables whose records list skills."""
COUNTER = "jobs.read_out "
"""What was read is counted by its name behind this."""
_WRITTEN = ("location", "workplace", "employment", "seniority", "skills", *PAY, "read_out")
_FIELDS = ["title", "description", *_WRITTEN]


def listed_skills(records: pa.Table) -> Counter[str]:
    """Skill -> how many members or jobs list it, of those whose skills were not read out of an advert."""
    if "read_out" in records.column_names:
        read = [bool(told) and "skills" in told for told in records["read_out"].to_pylist()]
        records = records.filter(pa.array([not one for one in read], pa.bool_()))
    counts = pc.value_counts(pc.list_flatten(records["skills"].combine_chunks())).to_pylist()
    return Counter({row["values"]: row["counts"] for row in counts})


def all_listed_skills(workspace: Workspace) -> Counter[str]:
    """`listed_skills` of all records of a workspace."""
    counts: Counter[str] = Counter()
    for table in LISTING:
        folder = workspace.records / table
        if parts(folder):
            columns = [name for name in ("skills", "read_out") if name in RECORDS[table].model_fields]
            counts += listed_skills(read_table(folder, columns, schema=arrow_schema(RECORDS[table])))
    return counts


def note_skills(workspace: Workspace) -> int:
    """Write by which names the records know skills, for who reads adverts one by one; how many those are."""
    known = {name: number for name, number in sorted(all_listed_skills(workspace).items()) if number >= LEAST_LISTED}
    write_text(workspace.skills, json.dumps(known, ensure_ascii=False, indent=0))
    return len(known)


def summed(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    """Counts of skills added up."""
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return total


def with_read_out(jobs: pa.Table, skills: Gazetteer) -> pa.Table:
    """Job records with what their adverts say of empty fields, and with what was read marked.

    Args:
        jobs: n records, with the columns of `arrow_schema(Job)` and any others.
        skills: The names of skills.
    """
    rows = [as_said(row) for row in jobs.select(_FIELDS).to_pylist()]
    told: Counter[str] = Counter()
    for row in rows:
        reading = read_advert(row, skills)
        row |= reading.values
        row["read_out"] = reading.told
        told.update(reading.told)
    for field, number in told.items():
        count(f"{COUNTER}{field}", number)
    changed = pa.Table.from_pylist(rows, pa.schema([jobs.schema.field(name) for name in _FIELDS]))
    for name in _WRITTEN:
        at = jobs.schema.get_field_index(name)
        jobs = jobs.set_column(at, jobs.schema.field(at), changed[name])
    return jobs
