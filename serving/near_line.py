"""Keeps the services on one online store up to date with each other, and the store with the log.

A thread tells the others what this service took in and showed, through the store's stream, and counts what they tell.
What the store did not take when it was posted is folded in from the log, once the store answers again. Both may be told
twice and change nothing then, so neither needs an acknowledgement. A line that the store does not take while it
takes others is passed over, counted and said, so that it keeps nothing that follows.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from contracts.records import Event
from serving.counts import Counts
from serving.current import Current
from serving.folding import folds
from serving.log_files import Position, read_lines
from serving.logger import log
from serving.metrics import Metrics

TELL_SECONDS = 0.2
"""Between two looks at the stream: others know within that, and the time of two calls of the store."""
SLICE_SECONDS = 0.01
"""Between two slices of much work, so that requests go first."""
SLICE = 500
"""Lines that are folded in, and entries of the stream that are sent or read, at a time."""
LOST_SECONDS, MARK_SECONDS = 60.0, 5.0
"""What was posted so long before a store failed is folded in once more, to the grain of a mark."""
TRIES = 3
"""Of one line, each with a store that takes something else, until it is passed over."""
CLOSE_SECONDS = 5.0
MAX_WAITING = 20_000
"""Entries that wait for a store that is down; then the oldest go, since the log has their events."""


class NearLine:
    """The thread, and what waits for it. Safe to share between threads."""

    def __init__(self, current: Current, counts: Counts, metrics: Metrics, origin: str, since: datetime) -> None:
        """Start the thread.

        Args:
            current: What is served.
            counts: Counts what others tell.
            metrics: Count the entries.
            origin: Name of this service among the others.
            since: What others took in before is counted already: when the index was built.
        """
        self._current, self._counts, self._metrics, self._origin, self._since = current, counts, metrics, origin, since
        self._waiting: deque[bytes] = deque()
        self._unfolded: dict[Path, int] = {}
        self._marks: deque[tuple[float, Position]] = deque()
        self._lock = threading.Lock()
        self._lost = False
        self._position, self._problems = "", dict[str, str]()
        self._slice, self._tried = SLICE, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="near-line", daemon=True)
        self._thread.start()

    def tell_events(self, events: Iterable[Event]) -> None:
        """Tell the others what people did."""
        said = [(e.member_id, e.job_id, e.action, e.time.isoformat()) for e in events]
        if said:
            self._tell({"events": said})

    def tell_shown(self, member_id: str, job_ids: Sequence[str], time: datetime) -> None:
        """Tell the others what a member was shown."""
        self._tell({"shown": (member_id, job_ids, time.isoformat())})

    def logged(self, position: Position) -> None:
        """Remember where the log stood of late: a store that comes back may have lost the last it was told."""
        now = time.monotonic()
        with self._lock:
            if not self._marks or now - self._marks[-1][0] >= MARK_SECONDS:
                self._marks.append((now, position))
            while len(self._marks) > 1 and now - self._marks[1][0] >= LOST_SECONDS:
                self._marks.popleft()

    def fold_later(self, position: Position) -> None:
        """Fold in what the log has from a position to the end of its file."""
        with self._lock:
            known = self._unfolded.get(position.path, position.offset)
            self._unfolded[position.path] = min(known, position.offset)

    @property
    def behind(self) -> bool:
        """Whether the store still lacks something of the log."""
        return bool(self._unfolded)

    def close(self) -> None:
        """Tell what waits, for at most `CLOSE_SECONDS` and a call of the store, and stop; what is not told is said."""
        self._stop.set()
        self._thread.join(2 * CLOSE_SECONDS)
        if self._waiting:
            self._metrics.news.labels("dropped").inc(len(self._waiting))
            log.error("near_line_not_told", entries=len(self._waiting))

    def _tell(self, said: Mapping[str, Any]) -> None:
        entry = orjson.dumps({"from": self._origin, "at": datetime.now(UTC), **said})
        with self._lock:
            self._waiting.append(entry)
            dropped = len(self._waiting) > MAX_WAITING
            if dropped:
                self._waiting.popleft()
        if dropped:
            self._metrics.news.labels("dropped").inc()

    def _run(self) -> None:
        more = False
        while not self._stop.wait(SLICE_SECONDS if more else TELL_SECONDS):
            more = any([self._step(step) for step in (self._send, self._read, self._fold)])
        until = time.monotonic() + CLOSE_SECONDS
        while self._step(self._send) and time.monotonic() < until:
            pass

    def _step(self, step: Any) -> bool:
        """Whether a step has more to do; not where it fails, which is said once, as is that it works again."""
        name = step.__name__.strip("_")
        try:
            more = bool(step())
        except Exception as error:  # whatever a store or a file raises; the service goes on
            self._lost = self._lost or name != "fold"  # one that does not take a line may well keep what it has
            problem = type(error).__name__
            if problem != self._problems.get(name):
                log.warning("near_line", step=name, cause=problem)
            self._problems[name] = problem
            return False
        if self._problems.pop(name, ""):
            log.info("near_line_works_again", step=name)
        return more

    def _send(self) -> bool:
        with self._lock:
            entries = list(islice(self._waiting, SLICE))
        if entries:
            with self._current.use() as servable:
                servable.members.publish(entries)
            self._metrics.news.labels("sent").inc(len(entries))
            with self._lock:
                for entry in entries:
                    if self._waiting and self._waiting[0] is entry:  # else it was dropped meanwhile
                        self._waiting.popleft()
        return len(entries) == SLICE

    def _read(self) -> bool:
        with self._current.use() as servable:
            news = servable.members.news(self._position, SLICE)
            if self._lost:  # it is back, and may not have kept the last seconds
                self._lost = False
                for _, logged in list(self._marks):
                    self.fold_later(logged)
            for position, entry in news:
                self._take(servable, entry)
                self._position = position
        return len(news) == SLICE

    def _take(self, servable: Any, entry: bytes) -> None:
        """Count what another service tells; what is none of our entries is passed over and counted."""
        try:
            said = orjson.loads(entry)
            if said["from"] == self._origin:
                return
            if "shown" in said:
                member_id, job_ids, time = said["shown"]
                self._counts.add_shown(member_id, job_ids, datetime.fromisoformat(time))
            elif datetime.fromisoformat(said["at"]) >= self._since:
                self._counts.add(servable, [_event(*event) for event in said["events"]])
        except (ValueError, TypeError, KeyError):
            self._metrics.news.labels("unreadable").inc()
            return
        self._metrics.news.labels("read").inc()

    def _fold(self) -> bool:
        with self._lock:
            path, offset = next(iter(self._unfolded.items()), (None, 0))
        if path is None:
            return False
        try:
            lines = list(islice(read_lines(path, offset), self._slice))
        except OSError:
            with self._lock:
                self._unfolded[path] = self._unfolded.pop(path)  # others go first
            raise
        try:
            self._fold_in(_posted(row for _, rows in lines for row in rows))
        except Exception as error:
            if not self._passes_over(len(lines)):
                raise
            self._metrics.news.labels("skipped").inc()
            log.error("near_line_skipped", file=path.name, offset=offset, cause=type(error).__name__)
        self._slice, self._tried = min(SLICE, 2 * self._slice), 0
        with self._lock:
            if self._unfolded.get(path) == offset:  # else an earlier place was added meanwhile
                del self._unfolded[path]
                if lines:
                    self._unfolded[path] = lines[-1][0]
        return bool(self._unfolded)

    def _fold_in(self, events: Sequence[Event]) -> None:
        if not events:
            return
        with self._current.use() as servable:
            members = servable.members
            erased = members.erased(sorted({event.member_id for event in events}))
            left = [event for event in events if event.member_id not in erased]
            members.fold(folds(servable, left), background=True)

    def _passes_over(self, lines: int) -> bool:
        """Whether to go on behind lines that the store did not take: never several, which are tried in smaller slices
        first, and one only after `TRIES` at each of which the store took something else."""
        if lines > 1:
            self._slice = lines // 2
            return False
        with self._current.use() as servable:
            servable.members.claim([f"near-line-{self._origin}-{secrets.token_hex(4)}"], background=True)
        self._tried += 1
        return self._tried >= TRIES


def _posted(rows: Iterable[Mapping[str, Any]]) -> list[Event]:
    """The events of members that are folded, each id once."""
    events: dict[str, Event] = {}
    for row in rows:
        if row["action"] != "impression" and row["member_id"] and row["id"] not in events:
            try:
                events[row["id"]] = Event.model_validate(row)
            except ValidationError:
                continue  # `ingest` sets it aside
    return list(events.values())


def _event(member_id: str, job_id: str, action: str, time: str) -> Event:
    return Event.model_validate(
        {"id": "told", "member_id": member_id, "job_id": job_id, "action": action, "time": datetime.fromisoformat(time)}
    )
