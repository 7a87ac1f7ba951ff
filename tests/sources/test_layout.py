"""Rolecall's own layout in three formats: the same records, nothing lost, nothing raised for a bad row."""

import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.arrow import to_table
from contracts.errors import MissingColumn, UnknownSource
from contracts.records import Job, Member, Position, Preferences
from sources import Reject, delimited, open_source
from sources.formats import parquet
from sources.layout import unread_files
from sources.validate import validate
from tests.make import refused

DAY = datetime(2025, 5, 1, tzinfo=UTC)
JOBS = [
    Job(id="j1", title="Nurse", skills=("triage", "charts"), salary_min=50_000, updated_at=DAY),
    Job(id="j2", title="Cook, senior", description='He said "hello";\nthen left', hidden=True, updated_at=DAY),
]
MEMBERS = [
    Member(
        id="m1",
        skills=("triage",),
        positions=(Position(title="Nurse", company="City Hospital", start=datetime(2020, 1, 1)),),
        preferences=Preferences(titles=("Charge nurse",), workplace=("onsite", "remote")),
        updated_at=DAY,
    )
]


def _as_csv(records: list, model: type) -> list[list[str]]:
    rows = [list(model.model_fields)]
    for record in records:
        value = record.model_dump(mode="json", exclude_defaults=True)
        cells = []
        for name in model.model_fields:
            cell = value.get(name, "")
            if name == "skills":
                cell = ";".join(cell)
            cells.append(orjson.dumps(cell).decode() if isinstance(cell, list | dict) else str(cell))
        rows.append(cells)
    return rows


def _write(folder: Path, form: str, write_csv: Callable, table: str, records: list, model: type) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if form == "parquet":
        pq.write_table(to_table(records, model), folder / f"{table}.parquet")
    elif form == "jsonl":
        lines = [orjson.dumps(record.model_dump(mode="json")) for record in records]
        (folder / f"{table}.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    else:
        write_csv(folder / f"{table}.csv", _as_csv(records, model))


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_every_format_gives_the_same_records(tmp_path: Path, read: Callable, write_csv: Callable, form: str) -> None:
    _write(tmp_path, form, write_csv, "jobs", JOBS, Job)
    _write(tmp_path, form, write_csv, "members", MEMBERS, Member)
    assert read(tmp_path, "jobs") == JOBS
    assert read(tmp_path, "members") == MEMBERS


def test_a_table_may_be_a_folder_of_files_in_several_formats(
    tmp_path: Path, read: Callable, write_csv: Callable
) -> None:
    _write(tmp_path / "jobs", "parquet", write_csv, "a", JOBS[:1], Job)
    _write(tmp_path / "jobs", "jsonl", write_csv, "b", JOBS[1:], Job)
    assert read(tmp_path, "jobs") == JOBS


def test_null_is_a_missing_value(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "jobs.jsonl").write_text(
        '{"id": "j", "title": "Nurse", "company": null, "skills": ["a", null], "updated_at": "2025-05-01"}\n'
    )
    assert read(tmp_path, "jobs") == [Job(id="j", title="Nurse", skills=("a",), updated_at=DAY)]


def test_a_bad_line_is_set_aside_and_the_rest_is_read(tmp_path: Path, read: Callable) -> None:
    good = '{"id": "j%d", "title": "Nurse", "updated_at": "2025-05-01"}\n'
    (tmp_path / "jobs.jsonl").write_text(good % 1 + '{"id": "j2", "title"\n' + "[1]\n" + "\n" + good % 5)
    first, broken, no_object, last = read(tmp_path, "jobs")
    assert (first.id, last.id) == ("j1", "j5")
    assert (broken.reason, broken.row, broken.raw) == ("bad_json", 2, '{"id": "j2", "title"')
    assert (no_object.reason, no_object.raw) == ("bad_json", "[1]")


def test_a_csv_line_with_too_many_cells_is_set_aside_with_its_text(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "jobs.csv").write_text("id,title,updated_at\nj1,Nurse,2025-05-01\nj2,Cook, senior,2025-05-01\n")
    good, bad = read(tmp_path, "jobs")
    assert good.id == "j1"
    assert (bad.reason, bad.row, bad.raw) == ("wrong_column_count", 2, "j2,Cook, senior,2025-05-01")


def test_bad_json_in_a_csv_cell_costs_the_cell(tmp_path: Path, read: Callable, write_csv: Callable) -> None:
    write_csv(tmp_path / "jobs.csv", [["id", "title", "skills", "updated_at"], ["j", "Nurse", '["a"', "2025-05-01"]])
    (job,) = read(tmp_path, "jobs")
    assert (job.id, job.skills) == ("j", ())
    source = open_source(tmp_path)
    (row,) = source.read(source.shards("jobs")[0])
    assert [(found.field, found.reason) for found in row.findings] == [("skills", "bad_json")]


def test_stray_bytes_are_read_as_windows_1252_in_text_and_cleaned_away_in_parquet(
    tmp_path: Path, read: Callable
) -> None:
    (tmp_path / "jobs.csv").write_bytes(b"id,title,updated_at\nj1,Nu\xffrse,2025-05-01\n")
    (tmp_path / "jobs.jsonl").write_bytes(b'{"id": "j2", "title": "Nu\xffrse", "updated_at": "2025-05-01"}\n')
    column = pa.array([b"Nu\xffrse"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"id": ["j3"], "title": column, "updated_at": ["2025-05-01"]}), tmp_path / "jobs.parquet")
    assert {(job.id, job.title) for job in read(tmp_path, "jobs")} == {
        ("j1", "Nuÿrse"),
        ("j2", "Nuÿrse"),
        ("j3", "Nurse"),
    }


