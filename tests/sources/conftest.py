"""Small folders of raw data, written by the tests themselves."""

import csv
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts.records import Record
from sources import RawRow, Reject, open_source
from sources.check import check

NOW = datetime(2025, 6, 1, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def read() -> Callable[[Path, str], list[Record | Reject]]:
    """All rows of a table of a folder, checked."""

    def read_all(folder: Path, table: str) -> list[Record | Reject]:
        source = open_source(folder)
        return [check(row, NOW) for shard in source.shards(table) for row in source.read(shard)]

    return read_all


@pytest.fixture
def checked() -> Callable[..., Record | Reject]:
    """One row of a table, given by its fields, checked."""

    def check_row(table: str, **value: object) -> Record | Reject:
        return check(RawRow(table, "file", 1, dict(value)), NOW)

    return check_row


@pytest.fixture
def write_csv() -> Callable[[Path, Iterable[Iterable[str]]], None]:
    def write(path: Path, rows: Iterable[Iterable[str]]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)

    return write
