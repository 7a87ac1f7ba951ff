"""The as-of join: the newest version of a keyed row that was known at a moment.

A history is a table of versions: records with `updated_at`, or feature rows with the time of the event and the time at
which the row was created. A version is known at t once all of its times have passed, which for a feature row means
that the event had happened and the row had been written (a bitemporal join).

Polars is imported where it is used: a process that serves needs none of its 17 MB.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

_ROW, _RANK, _MOMENT, _SINCE = "__row", "__rank", "__moment", "__since"


def rows_as_of(
    history: pl.DataFrame,
    moments: pl.DataFrame,
    keys: Sequence[str],
    at: str,
    order: Sequence[str],
    *,
    since: Sequence[str] | None = None,
    strict: bool = False,
    else_first: bool = False,
) -> pl.Series:
    """The row of the newest version that was known at each moment.

    A version is known at t when the latest of its `since` times is at or before t, or before t if `strict`. Of the
    known versions the newest has the highest `order`, compared from left to right; among equals the later row wins.

    Args:
        history: (n,) versions with the columns `keys`, `order` and `since`, all times of one type. A null time has
            always passed; a version whose `since` times are all null is never known.
        moments: (m,) rows with the columns `keys` and `at`, of the same type as the times.
        keys: the columns that name what a row is a version of.
        at: the column of the moment t.
        order: the columns that say which version is newer, the most important first.
        since: the columns that must all have passed; None: those of `order`.
        strict: a version is not known at its own time, only after it.
        else_first: before a key's first version was known, that version stands in place of null.

    Returns:
        (m,) uint32 row numbers of `history`, in the order of `moments`; null where no version was known.
    """
    import polars as pl

    keys, since = list(keys), order if since is None else since
    asked = moments.select(*keys, at).with_row_index(_MOMENT)
    ranked = (
        history.select(*dict.fromkeys([*keys, *order, *since]))
        .with_row_index(_ROW)
        .join(asked.select(keys).unique(), on=keys, how="semi")
        .sort(*order, _ROW)
    )
    versions = (
        ranked.with_row_index(_RANK)
        .select(*keys, _RANK, pl.max_horizontal(*since).alias(_SINCE))
        .drop_nulls(_SINCE)
        .sort(_SINCE, _RANK)
    )
    # In the order of `since` the highest rank so far is the answer, so one join finds it; of equal times, the last row.
    hits = asked.sort(at).join_asof(
        versions.with_columns(pl.col(_RANK).cum_max().over(keys)),
        left_on=at,
        right_on=_SINCE,
        by=keys,
        allow_exact_matches=not strict,
        check_sortedness=False,
    )
    ranks = hits.sort(_MOMENT)[_RANK]
    if else_first:
        first = versions.unique(keys, keep="first", maintain_order=True).select(*keys, pl.col(_RANK).alias("__first"))
        firsts = asked.join(first, on=keys, how="left", maintain_order="left")["__first"]
        ranks = ranks.to_frame().select(pl.coalesce(ranks, firsts)).to_series()
    return ranked[_ROW].gather(ranks).rename("row")


def first_rows(history: pl.DataFrame, keys: Sequence[str], times: Sequence[str]) -> pl.Series:
    """The row of each key's first known version: the earliest by the latest of its `times`, then by the times in turn.

    Args:
        history: (n,) versions with the columns `keys` and `times`.
        keys: the columns that name what a row is a version of.
        times: the columns that must all have passed for a version to be known.

    Returns:
        (keys,) uint32 row numbers of `history`, the earliest first.
    """
    import polars as pl

    versions = history.select(*keys, *times).with_row_index(_ROW).sort(pl.max_horizontal(*times), *times, _ROW)
    return versions.unique(list(keys), keep="first", maintain_order=True)[_ROW].rename("row")


def newest_rows(history: pl.DataFrame, keys: Sequence[str], order: Sequence[str]) -> pl.Series:
    """The row of each key's newest version: the highest `order`, left to right; among equals the later row wins.

    Args:
        history: (n,) versions with the columns `keys` and `order`.
        keys: the columns that name what a row is a version of.
        order: the columns that say which version is newer, the most important first.

    Returns:
        (keys,) uint32 row numbers of `history`, in ascending `order`.
    """
    versions = history.select(*keys, *order).with_row_index(_ROW).sort(*order, _ROW)
    return versions.unique(list(keys), keep="last", maintain_order=True)[_ROW].rename("row")