@pytest.mark.parametrize(
    ("encoding", "title", "looks_so"),
    [
        ("cp1252", "Küchenhilfe für Gäste – l’été", True),
        ("gb18030", "厨师助理", False),
        ("shift_jis", "レストランの料理人", False),
        ("cp1250", "Kierownik sklepu w Będzinie, łódzkie, książka", False),
        ("cp1251", "Повар горячего цеха", False),
    ],
)
def test_bytes_that_look_unlike_what_they_are_read_as_are_said(
    tmp_path: Path, encoding: str, title: str, looks_so: bool
) -> None:
    (tmp_path / "jobs.csv").write_bytes(f"id,title,updated_at\nj1,{title},2025-05-01\n".encode(encoding))
    source = open_source(tmp_path)
    (row,) = source.read(source.shards("jobs")[0])
    (done,) = [found.done for found in row.findings if found.reason == "encoding"]
    assert ("unlike" not in done) == looks_so


YEAR_12000 = 316_516_204_800_000_000


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (pa.array([0, YEAR_12000, 0], pa.timestamp("us", "UTC")), "bad_date"),
        (pa.array([0, -YEAR_12000, 0], pa.timestamp("us")), "bad_date"),
        (pa.array([0, 4_000_000, 0], pa.date32()), "bad_date"),
    ],
)
def test_a_time_that_python_does_not_have_is_set_aside_and_no_other_row_is_lost(
    tmp_path: Path, read: Callable, column: pa.Array, reason: str
) -> None:
    table = pa.table({"id": ["j1", "j2", "j3"], "title": ["Nurse"] * 3, "updated_at": column})
    pq.write_table(table, tmp_path / "jobs.parquet")
    first, bad, last = read(tmp_path, "jobs")
    assert (first.id, last.id) == ("j1", "j3")
    assert (bad.reason, bad.row) == (reason, 2)
    assert '"j2"' in bad.raw
    assert str(column[1].value) in bad.raw


