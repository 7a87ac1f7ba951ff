"""Rows say the same of a job however the file of the records was cut into chunks, and do not search among these."""

from __future__ import annotations

import pyarrow as pa

from contracts.arrow import to_table
from contracts.records import Job
from retrieval.index.job_rows import TEXT_HASH, JobRows
from tests.retrieval.conftest import JOBS


def test_rows_of_many_chunks_are_those_of_one() -> None:
    table = to_table(JOBS, Job)
    table = table.append_column(TEXT_HASH, pa.array([f"h{i}" for i in range(len(JOBS))]))
    chunked = pa.concat_tables([table.slice(i, 2) for i in range(0, len(JOBS), 2)])
    assert chunked["title"].num_chunks > 1
    one, many = JobRows(table.combine_chunks()), JobRows(chunked)
    rows = list(range(len(JOBS)))
    assert many.displays(rows[::-1]) == one.displays(rows[::-1])
    assert [many.text_hash(row) for row in rows] == [one.text_hash(row) for row in rows]
    assert [many.version(job.id) for job in JOBS] == [one.version(job.id) for job in JOBS]
    assert {column.num_chunks for column in many._jobs.columns} == {1}
