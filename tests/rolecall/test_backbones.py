"""A folder that a knob names is looked into before the first stage runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from contracts.errors import BadInput
from rolecall.backbones import check_backbones
from rolecall.cli import app
from rolecall.params import load_params
from rolecall.recipe import Workspace, run_recipe
from tests.make import refused


def params(tmp_path: Path, text: str) -> Path:
    (tmp_path / "params.yaml").write_text(text)
    return tmp_path / "params.yaml"


def test_one_line_sets_the_folder_of_all_that_set_none(tmp_path: Path) -> None:
    knobs = load_params(params(tmp_path, "backbone: e5\nstudent: {epochs: 1, backbone: own}\n"))
    assert knobs.encoder.backbone == tmp_path / "e5"
    assert knobs.teacher("policy").backbone == knobs.teacher("click").backbone == tmp_path / "e5"
    assert knobs.student.backbone == tmp_path / "own" and knobs.student.epochs == 1
    assert load_params(params(tmp_path, "seed: 1\n")).encoder.backbone is None


@pytest.mark.parametrize("knob", ["encoder", "student", "policy_teacher"])
def test_a_folder_that_is_incomplete_stops_a_run_before_its_first_stage(tmp_path: Path, knob: str) -> None:
    (tmp_path / "half").mkdir()
    knobs = load_params(params(tmp_path, f"{knob}: {{backbone: half}}\n"))
    with refused(BadInput, "config.json", where=f"{knob}.backbone"):
        run_recipe(Workspace(tmp_path / "w"), None, params=None, knobs=knobs)
    assert not (tmp_path / "w").exists()


def test_a_folder_that_does_passes(tmp_path: Path, tiny: Path) -> None:
    check_backbones(load_params(params(tmp_path, f"backbone: {tiny}\n")))


def test_the_doctor_says_which_knob_names_a_folder_that_does_not_do(tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    file = params(tmp_path, "backbone: half\n")
    result = CliRunner().invoke(app, ["--params", str(file), "doctor", "--workspace", str(tmp_path / "w")])
    assert result.exit_code == 1
    lines = [line for line in result.output.splitlines() if "half" in line and line.startswith("BROKEN")]
    assert {line.split()[1] for line in lines} >= {"encoder.backbone", "student.backbone"}