def test_a_nested_time_that_python_does_not_have_is_left_empty_and_no_row_is_lost(
    tmp_path: Path, read: Callable
) -> None:
    positions = pa.array(
        [[{"title": "Nurse", "start": time}] for time in (0, YEAR_12000)],
        pa.list_(pa.struct([("title", pa.string()), ("start", pa.timestamp("us"))])),
    )
    pq.write_table(
        pa.table({"id": ["m1", "m2"], "updated_at": [DAY] * 2, "positions": positions}), tmp_path / "members.parquet"
    )
    _write(tmp_path, "jsonl", None, "jobs", JOBS, Job)
    early, late = read(tmp_path, "members")
    assert (early.id, early.positions[0].start.year) == ("m1", 1970)
    assert (late.id, late.positions[0].start) == ("m2", None)


def test_a_time_zone_that_nobody_knows_is_set_aside(tmp_path: Path, read: Callable) -> None:
    times = pa.array([0], pa.timestamp("us", "Mars/Phobos"))
    pq.write_table(pa.table({"id": ["j"], "title": ["Nurse"], "updated_at": times}), tmp_path / "jobs.parquet")
    assert [row.reason for row in read(tmp_path, "jobs")] == ["bad_date"]


def test_stray_bytes_in_a_list_are_cleaned_away(tmp_path: Path, read: Callable) -> None:
    words = pa.array([b"tri\xffage"], pa.binary()).view(pa.string())
    skills = pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), words)
    table = pa.table({"id": ["j"], "title": ["Nurse"], "updated_at": [DAY], "skills": skills})
    pq.write_table(table, tmp_path / "jobs.parquet")
    assert [job.skills for job in read(tmp_path, "jobs")] == [("triage",)]


def test_a_quote_left_open_is_set_aside_and_the_rest_is_read(
    tmp_path: Path, read: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "MAX_FIELD_CHARS", 100)
    row = "j{},Nurse,2025-05-01\n"
    (tmp_path / "jobs.csv").write_text(
        "id,title,updated_at\n" + row.format(1) + 'j2,"Nu' + "x" * 200 + "\n" + row.format(3)
    )
    first, bad, last = read(tmp_path, "jobs")
    assert (first.id, bad.reason, last.id) == ("j1", "bad_csv", "j3")


@pytest.mark.parametrize("size", [0, 10, -40, -8])
def test_a_half_written_parquet_file_is_one_reject_and_the_others_are_read(
    tmp_path: Path, read: Callable, write_csv: Callable, size: int
) -> None:
    _write(tmp_path / "jobs", "parquet", write_csv, "a", JOBS, Job)
    _write(tmp_path / "jobs", "parquet", write_csv, "b", JOBS, Job)
    broken = tmp_path / "jobs" / "a.parquet"
    broken.write_bytes(broken.read_bytes()[:size])
    reject, *jobs = read(tmp_path, "jobs")
    assert isinstance(reject, Reject)
    assert (reject.reason, reject.source) == ("unreadable_file", str(broken))
    assert jobs == JOBS


def test_a_parquet_file_with_a_broken_page_is_a_reject(tmp_path: Path, read: Callable, write_csv: Callable) -> None:
    _write(tmp_path, "parquet", write_csv, "jobs", JOBS * 500, Job)
    path = tmp_path / "jobs.parquet"
    body = bytearray(path.read_bytes())
    body[4:200] = b"\xff" * 196
    path.write_bytes(bytes(body))
    assert [row.reason for row in read(tmp_path, "jobs") if isinstance(row, Reject)] == ["unreadable_file"]


