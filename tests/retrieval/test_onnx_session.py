"""Sessions run on the providers that are installed, or on those that are named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import onnxruntime as ort
import pytest

from contracts import machine
from contracts.errors import BadInput
from retrieval.encoder import TextEncoder
from retrieval.onnx_session import chosen_providers, open_session
from tests.make import refused

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


def test_a_gpu_is_taken_before_the_cpu_where_the_runtime_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CPU, "TensorrtExecutionProvider", CUDA])
    assert chosen_providers() == [CUDA, CPU]


def test_a_session_runs_on_the_providers_that_are_named(encoder_folder: Path) -> None:
    assert open_session(encoder_folder / "encoder.onnx", 1, [CPU]).get_providers() == [CPU]


def test_a_provider_that_is_not_installed_is_refused_with_those_that_are(encoder_folder: Path) -> None:
    with refused(BadInput, "NoSuchProvider", CPU):
        TextEncoder(encoder_folder, 1, lambda path, threads: open_session(path, threads, ["NoSuchProvider"]))


def test_a_session_starts_as_many_threads_as_the_container_has_cores(
    encoder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "cpu_quota", lambda: 1.0)
    session = open_session(encoder_folder / "encoder.onnx")
    assert session.get_session_options().intra_op_num_threads == 1


def test_what_is_run_is_told_to_nobody_outside(encoder_folder: Path, tmp_path: Path) -> None:
    own = {name: value for name, value in os.environ.items() if name not in ("ORT_DISABLE_TELEMETRY", "CI")}
    home = own | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    opens = "from retrieval.onnx_session import *; open_session(Path(sys.argv[1]))"
    command = [sys.executable, "-c", f"import sys; {opens}", str(encoder_folder / "encoder.onnx")]
    subprocess.run(command, env=home, check=True, timeout=120)
    assert list(tmp_path.iterdir()) == [], "ONNX Runtime keeps what it will send, and an id of the machine, at home"
