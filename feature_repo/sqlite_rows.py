"""Rows in Feast's SQLite tables: a transaction that holds the write lock is the compare-and-set."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts.errors import NotAFeatureRepo
from contracts.features import MEMBER_ACTIVITY
from contracts.validation import first_line
from feature_repo.coding import decoded, encoded, entity_key, hashed, quoted, value_of
from feature_repo.config import StoreConfig
from feature_repo.rows import ID_DAYS, MAX_NEWS, READ, Change, Pushed, views_read

if TYPE_CHECKING:
    from feast import FeatureStore

BUSY_SECONDS = 0.05
"""How long a read waits for another process's lock; a write waits as long as it may take at all."""
_SLICE = 500
"""Members of one statement: SQLite takes 999 parameters or more."""
_OWN_TABLES = """
CREATE TABLE IF NOT EXISTS rolecall_event_ids (id BLOB PRIMARY KEY, day INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rolecall_erased (id BLOB PRIMARY KEY, day INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rolecall_lists
    (version TEXT NOT NULL, id BLOB NOT NULL, entry BLOB NOT NULL, PRIMARY KEY (version, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rolecall_lists_in_use (place INTEGER PRIMARY KEY CHECK (place < 2), version TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS rolecall_news (position INTEGER PRIMARY KEY AUTOINCREMENT, entry BLOB NOT NULL);
"""
_FEAST_TABLES = (
    "SELECT t.name FROM sqlite_master t JOIN pragma_table_info(t.name) c "
    "WHERE t.type = 'table' AND c.name = 'entity_key'"
)


