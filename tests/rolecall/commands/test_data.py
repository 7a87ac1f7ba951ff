"""`rolecall validate` writes a mapping, shows what it understands, and reads by it; `ingest` reads by the same."""

from __future__ import annotations

import csv
import json
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


@pytest.fixture
def set_aside(rolecall, tmp_path: Path) -> Path:
    """A workspace that set two rows aside."""
    (tmp_path / "data").mkdir()
    rows = 'j1,Nurse,2025-05-01\n\n=1+1,"=HYPERLINK(""x"")",soon\nj3,"Cook,2025-05-01\nj4,Cook,2025-05-01\n'
    (tmp_path / "data" / "jobs.csv").write_text("id,title,updated_at\n" + rows)
    flags = "--data", tmp_path / "data", "--workspace", tmp_path / "w", "--max-reject-share", "1"
    rolecall("ingest", *flags)
    return tmp_path / "w"


def test_rows_that_were_set_aside_are_shown_with_file_row_and_line(rolecall, set_aside: Path) -> None:
    printed = rolecall("quarantine", "--workspace", set_aside)
    assert "jobs: open_quote: 1 rows" in printed and "jobs: bad_date: 1 rows" in printed
    assert "jobs.csv row 3, line 5: line 5: the quote that opens in title" in printed
    assert "jobs.csv row 2, line 4: updated_at 'soon'" in printed and "HYPERLINK" in printed
    assert "bad_date" not in rolecall("quarantine", "--workspace", set_aside, "--reason", "open_quote")
    assert "nothing is set aside" in rolecall("quarantine", "--workspace", set_aside, "--table", "events")
    rows = [json.loads(line) for line in rolecall("quarantine", "--workspace", set_aside, "--json").splitlines()]
    assert sorted(row["line"] for row in rows) == [4, 5]


def test_rows_that_were_set_aside_are_exported_without_a_formula(rolecall, set_aside: Path, tmp_path: Path) -> None:
    out = tmp_path / "aside.csv"
    assert "2 rows" in rolecall("quarantine", "--workspace", set_aside, "--csv", out)
    cells = [cell for row in csv.reader(out.read_text("utf-8-sig").splitlines()) for cell in row]
    assert any("HYPERLINK" in cell for cell in cells)
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
