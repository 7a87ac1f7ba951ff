"""Small raw folders written by the test itself, and one real encoder for all tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.workspace import Workspace

MEMBERS = [
    {"id": f"m{i}", "headline": f"nurse {i}", "location": "Austin, Texas", "updated_at": "2024-01-01T00:00:00Z"}
    for i in range(4)
]
JOBS = [
    {"id": f"j{i}", "title": f"Nurse {i}", "salary_min": 1_000 * i, "updated_at": "2024-01-02T00:00:00Z"}
    for i in range(5)
]
EVENTS = [
    {"id": f"e{i}", "time": "2024-02-01T00:00:00Z", "member_id": f"m{i}", "job_id": f"j{i}", "action": "view"}
    for i in range(3)
]


class RawFolder:
    """A folder in Rolecall's layout; `write` replaces a table, or one file of it, with rows as JSON lines."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self.good = {"members": MEMBERS, "jobs": JOBS, "events": EVENTS}
        for table, rows in self.good.items():
            self.write(table, rows)

    def write(self, table: str, rows: list[dict], file: str = "a.jsonl") -> Path:
        path = self.path / table / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(json.dumps(row) for row in rows))
        return path

    def add(self, table: str, *rows: dict) -> None:
        """Append rows to a table's good ones."""
        self.write(table, [*self.good[table], *rows])


@pytest.fixture
def raw(tmp_path: Path) -> RawFolder:
    return RawFolder(tmp_path / "raw")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def take_in(raw: RawFolder, workspace: Workspace) -> Callable:
    """Ingest the raw folder into the workspace, with flags of the test's own."""
    from beam_jobs import ingest

    def run(*flags: str):
        return ingest.run(["--workspace", str(workspace.root), "--source", str(raw.path), *flags])

    return run


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default encoder in float32: its vectors do not depend on what shares a batch."""
    from models.encoder import export_encoder

    folder = tmp_path_factory.mktemp("encoder")
    export_encoder(folder, precision="float32")
    return folder
