"""The README's commands are what CI runs: they are read out of the file, and each is one that exists."""

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest
import typer.main

from rolecall.cli import app

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("readme", ROOT / ".ci" / "readme.py")
assert SPEC is not None and SPEC.loader is not None
readme = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(readme)

TEXT = (ROOT / "README.md").read_text()
BLOCKS = readme.blocks(TEXT)


def test_the_first_block_is_the_two_commands():
    assert re.findall(r"^make (\w+)", BLOCKS[0], re.MULTILINE) == ["demo", "test"]


def test_ci_runs_the_readme():
    commands = (ROOT / ".ci" / "run").read_text().splitlines()
    assert ".venv/bin/python .ci/readme.py README.md" in commands
    assert "set -euo pipefail" in commands


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_is_valid_shell(block):
    subprocess.run(["bash", "-n"], input=block, text=True, check=True)


@pytest.mark.parametrize("words", re.findall(r"rolecall ((?:[a-z][a-z-]* ?)+)", TEXT))
def test_every_command_that_is_named_exists(words):
    group = typer.main.get_command(app)
    for word in words.split():
        commands = getattr(group, "commands", {})
        if not commands:
            break
        assert word in commands, words
        group = commands[word]


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake ([a-z-]+)", TEXT))))
def test_every_make_target_that_is_named_exists(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([\w./-]+)\)", TEXT))))
def test_every_file_that_is_linked_exists(path):
    assert (ROOT / path).exists()


def test_a_block_that_needs_a_variable_is_passed_over_without_it(monkeypatch):
    monkeypatch.delenv("NOWHERE", raising=False)
    assert readme.missing_variables('rolecall run --data "$NOWHERE"') == ["NOWHERE"]
