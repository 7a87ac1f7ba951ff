"""The servable that answers now: one reference, replaced whole; a request goes on with the one it began with."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from contracts.records import Event
from feature_repo.online import OnlineMembers
from serving.servable import Servable


class Current:
    """Requests take the servable once, at their start (`use`); writers take turns (`change`)."""

    def __init__(self, servable: Servable) -> None:
        self._servable = servable
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._users: Counter[OnlineMembers] = Counter()

    @property
    def servable(self) -> Servable:
        return self._servable

    @contextmanager
    def use(self) -> Iterator[Servable]:
        """The servable of now; its connections stay open until the context ends."""
        with self._lock:
            servable = self._servable
            self._users[servable.members] += 1
        try:
            yield servable
        finally:
            with self._lock:
                self._users[servable.members] -= 1
            self._close_unused(servable.members)

    def change(self, make: Callable[[Servable], Servable]) -> Servable:
        """Replace the servable by what `make` returns for it, and return that; where it raises nothing changes."""
        with self._writing:
            old, new = self._servable, make(self._servable)
            with self._lock:
                self._servable = new
        self._close_unused(old.members)
        return new

    def count(self, events: Iterable[Event]) -> None:
        """Count events in the activity of the jobs that they name."""
        with self._writing:  # else an index that takes over the activity of this one could miss them
            index = self._servable.index
            for event in events:
                [row] = index.rows([event.job_id], ended=True)
                index.activity.add(int(row), event.time, event.action)

    def close(self) -> None:
        self._servable.members.close()

    def _close_unused(self, members: OnlineMembers) -> None:
        with self._lock:
            unused = not self._users[members]
            if unused:
                del self._users[members]
            unused = unused and members is not self._servable.members
        if unused:
            members.close()
