from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.errors import BadInput, IndexMismatch, MissingChanges, NotReady, NotWritten, OtherWriter, UnreadableFile
from retrieval.collection import store as store_module
from retrieval.collection.live import Collection
from retrieval.collection.snapshot import read_manifest, read_snapshot
from retrieval.collection.store import Store, load_collection
from retrieval.filters.filters import any_of

ASKED = np.ones((1, 2), np.float32)


def begun(folder: Path, jobs: int = 3, **knobs: object) -> Store:
    store = Store(folder, Collection(2, texts=("skills",), **knobs))  # type: ignore[arg-type]
    for i in range(jobs):
        store.upsert([f"j{i}"], [[i + 1, 0]], [{"skills": ["sql"]}])
    return store


def ids(collection: Collection) -> list[str]:
    return collection.search(ASKED, 1_000)[0].ids


@contextmanager
def full_disk(room: int) -> Iterator[None]:
    """No file may grow beyond `room` bytes: writes then fail as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_second_writer_is_refused_in_this_process_and_in_another(tmp_path: Path) -> None:
    with begun(tmp_path):
        with pytest.raises(OtherWriter, match="process"):
            Store(tmp_path)
        code = f"from retrieval.collection.store import Store; Store({str(tmp_path)!r})"
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert "OtherWriter" in other.stderr
        assert ids(load_collection(tmp_path)[0]) == ["j2", "j1", "j0"]
    Store(tmp_path).close()


def test_changes_after_a_snapshot_are_replayed(tmp_path: Path) -> None:
    with begun(tmp_path) as store:
        assert read_manifest(tmp_path / "snapshots" / store.snapshot()).sequence == 3
        store.delete(["j1", "never there"])
        store.upsert(["j9"], [[9, 0]], [{"skills": ["Care"]}])
        assert store.sequence == 5
    read, sequence = load_collection(tmp_path)
    assert sequence == 5 and ids(read) == ["j9", "j2", "j0"]
    assert read.search(ASKED, 9, any_of("skills", "care"))[0].ids == ["j9"]


def test_a_collection_that_holds_rows_can_begin_a_store(tmp_path: Path) -> None:
    jobs = Collection(2)
    jobs.upsert(["a", "b"], [[1, 0], [2, 0]])
    with Store(tmp_path, jobs) as store:
        assert ids(store.collection) == ["b", "a"]
        with pytest.raises(OtherWriter):
            Store(tmp_path, jobs)
    with pytest.raises(BadInput, match="already holds"):
        Store(tmp_path, jobs)


def test_a_gap_in_the_changes_is_an_error_that_names_them(tmp_path: Path) -> None:
    begun(tmp_path, 6).close()
    [path] = (tmp_path / "changes").iterdir()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2] + lines[4:]))
    with pytest.raises(MissingChanges, match="changes 3 to 4 are missing"):
        load_collection(tmp_path)
    path.write_bytes(b"".join(lines[1:]))
    with pytest.raises(MissingChanges, match="changes 1 to 1 are missing"):
        load_collection(tmp_path)


def test_changes_that_are_broken_or_out_of_order_are_errors(tmp_path: Path) -> None:
    begun(tmp_path).close()
    [path] = (tmp_path / "changes").iterdir()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1] + lines[1])
    with pytest.raises(UnreadableFile, match="line 3: change 2 where 3 was expected"):
        load_collection(tmp_path)
    record = json.loads(lines[1])
    record["upsert"]["values"] = record["upsert"]["values"][:-4]
    for broken in (b"{}\n", b"not json\n", json.dumps(record).encode() + b"\n"):
        path.write_bytes(lines[0] + broken + lines[2])
        with pytest.raises(UnreadableFile, match="line 2"):
            load_collection(tmp_path)


def test_a_line_that_a_crash_cut_off_is_passed_over_and_written_over(tmp_path: Path) -> None:
    begun(tmp_path).close()
    [path] = (tmp_path / "changes").iterdir()
    path.write_bytes(path.read_bytes()[:-9])
    assert ids(load_collection(tmp_path)[0]) == ["j1", "j0"]
    with Store(tmp_path) as store:
        store.upsert(["new"], [[5, 0]])
    assert ids(load_collection(tmp_path)[0]) == ["new", "j1", "j0"]


@pytest.mark.parametrize("part", ["values.npy", "scales.npy", "ids.json", "text0.rows.npy", "snapshot.json"])
def test_a_snapshot_that_is_cut_off_changed_or_incomplete_is_an_error(part: str, tmp_path: Path) -> None:
    with begun(tmp_path, dtype="int8") as store:
        version = store.snapshot()
    path = tmp_path / "snapshots" / version / part
    whole = path.read_bytes()
    for broken in (whole[:-1], whole[:-3] + b"9" + whole[-2:], None):
        if broken is None:
            path.unlink()
        else:
            path.write_bytes(broken)
        with pytest.raises(IndexMismatch, match=part):
            load_collection(tmp_path)


def test_the_same_content_is_the_same_version(tmp_path: Path) -> None:
    versions = []
    for name in ("one", "two"):
        with begun(tmp_path / name) as store:
            versions += [store.snapshot(), store.snapshot()]
    assert len(set(versions)) == 1


def test_a_full_disk_leaves_the_former_snapshot_and_the_collection_serving(tmp_path: Path) -> None:
    with begun(tmp_path) as store:
        former = store.snapshot()
        store.upsert([f"more{i}" for i in range(500)], np.full((500, 2), 0.5))
        before = sorted(tmp_path.rglob("*"))
        with full_disk(2_000), pytest.raises(NotWritten, match="no snapshot"):
            store.snapshot()
        assert (tmp_path / "CURRENT").read_text().strip() == former
        left = set(tmp_path.rglob("*")) - set(before)
        assert all(path.parent.name == "changes" for path in left)
        assert len(ids(store.collection)) == 503
        store.upsert(["after"], [[9, 0]])
        assert len(ids(load_collection(tmp_path)[0])) == 504
        store.snapshot()
    assert ids(load_collection(tmp_path)[0])[0] == "after"


def test_a_change_that_cannot_be_logged_is_not_made_and_the_log_stays_whole(tmp_path: Path) -> None:
    with begun(tmp_path) as store:
        [path] = (tmp_path / "changes").iterdir()
        with full_disk(path.stat().st_size + 20):
            with pytest.raises(NotWritten, match="change 4 was not logged"):
                store.upsert(["new"], [[5, 0]])
            with pytest.raises(NotWritten):
                store.delete(["j0"])
        assert ids(store.collection) == ["j2", "j1", "j0"]
        assert store.upsert(["new"], [[5, 0]]) == 1
    assert ids(load_collection(tmp_path)[0]) == ["new", "j2", "j1", "j0"]


def test_two_snapshots_and_the_changes_since_the_older_are_kept(tmp_path: Path) -> None:
    versions = []
    with begun(tmp_path) as store:
        for i in range(4):
            store.upsert([f"more{i}"], [[9, 9]])
            versions.append(store.snapshot())
    assert sorted(path.name for path in (tmp_path / "snapshots").iterdir()) == sorted(versions[2:])
    (tmp_path / "CURRENT").write_text(versions[2])
    read, sequence = load_collection(tmp_path)
    assert sequence == 7 and len(read) == 7
    assert len(list((tmp_path / "changes").iterdir())) == 2


def test_a_snapshot_beside_a_writer_holds_a_state_that_was(tmp_path: Path) -> None:
    with begun(tmp_path, 0) as store:

        def write() -> None:
            for i in range(60):
                store.upsert(["a", "b"], [[i + 1, 0], [i + 1, 0]])

        writer = threading.Thread(target=write)
        writer.start()
        for _ in range(5):
            store.snapshot()
            [found] = load_collection(tmp_path)[0].search(ASKED)
            assert len(set(found.scores)) <= 1
        writer.join()
    assert load_collection(tmp_path)[0].search(ASKED)[0].scores.tolist() == [60, 60]


def test_a_folder_without_a_collection_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="no collection"):
        load_collection(tmp_path)
    with pytest.raises(NotReady, match="no collection"):
        Store(tmp_path)
    with Store(tmp_path, Collection(2)) as store:  # the failed opening holds no lock
        assert store.sequence == 0


def test_snapshots_at_once_take_turns(tmp_path: Path) -> None:
    failed: list[BaseException] = []
    with begun(tmp_path) as store:

        def take(place: int) -> None:
            try:
                for i in range(8):
                    store.upsert([f"more{place} {i}"], [[1, 1]])
                    store.snapshot()
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=take, args=(place,)) for place in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failed
    assert len(load_collection(tmp_path)[0]) == 3 + 4 * 8


def test_a_change_that_cannot_be_made_is_taken_back_from_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise MemoryError

    with begun(tmp_path) as store:
        with monkeypatch.context() as broken:
            broken.setattr(store.collection, "apply", fails)
            broken.setattr(store.collection, "delete", fails)
            with pytest.raises(MemoryError):
                store.upsert(["new"], [[5, 0]])
            with pytest.raises(MemoryError):
                store.delete(["j0"])
        assert store.sequence == 3
        assert ids(load_collection(tmp_path)[0]) == ["j2", "j1", "j0"]
        store.upsert(["later"], [[4, 0]])
    assert ids(load_collection(tmp_path)[0]) == ["later", "j2", "j1", "j0"]


def test_a_file_of_changes_or_its_last_lines_that_are_missing_are_an_error(tmp_path: Path) -> None:
    with begun(tmp_path) as store:
        store.upsert(["j3"], [[4, 0]])
    changes = tmp_path / "changes"
    [first] = changes.iterdir()
    (changes / "000000000005.jsonl").touch()  # where the next change would have gone
    whole = first.read_bytes()
    first.write_bytes(b"".join(whole.splitlines(keepends=True)[:2]))
    with pytest.raises(MissingChanges, match="changes 3 to 4 are missing"):
        load_collection(tmp_path)
    first.unlink()
    with pytest.raises(MissingChanges, match="changes 1 to 4 are missing"):
        load_collection(tmp_path)
    first.write_bytes(whole)
    assert load_collection(tmp_path)[1] == 4
    (changes / "notes.jsonl").touch()
    with pytest.raises(UnreadableFile, match="not a file of changes"):
        load_collection(tmp_path)


def test_where_no_new_file_of_changes_can_be_begun_the_old_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.open

    def full(path: Path, mode: str = "r", *rest: Any, **named: Any) -> Any:
        if mode == "ab":
            raise OSError("the disk is full")
        return real(path, mode, *rest, **named)

    with begun(tmp_path) as store:
        with monkeypatch.context() as broken:
            broken.setattr(Path, "open", full)
            with pytest.raises(NotWritten, match="no snapshot"):
                store.snapshot()
        store.upsert(["new"], [[5, 0]])
    assert ids(load_collection(tmp_path)[0]) == ["new", "j2", "j1", "j0"]


def test_what_a_failed_change_left_is_cut_off_before_the_next_file_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError("the disk is broken")

    with begun(tmp_path) as store:
        with monkeypatch.context() as broken:
            broken.setattr(os, "fsync", fails)
            real, calls = os.ftruncate, iter([False, True])
            broken.setattr(os, "ftruncate", lambda *cut: fails() if next(calls) else real(*cut))
            with pytest.raises(NotWritten):
                store.upsert(["lost"], [[5, 0]])
        store.snapshot()
        store.upsert(["new"], [[6, 0]])
        (tmp_path / "CURRENT").write_text(former_version(tmp_path))
    assert ids(load_collection(tmp_path)[0]) == ["new", "j2", "j1", "j0"]
    assert b"lost" not in b"".join(path.read_bytes() for path in (tmp_path / "changes").iterdir())


def former_version(folder: Path) -> str:
    current = (folder / "CURRENT").read_text().strip()
    [former] = {path.name for path in (folder / "snapshots").iterdir()} - {current}
    return former


def test_a_snapshot_that_is_dropped_while_it_is_read_is_read_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with begun(tmp_path) as store:
        turns = iter(range(2))

        def slow(folder: Path) -> Any:
            for _ in turns:
                store.upsert(["new"], [[5, 0]])
                store.snapshot()
            return read_snapshot(folder)

        monkeypatch.setattr(store_module, "read_snapshot", slow)
        assert ids(load_collection(tmp_path)[0]) == ["new", "j2", "j1", "j0"]


def test_a_snapshot_can_be_read_by_whom_the_umask_lets(tmp_path: Path) -> None:
    former = os.umask(0o022)
    try:
        with begun(tmp_path) as store:
            folder = tmp_path / "snapshots" / store.snapshot()
    finally:
        os.umask(former)
    assert folder.stat().st_mode & 0o777 == 0o755


def test_a_full_disk_at_the_opening_is_an_error_and_leaves_no_lock(tmp_path: Path) -> None:
    begun(tmp_path / "old").close()
    for folder, new in ((tmp_path / "old", None), (tmp_path / "new", Collection(2))):
        with full_disk(0), pytest.raises(NotWritten, match="not opened"):
            Store(folder, new)
        Store(folder, new).close()


def test_a_store_is_closed_once_and_takes_no_change_then(tmp_path: Path) -> None:
    store = begun(tmp_path)
    store.close()
    with (tmp_path / "other").open("w") as other:  # has the number of the closed lock
        store.close()
        other.write("still open")
    for change in (lambda: store.upsert(["a"], [[1, 0]]), lambda: store.delete(["j0"]), store.snapshot):
        with pytest.raises(NotWritten, match="closed"):
            change()
    assert ids(store.collection) == ["j2", "j1", "j0"]


def test_a_change_is_written_whole_where_a_call_writes_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    with begun(tmp_path) as store:
        monkeypatch.setattr(os, "write", lambda handle, data: real(handle, data[:7]))
        store.upsert(["new"], [[5, 0]])
    assert ids(load_collection(tmp_path)[0]) == ["new", "j2", "j1", "j0"]


@pytest.mark.parametrize(
    "old, new", [(b'"j1"', b'"jX"'), (b"sql", b"abc"), (b'"sequence"', b'"sequence" '), (b"]", b"")]
)
def test_a_change_that_was_edited_is_not_applied(old: bytes, new: bytes, tmp_path: Path) -> None:
    begun(tmp_path).close()
    [path] = (tmp_path / "changes").iterdir()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(old, new, 1) + lines[2])
    with pytest.raises(UnreadableFile, match="line 2"):
        load_collection(tmp_path)
