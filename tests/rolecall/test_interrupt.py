"""Ctrl-C is one line, from the first import to the threads of Beam; a real signal to a real process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import pytest

from contracts.errors import OtherWriter
from contracts.tables import parts
from tests.retrieval.conftest import write_workspace

LINE = "rolecall: stopped; the same command goes on with what is done\n"
WAIT = """
import os, time
from pathlib import Path

def wait(*_, **__):
    Path(os.environ["REACHED"]).write_text(str(os.getpid()))
    time.sleep(600)

"""
VERBALIZING = WAIT + "from contracts.text.verbalizer import Verbalizer\nVerbalizer.job = wait\n"
EMBEDDING = WAIT + "from retrieval.encoder import TextEncoder\nTextEncoder.encode = wait\n"


def interrupted(
    arguments: Sequence[object],
    plugin: str,
    folder: Path,
    by: signal.Signals = signal.SIGINT,
    meanwhile: Callable[[], None] = lambda: None,
) -> subprocess.CompletedProcess[str]:
    """The command, stopped when the plugin has said that it is reached, after what is done meanwhile."""
    (folder / "waiting.py").write_text(plugin)
    (folder / "params.yaml").write_text("plugins: [waiting.py]\n")
    reached = folder / "reached"
    with (folder / "told").open("w+") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", "rolecall", "--params", str(folder / "params.yaml"), *map(str, arguments)],
            env=os.environ | {"REACHED": str(reached)},
            stdout=told,
            stderr=subprocess.STDOUT,
        )
        try:
            while not reached.exists() and process.poll() is None:
                time.sleep(0.05)
            meanwhile()
            process.send_signal(by)
            code = process.wait(120)
        finally:
            process.kill()
        told.seek(0)
        return subprocess.CompletedProcess([], code, told.read())


@pytest.mark.parametrize(
    ("command", "plugin", "written"),
    [(["verbalize"], VERBALIZING, "job_text"), (["embed", "--tables", "jobs"], EMBEDDING, "job_vector")],
)
def test_a_stage_under_beam_stops_in_one_line_and_leaves_nothing_half_written(
    tmp_path: Path, command: list[str], plugin: str, written: str
) -> None:
    board = write_workspace(tmp_path / "board")
    shutil.rmtree(board.features / written)
    done = interrupted([*command, "--workspace", board.root], plugin, tmp_path)
    assert (done.returncode, done.stdout) == (130, LINE)
    assert not parts(board.features / written)


def test_a_run_of_the_recipe_is_alone_and_its_stage_ends_with_it(tmp_path: Path) -> None:
    board = write_workspace(tmp_path / "board")
    shutil.rmtree(board.features / "job_text")
    run = ["run", "--workspace", board.root, "--from", "verbalize", "--to", "verbalize"]

    def another() -> None:
        done = subprocess.run([sys.executable, "-m", "rolecall", *map(str, run)], capture_output=True, text=True)
        assert done.returncode == OtherWriter.exit_code
        assert "rolecall run" in done.stderr and "is at work here" in done.stderr

    done = interrupted(run, VERBALIZING, tmp_path, signal.SIGTERM, another)
    assert done.returncode == 130 and done.stdout.endswith(LINE)
    assert not psutil.pid_exists(int((tmp_path / "reached").read_text()))
    assert not parts(board.features / "job_text")


def test_what_ctrl_c_became_in_native_code_is_no_bug() -> None:
    """pydantic builds a validator in Rust, which takes an exception for its own and raises another."""
    script = """
import os, signal
from rolecall import cli

def work():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        raise ValueError("a validator cannot be built") from None

cli.app = work
cli.main()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (130, LINE)


def test_while_the_modules_are_loaded_it_is_one_line_too() -> None:
    script = """
import os, signal, sys

class Stop:
    def find_spec(self, name, *_):
        if name == "beam_jobs.config":
            try:
                os.kill(os.getpid(), signal.SIGINT)
            except BaseException:
                raise ValueError("a validator cannot be built") from None

sys.meta_path.insert(0, Stop())
from rolecall.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (130, LINE)


def test_a_second_ctrl_c_leaves_what_does_not_end() -> None:
    script = """
import os, signal, time
from rolecall import cli

def work():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    finally:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(600)

cli.app = work
cli.main()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (130, LINE)
