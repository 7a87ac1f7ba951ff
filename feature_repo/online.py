"""One member, as they are now: what the service reads and what it folds in."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from contracts.activity import KNOWN_AFTER, Activity
from contracts.features import CREATED_TIME, EVENT_TIME, MEMBER_ACTIVITY, MEMBER_KEY
from contracts.validation import first_line
from contracts.workspace import Workspace
from feature_repo.config import StoreConfig
from feature_repo.guard import STATES, Guard, State, StoreDown
from feature_repo.pushed import PushedRows
from feature_repo.rows import READ, Pushed, Rows
from feature_repo.store import CONFIG, check_service, open_store

if TYPE_CHECKING:
    from feast import FeatureStore

T = TypeVar("T")
READERS = 4
"""Threads that read: as many requests as one store serves at once."""
BACKGROUND_SECONDS = 5.0
"""Longest wait for a call that no request waits for."""
CLOSE_SECONDS = 1.0
_PATIENT = 30.0
"""Seconds that a command waits for the store, for whom no request waits."""
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class MemberRow:
    """The online features of a member.

    known: the store has text or activity of them; encoding: what the encoder made of them (`ranking.encoding`), which
    may be of an earlier text or activity; empty where it made none yet.
    """

    known: bool
    text: str = ""
    text_version: str = ""
    location: str = ""
    activity: Activity = field(default_factory=Activity)
    encoding: bytes = b""


class OnlineMembers:
    """Reads members and folds events into their activities; safe to share between threads, processes and machines.

    Every call is bounded in time and guarded by a circuit breaker (`feature_repo.guard`): it raises StoreSlow or
    BreakerOpen, or what the store raises. No lock is held meanwhile.
    """

    def __init__(self, workspace: Workspace, service: str, bundle: str = "", config: StoreConfig | None = None) -> None:
        """Open the store.

        Args:
            workspace: With a feature repository.
            service: Name of the feature service.
            bundle: Version of the bundle that reads it, for the error.
            config: Its bounds; None: the defaults.

        Raises:
            NotAFeatureRepo: The workspace has no repository, Feast cannot read it, or its SQLite file is none.
            BundleMismatch: The repository lacks the service.
        """
        config = config or StoreConfig()
        store = open_store(workspace)
        check_service(store, service, bundle)
        self._rows = _rows(store, config)
        self._reads = Guard(READERS, config.read_limit, config)
        self._writes = Guard(self._rows.writers, config.write_limit, config)
        # What nobody waits for has a limit of its own, and its failures leave no request without the store.
        self._background = Guard(1, BACKGROUND_SECONDS, config.model_copy(update={"failures": sys.maxsize}))
        self._history = PushedRows(workspace.features / MEMBER_ACTIVITY)

    @property
    def state(self) -> State:
        """Of the circuit breakers of reading and of writing the worse."""
        return max(self._reads.breaker.state, self._writes.breaker.state, key=STATES.index)

    def read(self, member_id: str) -> MemberRow:
        """The member's row; an id that the store lacks is not `known`."""
        return self.read_many([member_id])[0]

    def read_many(self, member_ids: Sequence[str], views: Collection[str] = READ) -> list[MemberRow]:
        """The row of each member, in one call of the store. views: those that are read."""
        return [_row(values) for values in self._reads.run(lambda: self._rows.read(member_ids, views))]

    def fold(self, changes: Mapping[str, Callable[[Activity], Activity]], *, background: bool = False) -> None:
        """Replace activities by what `changes` make of them, as if nobody else wrote meanwhile.

        A change may be called several times: where another process wrote between, it is made again from what that
        wrote. The new rows join the history within 30 seconds. A row's event time is that of its newest event, so it
        is never older than the row that it replaces, and an event that came late is not lost when the history is
        loaded again. Its created time is now.

        Args:
            changes: Member -> function of the activity; one that returns an equal activity writes nothing.
            background: Nobody waits for it: it may take longer, and its failure is not held against the store.
        """
        made = {member_id: _change(change) for member_id, change in changes.items()}
        written = self._write(lambda: self._rows.update(made), background) if made else {}
        now = datetime.now(UTC)
        self._history.add(
            {
                MEMBER_KEY: member_id,
                "activity": pushed.activity,
                "activity_text": pushed.activity_text,
                EVENT_TIME: pushed.holds,
                CREATED_TIME: now,
            }
            for member_id, pushed in written.items()
        )

    def claim(self, event_ids: Sequence[str], *, background: bool = False) -> set[str]:
        """The ids that nobody claimed in the last two days; of several services on one store one gets each."""
        return self._write(lambda: self._rows.claim(event_ids), background) if event_ids else set()

    def publish(self, news: Sequence[bytes]) -> None:
        """Tell every service on the store, in the order of this call. Nobody waits for it, as with `fold`."""
        if news:
            self._write(lambda: self._rows.publish(news), background=True)

    def news(self, after: str, most: int = 1_000) -> list[tuple[str, bytes]]:
        """What was published behind a position ("": all that the store has), as (position, entry)."""
        return self._reads.run(lambda: self._rows.news(after, most))

    def lists(self, member_id: str) -> tuple[str, bytes | None]:
        """The version of lists in use ("" for none), and what it holds of a member; both of one look."""
        return self._reads.run(lambda: self._rows.lists(member_id))

    def erase(self, member_id: str) -> None:
        """Take a member's rows out of the store, and what services told each other of them.

        The next read knows nobody of that id, and for two days nothing of the log is folded in for it again.
        """
        self._history.forget(member_id)
        self._writes.run(lambda: self._rows.erase(member_id))

    def erased(self, member_ids: Sequence[str]) -> set[str]:
        """Those that were erased in the last two days. Nobody waits for it, as with `fold`."""
        return self._background.run(lambda: self._rows.erased(member_ids))

    def close(self) -> None:
        """Let go of the store, and write the rows that still wait for the history."""
        # What hangs must not keep the process.
        closing = threading.Thread(target=self._let_go, name="close-store", daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)
        self._history.close()  # the last, since what is being written to the store adds rows to it

    def _write(self, call: Callable[[], T], background: bool) -> T:
        if not background:
            return self._writes.run(call)
        value = self._background.run(call)
        self._writes.breaker.note(True)  # it takes what is written again, though no request has tried
        return value

    def _let_go(self) -> None:
        for calls in (self._reads, self._writes, self._background):
            calls.close()
        self._rows.close()