def test_an_empty_csv_file_is_a_reject(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "jobs.csv").write_text("")
    (reject,) = read(tmp_path, "jobs")
    assert reject.reason == "unreadable_file"


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_a_missing_column_is_named_with_the_file_and_its_columns(
    tmp_path: Path, write_csv: Callable, form: str
) -> None:
    if form == "csv":
        write_csv(tmp_path / "jobs.csv", [["id", "name", "updated_at"], ["j", "Nurse", "2025-05-01"]])
    else:
        pq.write_table(pa.table({"id": ["j"], "name": ["Nurse"], "updated_at": [DAY]}), tmp_path / "jobs.parquet")
    with refused(MissingColumn, "title", "id, name, updated_at", where=f"jobs.{form}"):
        open_source(tmp_path).shards("jobs")


def test_an_extra_column_is_not_read_and_is_reported(tmp_path: Path, read: Callable, write_csv: Callable) -> None:
    write_csv(tmp_path / "jobs.csv", [["id", "title", "colour", "updated_at"], ["j", "Nurse", "red", "2025-05-01"]])
    assert isinstance(read(tmp_path, "jobs")[0], Job)
    assert open_source(tmp_path).ignored_columns() == {str(tmp_path / "jobs.csv"): ("colour",)}


def test_a_large_parquet_file_is_split_into_shards_that_give_every_row_once(
    tmp_path: Path, write_csv: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "SHARD_ROWS", 250)
    jobs = [Job(id=f"j{n}", title="Nurse", updated_at=DAY) for n in range(1_000)]
    pq.write_table(to_table(jobs, Job), tmp_path / "jobs.parquet", row_group_size=100)
    source = open_source(tmp_path)
    shards = source.shards("jobs")
    rows = [row for shard in shards for row in source.read(shard)]
    assert len(shards) == 4
    assert [row.value["id"] for row in rows] == [job.id for job in jobs]  # type: ignore[index]
    assert [row.row for row in rows] == list(range(1, 1_001))


def test_source_and_shards_can_be_sent_to_a_worker(tmp_path: Path, write_csv: Callable) -> None:
    _write(tmp_path, "parquet", write_csv, "jobs", JOBS, Job)
    source = open_source(tmp_path)
    again, shards = pickle.loads(pickle.dumps((source, source.shards("jobs"))))  # noqa: S301
    assert len([row for shard in shards for row in again.read(shard)]) == len(JOBS)


def test_an_unknown_folder_is_told_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with refused(UnknownSource, "holiday.jpg", "jobs.parquet", "plugins", where=tmp_path):
        open_source(tmp_path)


def test_a_folder_without_jobs_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "members.jsonl").touch()
    with refused(UnknownSource, "members", "jobs.parquet", where=tmp_path):
        open_source(tmp_path)


def test_a_folder_that_is_not_there_is_told_so(tmp_path: Path) -> None:
    with refused(UnknownSource, tmp_path / "absent"):
        open_source(tmp_path / "absent")


@pytest.mark.parametrize("name", ["jobs_2.csv", "jobs (1).csv", "jobs-2026-05.csv", "Jobs.20260501.csv", "jobs2.csv"])
def test_a_number_or_date_behind_the_name_of_a_table_is_of_it(tmp_path: Path, read: Callable, name: str) -> None:
    (tmp_path / "jobs.csv").write_text("id,title,updated_at\n1,Cook,2025-01-01\n")
    (tmp_path / name).write_text("id,title,updated_at\n2,Nurse,2025-01-01\n")
    assert {job.id for job in read(tmp_path, "jobs")} == {"1", "2"}
    assert unread_files(open_source(tmp_path)) == []


@pytest.mark.parametrize(
    "name", ["jobs_archive.csv", "candidates.csv", "events.xlsx", "old.zip", "2026-05/jobs.csv", "more.parquet"]
)
def test_a_data_file_that_is_of_no_table_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "jobs.csv").write_text("id,title,updated_at\n1,Cook,2025-01-01\n")
    (tmp_path / "README.txt").write_text("of the board")
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"id,title\n2,Nurse\n")
    assert unread_files(open_source(tmp_path)) == [name]
    assert any(name in line for line in validate(tmp_path, datetime(2026, 6, 1, tzinfo=UTC)).lines())
