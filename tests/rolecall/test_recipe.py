import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from beam_jobs import ingest
from contracts.documents import read_yaml, to_yaml
from contracts.errors import BadInput, NotReady
from contracts.text.form import read_form
from contracts.workspace import Workspace
from models.registry import DEFAULT_TEACHERS
from policy import load_policy
from rolecall import recipe
from rolecall.params import Params, load_params
from rolecall.recipe import DVC_WORKSPACE, RAW, as_dvc, run_recipe, stages
from simulator import market
from tests.make import refused

ROOT = Path(__file__).parents[2]


def test_the_dvc_file_is_the_recipe():
    assert (ROOT / "dvc.yaml").read_text() == as_dvc()


@pytest.mark.parametrize("teachers", [DEFAULT_TEACHERS, ("click", "graph"), ("policy", "click", "decoder", "graph")])
def test_every_stage_reads_what_an_earlier_one_wrote(teachers):
    written: set[str] = set()
    for stage in stages(teachers):
        missing = {
            path
            for path in stage.reads
            if not any(f"{path}/".startswith(f"{w}/") or w.startswith(f"{path}/") for w in written)
        }
        assert not missing, stage.name
        written.update(stage.writes)


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory) -> Path:
    """A DVC project of the recipe in which every stage has run: real graph and lock file, outputs of one line each."""
    project = tmp_path_factory.mktemp("recipe")
    for name in ("dvc.yaml", "params.yaml", "policy/policy.yaml", "contracts/text/form.yaml"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, project / name)
    for stage in stages():
        for path in stage.writes:
            out = project / DVC_WORKSPACE / path
            out.parent.mkdir(parents=True, exist_ok=True)
            if out.suffix:
                out.write_text(stage.name)
            else:
                out.mkdir(exist_ok=True)
                (out / "part").write_text(stage.name)
        for path in stage.metrics:
            (project / DVC_WORKSPACE / path).parent.mkdir(exist_ok=True)
            (project / DVC_WORKSPACE / path).write_text(json.dumps({stage.name: {"nDCG@10": 0.5}}))
    dvc(project, "init", "--no-scm", "--quiet")
    dvc(project, "commit", "--force", "--quiet")
    return project