def erase_online(workspace: Workspace, member_ids: Sequence[str]) -> None:
    """Take members' rows, and what services told each other of them, out of the online store, where there is one.

    Raises what `patient_rows` raises.
    """
    if not (workspace.feature_repo / CONFIG).is_file():
        return
    with patient_rows(workspace) as rows:
        for member_id in member_ids:
            rows.erase(member_id)


@contextmanager
def patient_rows(workspace: Workspace) -> Iterator[Rows]:
    """The rows of a workspace's online store for a command, for whom no request waits.

    Raises as `open_store`, and:
        StoreDown: It does not answer, or takes nothing.
    """
    rows = _rows(open_store(workspace), StoreConfig(read_seconds=_PATIENT, write_seconds=_PATIENT))
    try:
        yield rows
    except rows.failures as error:
        cure = "see whether it runs and has room, then run again"
        raise StoreDown(first_line(error), where=str(workspace.feature_repo / CONFIG), cure=cure) from error
    finally:
        rows.close()


def _rows(store: FeatureStore, config: StoreConfig) -> Rows:
    """The rows of a repository's online store.

    Raises:
        NotAFeatureRepo: The store cannot be opened.
    """
    kind = store.config.online_store.type
    if kind == "sqlite":
        from feature_repo.sqlite_rows import SqliteRows

        return SqliteRows(store, config)
    from feature_repo.redis_rows import RedisRows

    return RedisRows(store, config)


def _row(values: Mapping[str, Any]) -> MemberRow:
    return MemberRow(
        known="text" in values or "activity" in values,
        text=values.get("text", ""),
        text_version=values.get("text_version", ""),
        location=values.get("location", ""),
        activity=Activity.from_json(values.get("activity")),
        encoding=values.get("encoding", b""),
    )


def _change(change: Callable[[Activity], Activity]) -> Callable[[str], Pushed | None]:
    def changed(stored: str) -> Pushed | None:
        before = Activity.from_json(stored)
        activity = change(before)
        if activity == before and stored:
            return None
        # An entry's time is cut to the millisecond: one more, or the batch job's row of the same event could be newer.
        newest = activity.entries[0].time + _MILLISECOND + KNOWN_AFTER if activity.entries else datetime.now(UTC)
        return Pushed(activity.to_json(), activity.text(), newest)

    return changed
