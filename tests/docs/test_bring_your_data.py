"""The commands of the page on data run on the page's own boards and print what the page says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from docs import generated
from rolecall.cli import app

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "bring-your-data.md").read_text()
FILES = re.findall(r"<!-- file: (\S+) ?(\S*) -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
BLOCKS = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def boards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of the page, in the working directory."""
    for name, encoding, text in FILES:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode(encoding or "utf-8"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_prints_what_the_page_says(boards: Path) -> None:
    missing = []
    for block in BLOCKS:
        for command, said in re.findall(r"^\$ rolecall (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            done = CliRunner().invoke(app, shlex.split(command))
            if done.exception and not isinstance(done.exception, SystemExit):
                raise done.exception
            missing += [(command, line, done.stdout) for line in said.splitlines() if line.strip() not in done.stdout]
    assert not missing, "\n".join(f"$ {command}\n  page: {line}\n{printed}" for command, line, printed in missing)
    assert {name.split("/")[0] for name, _, _ in FILES} == {"klinik", "acme", "small"}


def test_the_mappings_of_the_page_are_mappings(tmp_path: Path) -> None:
    from sources.mapping.model import read_mapping

    mappings = []
    for number, text in enumerate(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        mappings.append(read_mapping(path))
    mapping, _ = mappings
    assert mapping.jobs.columns["employment"].values == {"Vollzeit": "full_time", "nach Absprache": None}


def test_the_table_names_every_field() -> None:
    table = generated.columns()
    assert "| jobs | `id`, `title`" in table and "`salary_period`" in table and "`member_id`" in table
