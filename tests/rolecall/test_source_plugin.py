"""A raw-data source from a file of one's own is used by the commands once the knob `plugins` names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import UnknownSource
from contracts.tables import read_table
from contracts.workspace import Workspace
from tests.make import refused

BOARD = """
from dataclasses import dataclass
from typing import ClassVar
from pathlib import Path

from sources import SOURCES, RawRow, Shard


@SOURCES.register("toy_board")
@dataclass(frozen=True)
class ToyBoard:
    name: ClassVar[str] = "toy_board"
    looks_for: ClassVar[str] = "board.txt (toy board)"
    folder: Path

    @classmethod
    def recognises(cls, folder):
        return (folder / "board.txt").is_file()

    @property
    def tables(self):
        return ("jobs",)

    def shards(self, table):
        return [Shard(table, str(self.folder / "board.txt"))] if table == "jobs" else []

    def read(self, shard):
        for row, title in enumerate(Path(shard.path).read_text().splitlines(), 1):
            value = {"id": f"t{row}", "title": title, "updated_at": "2025-01-01"}
            yield RawRow("jobs", shard.path, row, value)

    def ignored_columns(self):
        return {}
"""


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A params file, a plugin beside it, and a folder in the plugin's format."""
    folder = tmp_path_factory.mktemp("board")
    (folder / "toy_board_reader.py").write_text(BOARD)
    (folder / "params.yaml").write_text("plugins: [toy_board_reader.py]\n")
    (folder / "data").mkdir()
    (folder / "data" / "board.txt").write_text("Nurse\nWelder\n")
    return folder


def test_without_the_knob_the_folder_is_of_no_known_format(rolecall, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Nurse\n")
    (tmp_path / "params.yaml").write_text("seed: 0\n")
    with refused(UnknownSource, "notes.txt", "jobs.parquet", "plugins", where=tmp_path):
        rolecall("--params", tmp_path / "params.yaml", "validate", tmp_path)


def test_validate_reads_a_folder_through_the_plugin(rolecall, board: Path) -> None:
    printed = rolecall("--params", board / "params.yaml", "validate", board / "data")
    assert "layout toy_board" in printed and "jobs: 2 rows, 2 fit" in printed


@pytest.mark.parametrize("mode", [[], ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]])
def test_ingest_reads_a_folder_through_the_plugin_in_any_worker(rolecall, board: Path, tmp_path: Path, mode) -> None:
    flags = "--data", board / "data", "--workspace", tmp_path, *mode
    rolecall("--params", board / "params.yaml", "ingest", *flags)
    assert sorted(read_table(Workspace(tmp_path).records / "jobs")["title"].to_pylist()) == ["Nurse", "Welder"]
