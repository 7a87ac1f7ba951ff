"""Feast's Redis store with another rule for what may replace what: a row of the same time does, an older one never.

Feast 0.67 drops in silence what has the time of the stored row, as the text of a record that was written anew; or, with
`skip_dedup`, lets loading the history undo what was pushed since it was written. On SQLite a trigger says the same (see
`feature_repo.store`). Feast's module needs the package `redis` as soon as it is imported, and so does this one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Literal

from feast.feature_view import FeatureView
from feast.infra.online_stores.helpers import _mmh3, _redis_key, compute_versioned_name
from feast.infra.online_stores.redis import RedisOnlineStore, RedisOnlineStoreConfig
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import RepoConfig
from feast.utils import make_tzaware
from google.protobuf.timestamp_pb2 import Timestamp
from redis.backoff import NoBackoff
from redis.retry import Retry

Row = tuple[EntityKey, dict[str, Value], datetime, datetime | None]
"""Key, features, event time, created time."""
SET_IF_OF_TIME = """
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 4))
if tonumber(ARGV[3]) > 0 then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
return 1
"""
"""Set a hash's fields if the field with its time is as it was read ("": not there)."""
LACKING = datetime(1970, 1, 1, tzinfo=UTC)
"""What Feast reads as the time of a key that Redis lacks."""

_NAME: Literal["feature_repo.redis_store.KeepNewerRedisOnlineStore"] = (
    "feature_repo.redis_store.KeepNewerRedisOnlineStore"
)


class KeepNewerRedisOnlineStoreConfig(RedisOnlineStoreConfig):
    """`online_store: {type: feature_repo.redis_store.KeepNewerRedisOnlineStore}`, with the settings of Feast's own."""

    type: Literal["feature_repo.redis_store.KeepNewerRedisOnlineStore"] = _NAME  # type: ignore[assignment]
    skip_dedup: bool = True


BATCH_SECONDS = 30.0
"""Longest wait for a reply where nobody else waits: a batch of rows is written."""


class KeepNewerRedisOnlineStore(RedisOnlineStore):
    """Writes rows that are not older than the stored ones, whoever else writes meanwhile."""

    _seconds = BATCH_SECONDS

    @classmethod
    def client(cls, config: KeepNewerRedisOnlineStoreConfig, seconds: float) -> Any:
        """A client of the configured server, sentinel or cluster.

        It waits at most so many seconds for a connection and for each reply, and does not try again by itself: the
        client's own retries with their pauses are what keeps a caller waiting for a server that is gone.
        """
        store = cls()
        store._seconds = seconds
        return store._get_client(config)

    def _get_client(self, online_store_config: RedisOnlineStoreConfig) -> Any:
        if self._client is None:
            _, said = self._parse_connection_string(online_store_config.connection_string)
            limits = {"socket_timeout": self._seconds, "socket_connect_timeout": self._seconds}
            added = [f"{name}={value}" for name, value in limits.items() if name not in said]
            address = ",".join([online_store_config.connection_string, *added])
            client = super()._get_client(online_store_config.model_copy(update={"connection_string": address}))
            client.set_retry(Retry(NoBackoff(), 0))
        return self._client

    def online_write_batch(
        self, config: RepoConfig, table: FeatureView, data: list[Row], progress: Callable[[int], Any] | None
    ) -> None:
        stored = self.online_read(config, table, [key for key, *_ in data], [table.features[0].name])
        times = [time or LACKING for time, _ in stored]
        rows = [
            (row, time)
            for row, time in zip(data, times, strict=True)
            if time == LACKING or make_tzaware(row[2]) >= time
        ]
        lost = self._write(config, table, rows)
        if progress:
            progress(len(rows) - len(lost))
        if lost:
            self.online_write_batch(config, table, lost, progress)

    def _write(self, config: RepoConfig, table: FeatureView, rows: list[tuple[Row, datetime]]) -> list[Row]:
        """Write each row whose stored time is as it was read; returns the others."""
        view, ttl = compute_versioned_name(table), config.online_store.key_ttl_seconds or 0
        with self._get_client(config.online_store).pipeline(transaction=False) as pipeline:
            for (key, values, time, _), before in rows:
                fields = {f"_ts:{view}": _stored(time)}
                fields |= {_mmh3(f"{view}:{name}"): value.SerializeToString() for name, value in values.items()}
                name = _redis_key(config.project, key, config.entity_key_serialization_version)
                old = b"" if before == LACKING else _stored(before)
                pipeline.eval(SET_IF_OF_TIME, 1, name, f"_ts:{view}", old, ttl, *chain.from_iterable(fields.items()))
            return [row for (row, _), done in zip(rows, pipeline.execute(), strict=True) if not done]


def _stored(time: datetime) -> bytes:
    """A time as Feast stores it."""
    stamp = Timestamp()
    stamp.FromDatetime(make_tzaware(time))
    return bytes(stamp.SerializeToString())
