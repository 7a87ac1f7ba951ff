import json
import subprocess
import sys
from pathlib import Path

import pytest


def rolecall(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rolecall", *arguments], capture_output=True, text=True, timeout=120, cwd=cwd
    )


def test_help_names_every_step_and_where_to_start():
    said = rolecall("--help").stdout
    for command in ("doctor", "validate", "simulate", "ingest", "verbalize", "features", "embed", "label", "train"):
        assert command in said
    for command in ("export", "index", "serve", "replay", "run"):
        assert command in said
    assert "rolecall doctor" in said


def test_the_version_is_said():
    said = rolecall("--version")
    assert said.stdout.startswith("rolecall 0.") and said.returncode == 0


def test_doctor_prints_findings_for_programs():
    findings = json.loads(rolecall("doctor", "--json").stdout)
    assert {"python", "processor", "memory"} <= {finding["name"] for finding in findings}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("validate", "nowhere"), 2, "nowhere"),
        (("--quiet", "serve", "--port", "0", "--workspace", "nowhere"), 5, "first"),
        (("run", "--from", "nothing"), 2, "no stage 'nothing'"),
    ],
)
def test_a_typed_error_is_one_line_and_its_exit_code(arguments, code, words, tmp_path):
    done = rolecall(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("params", "environment", "words"),
    [
        (b"seed: \xff", {}, "params.yaml: not UTF-8"),
        (b"a: 2024-13-45", {}, "params.yaml: it is no YAML"),
        (b"seed: 1", {"ROLECALL_SEED": "["}, "ROLECALL_SEED: line 1"),
        (b"label:", {}, "label: holds NoneType"),
        (b"label:", {"ROLECALL_LABEL__JUDGE__KIND": "rubric"}, "label: holds NoneType"),
        (b"label: 3", {"ROLECALL_LABEL__TRAIN_LISTS": "5"}, "label: holds int"),
    ],
)
def test_broken_knobs_are_one_line(params, environment, words, tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_bytes(params)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = rolecall("doctor", cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("content", ["[{", "{}", "[1]", '[{"name": "export"}]', "\xff"])
def test_broken_costs_of_stages_are_one_line(content, tmp_path):
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "stages.json").write_bytes(content.encode("latin-1"))
    done = rolecall("run", "--workspace", "w", "--from", "replay", cwd=tmp_path)
    assert done.returncode == 2
    assert "stages.json" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_unknown_knob_is_an_error_that_names_it(tmp_path):
    (tmp_path / "params.yaml").write_text("student:\n  epoks: 3\n")
    done = rolecall("doctor", cwd=tmp_path)
    assert done.returncode == 2
    assert "student.epoks" in done.stderr


def test_the_environment_overrides_the_file(tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_text("seed: 3\n")
    monkeypatch.setenv("ROLECALL_SEED", "7")
    assert "seed: 7" in rolecall("--show-config", "doctor", cwd=tmp_path).stdout


def test_ctrl_c_is_one_line_and_the_exit_code_of_shells():
    """Whatever runs: an `except Exception` on the way does not take it, and threads are not waited for."""
    script = """
import os, signal, threading, time
from rolecall import cli

def work():
    threading.Thread(target=time.sleep, args=(600,)).start()
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(600)
    except Exception:
        print("taken for an error")

cli.app = work
cli.main()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 130
    assert done.stderr == "rolecall: stopped; the same command goes on with what is done\n"
    assert done.stdout == ""
