"""Rows of the online store as requests need them: one member read, an activity replaced only if nobody else did.

Feast's tables and keys, written and read without its SDK: `get_online_features` has no compare-and-set, no limit on
time, and takes longer than the store itself. What is written here Feast reads, and the other way round.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from contracts.features import MEMBER_ACTIVITY, MEMBER_ENCODING, MEMBER_TEXT

if TYPE_CHECKING:
    from feast import FeatureStore

READ = {
    MEMBER_TEXT: ("text", "text_version", "location"),
    MEMBER_ACTIVITY: ("activity",),
    MEMBER_ENCODING: ("encoding",),
}
"""Features of a member that a request reads, by view: text, but the encoding, which is bytes."""
ID_DAYS = 2
"""For so many days at least the store remembers the ids of events."""
MAX_NEWS = 50_000
"""Entries that the store's stream keeps, about: the oldest are dropped."""


def views_read(store: FeatureStore) -> dict[str, tuple[str, ...]]:
    """`READ` of the views that a repository has: one that was applied before there was a view lacks it until the next
    `rolecall features materialize`."""
    known = {view.name for view in store.list_feature_views()}
    return {view: features for view, features in READ.items() if view in known}


class Pushed(NamedTuple):
    """A member's new activity; holds: the time from which it is true."""

    activity: str
    activity_text: str
    holds: datetime


Change = Callable[[str], Pushed | None]
"""From the stored activity (JSON, "" for none) to the one that replaces it; None leaves it. Called until it is set."""


class Rows(Protocol):
    """One store's rows. Its methods may be called from several threads."""

    writers: int
    """Threads on which writing pays."""
    failures: tuple[type[Exception], ...]
    """What its methods raise where the store is down, full or broken."""

    def read(self, member_ids: Sequence[str], views: Collection[str] = READ) -> list[dict[str, Any]]:
        """Feature -> value of each member, of some views of `READ`; without what the store lacks."""

    def update(self, changes: Mapping[str, Change]) -> dict[str, Pushed]:
        """Replace activities, each as if no other process wrote meanwhile; returns those that were replaced."""

    def claim(self, event_ids: Sequence[str]) -> set[str]:
        """The ids that nobody claimed before; of several processes one gets each."""

    def publish(self, news: Sequence[bytes]) -> None:
        """Append entries to the stream that every process on the store reads."""

    def news(self, after: str, most: int) -> list[tuple[str, bytes]]:
        """(position, entry) of at most so many entries behind a position; "" is before the first."""

    def put_lists(self, version: str, entries: Mapping[str, bytes]) -> None:
        """Write members' lists of a version beside those in use; again the same is no harm."""

    def use_lists(self, version: str) -> None:
        """Make a version that was written whole the one in use, at once; then remove all but it and the one before."""

    def lists(self, member_id: str) -> tuple[str, bytes | None]:
        """The version in use ("" for none) and what it holds of a member; both of one look at which that is."""

    def erase(self, member_id: str) -> None:
        """Take a member's rows, lists and what the stream tells of them out of the store, and note it for `ID_DAYS`."""

    def erased(self, member_ids: Sequence[str]) -> set[str]:
        """Those that were erased in the last `ID_DAYS`."""

    def close(self) -> None: ...