def dvc(project: Path, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def would_run(project: Path, *flags: str) -> set[str]:
    """What follows a stage is among them where `flags` say so: DVC first sees whether the outputs differ."""
    return set(re.findall(r"Running stage '(\w+)'", dvc(project, "repro", "--dry", *flags)))


def turn(project: Path, section: str, knob: str, value) -> None:
    params = read_yaml((project / "params.yaml").read_text(), "it")
    params[section][knob] = value
    (project / "params.yaml").write_text(to_yaml(params))


def test_nothing_runs_again_when_nothing_changed(reproduced):
    assert json.loads(dvc(reproduced, "status", "--json")) == {}


def test_the_demo_ends_in_the_commit_after_which_dvc_has_nothing_to_run():
    [demo] = re.findall(r"^demo:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    run, commit = demo.splitlines()
    assert "rolecall run --workspace artifacts/demo" in run
    assert "dvc commit --force --quiet" in commit  # as `reproduced` did


def test_dvc_shows_the_figures_of_export_and_replay(reproduced):
    (shown,) = json.loads(dvc(reproduced, "metrics", "show", "--json")).values()
    found = {path.split("/")[-1]: figures["data"] for path, figures in shown["data"].items()}
    assert found == {"export.json": {"export": {"nDCG@10": 0.5}}, "replay.json": {"replay": {"nDCG@10": 0.5}}}


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


FOUR = ("policy", "click", "decoder", "graph")
HANGS_ON = {
    "policy": {"policy", "click", "graph"},
    "click": {"click", "graph"},
    "decoder": {"decoder"},
    "graph": {"graph"},
}
"""Teacher -> those of `FOUR` that are trained again with it."""


@pytest.mark.parametrize("replaced", FOUR)
def test_replacing_one_of_four_teachers_runs_its_branch_alone(replaced):
    changed = {f"teachers/{replaced}", f"scores/{replaced}"}
    run = {f"{replaced}_teacher"}
    for stage in stages(FOUR):
        if any(f"{path}/".startswith(f"{out}/") for path in stage.reads for out in changed):
            run.add(stage.name)
            changed.update(stage.writes)
    taught = {f"{name}_teacher" for name in HANGS_ON[replaced]}
    assert run == taught | {"student", "export", "items", "index", "materialize", "replay"}


def test_how_retrieval_is_asked_is_a_knob_of_labels_and_index(reproduced, tmp_path):
    project = shutil.copytree(reproduced, tmp_path / "project")
    turn(project, "retrieval", "duplicates", 0.5)
    assert would_run(project) == {"label", "index"}


def test_a_knob_of_links_runs_them_again(reproduced, tmp_path):
    project = shutil.copytree(reproduced, tmp_path / "project")
    turn(project, "links", "liquidity", 9)
    assert would_run(project) == {"links"}


def test_a_policy_teacher_knob_runs_it_again(reproduced, tmp_path):
    project = shutil.copytree(reproduced, tmp_path / "project")
    turn(project, "policy_teacher", "epochs", 9)
    assert "policy_teacher" in would_run(project)


BY_THE_POLICY = {"golden", *(stage.name for stage in stages()[[stage.name for stage in stages()].index("label") :])}


def test_another_policy_is_labelled_by(reproduced, tmp_path):
    project = shutil.copytree(reproduced, tmp_path / "project")
    policy = project / "policy" / "policy.yaml"
    policy.write_text(policy.read_text() + "# edited\n")
    assert would_run(project) == {"golden", "label", "replay"}
    assert would_run(project, "--force-downstream") == BY_THE_POLICY


def test_a_policy_of_ones_own_is_a_knob_and_an_edit_of_it_runs_what_follows(reproduced, tmp_path):
    project = shutil.copytree(reproduced, tmp_path / "project")
    own = project / "own.yaml"
    own.write_text((project / "policy" / "policy.yaml").read_text() + "# own\n")
    turn(project, "label", "policy", "own.yaml")
    assert would_run(project) == {"golden", "label", "replay"}
    dvc(project, "commit", "--force", "--quiet")
    assert would_run(project) == set()
    own.write_text(own.read_text() + "# edited\n")
    assert would_run(project) == {"golden", "label", "replay"}


def test_an_edit_of_the_form_that_the_knob_names_verbalizes_again(reproduced, tmp_path):
    project = shutil.copytree(reproduced, tmp_path / "project")
    form = project / "contracts" / "text" / "form.yaml"
    form.write_text(form.read_text().replace("description: 480", "description: 240"))
    assert would_run(project) == {"verbalize"}
    own = project / "own.yaml"
    own.write_text(form.read_text())
    turn(project, "verbalize", "form", "own.yaml")
    dvc(project, "commit", "--force", "--quiet")
    form.write_text("# of no stage any more\n")
    assert would_run(project) == set()
    own.write_text(own.read_text().replace("summary: 48", "summary: 24"))
    assert would_run(project) == {"verbalize"}


def test_the_knob_names_the_form_that_nobody_chose():
    """DVC needs a path; a form that strays from the built-in one would be another text version."""
    knob = load_params(ROOT / "params.yaml").verbalize.form
    assert knob is not None and read_form(ROOT / knob).digest == ""


def test_the_knob_names_the_built_in_policy():
    """DVC needs a path; a copy of it that strays would be another policy."""
    knob = load_params(ROOT / "params.yaml").label.policy
    assert knob is not None and load_policy(ROOT / knob).version == load_policy().version


def test_another_market_leaves_no_row_of_the_former_one(reproduced, tmp_path):
    """DVC clears what a stage wrote unless it persists: only what is named by its content may."""
    stages = read_yaml((reproduced / "dvc.yaml").read_text(), "it")["stages"]
    kept = {path for stage in stages.values() for out in stage["outs"] for path, how in out.items() if how["persist"]}
    assert kept == {f"{DVC_WORKSPACE}/{path}" for path in ("bundles", "items", "indexes", "links")}


SMALL = {"members": 4, "jobs": 5, "events": 40, "days": 5}


def stages_run(workspace: Path, monkeypatch, end: str | None = None, start: str | None = None, **simulate) -> list[str]:
    """What `run_recipe` starts, with the market's stage alone really run."""
    started: list[str] = []

    def start_stage(name: str, argv, params, quiet) -> dict:
        started.append(name)
        if name == "simulate":
            market.simulate(workspace / RAW, **SMALL | simulate)
        return {"name": name, "seconds": 0.0, "peak_mb": 0.0}

    monkeypatch.setattr("rolecall.recipe._run", start_stage)
    monkeypatch.setattr("rolecall.answer.serve_once", lambda workspace: "")
    monkeypatch.setattr("replay.summary.write_summary", lambda workspace, **rest: None)
    monkeypatch.setattr("replay.report.page.possible_share", lambda results: "")
    knobs = Params.model_validate({"simulate": SMALL | simulate})
    run_recipe(Workspace(workspace), None, params=None, knobs=knobs, end=end, start=start)
    return started


def test_a_workspace_of_real_records_takes_up_its_own_data_and_simulates_nothing(tmp_path, monkeypatch):
    data, workspace = tmp_path / "data", tmp_path / "w"
    data.mkdir()
    (data / "jobs.jsonl").write_text(json.dumps({"id": "j1", "title": "Nurse"}))
    ingest.run(["--workspace", str(workspace), "--source", str(data)])
    assert stages_run(workspace, monkeypatch, end="verbalize") == ["ingest", "golden", "verbalize"]
    shutil.rmtree(data)
    with refused(NotReady, data, "--data"):
        stages_run(workspace, monkeypatch)
    assert stages_run(workspace, monkeypatch, start="verbalize", end="verbalize") == ["verbalize"]
    (workspace / "records" / "_loads.json").unlink()  # as a workspace of before loads were noted
    with refused(NotReady, "--data"):
        stages_run(workspace, monkeypatch)
    assert not (workspace / RAW).exists()


def test_a_copy_of_data_from_elsewhere_is_not_taken_for_the_data(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "jobs.jsonl").write_text(json.dumps({"id": "j1", "title": "Nurse"}))
    archive = shutil.make_archive(str(tmp_path / "board"), "zip", tmp_path / "data")
    ingest.run(["--workspace", str(tmp_path / "w"), "--source", archive])
    with refused(NotReady, "copies", "--data"):
        stages_run(tmp_path / "w", monkeypatch)


def test_a_market_that_is_there_is_not_simulated_again(tmp_path, monkeypatch):
    assert stages_run(tmp_path, monkeypatch) == [stage.name for stage in stages()]
    assert stages_run(tmp_path, monkeypatch) == [stage.name for stage in stages() if stage.name != "simulate"]


def test_two_markets_are_not_mixed_in_one_workspace(tmp_path, monkeypatch):
    stages_run(tmp_path, monkeypatch)
    with refused(BadInput, "members 4, not 6"):
        stages_run(tmp_path, monkeypatch, members=6)


def test_a_run_ends_after_the_stage_that_is_named(tmp_path, monkeypatch):
    names = [stage.name for stage in stages()]
    assert stages_run(tmp_path, monkeypatch, end="label") == names[: names.index("label") + 1]
    with refused(BadInput, "'labels'", "label"):
        stages_run(tmp_path, monkeypatch, end="labels")


def test_runner_flags_go_to_the_stages_that_run_on_beam_and_to_no_other(tmp_path, monkeypatch):
    ran: dict[str, list[str]] = {}

    def noted(name, argv, *_):
        ran[name] = argv
        return {"name": name, "seconds": 0.0, "peak_mb": 0.0}

    monkeypatch.setattr("rolecall.recipe._run", noted)
    flags = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
    run_recipe(Workspace(tmp_path), None, params=None, knobs=Params(), end="materialize", runner=flags)
    assert {name for name, argv in ran.items() if argv[-2:] == flags} == {
        *("ingest", "verbalize", "activity", "embed", "label", "items")
    }
    for wrong in (["--direct_num_wrokers=2"], ["--runner=NoRunner"]):
        with refused(BadInput, wrong[0].partition("=")[2 if "runner" in wrong[0] else 0]):
            run_recipe(Workspace(tmp_path), None, params=None, knobs=Params(), runner=wrong)


def test_a_stage_does_not_outlive_a_run_that_was_stopped(tmp_path, monkeypatch):
    script, started = tmp_path / "waits", []
    script.write_text("#!/bin/sh\nexec sleep 600\n")
    script.chmod(0o755)
    popen = subprocess.Popen

    def start(*asked, **how):
        started.append(popen(*asked, **how))
        return started[-1]

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(recipe.subprocess, "Popen", start)
    monkeypatch.setattr(recipe.sys, "executable", str(script))
    monkeypatch.setattr(recipe.os, "wait4", stopped)
    monkeypatch.setattr(recipe, "_STOP_SECONDS", 0.1)
    with pytest.raises(KeyboardInterrupt):
        recipe._run("student", ["train", "student"], None, False)
    assert started[0].wait(10) == -signal.SIGTERM
