"""What queries in five languages say, against labels by hand: what is read is there, and what is there is read."""

from __future__ import annotations

import pytest

from retrieval.index.job_index import JobIndex
from retrieval.queries.read import read_query
from tests.make import NOW
from tests.retrieval.queries.conftest import read_cases

CASES = [(query, tuple(chips)) for query, chips in read_cases("cases.yaml", "cases")]


@pytest.mark.parametrize(("query", "chips"), CASES, ids=[query for query, _ in CASES])
def test_a_query_is_read_as_a_person_reads_it(board: JobIndex, query: str, chips: tuple[str, ...]) -> None:
    assert sorted(chip.id for chip in read_query(query, board, NOW).chips) == sorted(chips)
