"""Members who were erased: none of their rows is taken in again, and no request knows them.

The workspace keeps a keyed hash of each id and not the id, which only tells whether an id that is at hand is one of
them. Ids that were erased online and wait for `rolecall erase`, which rewrites the tables, stand in a file of their own
until it is through.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import secrets
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from contracts.errors import BadInput
from contracts.validation import typed
from contracts.values import FrozenModel
from contracts.versions import staged_file
from contracts.workspace import Workspace


class _Note(FrozenModel):
    """The file. key: of the hashes, in hex; members: hash -> when it was erased."""

    key: str
    members: Mapping[str, datetime] = {}


class ErasedMembers:
    """Tells whether a member was erased, also by another process meanwhile. Safe to share between threads."""

    def __init__(self, workspace: Workspace) -> None:
        """Read the note. Raises BadInput where it is none."""
        self._path = workspace.erased
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._note: _Note | None = None
        self._look()

    def __contains__(self, member_id: object) -> bool:
        if not isinstance(member_id, str) or not member_id:
            return False
        self._look()
        note = self._note
        return note is not None and bool(note.members) and _hash(note.key, member_id) in note.members

    def __len__(self) -> int:
        self._look()
        return len(self._note.members) if self._note else 0

    def since(self, time: datetime) -> int:
        """How many members were erased at a time or later."""
        self._look()
        return sum(erased >= time for erased in self._note.members.values()) if self._note else 0

    def _look(self) -> None:
        try:
            found = self._path.stat()
        except OSError:
            return  # a note that was there once holds on: the members of a folder that is gone stay erased
        stamp = found.st_mtime_ns, found.st_ino
        if stamp != self._stamp:
            with self._lock:
                self._note = _read(self._path)
                self._stamp = stamp


def note_erased(workspace: Workspace, member_ids: Collection[str], now: datetime) -> None:
    """Note that members are erased from now on. Raises BadInput for an empty id."""
    if not all(member_ids):
        raise BadInput("a member's id is empty", cure="give the id as it stands in the member's record")
    with _writing(workspace):
        note = _read(workspace.erased) or _Note(key=secrets.token_hex(32))
        members = {_hash(note.key, member_id): now for member_id in member_ids}
        _write(
            workspace.erased, note.model_copy(update={"members": {**members, **note.members}}).model_dump_json(indent=1)
        )


def readmit(workspace: Workspace, member_id: str) -> bool:
    """Take rows of a member in again from now on; False where the member was not erased."""
    with _writing(workspace):
        note = _read(workspace.erased)
        if note is None or _hash(note.key, member_id) not in note.members:
            return False
        members = {digest: time for digest, time in note.members.items() if digest != _hash(note.key, member_id)}
        _write(workspace.erased, _Note(key=note.key, members=members).model_dump_json(indent=1))
        return True


def waiting(workspace: Workspace) -> dict[str, datetime]:
    """Members who were erased online alone, and until when their rows have to be."""
    path = workspace.erasing
    if not path.is_file():
        return {}
    try:
        return {member_id: datetime.fromisoformat(until) for member_id, until in json.loads(path.read_bytes()).items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise BadInput(
            "it is no list of members to erase", where=str(path), cure="write it anew, or move it"
        ) from error


def note_waiting(workspace: Workspace, member_ids: Iterable[str], until: datetime) -> None:
    """Note that the rows of members have to be erased by a time; one that waits already keeps its own."""
    with _writing(workspace):
        _write_waiting(workspace, {member_id: until for member_id in member_ids} | waiting(workspace))


def forget_waiting(workspace: Workspace, member_ids: Collection[str]) -> None:
    """Note that their rows are gone."""
    with _writing(workspace):
        left = {member_id: until for member_id, until in waiting(workspace).items() if member_id not in member_ids}
        if left:
            _write_waiting(workspace, left)
        else:
            workspace.erasing.unlink(missing_ok=True)


def _write_waiting(workspace: Workspace, of: dict[str, datetime]) -> None:
    _write(workspace.erasing, json.dumps({member_id: until.isoformat() for member_id, until in of.items()}, indent=1))


@contextmanager
def _writing(workspace: Workspace) -> Iterator[None]:
    """One process at a time: workers of one service write these files too."""
    handle = os.open(workspace.root / ".erased.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _read(path: Path) -> _Note | None:
    try:
        return _Note.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise typed(error, BadInput, where=str(path), cure="restore it: without it erased members come back") from error


def _write(path: Path, text: str) -> None:
    with staged_file(path) as staged:
        staged.touch(0o600)
        staged.write_text(text)


def _hash(key: str, member_id: str) -> str:
    return hmac.new(bytes.fromhex(key), member_id.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