class SqliteRows:
    """A connection a thread, so that no thread waits for another's statement."""

    writers = 1  # SQLite has one writer at a time anyway
    failures: tuple[type[Exception], ...] = (sqlite3.Error,)

    def __init__(self, store: FeatureStore, config: StoreConfig) -> None:
        from feast.infra.online_stores.helpers import compute_table_id

        feast = store.config
        self._path = (Path(str(feast.repo_path)) / feast.online_store.path).resolve()
        self._version = feast.entity_key_serialization_version
        self._read = views_read(store)
        views = {view: store.get_feature_view(view) for view in self._read}
        self._tables = {name: f'"{compute_table_id(feast.project, view)}"' for name, view in views.items()}
        self._write_seconds = config.write_limit
        self._own = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._trimmed_day = 0
        try:
            with contextlib.suppress(sqlite3.OperationalError):  # locked: the first write makes them
                self._connection().executescript(_OWN_TABLES)
            self.read([""])
        except sqlite3.OperationalError as error:
            if "no such table" in str(error) or "unable to open" in str(error):
                raise self._broken(error) from error
        except sqlite3.DatabaseError as error:
            raise self._broken(error) from error

    def read(self, member_ids: Sequence[str], views: Collection[str] = READ) -> list[dict[str, Any]]:
        found: dict[bytes, dict[str, Any]] = {key: {} for key in map(self._key, member_ids)}
        connection, keys = self._connection(), list(found)
        for view, features in self._read.items():
            if view not in views:
                continue
            for key, name, value in self._select(connection, view, features, keys):
                found[key][name] = value_of(value)
        return [found[key] for key in map(self._key, member_ids)]

    def update(self, changes: Mapping[str, Change]) -> dict[str, Pushed]:
        now, keys = _naive(datetime.now(UTC)), {self._key(member_id): member_id for member_id in changes}
        written: dict[str, Pushed] = {}
        with self._transaction() as connection:
            stored = self._select(connection, MEMBER_ACTIVITY, self._read[MEMBER_ACTIVITY], list(keys))
            activities = {key: decoded(value) for key, _, value in stored}
            lines: list[tuple[Any, ...]] = []
            for key, member_id in keys.items():
                pushed = changes[member_id](activities.get(key, ""))
                if pushed is not None:
                    written[member_id] = pushed
                    for name in ("activity", "activity_text"):
                        text = getattr(pushed, name)
                        lines.append((key, name, encoded(text), text, _naive(pushed.holds), now))
            # The later of both times: a row of another machine's clock must not be the one that stays.
            connection.executemany(
                f"INSERT INTO {self._tables[MEMBER_ACTIVITY]} "
                "(entity_key, feature_name, value, value_text, event_ts, created_ts) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT(entity_key, feature_name) DO UPDATE SET value = excluded.value, "
                "value_text = excluded.value_text, event_ts = MAX(excluded.event_ts, event_ts), "
                "created_ts = MAX(excluded.created_ts, IFNULL(created_ts, 0))",
                lines,
            )
        return written

    def claim(self, event_ids: Sequence[str]) -> set[str]:
        day = _today()
        new = set()
        with self._transaction() as connection:
            for event_id in event_ids:
                statement = "INSERT OR IGNORE INTO rolecall_event_ids VALUES (?, ?)"
                if connection.execute(statement, (hashed(event_id), day)).rowcount:
                    new.add(event_id)
            if self._trimmed_day != day:
                connection.execute("DELETE FROM rolecall_event_ids WHERE day < ?", (day - ID_DAYS,))
                self._trimmed_day = day
        return new

    def publish(self, news: Sequence[bytes]) -> None:
        with self._transaction() as connection:
            connection.executemany("INSERT INTO rolecall_news (entry) VALUES (?)", [(entry,) for entry in news])
            connection.execute(
                "DELETE FROM rolecall_news WHERE position <= (SELECT MAX(position) FROM rolecall_news) - ?",
                (MAX_NEWS,),
            )

    def news(self, after: str, most: int) -> list[tuple[str, bytes]]:
        statement = "SELECT position, entry FROM rolecall_news WHERE position > ? ORDER BY position LIMIT ?"
        return [(str(at), entry) for at, entry in self._connection().execute(statement, (int(after or 0), most))]

    def put_lists(self, version: str, entries: Mapping[str, bytes]) -> None:
        rows = [(version, self._key(member_id), entry) for member_id, entry in entries.items()]
        with self._transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO rolecall_lists VALUES (?, ?, ?)", rows)

    def use_lists(self, version: str) -> None:
        with self._transaction() as connection:
            if self._list_versions(connection)[:1] != [version]:
                connection.execute("DELETE FROM rolecall_lists_in_use WHERE place = 1")
                connection.execute("UPDATE rolecall_lists_in_use SET place = 1 WHERE place = 0")
                connection.execute("INSERT INTO rolecall_lists_in_use VALUES (0, ?)", (version,))
        removed = 1
        while removed:  # a few at a time: the service writes to this file too
            with self._transaction() as connection:
                removed = connection.execute(
                    "DELETE FROM rolecall_lists WHERE (version, id) IN (SELECT version, id FROM rolecall_lists "
                    "WHERE version NOT IN (SELECT version FROM rolecall_lists_in_use) LIMIT ?)",
                    (_SLICE,),
                ).rowcount

    def lists(self, member_id: str) -> tuple[str, bytes | None]:
        connection = self._connection()
        versions = self._list_versions(connection)
        if not versions:
            return "", None
        statement = "SELECT entry FROM rolecall_lists WHERE version = ? AND id = ?"
        found = connection.execute(statement, (versions[0], self._key(member_id))).fetchone()
        return versions[0], found[0] if found else None

    def _list_versions(self, connection: sqlite3.Connection) -> list[str]:
        """The version in use, then the one before."""
        return [row[0] for row in connection.execute("SELECT version FROM rolecall_lists_in_use ORDER BY place")]

    def erase(self, member_id: str) -> None:
        self._connection().execute("PRAGMA secure_delete = ON")  # nor may the bytes stay in a free page of the file
        with self._transaction() as connection:
            # Also of views that were added since this was opened.
            for (table,) in connection.execute(_FEAST_TABLES).fetchall():
                connection.execute(f'DELETE FROM "{table}" WHERE entity_key = ?', (self._key(member_id),))
            connection.execute("DELETE FROM rolecall_lists WHERE id = ?", (self._key(member_id),))
            connection.execute("DELETE FROM rolecall_news WHERE instr(entry, ?) > 0", (quoted(member_id),))
            connection.execute("DELETE FROM rolecall_erased WHERE day < ?", (_today() - ID_DAYS,))
            connection.execute("INSERT OR REPLACE INTO rolecall_erased VALUES (?, ?)", (hashed(member_id), _today()))
        self._connection().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def erased(self, member_ids: Sequence[str]) -> set[str]:
        statement = "SELECT 1 FROM rolecall_erased WHERE id = ? AND day >= ?"
        values = {member_id: (hashed(member_id), _today() - ID_DAYS) for member_id in member_ids}
        return {
            member_id for member_id, value in values.items() if self._connection().execute(statement, value).fetchone()
        }

    def close(self) -> None:
        """No thread may be inside of a call: to close its connection would crash."""
        with self._lock:
            for connection in self._opened:
                connection.close()
            self._opened.clear()

    def _select(
        self, connection: sqlite3.Connection, view: str, features: Sequence[str], keys: Sequence[bytes]
    ) -> Iterator[tuple[bytes, str, bytes]]:
        """(key, feature, value as Feast stores it)."""
        names = ", ".join("?" * len(features))
        for start in range(0, len(keys), _SLICE):
            some = keys[start : start + _SLICE]
            yield from connection.execute(
                f"SELECT entity_key, feature_name, value FROM {self._tables[view]} "
                f"WHERE entity_key IN ({', '.join('?' * len(some))}) AND feature_name IN ({names})",
                (*some, *features),
            )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the write lock from the first look to the commit."""
        connection = self._connection()
        connection.execute(f"PRAGMA busy_timeout = {round(self._write_seconds * 1_000)}")
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise
        except sqlite3.OperationalError as error:
            if "no such table: rolecall" in str(error):
                connection.executescript(_OWN_TABLES)  # it was locked at the start; the next write finds them
            raise
        finally:
            connection.execute(f"PRAGMA busy_timeout = {round(BUSY_SECONDS * 1_000)}")

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = sqlite3.connect(
                f"{self._path.as_uri()}?mode=rw", BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True
            )
            # A power cut may take the last commits: the log has their events, and a start folds them again.
            connection.execute("PRAGMA synchronous = NORMAL")
            self._own.connection = connection
            with self._lock:
                self._opened.append(connection)
        return connection

    def _key(self, member_id: str) -> bytes:
        return entity_key(member_id, self._version)

    def _broken(self, error: Exception) -> NotAFeatureRepo:
        cure = "run `rolecall features materialize`, which fills it anew, on a copy without this file"
        return NotAFeatureRepo(f"it is no online store: {first_line(error)}", where=str(self._path), cure=cure)


def _today() -> int:
    """Days since 1970."""
    return int(time.time() // 86_400)


def _naive(time: datetime) -> int:
    """A time as Feast's adapter for SQLite writes it: naive UTC, read as if it were local, in whole seconds."""
    return int(time.astimezone(UTC).replace(tzinfo=None).timestamp())
