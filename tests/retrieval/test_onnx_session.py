"""Sessions run on the providers that are installed, or on those that are named."""

from __future__ import annotations

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
