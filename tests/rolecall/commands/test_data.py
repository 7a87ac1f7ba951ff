"""`rolecall validate` writes a mapping, shows what it understands, and reads by it; `ingest` reads by the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import BadInput
from contracts.tables import read_table
from contracts.workspace import Workspace
from tests.make import refused


@pytest.fixture
def stellen(tmp_path: Path) -> Path:
    folder = tmp_path / "board"
    folder.mkdir()
    text = "Nr;Titel;Firma;Anstellungsart;Datum\n17;Krankenpfleger für Zürich;Spital;Vollzeit;25.05.2026\n"
    (folder / "Stellen.csv").write_bytes(text.encode("cp1252"))
    return folder


def test_a_mapping_is_suggested_checked_and_taken_in_by(rolecall, stellen: Path, tmp_path: Path) -> None:
    printed = rolecall("validate", stellen, "--suggest")
    assert "jobs 1: id '17', title 'Krankenpfleger für Zürich'" in printed
    assert "jobs: 1 rows, 1 fit" in rolecall("validate", stellen)
    with refused(BadInput, "mapping.yaml", "--mapping"):
        rolecall("validate", stellen, "--suggest")
    elsewhere = (stellen / "mapping.yaml").rename(tmp_path / "ours.yaml")
    assert "jobs: 1 rows, 1 fit" in rolecall("validate", stellen, "--mapping", elsewhere)
    rolecall("ingest", "--data", stellen, "--workspace", tmp_path / "w", "--mapping", elsewhere)
    [job] = read_table(Workspace(tmp_path / "w").records / "jobs").to_pylist()
    assert (job["id"], job["employment"], job["title"]) == ("17", "full_time", "Krankenpfleger für Zürich")


def test_a_file_is_read_again_by_another_mapping(rolecall, stellen: Path, tmp_path: Path) -> None:
    rolecall("validate", stellen, "--suggest")
    flags = "--data", stellen, "--workspace", tmp_path / "w"
    rolecall("ingest", *flags)
    path = stellen / "mapping.yaml"
    path.write_text(path.read_text().replace("id: Nr", "id: Titel"))
    rolecall("ingest", *flags)
    assert len(read_table(Workspace(tmp_path / "w").records / "jobs")) == 2
