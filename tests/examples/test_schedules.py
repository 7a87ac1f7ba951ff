"""The examples of schedules: their files compile, and the command in each is one that there is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from rolecall.cli import app

SCHEDULES = Path(__file__).parents[2] / "examples" / "schedules"


@pytest.mark.parametrize("path", sorted(SCHEDULES.iterdir()), ids=lambda path: path.name)
def test_a_schedule_compiles_and_its_command_is_known_with_every_flag(path: Path) -> None:
    text = path.read_text()
    if path.suffix == ".py":
        compile(text, str(path), "exec")
    found = re.findall(r"rolecall (?:--quiet )?(nightly --[^|\n]*?)(?:\|\||\"\s*$|\"\s*\n)", text, re.M)
    assert len(found) == 1
    name, *flags = shlex.split(found[0])
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    context = command.make_context(name, flags)
    assert context.args == [], "each flag is the command's own, and none Beam's"
    assert context.params["snapshot"] and context.params["retrain_days"] == 30
    if path.name == "crontab":
        [line] = [line for line in text.splitlines() if line and line[0].isdigit()]
        assert re.match(r"(\S+ ){5}rolecall ", line) and "%" not in line
