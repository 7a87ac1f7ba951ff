"""A small workspace whose feature tables the test writes itself, in several parts, and the stores over it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from contracts.activity import Activity
from contracts.arrow import TIME
from contracts.examples import EXAMPLES, PAIR_FEATURES
from contracts.features import CREATED_TIME, EVENT_TIME, KEYS, MEMBER_ACTIVITY
from contracts.match import COMPARISONS
from contracts.records import Event
from contracts.tables import write_part
from contracts.workspace import Workspace

START = datetime(2024, 1, 1, tzinfo=UTC)
SERVICE = "student_v1"


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def put_text(workspace: Workspace, view: str, *rows: tuple[str, str, float, float]) -> None:
    """Write one part of a text view. rows: (key, text, day it holds from, day it was known)."""
    keys, texts, events, created = zip(*rows, strict=True)
    table = {
        KEYS[view]: keys,
        "text": texts,
        "text_hash": [f"hash of {text}" for text in texts],
        "text_version": ["1-test"] * len(rows),
        EVENT_TIME: pa.array(list(map(day, events)), TIME),
        CREATED_TIME: pa.array(list(map(day, created)), TIME),
    }
    if view.startswith("member"):
        table["location"] = ["Austin, Texas"] * len(rows)
    write_part(workspace.features / view, pa.table(table))


def put_activity(workspace: Workspace, *rows: tuple[str, str, float, float]) -> None:
    """Write one part of the activity view. rows: (member, job viewed, day it holds from, day it was known)."""
    members, jobs, events, created = zip(*rows, strict=True)
    seen = [viewed(job, event) for job, event in zip(jobs, events, strict=True)]
    table = {
        "member_id": members,
        "activity": [activity.to_json() for activity in seen],
        "activity_text": [activity.text() for activity in seen],
        EVENT_TIME: pa.array(list(map(day, events)), TIME),
        CREATED_TIME: pa.array(list(map(day, created)), TIME),
    }
    write_part(workspace.features / MEMBER_ACTIVITY, pa.table(table))


def viewed(job: str, number: float, before: Activity | None = None) -> Activity:
    """The activity of a member who viewed one more job on a day."""
    event = Event(id="e", time=day(number), member_id="m", job_id=job, action="view")
    return (before or Activity()).add(event, f"{job} in Austin")


def put_examples(workspace: Workspace, *rows: tuple[str, str, float]) -> None:
    """Write the examples anew, one list a row. rows: (member, job, day of the request)."""
    values = [
        {name: 0.0 for name in (*PAIR_FEATURES, "view", "apply", "dismiss", "hire")}
        | {"list_id": f"l{i}", "member_id": member, "query": "", "job_id": job, "event_timestamp": day(number)}
        | {"split": "train", "stratum": "logged", "position": 1, "propensity": 1.0, "grade": None}
        | {"match": [0] * len(COMPARISONS)}
        for i, (member, job, number) in enumerate(rows)
    ]
    write_part(workspace.examples, pa.Table.from_pylist(values, schema=EXAMPLES), "all")


def put_bundle(workspace: Workspace, version: str = "v1") -> None:
    folder = workspace.bundles / version
    folder.mkdir(parents=True)
    (folder / "bundle.json").write_text("{}")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Two members and two jobs with text from day 0, activity of one member, a bundle."""
    made = Workspace(tmp_path / "workspace")
    put_text(made, "member_text", ("ann", "a nurse", 0, 0))
    put_text(made, "member_text", ("bob", "a driver", 0, 0))
    put_text(made, "job_text", ("j1", "Nurse wanted", 0, 0))
    put_text(made, "job_text", ("j2", "Driver wanted", 0, 0))
    put_activity(made, ("ann", "j1", 1, 1))
    put_bundle(made)
    return made


@pytest.fixture
def applied(workspace: Workspace) -> Workspace:
    from feature_repo.store import apply

    apply(workspace)
    return workspace


@pytest.fixture
def feast_command(request: pytest.FixtureRequest) -> Callable[[Path, Sequence[str], dict[str, str]], str]:
    """Run Feast's own command line in a folder as a person would; returns what it printed."""
    import sys

    def run(folder: Path, arguments: Sequence[str], environment: dict[str, str]) -> str:
        command = [str(Path(sys.executable).with_name("feast")), *arguments]
        done = subprocess.run(
            command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
