"""Keys of the service: a file of hashes, read anew when it changes.

A key is 256 random bits, so that its plain SHA-256 cannot be guessed back; a slow hash is for words that people choose.
The file holds no key, and whoever reads it cannot ask with what it holds.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, ValidationError

from contracts.errors import BadInput, NotReady
from contracts.validation import typed
from contracts.values import FrozenModel
from contracts.versions import staged_file
from serving.logger import log

Scope = Literal["serve", "events", "recruiter", "console", "grade", "admin"]
"""What a key may do; `serving.http.access` says which route needs which."""
SCOPES: tuple[Scope, ...] = get_args(Scope)
PREFIX = "rk"
_NOBODY = hashlib.sha256(b"").hexdigest()


class Key(FrozenModel):
    """A key without its secret."""

    id: str = Field(description="Eight hex digits; they stand in the key too, and may stand in a log.")
    name: str = Field(description="Who has it.")
    scopes: tuple[Scope, ...]
    sha256: str = Field(description="Of the secret.")
    created: datetime
    expires: datetime | None = None
    by_token: bool = Field(False, description="Asks for a member with that member's token alone.")
    per_second: float = Field(0.0, ge=0, description="Requests a second, ten seconds' worth at once; 0: no limit.")


class KeyFile(FrozenModel):
    """What a file of keys holds."""

    format: Literal[1] = 1
    keys: tuple[Key, ...] = ()


def new_key(
    path: Path,
    name: str,
    scopes: Sequence[Scope],
    *,
    days: float | None = None,
    by_token: bool = False,
    per_second: float = 0.0,
) -> tuple[Key, str]:
    """Add a key to a file, which is made where there is none.

    Args:
        path: The file of keys; readable to its owner alone.
        name: Who gets the key.
        scopes: What it may do.
        days: How long it holds; None: until it is revoked.
        by_token: It may ask for a member with that member's token alone.
        per_second: Requests a second; 0: no limit.

    Returns:
        The key and its secret, which is nowhere else.

    Raises:
        BadInput: No scope, an unknown one, or a name that is empty or taken; the file is no file of keys.
    """
    if not scopes or (unknown := set(scopes) - set(SCOPES)):
        found = ", ".join(sorted(unknown)) if scopes else "none"
        raise BadInput(f"scope {found}", where="--scope", cure=f"of {', '.join(SCOPES)}")
    kept = read_keys(path) if path.exists() else KeyFile()
    if not name.strip() or name in {key.name for key in kept.keys}:
        raise BadInput(f"name {name[:80]!r} is empty or taken", where="--name", cure="give the key another name")
    id_, secret, now = secrets.token_hex(4), secrets.token_urlsafe(32), datetime.now(UTC)
    key = Key(
        id=id_,
        name=name,
        scopes=tuple(dict.fromkeys(scopes)),
        sha256=_sha256(secret),
        created=now,
        expires=now + timedelta(days=days) if days else None,
        by_token=by_token,
        per_second=per_second,
    )
    _write(path, KeyFile(keys=(*kept.keys, key)))
    return key, f"{PREFIX}_{id_}_{secret}"


def revoke_key(path: Path, id_or_name: str) -> Key:
    """Take a key out of a file; a service that reads the file refuses it from then on. Raises BadInput for no such."""
    kept, found = _found(path, id_or_name)
    _write(path, KeyFile(keys=tuple(key for key in kept.keys if key is not found)))
    return found


def limit_key(path: Path, id_or_name: str, per_second: float) -> Key:
    """Let a key ask so often a second (0: without a limit); a service that reads the file holds it to that at once.

    Raises:
        BadInput: There is no such key.
    """
    kept, found = _found(path, id_or_name)
    limited = found.model_copy(update={"per_second": per_second})
    _write(path, KeyFile(keys=tuple(limited if key is found else key for key in kept.keys)))
    return limited


def read_keys(path: Path) -> KeyFile:
    """The keys of a file.

    Raises:
        NotReady: There is no file.
        BadInput: It is no file of keys. The error repeats nothing of it.
    """
    try:
        return KeyFile.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise NotReady(f"no file of keys {path}", cure="`rolecall keys new` makes one") from error
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}", where=str(path), cure="mind its owner and mode") from error
    except ValidationError as error:
        raise typed(error, BadInput, where=str(path), cure="it is written by `rolecall keys` alone") from None


def _found(path: Path, id_or_name: str) -> tuple[KeyFile, Key]:
    """A file's keys, and the one of this id or name. Raises BadInput unless there is one."""
    kept = read_keys(path)
    found = [key for key in kept.keys if id_or_name in (key.id, key.name)]
    if len(found) != 1:
        raise BadInput(f"{len(found)} keys {id_or_name[:80]!r}", where=str(path), cure="see `rolecall keys list`")
    return kept, found[0]


def _write(path: Path, content: KeyFile) -> None:
    """Replace the file, which stays its owner's: root may change the keys of a service that runs as another user."""
    owner = path.stat() if path.exists() else None
    with staged_file(path) as staged:
        staged.touch(mode=0o600)
        staged.write_text(content.model_dump_json(indent=2, exclude_defaults=True, exclude_none=True))
        staged.chmod(0o600)
        if owner is not None and owner.st_uid != os.geteuid():
            os.chown(staged, owner.st_uid, owner.st_gid)


class KeyRing:
    """The keys of a file, read anew when the file changes. Safe to share between threads.

    A file that is gone or broken changes nothing, so that a slip does not lock everybody out; the log says so.
    """

    def __init__(self, path: Path) -> None:
        """Read the file. Raises what `read_keys` raises."""
        self._path = path
        self._lock = threading.Lock()
        self._stamp = _stamp(path)
        self._keys = _by_id(read_keys(path))

    def find(self, presented: str) -> Key | None:
        """The key whose secret was presented; None for one that is unknown, revoked or has expired."""
        self._look()
        prefix, _, rest = presented.partition("_")
        id_, _, secret = rest.partition("_")
        key = self._keys.get(id_)
        same = hmac.compare_digest(_sha256(secret), key.sha256 if key else _NOBODY)  # as long for an unknown id
        if key is None or not same or prefix != PREFIX or not secret:
            return None
        return None if key.expires and key.expires < datetime.now(UTC) else key

    def _look(self) -> None:
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        with self._lock:
            if stamp == self._stamp:
                return
            self._stamp = stamp
            try:
                self._keys = _by_id(read_keys(self._path))
            except (BadInput, NotReady) as error:
                log.error("keys_not_read", error=type(error).__name__, keys=len(self._keys))
            else:
                log.info("keys_read", keys=len(self._keys))


def _by_id(file: KeyFile) -> dict[str, Key]:
    return {key.id: key for key in file.keys}


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
