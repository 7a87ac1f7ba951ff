"""The as-of join finds for each moment what a loop over all versions finds."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from contracts.time.as_of import first_rows, newest_rows, rows_as_of

VERSIONS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 6), st.integers(0, 6)), max_size=25)
MOMENTS = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(-1, 8)), max_size=15)
SCHEMA = {"key": pl.String, "event": pl.Int64, "created": pl.Int64}


def frame(versions: list[tuple[str, int, int]]) -> pl.DataFrame:
    return pl.DataFrame(versions, SCHEMA, orient="row")


@given(
    VERSIONS,
    MOMENTS,
    st.sampled_from([["event", "created"], ["event"], ["created", "event"]]),
    st.sampled_from([None, ["event"]]),
    st.booleans(),
    st.booleans(),
)
def test_every_moment_gets_the_row_that_a_loop_finds(versions, moments, order, since, strict, else_first) -> None:
    columns = list(SCHEMA)

    def known_from(row: int) -> int:
        return max(versions[row][columns.index(name)] for name in since or order)

    def rank(row: int) -> tuple[int, ...]:
        return (*(versions[row][columns.index(name)] for name in order), row)

    expected = []
    for key, t in moments:
        own = [row for row, version in enumerate(versions) if version[0] == key]
        known = [row for row in own if known_from(row) < t or (not strict and known_from(row) == t)]
        first = min(own, key=lambda row: (known_from(row), rank(row)), default=None) if else_first else None
        expected.append(max(known, key=rank, default=first))
    asked = pl.DataFrame(moments, {"key": pl.String, "t": pl.Int64}, orient="row")
    rows = rows_as_of(frame(versions), asked, ["key"], "t", order, since=since, strict=strict, else_first=else_first)
    assert rows.to_list() == expected


@given(VERSIONS)
def test_the_first_and_the_newest_row_of_each_key_are_those_of_a_loop(versions) -> None:
    first: dict[str, tuple[int, ...]] = {}
    newest: dict[str, tuple[int, ...]] = {}
    for row, (key, event, created) in enumerate(versions):
        since = (max(event, created), event, created, row)
        first[key] = min(first.get(key, since), since)
        newest[key] = max(newest.get(key, (-1,)), (event, created, row))
    history, times = frame(versions), ["event", "created"]
    assert first_rows(history, ["key"], times).to_list() == [best[-1] for best in sorted(first.values())]
    assert set(newest_rows(history, ["key"], times)) == {best[-1] for best in newest.values()}
