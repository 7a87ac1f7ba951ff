"""The commands below `rolecall replay`, as a person types them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from contracts.errors import BadInput
from contracts.workspace import Workspace
from rolecall.cli import app
from tests.make import refused
from tests.replay.conftest import shown_market


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return shown_market().write(tmp_path_factory.mktemp("commands"))


def said(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["--quiet", "replay", *arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.output


def test_one_command_asks_two_and_says_which_is_better(workspace: Workspace) -> None:
    root = str(workspace.root)
    days = ("--from", "2026-03-01", "--to", "2026-03-31")
    output = said("run", "-w", root, "--system", "served", "--system", "retrieval", *days)
    assert output.count("10 requests\n") == 2 and "nDCG@10" in output
    page = Path(output.strip().rpartition("page: ")[2])
    assert page.is_file() and (page.parent / "diff.json").is_file()
    assert len(said("list", "-w", root).splitlines()) == 2
    names = [json.loads(line)["name"] for line in said("list", "-w", root, "--json").splitlines()]
    few = ("--least-members", "2", "--worst-slice", "-0.01")
    assert "Gate not known" in said("diff", *names, "-w", root, *few, code=21)
    assert "history" in said("diff", names[0], names[0], "-w", root, *few, code=21), "two members who agree"
    assert "Gate passed" in said("diff", names[0], names[0], "-w", root, *few[2:])
    found = json.loads(said("diff", *names, "-w", root, "--json"))
    assert (found["first"], found["second"]) == tuple(names)


def test_what_does_not_fit_is_refused(workspace: Workspace) -> None:
    root = str(workspace.root)
    with refused(BadInput, "nothing", workspace.bundle.name):
        said("run", "-w", root, "--bundle", "nothing")
    with refused(BadInput, "2026-03-01", where="--to"):
        said("run", "-w", root, "--from", "2026-03-02", "--to", "2026-03-01")
    with refused(BadInput, "2 runs", where="--name"):
        said("run", "-w", root, "--system", "served", "--system", "bm25", "--name", "x")
    with refused(BadInput, "--windw"):
        said("run", "-w", root, "--windw", "3")
    with refused(BadInput, "nothing"):
        said("diff", "nothing", "more", "-w", root)


def test_an_erasure_takes_the_pages_that_show_what_people_searched_for(workspace: Workspace, tmp_path: Path) -> None:
    from rolecall.erase import erase_rows

    copy = Workspace(tmp_path / "copy")
    shutil.copytree(workspace.root, copy.root, symlinks=True)
    said("run", "-w", str(copy.root), "--system", "served", "--system", "bm25", "--from", "2026-03-01")
    assert copy.replay_diffs.is_dir()
    done = erase_rows(copy.root, ["m1"])
    assert "replay_runs/diffs" in done.removed and not copy.replay_diffs.exists()
