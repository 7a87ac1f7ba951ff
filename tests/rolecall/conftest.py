from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from contracts.arrow import TIME, to_table
from contracts.records import Job
from contracts.tables import write_part
from contracts.workspace import Workspace
from rolecall.cli import app
from tests.serving.conftest import backbone, market, member_ids, turned, untrained  # noqa: F401
from tests.serving.conftest import workspace as board  # noqa: F401

THEN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def rolecall() -> Callable[..., str]:
    """Run a command within the test; gives what it printed, raises what it raised."""

    def run(*arguments: object) -> str:
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if done.exception:
            raise done.exception
        return done.stdout

    return run


def write_two_jobs(root: Path, places: Mapping[str, str]) -> Workspace:
    """A workspace of two jobs of Mercy, by title and place, with vectors of two numbers, ready for `build_index`."""
    found = Workspace(root)
    jobs = [
        Job(id=f"j{i}", title=title, company="Mercy", location=place, updated_at=THEN)
        for i, (title, place) in enumerate(places.items())
    ]
    hashes = pa.array([job.id for job in jobs])
    times = pa.array([THEN, THEN], TIME)
    keys = {"job_id": hashes, "event_timestamp": times, "created_timestamp": times}
    write_part(found.records / "jobs", to_table(jobs, Job).append_column("row_hash", hashes))
    texts = {"text_hash": hashes, "text_version": pa.array(["1", "1"])}
    write_part(found.features / "job_text", pa.table({**keys, **texts}))
    vectors = {"vector": pa.array([[1.0, 0.0], [0.0, 1.0]], pa.list_(pa.float32())), "vector_hash": hashes}
    vectors["title_vector"] = vectors["vector"]
    made_by = {"encoder_version": pa.array(["0123456789ab"] * 2)}
    write_part(found.features / "job_vector", pa.table({**keys, **vectors, **made_by}))
    found.encoder.mkdir()
    about = {"name": "toy", "version": "0123456789ab", "dim": 2, "max_tokens": 8, "precision": "float32"}
    (found.encoder / "encoder.json").write_text(json.dumps(about))
    return found


@pytest.fixture(scope="session")
def two_jobs() -> Callable[[Path, Mapping[str, str]], Workspace]:
    return write_two_jobs
