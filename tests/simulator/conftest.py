"""A small simulated market, made once for all tests that only read it."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from simulator import Truth, simulate

START = datetime(2025, 1, 6, tzinfo=UTC)


@pytest.fixture(scope="session")
def small_market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("market")
    simulate(folder, members=400, jobs=3_000, events=40_000, seed=7, start=START)
    return folder


@pytest.fixture(scope="session")
def events(small_market: Path) -> pl.DataFrame:
    return pl.read_parquet(small_market / "events" / "*.parquet")


@pytest.fixture(scope="session")
def truth(small_market: Path) -> Truth:
    return Truth.load(small_market)
