"""Feast's Redis store with another rule for what may replace what: a row of the same time does, an older one never.

Feast 0.67 drops in silence what has the time of the stored row, as the text of a record that was written anew; or, with
`skip_dedup`, lets loading the history undo what was pushed since it was written. On SQLite a trigger says the same (see
`feature_repo.store`). Feast's module needs the package `redis` as soon as it is imported, and so does this one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

from feast.feature_view import FeatureView
from feast.infra.online_stores.redis import RedisOnlineStore, RedisOnlineStoreConfig
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import RepoConfig
from feast.utils import make_tzaware
from redis.backoff import NoBackoff
from redis.retry import Retry

Row = tuple[EntityKey, dict[str, Value], datetime, datetime | None]
"""Key, features, event time, created time."""
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
    """A push between the look at the times and the write, some milliseconds, may still be replaced: loading again
    brings it back, since the history has it by then."""

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
        rows = [row for row, time in zip(data, times, strict=True) if time == LACKING or make_tzaware(row[2]) >= time]
        super().online_write_batch(config, table, rows, progress)
