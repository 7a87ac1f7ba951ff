"""Golden sets: a small one with grades by hand, and that of a simulated market."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts.records import Job, Member
from policy.golden.pairs import GoldenPair, write_pairs
from policy.golden.sheets import write_sheet
from simulator import simulate

THEN = datetime(2025, 1, 6, tzinfo=UTC)


def _pair(number: int, **changes: object) -> GoldenPair:
    """Pair `p0`, `p1`, ...; every second one a search of one who wishes to become what they ask for."""
    searched = number % 2 == 1
    member = Member(id=f"m{number}", headline="Cashier", updated_at=THEN)
    job = Job(id=f"j{number}", title="Welder", skills=("MIG", "TIG"), updated_at=THEN)
    given = {
        "pair_id": f"p{number}",
        "stratum": "title" if searched else "recommendation",
        "kind": "aspirational" if searched else "existing",
        "source": "logged",
        "member": member,
        "query": "welder" if searched else "",
        "job": job,
    }
    return GoldenPair.model_validate(given | changes)


def _write(folder: Path, version: str = "v1", **grades: Sequence[int]) -> list[GoldenPair]:
    """A golden folder with a sheet of each grader named."""
    pairs = [_pair(i) for i in range(len(next(iter(grades.values()))))]
    write_pairs(folder, pairs)
    for grader, given in grades.items():
        write_sheet(folder, grader, pairs, version, [{"grade": grade, "function": grade} for grade in given])
    return pairs


@pytest.fixture(scope="session")
def golden_pair() -> Callable[..., GoldenPair]:
    return _pair


@pytest.fixture(scope="session")
def write_golden() -> Callable[..., list[GoldenPair]]:
    return _write


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated market with its golden set."""
    folder = tmp_path_factory.mktemp("market")
    simulate(folder, members=150, jobs=500, events=12_000, seed=5, start=THEN)
    return folder


@pytest.fixture
def graded(market: Path, tmp_path: Path) -> Path:
    """A copy of the market's golden set, to be changed."""
    return Path(shutil.copytree(market / "golden", tmp_path / "golden"))
