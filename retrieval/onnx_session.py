"""ONNX Runtime sessions: one way to open a graph, on a GPU where the installed runtime has one, else on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import onnxruntime as ort

from contracts.errors import BadInput, NotReady, UnreadableFile
from contracts.machine import cores
from contracts.validation import first_line

Opener = Callable[[Path, int | None], Any]
"""Graph and threads to a session with `run(outputs, feeds)`, safe to share between threads."""
PREFERRED = ("CUDAExecutionProvider", "ROCMExecutionProvider", "CPUExecutionProvider")
"""Providers that are used without being named, the first that is there first. Others change numbers, as on a phone, or
compile for minutes at the first call."""


def open_session(
    path: Path, threads: int | None = None, providers: Sequence[str] | None = None
) -> ort.InferenceSession:
    """A session over the graph in a file; safe to share between threads.

    Args:
        path: The graph.
        threads: Cores that one call may use. None: all.
        providers: ONNX Runtime's names, the first one tried first. None: those of `PREFERRED` that are installed.

    Raises:
        NotReady: There is no file.
        UnreadableFile: The file is no graph.
        BadInput: A provider is not installed.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or cores()  # its own count knows no container
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # else it holds the next session's cores
    options.log_severity_level = 3
    try:
        slower = ["SkipLayerNormFusion"]  # than the sum and the norm that it fuses
        return ort.InferenceSession(str(path), options, chosen_providers(providers), disabled_optimizers=slower)
    except ort.capi.onnxruntime_pybind11_state.NoSuchFile as error:
        raise NotReady(f"{path.name} is missing in {path.parent}", cure="export it again") from error
    except (
        ort.capi.onnxruntime_pybind11_state.InvalidProtobuf,
        ort.capi.onnxruntime_pybind11_state.InvalidGraph,
        ort.capi.onnxruntime_pybind11_state.Fail,
    ) as error:
        raise UnreadableFile(first_line(error), where=str(path), cure="export it again") from error


def chosen_providers(providers: Sequence[str] | None = None) -> list[str]:
    """The providers of a session: those named, or those of `PREFERRED` that are installed.

    Raises:
        BadInput: A provider is not installed.
    """
    installed = ort.get_available_providers()
    if providers is None:
        return [name for name in PREFERRED if name in installed]
    for name in providers:
        if name not in installed:
            cure = f"one of {', '.join(installed)}; `pip install rolecall[gpu]` brings CUDA"
            raise BadInput(f"ONNX Runtime has no provider {name!r} here", cure=cure)
    return list(providers)
