"""Feast's offline store over our tables: folders of Parquet parts, append-only.

Feast 0.67's own file store (Dask) cannot be trusted with them. Where a table has several parts, Dask sorts missing
values last, so that `filter_by_created_timestamp` hands out nulls in place of values; among rows of one event time
its unstable sort ignores the created time; it drops asked rows that share key and time (feast#6787); and a write
replaces the folder by a file. The joins here are as-of joins, read keys and times first, and then only the rows that
were picked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from feast.data_source import DataSource
from feast.feature_view import FeatureView
from feast.infra.offline_stores.dask import DaskOfflineStore, DaskOfflineStoreConfig, DaskRetrievalJob
from feast.infra.offline_stores.file_source import FileSource
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import RepoConfig
from feast.utils import _get_requested_feature_views_to_features_dict

from contracts.errors import BadInput
from contracts.features import EVENT_TIME
from contracts.tables import in_use, parts, reading, write_part
from contracts.time.as_of import newest_rows, rows_as_of

_ROW = "__row"
_TIME = pl.Datetime("us", "UTC")


class PartsOfflineStoreConfig(DaskOfflineStoreConfig):
    """`offline_store: {type: feature_repo.offline.PartsOfflineStore}`; it has no settings."""

    type: Literal["feature_repo.offline.PartsOfflineStore"] = "feature_repo.offline.PartsOfflineStore"  # type: ignore[assignment]


class PartsOfflineStore(DaskOfflineStore):
    """Point-in-time joins, newest rows and appends over folders of parts. A table without parts is an empty one."""

    supports_filter_by_created_timestamp = True

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: Any,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
        **kwargs: Any,
    ) -> RetrievalJob:
        """Every row of `entity_df`, in its order, with the features as of its `event_timestamp`.

        Args:
            config: of the repository.
            feature_views: those that `feature_refs` name.
            feature_refs: "view:feature" each.
            entity_df: a data frame with the join keys and `event_timestamp`.
            registry: not used.
            project: not used.
            full_feature_names: name a column "view__feature" and not "feature".
            filter_by_created_timestamp: a row counts once its created time has passed too.

        Returns:
            A job whose table holds null where nothing was known by then.

        Raises:
            BadInput: `entity_df` is no data frame with that column.
        """
        if not isinstance(entity_df, pd.DataFrame) or EVENT_TIME not in entity_df:
            raise BadInput(f"no data frame with a column {EVENT_TIME}", cure="pass the keys and the time of each row")
        # Private to Feast, but what each of its own offline stores starts with.
        features_of, _ = _get_requested_feature_views_to_features_dict(feature_refs, feature_views, [])

        def join() -> pa.Table:
            table = pa.Table.from_pandas(entity_df, preserve_index=False)
            moments = pl.DataFrame(table)
            for view, features in features_of.items():
                history = _History(view.batch_source, config, view.join_keys)
                values = history.take(history.as_of(moments, filter_by_created_timestamp, view.ttl), features)
                prefix = f"{view.projection.name_to_use()}__" if full_feature_names else ""
                for name in features:
                    table = table.append_column(f"{prefix}{name}", values[name])
            return table

        metadata = RetrievalMetadata(
            features=feature_refs,
            keys=[name for name in entity_df.columns if name != EVENT_TIME],
            min_event_timestamp=entity_df[EVENT_TIME].min(),
            max_event_timestamp=entity_df[EVENT_TIME].max(),
        )
        return _TableJob(join, full_feature_names, config, metadata)

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> RetrievalJob:
        """The newest row of each key with an event time in [start_date, end_date]: what materialisation loads."""
        times = [timestamp_field, *([created_timestamp_column] if created_timestamp_column else [])]

        def pull() -> pa.Table:
            history = _History(data_source, config, join_key_columns)
            return history.take(
                history.latest(start_date, end_date), [*join_key_columns, *feature_name_columns, *times]
            )

        return _TableJob(pull, False, config, None)

    @staticmethod
    def offline_write_batch(
        config: RepoConfig, feature_view: FeatureView, table: pa.Table, progress: Callable[[int], Any] | None
    ) -> None:
        """Append the rows as one more part, never touching the others."""
        write_part(in_use(_folder(feature_view.batch_source, config)), table)
        if progress:
            progress(table.num_rows)


class _TableJob(DaskRetrievalJob):
    """A retrieval that is an Arrow table once it is asked for."""

    def __init__(
        self, make: Callable[[], pa.Table], full_names: bool, config: RepoConfig, metadata: RetrievalMetadata | None
    ) -> None:
        super().__init__(make, full_names, str(config.repo_path), metadata=metadata)

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        return self.evaluation_function().to_pandas()

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        return self.evaluation_function()


class _History:
    """One view's table: the keys and times of all its rows, in the order of its parts."""

    def __init__(self, source: DataSource | None, config: RepoConfig, keys: Sequence[str]) -> None:
        if not isinstance(source, FileSource) or source.field_mapping or not source.timestamp_field:
            raise BadInput(f"source {source and source.name!r}", cure="a FileSource with a time and no field_mapping")
        self.keys = list(keys)
        self.event = source.timestamp_field
        # The newest event first, then what was learned of it last.
        self.order = [self.event, *([source.created_timestamp_column] if source.created_timestamp_column else [])]
        self._paths = parts(_folder(source, config))
        frames = [pl.DataFrame(_read(path, [*self.keys, *self.order])) for path in self._paths]
        self._starts = np.cumsum([0, *map(len, frames)])
        empty = pl.DataFrame(schema=dict.fromkeys(self.keys, pl.String) | dict.fromkeys(self.order, _TIME))
        rows = pl.concat(frames, how="vertical_relaxed") if frames else empty
        self.rows = rows.with_columns(pl.col(self.order).cast(_TIME))

    def as_of(self, moments: pl.DataFrame, known_then: bool, ttl: timedelta | None) -> pl.Series:
        """The place of the newest row known at each moment.

        Args:
            moments: (m,) rows with the keys and `event_timestamp`.
            known_then: a row counts once its created time has passed too, not only its event time.
            ttl: how old an event may be; none or zero: any age.

        Returns:
            (m,) places, null where no row was known.
        """
        at = pl.col(EVENT_TIME)
        at = at if getattr(moments.schema[EVENT_TIME], "time_zone", None) else at.dt.replace_time_zone("UTC")
        moments = moments.with_columns(at.cast(_TIME))
        since = self.order if known_then else [self.event]
        rows = rows_as_of(self.rows, moments, self.keys, EVENT_TIME, self.order, since=since)
        if not ttl:
            return rows
        fresh = self.rows[self.event].gather(rows) >= moments[EVENT_TIME] - ttl
        return rows.to_frame().select(pl.when(fresh).then(pl.col(rows.name))).to_series()

    def latest(self, start: datetime | None, end: datetime | None) -> pl.Series:
        """The place of each key's newest row by event time within [start, end], ascending."""
        rows = self.rows.with_row_index(_ROW)
        if start is not None:
            rows = rows.filter(pl.col(self.event) >= start)
        if end is not None:
            rows = rows.filter(pl.col(self.event) <= end)
        return rows[_ROW].gather(newest_rows(rows, self.keys, self.order)).sort()

    def take(self, rows: pl.Series, columns: list[str]) -> pa.Table:
        """Columns of the rows at some places; memory holds one part at a time beside them.

        Args:
            rows: (m,) places, or null.
            columns: of the table.

        Returns:
            m rows in the order of `rows`, null where the place is null.
        """
        picked = rows.drop_nulls().unique().sort().to_numpy()
        taken = []
        for number, path in enumerate(self._paths):
            low, high = np.searchsorted(picked, self._starts[number : number + 2])
            if low < high:
                taken.append(_read(path, columns).take(pa.array(picked[low:high] - self._starts[number])))
        if not taken:
            return pa.table({name: pa.nulls(len(rows)) for name in columns})
        at = np.searchsorted(picked, rows.fill_null(0).to_numpy())
        missing = rows.is_null().to_numpy()
        # One chunk: Feast writes only the first of several online.
        return pa.concat_tables(taken, promote_options="permissive").take(pa.array(at, mask=missing)).combine_chunks()


def _folder(source: DataSource | None, config: RepoConfig) -> Path:
    assert isinstance(source, FileSource)
    return Path(FileSource.get_uri_for_file_path(config.repo_path, source.file_options.uri))


def _read(path: Path, columns: list[str]) -> pa.Table:
    with reading(path):
        return pq.read_table(path, columns=list(dict.fromkeys(columns)), partitioning=None)
