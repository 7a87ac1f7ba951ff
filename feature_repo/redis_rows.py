"""Rows in Feast's Redis hashes: a script compares the stored activity with the one that was read, then sets it."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from contracts.features import MEMBER_ACTIVITY
from feature_repo.coding import decoded, encoded, entity_key, hashed, quoted, value_of
from feature_repo.config import StoreConfig
from feature_repo.guard import StoreSlow
from feature_repo.rows import ID_DAYS, MAX_NEWS, READ, Change, Pushed, views_read

if TYPE_CHECKING:
    from feast import FeatureStore

COMPARE_AND_SET = """
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
return 1
"""
_IDS, _ERASED, _NEWS = "rolecall:event:", "rolecall:erased:", "rolecall:news"
_LISTS, _LIST_VERSIONS = b"rolecall:lists:", "rolecall:list_versions"
_LISTS_IN_USE, _LISTS_BEFORE = "rolecall:lists_in_use", "rolecall:lists_before"
_SLICE = 1_000
_ID_SECONDS = ID_DAYS * 86_400


class RedisRows:
    """One client with a pool of connections, whose sockets wait no longer than a call may take."""

    writers = 4

    def __init__(self, store: FeatureStore, config: StoreConfig) -> None:
        from feast.infra.online_stores.helpers import compute_versioned_name
        from redis.exceptions import RedisError

        from feature_repo.redis_store import KeepNewerRedisOnlineStore

        self.failures: tuple[type[Exception], ...] = (RedisError,)
        feast = store.config
        self._project, self._version = feast.project, feast.entity_key_serialization_version
        read = views_read(store)
        self._names = {view: compute_versioned_name(store.get_feature_view(view)) for view in read}
        self._fields = {(view, name): self._field(view, name) for view, names in read.items() for name in names}
        self._text = self._field(MEMBER_ACTIVITY, "activity_text")
        self._holds = f"_ts:{self._names[MEMBER_ACTIVITY]}"
        self._seconds = config.write_limit
        self._client: Any = KeepNewerRedisOnlineStore.client(
            feast.online_store, min(config.read_limit, config.write_limit)
        )

    def read(self, member_ids: Sequence[str], views: Collection[str] = READ) -> list[dict[str, Any]]:
        fields = {name: field for (view, name), field in self._fields.items() if view in views}
        pipeline = self._client.pipeline(transaction=False)
        for member_id in member_ids:
            pipeline.hmget(self._key(member_id), list(fields.values()))
        return [
            {name: value_of(value) for name, value in zip(fields, values, strict=True) if value is not None}
            for values in pipeline.execute()
        ]

    def update(self, changes: Mapping[str, Change]) -> dict[str, Pushed]:
        written: dict[str, Pushed] = {}
        waiting, until = dict(changes), time.monotonic() + self._seconds
        while waiting:
            made = self._changed(waiting)
            pipeline = self._client.pipeline(transaction=False)
            for member_id, (stored, time_stored, pushed) in made.items():
                values = self._values(pushed, time_stored)
                field = self._fields[MEMBER_ACTIVITY, "activity"]
                pipeline.eval(COMPARE_AND_SET, 1, self._key(member_id), field, stored, *values)
            for (member_id, (*_, pushed)), won in zip(made.items(), pipeline.execute() if made else (), strict=True):
                if won:
                    written[member_id] = pushed
            waiting = {member_id: changes[member_id] for member_id in made if member_id not in written}
            if waiting and time.monotonic() > until:
                raise StoreSlow(f"{len(waiting)} members' rows were changed by others over {self._seconds:g} s")
        return written

    def claim(self, event_ids: Sequence[str]) -> set[str]:
        pipeline = self._client.pipeline(transaction=False)
        for event_id in event_ids:
            pipeline.set(f"{_IDS}{hashed(event_id).hex()}", b"", nx=True, ex=_ID_SECONDS)
        return {event_id for event_id, new in zip(event_ids, pipeline.execute(), strict=True) if new}

    def publish(self, news: Sequence[bytes]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for entry in news:
            pipeline.xadd(_NEWS, {"entry": entry}, maxlen=MAX_NEWS, approximate=True)
        pipeline.execute()

    def news(self, after: str, most: int) -> list[tuple[str, bytes]]:
        found = self._client.xrange(_NEWS, min=f"({after}" if after else "-", count=most)
        return [(position.decode(), fields[b"entry"]) for position, fields in found]

    def put_lists(self, version: str, entries: Mapping[str, bytes]) -> None:
        self._client.sadd(_LIST_VERSIONS, version)  # first, so that whatever was written can be found and removed
        pipeline = self._client.pipeline(transaction=False)
        for member_id, entry in entries.items():
            pipeline.set(self._list_key(version, member_id), entry)
        pipeline.execute()

    def use_lists(self, version: str) -> None:
        now = self._client.get(_LISTS_IN_USE) or b""
        if now != version.encode():  # used again, it leaves the one before where it is
            self._client.set(_LISTS_BEFORE, now)
            self._client.set(_LISTS_IN_USE, version)
        before = self._client.get(_LISTS_BEFORE) or b""
        for other in self._client.smembers(_LIST_VERSIONS) - {version.encode(), before}:
            waiting: list[bytes] = []
            for key in self._client.scan_iter(match=_LISTS + other + b":*", count=_SLICE):
                waiting.append(key)
                if len(waiting) == _SLICE:
                    self._client.unlink(*waiting)
                    waiting = []
            if waiting:
                self._client.unlink(*waiting)
            self._client.srem(_LIST_VERSIONS, other)

    def lists(self, member_id: str) -> tuple[str, bytes | None]:
        version = (self._client.get(_LISTS_IN_USE) or b"").decode()
        return version, self._client.get(self._list_key(version, member_id)) if version else None

    def _list_key(self, version: str, member_id: str) -> bytes:
        return _LISTS + version.encode() + b":" + self._key(member_id)

    def erase(self, member_id: str) -> None:
        self._client.delete(self._key(member_id))
        for version in self._client.smembers(_LIST_VERSIONS):
            self._client.delete(self._list_key(version.decode(), member_id))
        self._client.set(f"{_ERASED}{hashed(member_id).hex()}", b"", ex=_ID_SECONDS)
        name, after = quoted(member_id), ""
        while found := self.news(after, _SLICE):
            after = found[-1][0]
            told = [position for position, entry in found if name in entry]
            if told:
                self._client.xdel(_NEWS, *told)

    def erased(self, member_ids: Sequence[str]) -> set[str]:
        pipeline = self._client.pipeline(transaction=False)
        for member_id in member_ids:
            pipeline.exists(f"{_ERASED}{hashed(member_id).hex()}")
        return {member_id for member_id, there in zip(member_ids, pipeline.execute(), strict=True) if there}

    def close(self) -> None:
        self._client.close()

    def _changed(self, changes: Mapping[str, Change]) -> dict[str, tuple[bytes, bytes | None, Pushed]]:
        """Member -> activity and time as they are stored, and what replaces them."""
        pipeline = self._client.pipeline(transaction=False)
        for member_id in changes:
            pipeline.hmget(self._key(member_id), [self._fields[MEMBER_ACTIVITY, "activity"], self._holds])
        made = {}
        for (member_id, change), (stored, holds) in zip(changes.items(), pipeline.execute(), strict=True):
            pushed = change(decoded(stored))
            if pushed is not None:
                made[member_id] = (stored or b"", holds, pushed)
        return made

    def _values(self, pushed: Pushed, stored: bytes | None) -> tuple[bytes | str, ...]:
        """Fields and values to set; the time never goes back, or loading the history would undo what is written."""
        return (
            *(self._fields[MEMBER_ACTIVITY, "activity"], encoded(pushed.activity)),
            *(self._text, encoded(pushed.activity_text)),
            *(self._holds, _later(pushed.holds, stored)),
        )

    def _key(self, member_id: str) -> bytes:
        return entity_key(member_id, self._version) + self._project.encode()

    def _field(self, view: str, feature: str) -> bytes:
        from feast.infra.online_stores.helpers import _mmh3

        return bytes(_mmh3(f"{self._names[view]}:{feature}"))


def _later(time: datetime, stored: bytes | None) -> bytes:
    """The later of two times, as Feast stores one."""
    from google.protobuf.timestamp_pb2 import Timestamp

    new, old = Timestamp(), Timestamp.FromString(stored or b"")
    new.FromDatetime(time)
    return bytes(max(new, old, key=lambda at: (at.seconds, at.nanos)).SerializeToString())
