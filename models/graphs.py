"""PyTorch modules to ONNX graphs, and graphs to INT8."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn


def export_graph(
    module: nn.Module,
    example: tuple[Tensor, ...],
    path: Path,
    *,
    inputs: Mapping[str, Sequence[str | None]],
    output: str,
) -> None:
    """Export `module` to ONNX.

    example: arguments that fix dtypes and static sizes; inputs: name -> one entry an axis, a name where the axis is
    dynamic and None where its size is that of the example. A dynamic axis must not be of size 1 in the example.
    """
    dims: dict[str, torch.export.Dim] = {}
    shapes = []
    for axes in inputs.values():
        shapes.append({i: dims.setdefault(a, torch.export.Dim(a, min=1)) for i, a in enumerate(axes) if a})
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module.eval(),
                example,
                dynamo=True,
                input_names=list(inputs),
                output_names=[output],
                dynamic_shapes=tuple(shapes),
                external_data=False,
                verbose=False,
            )
        assert program is not None
        program.save(str(path), external_data=False)
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def quantize(path: Path, keep: Sequence[str] = ()) -> None:
    """Turn the weights of a graph's matrix products into INT8 in place: per channel, activations scaled per call.

    keep: beginnings of weight names that stay float32 (a head: COOKBOOK 2.3).
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    graph = onnx.load(path).graph
    excluded = [
        node.name
        for node in graph.node
        if node.op_type in ("MatMul", "Gemm") and any(name.startswith(tuple(keep)) for name in node.input if keep)
    ]
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        quantize_dynamic(
            path, path, per_channel=True, weight_type=QuantType.QInt8, nodes_to_exclude=excluded,
            op_types_to_quantize=["MatMul", "Gemm"],
        )  # fmt: skip
    finally:
        logger.setLevel(level)
