"""Data of an archive, of what fsspec opens and of a database are copied whole, or not at all, and then read as any."""

from __future__ import annotations

import json
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest

from contracts.errors import BadInput, MissingColumn, NotReady, UnreadableFile
from sources import open_source
from sources.places import local_folder, shown_place
from tests.make import refused

JOBS = "id,title,updated_at\nj1,Nurse,2025-05-01\nj2,Cook,2025-05-01\n"


def titles(read: Callable, folder: Path) -> list[str]:
    return [job.title for job in read(folder, "jobs")]


@pytest.fixture
def bucket() -> Iterator[fsspec.AbstractFileSystem]:
    """A store of fsspec in memory."""
    store = fsspec.filesystem("memory")
    store.pipe("/board/jobs.csv", JOBS.encode())
    store.pipe("/board/events/a.jsonl", b"")
    store.pipe("/board/notes.docx", b"no data")
    yield store
    store.rm("/board", recursive=True)


def test_a_folder_here_stays_where_it_is(tmp_path: Path) -> None:
    assert local_folder(str(tmp_path), tmp_path / "copies") == tmp_path
    assert local_folder(tmp_path.as_uri(), tmp_path / "copies") == tmp_path
    assert not (tmp_path / "copies").exists()


@pytest.mark.parametrize("inside", ["", "export/"])
@pytest.mark.parametrize("suffix", ["zip", "tar.gz"])
def test_an_archive_is_unpacked(tmp_path: Path, read: Callable, suffix: str, inside: str) -> None:
    (tmp_path / "jobs.csv").write_text(JOBS)
    path = tmp_path / f"board.{suffix}"
    if suffix == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(tmp_path / "jobs.csv", f"{inside}jobs.csv")
    else:
        with tarfile.open(path, "w:gz") as file:
            file.add(tmp_path / "jobs.csv", f"{inside}jobs.csv")
    assert titles(read, local_folder(str(path), tmp_path / "copies")) == ["Nurse", "Cook"]


def test_an_archive_that_leads_outside_writes_nothing_there(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "board.tar", "w") as file:
        (tmp_path / "jobs.csv").write_text(JOBS)
        file.add(tmp_path / "jobs.csv", "../../outside.csv")
    with refused(UnreadableFile, where="board.tar"):
        local_folder(str(tmp_path / "board.tar"), tmp_path / "copies")
    assert not list((tmp_path / "copies").iterdir())


def test_what_fsspec_opens_is_copied(tmp_path: Path, read: Callable, bucket: fsspec.AbstractFileSystem) -> None:
    folder = local_folder("memory://board", tmp_path)
    assert titles(read, folder) == ["Nurse", "Cook"]
    assert {path.name for path in folder.rglob("*") if path.is_file()} == {"jobs.csv", "a.jsonl"}
    assert local_folder("memory://board", tmp_path) == folder


def test_a_connection_that_drops_leaves_the_copy_of_yesterday(
    tmp_path: Path, read: Callable, bucket: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = local_folder("memory://board", tmp_path)
    bucket.pipe("/board/jobs.csv", b"id,title\n")

    def dropped(*_: object, **__: object) -> None:
        raise ConnectionResetError("the connection was reset")

    monkeypatch.setattr(type(bucket), "get_file", dropped)
    with refused(UnreadableFile, "reset", where="memory://board"):
        local_folder("memory://board", tmp_path)
    assert titles(read, folder) == ["Nurse", "Cook"]


def test_a_protocol_whose_package_is_absent_names_the_extra(tmp_path: Path) -> None:
    with refused(NotReady, "s3", "rolecall[s3]"):
        local_folder("s3://user:secret@bucket/board", tmp_path)
    with refused(NotReady, "nonsense"):
        local_folder("nonsense://board", tmp_path)


def test_a_place_is_shown_without_its_secrets() -> None:
    assert shown_place("sftp://ann:secret@host/board?token=secret") == "sftp://host/board"


@pytest.fixture
def database(tmp_path: Path) -> str:
    with sqlite3.connect(tmp_path / "board.db") as connection:
        connection.execute("CREATE TABLE jobs (id INTEGER, title TEXT, pay NUMERIC, updated_at TEXT)")
        connection.execute("CREATE TABLE log (wer TEXT, stelle INTEGER, wann TEXT)")
        connection.execute("INSERT INTO jobs VALUES (1, 'Nurse', NULL, '2025-05-01'), (2, 'Cook', 9.5, '2025-05-01')")
        connection.execute("INSERT INTO log VALUES ('m', 1, '2025-05-02 10:00:00')")
    connection.close()
    return f"sqlite:///{tmp_path / 'board.db'}"


MAPPING = """
jobs:
  query: SELECT * FROM jobs WHERE id < 2
events:
  table: log
  columns: {id: {column: [wer, stelle], join: '-'}, member_id: wer, job_id: stelle, time: wann, action: {default: view}}
"""


def test_a_database_gives_its_tables_and_queries(tmp_path: Path, read: Callable, database: str) -> None:
    assert titles(read, local_folder(database, tmp_path / "copies")) == ["Nurse", "Cook"]
    (tmp_path / "m.yaml").write_text(MAPPING)
    folder = local_folder(database, tmp_path / "copies", tmp_path / "m.yaml")
    source = open_source(folder, mapping=tmp_path / "m.yaml")
    [[job], [event]] = [[r.value for s in source.shards(t) for r in source.read(s)] for t in ("jobs", "events")]
    assert (job["title"], event["id"], event["job_id"]) == ("Nurse", "m-1", 1)


@pytest.mark.parametrize(
    ("mapping", "kind", "values"),
    [
        ("jobs: {query: SELECT nothing FROM jobs}", UnreadableFile, ["nothing", "board.db"]),
        ("jobs: {table: absent}", UnreadableFile, ["absent"]),
        ("jobs: {query: 'SELECT id, updated_at FROM jobs'}", MissingColumn, ["title"]),
        ("jobs: {columns: {company: firm}}", BadInput, ["firm"]),
        ("jobs: {table: a, query: b}", BadInput, ["table", "query"]),
    ],
)
def test_what_a_database_does_not_give_leaves_nothing(
    tmp_path: Path, database: str, mapping: str, kind: type, values: list[str]
) -> None:
    (tmp_path / "m.yaml").write_text(mapping)
    with refused(kind, *values):
        local_folder(database, tmp_path / "copies", tmp_path / "m.yaml")
    assert not (tmp_path / "copies").exists() or not list((tmp_path / "copies").iterdir())


def test_a_password_comes_from_the_environment_and_is_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "postgresql://reader:${BOARD_PASSWORD}@127.0.0.1:1/board?sslkey=hidden"
    with refused(NotReady, "BOARD_PASSWORD"):
        local_folder(url, tmp_path)
    monkeypatch.setenv("BOARD_PASSWORD", "verysecret")
    with pytest.raises(NotReady) as caught:  # the driver is not installed here
        local_folder(url, tmp_path)
    assert "verysecret" not in str(caught.value) and "hidden" not in str(caught.value)


def test_a_sqlite_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with refused(NotReady, "absent.db"):
        local_folder(f"sqlite:///{tmp_path / 'absent.db'}", tmp_path)
    assert not (tmp_path / "absent.db").exists()


def test_rows_of_a_database_are_lines_of_json(tmp_path: Path, database: str) -> None:
    folder = local_folder(database, tmp_path / "copies")
    rows = [json.loads(line) for line in (folder / "jobs.jsonl").read_text().splitlines()]
    assert rows[1] == {"id": 2, "title": "Cook", "pay": 9.5, "updated_at": "2025-05-01"}
