import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rolecall.recipe import DVC_WORKSPACE, STAGES, as_dvc


def test_the_dvc_file_is_the_recipe():
    assert Path("dvc.yaml").read_text() == as_dvc()


def test_every_stage_reads_what_an_earlier_one_wrote():
    written: set[str] = set()
    for stage in STAGES:
        missing = {path for path in stage.reads if not any(path == w or path.startswith(w + "/") for w in written)}
        assert not missing, stage.name
        written.update(stage.writes)


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory) -> Path:
    """A DVC project of the recipe in which every stage has run: real graph and lock file, outputs of one line each."""
    project = tmp_path_factory.mktemp("recipe")
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(name, project)
    for stage in STAGES:
        for path in stage.writes:
            out = project / DVC_WORKSPACE / path
            out.parent.mkdir(parents=True, exist_ok=True)
            if out.suffix:
                out.write_text(stage.name)
            else:
                out.mkdir(exist_ok=True)
                (out / "part").write_text(stage.name)
    dvc(project, "init", "--no-scm", "--quiet")
    dvc(project, "commit", "--force", "--quiet")
    return project


def dvc(project: Path, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def would_run(project: Path) -> set[str]:
    return set(re.findall(r"Running stage '(\w+)'", dvc(project, "repro", "--dry")))


def turn(project: Path, section: str, knob: str, value) -> None:
    params = yaml.safe_load((project / "params.yaml").read_text())
    params[section][knob] = value
    (project / "params.yaml").write_text(yaml.safe_dump(params))


def test_nothing_runs_again_when_nothing_changed(reproduced):
    assert json.loads(dvc(reproduced, "status", "--json")) == {}


def test_a_click_teacher_knob_does_not_run_the_policy_teacher_again(reproduced, tmp_path):
    project = shutil.copytree(reproduced, tmp_path / "project")
    turn(project, "click_teacher", "epochs", 9)
    changed = would_run(project)
    assert "click_teacher" in changed
    assert not changed & {
        "simulate",
        "ingest",
        "verbalize",
        "embed",
        "activity",
        "label",
        "training_set",
        "policy_teacher",
    }


def test_a_policy_teacher_knob_runs_it_again(reproduced, tmp_path):
    project = shutil.copytree(reproduced, tmp_path / "project")
    turn(project, "policy_teacher", "epochs", 9)
    assert "policy_teacher" in would_run(project)
