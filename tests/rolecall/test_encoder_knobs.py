"""The knobs of the retrieval encoder: from params.yaml and the environment to the command that makes it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from contracts.errors import BadInput, NotReady
from models.config import EncoderTraining, HeadTraining
from rolecall.params import Params, load_params
from tests.make import refused


@pytest.fixture
def params(tmp_path: Path) -> Path:
    return tmp_path / "params.yaml"


def test_a_head_is_learned_by_default_and_the_whole_encoder_is_not() -> None:
    for encoder in (Params().encoder, load_params(Path(__file__).parents[2] / "params.yaml").encoder):
        assert encoder.train is None and encoder.learn is not None and encoder.parts is None
    assert Params().encoder.learn == HeadTraining()


def test_an_empty_section_trains_with_the_defaults(params: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params.write_text("encoder: {train: {}}")
    assert load_params(params).encoder.train == EncoderTraining()
    params.write_text("encoder: {precision: int8}")
    monkeypatch.setenv("ROLECALL_ENCODER__TRAIN__HARDEST", "7")
    assert load_params(params).encoder.train == EncoderTraining(hardest=7)


@pytest.mark.parametrize(
    ("knobs", "named"),
    [
        ("{train: {hardest: 0}}", ("encoder.train.hardest", "found 0")),
        ("{train: {easy_share: 1}}", ("encoder.train.easy_share", "found 1")),
        ("{train: {easy_share: -0.1}}", ("encoder.train.easy_share", "-0.1")),
        ("{train: {dims: [128, 0]}}", ("encoder.train.dims.1", 0)),
        ("{train: {distil_weight: 1}}", ("encoder.train", "distil_weight", "lists")),
        ("{train: {teacher: student}}", ("encoder.train.teacher", "'student'")),
        ("{learn: {dropout: 1}}", ("encoder.learn.dropout", 1)),
        ("{parts: {whole: 0}}", ("encoder.parts", "weight")),
        ("{dim: 0}", ("encoder.dim", 0)),
    ],
)
def test_a_wrong_knob_is_named_with_its_value(params: Path, knobs: str, named: tuple) -> None:
    params.write_text(f"encoder: {knobs}")
    with refused(BadInput, *named):
        load_params(params)


def test_training_without_a_log_is_one_line_and_the_exit_code_of_what_is_not_ready(
    params: Path, tmp_path: Path
) -> None:
    params.write_text("encoder: {train: {}}")
    command = ["rolecall", "--params", str(params), "train", "encoder", "--workspace", str(tmp_path / "w")]
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True)
    assert done.returncode == NotReady.exit_code
    assert done.stderr.startswith("rolecall: no table in ") and done.stderr.count("\n") == 1
