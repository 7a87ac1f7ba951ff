"""Tables are folders of parts; the newest row of a key is found whatever the order of the parts."""

import resource
from pathlib import Path

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import NotReady, NotWritten, UnreadableFile
from contracts.tables import latest, parts, read_table, write_part
from tests.make import refused

ROWS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5), st.integers(0, 5)), max_size=30)


@given(ROWS)
def test_latest_is_the_highest_row_of_each_key(rows: list[tuple[str, int, int]]) -> None:
    table = pa.table(
        {
            "key": [r[0] for r in rows],
            "time": [r[1] for r in rows],
            "created": [r[2] for r in rows],
            "number": list(range(len(rows))),
        }
    )
    best: dict[str, tuple[int, int, int]] = {}
    for number, (key, time, created) in enumerate(rows):
        best[key] = max(best.get(key, (-1, -1, -1)), (time, created, number))
    found = latest(table, "key", "time", "created").to_pylist()
    assert {row["key"]: (row["time"], row["created"], row["number"]) for row in found} == best
    assert len(found) == len(best)


def test_parts_are_read_as_one_table(tmp_path: Path) -> None:
    write_part(tmp_path, pa.table({"x": [1, 2]}), "a")
    write_part(tmp_path, pa.table({"x": [3]}), "b")
    assert read_table(tmp_path)["x"].to_pylist() == [1, 2, 3]


def test_a_part_of_the_same_name_is_replaced(tmp_path: Path) -> None:
    write_part(tmp_path, pa.table({"x": [1]}), "a")
    write_part(tmp_path, pa.table({"x": [2]}), "a")
    assert read_table(tmp_path)["x"].to_pylist() == [2]


def test_a_part_being_written_is_not_read(tmp_path: Path) -> None:
    write_part(tmp_path, pa.table({"x": [1]}), "a")
    (tmp_path / "part-b.staged").write_bytes(b"PAR1 half")
    assert len(parts(tmp_path)) == 1
    assert read_table(tmp_path).num_rows == 1


def test_no_table_names_the_step_to_run(tmp_path: Path) -> None:
    with refused(NotReady, tmp_path / "absent"):
        read_table(tmp_path / "absent")


def test_a_half_written_part_is_named_as_unreadable(tmp_path: Path) -> None:
    path = write_part(tmp_path, pa.table({"x": list(range(10_000))}), "a")
    path.write_bytes(path.read_bytes()[:-40])
    with refused(UnreadableFile, tmp_path):
        read_table(tmp_path)


def test_a_column_that_older_parts_lack_is_null_there(tmp_path: Path) -> None:
    write_part(tmp_path, pa.table({"x": [1, 2]}), "a")
    write_part(tmp_path, pa.table({"x": [3], "why": ["far"]}), "b")
    schema = pa.schema([("x", pa.int64()), ("why", pa.string())])
    assert read_table(tmp_path, ["x", "why"], schema=schema).to_pylist() == [
        {"x": 1, "why": None},
        {"x": 2, "why": None},
        {"x": 3, "why": "far"},
    ]


def test_a_part_that_the_disk_does_not_take_leaves_that_of_before(tmp_path: Path) -> None:
    write_part(tmp_path, pa.table({"key": ["old"]}), "a")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, hard))  # the system refuses what a file would have beyond
    try:
        with refused(NotWritten, "part-a.parquet", where=tmp_path):
            write_part(tmp_path, pa.table({"key": [f"{number * 7919}" for number in range(50_000)]}), "a")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert read_table(tmp_path)["key"].to_pylist() == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["part-a.parquet"]
