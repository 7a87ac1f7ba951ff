"""A live collection on disk: changes are logged, then applied; a snapshot makes the log before it unnecessary.

CURRENT                   the version of the snapshot to start from
snapshots/<version>/      the current one and the one before it
changes/<number>.jsonl    what happened since the older of the two
LOCK                      held by the one writer
"""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from contracts.errors import BadInput, IndexMismatch, MissingChanges, NotReady, NotWritten, OtherWriter
from contracts.versions import set_current
from retrieval.collection.batch import checked_ids, prepare
from retrieval.collection.change_log import ChangeLog, drop_before, read_changes
from retrieval.collection.live import Collection, Deleted
from retrieval.collection.snapshot import Snapshot, read_manifest, read_snapshot, write_snapshot
from retrieval.engines.device import check_device

_TRIES = 5


def load_collection(folder: Path | str, device: str | None = None) -> tuple[Collection, int]:
    """The collection of a folder and the number of its last change, for reading; a writer may be at work.

    device: as `Collection`. Raises NotReady where there is none, IndexMismatch for a broken snapshot, MissingChanges
    and UnreadableFile for a broken log.
    """
    folder = Path(folder)
    current = _current(folder)
    for _ in range(_TRIES):
        try:
            return _loaded(folder, current, device)
        except (IndexMismatch, MissingChanges, FileNotFoundError):
            former, current = current, _current(folder)
            if former == current:
                break  # it is broken; else a writer took other snapshots meanwhile, and dropped what was being read
    try:
        return _loaded(folder, current, device)
    except FileNotFoundError as error:
        raise IndexMismatch(f"a file is missing: {error.filename}", where=str(folder), cure="try again") from error


def _loaded(folder: Path, snapshot: Path, device: str | None) -> tuple[Collection, int]:
    contents, sequence = read_snapshot(snapshot)
    collection = Collection.of(contents, device)
    for change in read_changes(folder / "changes", contents.schema, sequence):
        if change.upserted is not None:
            collection.apply(change.upserted)
        else:
            collection.delete(change.deleted)
        sequence = change.sequence
    return collection, sequence


class Store:
    """The one writer of a folder. `collection` is searched directly; changes to it go through the store."""

    def __init__(self, folder: Path | str, new: Collection | None = None, *, device: str | None = None) -> None:
        """Open a folder, or begin one with `new`, which may hold rows already. device: as `Collection`; None: that
        of `new`.

        Raises OtherWriter where it is open for writing elsewhere, BadInput where `new` is given and a collection is
        there, NotWritten where the folder cannot be written to, and as `load_collection`.
        """
        self.folder = Path(folder)
        self._turn, self._snapshots = threading.Lock(), threading.Lock()
        self._lock = -1
        device = new.device if new is not None and device is None else device
        if device is not None:
            check_device(device)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(self.folder / "LOCK")
            if new is not None:
                self._begin(new)
            self.collection, sequence = load_collection(self.folder, device)
            self._log = ChangeLog(self.folder / "changes", sequence)
        except OSError as error:
            self._unlock()
            raise NotWritten(f"not opened: {error}", where=str(self.folder), cure="make room, try again") from error
        except BaseException:
            self._unlock()
            raise

    @property
    def sequence(self) -> int:
        """Number of the last change."""
        return self._log.sequence

    def upsert(self, ids: Sequence[str], vectors: Any, attributes: Sequence[Mapping[str, Any]] | None = None) -> int:
        """As `Collection.upsert`, and on the disk when it returns. Raises NotWritten; nothing was changed then."""
        batch = prepare(self.collection.schema, ids, vectors, attributes)
        if batch.ids:
            with self._turn, self._open_log().logged(batch):
                self.collection.apply(batch)
        return len(batch.ids)

    def delete(self, ids: Iterable[str]) -> Deleted:
        """As `Collection.delete`; ids that are not there are not logged. Raises NotWritten."""
        wanted = list(dict.fromkeys(checked_ids(ids)))
        with self._turn:
            log = self._open_log()
            known = [job_id for job_id in wanted if job_id in self.collection]
            if known:
                with log.logged(known):
                    self.collection.delete(known)
            return Deleted(len(known), len(wanted) - len(known))

    def snapshot(self) -> str:
        """Write a snapshot of now, make it the current one, and return its version; changes may go on meanwhile.

        Raises NotWritten, and BadInput where the device has no room to compact; the former snapshot, the changes and
        the collection then stand as before.
        """
        with self._snapshots:  # one at a time: each drops what the ones before it left
            former = _current(self.folder).name
            try:
                with self._turn:
                    log = self._open_log()
                    taken = Snapshot(self.collection.contents(), self.sequence)
                    log.rotate()
                version = write_snapshot(self.folder / "snapshots", taken)
                set_current(self.folder, version)
            except OSError as error:
                cure = "make room, try again"
                raise NotWritten(f"no snapshot: {error}", where=str(self.folder), cure=cure) from error
            self._drop_all_but(version, former)
            return version

    def close(self) -> None:
        """Let another writer open the folder. Searches go on; changes then raise NotWritten."""
        with self._snapshots, self._turn:
            if self._lock >= 0:
                self._log.close()
                self._unlock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open_log(self) -> ChangeLog:
        if self._lock < 0:
            raise NotWritten("the store is closed", where=str(self.folder), cure="open it again")
        return self._log

    def _unlock(self) -> None:
        """Once: the number of a closed descriptor may by then be that of another file."""
        handle, self._lock = self._lock, -1
        if handle >= 0:
            os.close(handle)

    def _begin(self, new: Collection) -> None:
        if (self.folder / "CURRENT").exists() or any((self.folder / "changes").glob("*.jsonl")):
            raise BadInput(f"{self.folder} already holds a collection", cure="open it without a new one")
        set_current(self.folder, write_snapshot(self.folder / "snapshots", Snapshot(new.contents(), 0)))

    def _drop_all_but(self, version: str, former: str) -> None:
        """Keep the former snapshot and the changes since, so that there is a way back."""
        if version != former:
            drop_before(self.folder / "changes", read_manifest(self.folder / "snapshots" / former).sequence)
            for folder in (self.folder / "snapshots").iterdir():
                if folder.name not in (version, former):
                    shutil.rmtree(folder, ignore_errors=True)


def _current(folder: Path) -> Path:
    pointer = folder / "CURRENT"
    if not pointer.is_file():
        raise NotReady(f"no collection in {folder}", cure="begin one: Store(folder, Collection(dim=...))")
    return folder / "snapshots" / pointer.read_text().strip()


def _locked(path: Path) -> int:
    """A descriptor that holds the lock until it is closed, by hand or because the process ended."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(handle, 32).decode() or "unknown"
            cure = "stop it, or read with load_collection"
            raise OtherWriter(f"process {holder} writes to {path.parent}", cure=cure) from error
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
    except BaseException:
        os.close(handle)
        raise
    return handle
