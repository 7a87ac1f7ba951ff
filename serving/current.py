"""What the service answers with now: one reference, replaced whole; requests that hold the old one go on with it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from contracts.records import Event
from feature_repo.online import OnlineMembers
from serving.load import Loaded


class Current:
    """A request takes what is loaded once, at its start (`use`); who changes it takes turns (`change`)."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._lock, self._turn = threading.Lock(), threading.Lock()
        self._users: Counter[OnlineMembers] = Counter()

    @property
    def loaded(self) -> Loaded:
        return self._loaded

    @contextmanager
    def use(self) -> Iterator[Loaded]:
        """What is loaded now, whose connections stay open until it is given back."""
        with self._lock:
            loaded = self._loaded
            self._users[loaded.members] += 1
        try:
            yield loaded
        finally:
            with self._lock:
                self._users[loaded.members] -= 1
            self._close_unused(loaded.members)

    def change(self, make: Callable[[Loaded], Loaded]) -> Loaded:
        """Replace what is loaded by what `make` makes of it; where it raises nothing changes. Returns the new one."""
        with self._turn:
            old, new = self._loaded, make(self._loaded)
            with self._lock:
                self._loaded = new
        self._close_unused(old.members)
        return new

    def count(self, events: Iterable[Event]) -> None:
        """Count events in the activity of the jobs that they name."""
        with self._turn:  # or a new index could take over the activity of the old one without them
            index = self._loaded.index
            for event in events:
                [row] = index.rows([event.job_id], ended=True)
                index.activity.add(int(row), event.time, event.action)

    def close(self) -> None:
        self._loaded.members.close()

    def _close_unused(self, members: OnlineMembers) -> None:
        with self._lock:
            unused = not self._users[members]
            if unused:
                del self._users[members]
            unused = unused and members is not self._loaded.members
        if unused:
            members.close()
