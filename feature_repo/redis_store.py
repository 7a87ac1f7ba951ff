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


class KeepNewerRedisOnlineStore(RedisOnlineStore):
    """A push between the look at the times and the write, some milliseconds, may still be replaced: loading again
    brings it back, since the history has it by then."""

    def online_write_batch(
        self, config: RepoConfig, table: FeatureView, data: list[Row], progress: Callable[[int], Any] | None
    ) -> None:
        stored = self.online_read(config, table, [key for key, *_ in data], [table.features[0].name])
        times = [time or LACKING for time, _ in stored]
        rows = [row for row, time in zip(data, times, strict=True) if time == LACKING or make_tzaware(row[2]) >= time]
        super().online_write_batch(config, table, rows, progress)
