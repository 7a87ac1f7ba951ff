"""PyTorch modules to ONNX graphs, and graphs to INT8."""

from __future__ import annotations

import ast
import contextlib
import io
import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from contracts.errors import BadInput
from models.config import Precision

MANY_ROWS = 65_536
"""Of a table of tokens, from which on an INT8 graph keeps it in INT8 too."""


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
    loggers = (logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir"))
    with _quiet(*loggers), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
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


def quantize(
    path: Path,
    precision: Precision = "int8",
    keep: Sequence[str] = (),
    feeds: Iterable[Mapping[str, np.ndarray]] = (),
) -> None:
    """Turn a graph's products with weights into INT8 in place, at a precision of `models.config.Precision`, and its
    large tables too.

    keep: modules whose products stay float32, by their path in the exported one; feeds: inputs of the graph for
    int8_static. Raises BadInput for int8_static without them.
    """
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static

    if precision == "float32":
        return
    model = onnx.load(path)
    _fold_transposes(model.graph)
    products = _products(model.graph, tuple(keep))
    if precision != "int8_static":  # there a Gemm is one product with its bias; elsewhere it would lose its name
        for gemm in (product for product in products if product.op_type == "Gemm"):
            _split(model.graph, gemm)
    if precision == "int8_token":
        _scale_tokens(model.graph, products)
    _narrow_tables(model.graph)
    onnx.save(model, path)
    chosen: dict[str, Any] = {
        "nodes_to_quantize": [product.name for product in products],
        "op_types_to_quantize": ["MatMul", "Gemm"],
        "per_channel": True,
        "weight_type": QuantType.QInt8,
    }
    with _quiet(logging.getLogger()):
        if precision == "int8_static":
            float_output = {"OpTypesToExcludeOutputQuantization": ["MatMul", "Gemm"]}
            quantize_static(
                path,
                path,
                _Feeds(feeds, path),
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QUInt8,
                extra_options=float_output,
                **chosen,
            )
        else:
            quantize_dynamic(path, path, **chosen)


class _Feeds:
    """What `quantize_static` reads its calibration inputs from."""

    def __init__(self, feeds: Iterable[Mapping[str, np.ndarray]], path: Path) -> None:
        self._feeds = list(feeds)
        if not self._feeds:
            raise BadInput("int8_static needs calibration inputs", where=path.name, cure="give some, or use int8")
        self._next = iter(self._feeds)

    def get_next(self) -> Mapping[str, np.ndarray] | None:
        return next(self._next, None)

    def __len__(self) -> int:
        return len(self._feeds)

    def set_range(self, start_index: int, end_index: int) -> None:
        self._next = iter(self._feeds[start_index:end_index])


def _fold_transposes(graph: Any) -> None:
    """Turn weights once, not at each call: the exporter leaves a large weight that two products share as it was."""
    from onnx import numpy_helper

    weights = {weight.name: weight for weight in graph.initializer}
    for node in [node for node in graph.node if node.op_type == "Transpose" and node.input[0] in weights]:
        axes = next((list(a.ints) for a in node.attribute if a.name == "perm"), None)
        turned = numpy_helper.to_array(weights[node.input[0]]).transpose(axes)
        graph.initializer.append(numpy_helper.from_array(turned.copy(), node.output[0]))
        graph.node.remove(node)
    used = {name for node in graph.node for name in node.input}
    for name in weights.keys() - used:
        graph.initializer.remove(weights[name])


def _products(graph: Any, keep: tuple[str, ...]) -> list[Any]:
    """The products (MatMul, Gemm) of a graph with weights, those of `keep` left out.

    By the module that a node was exported from: weights are renamed where they are transposed.
    """
    weights = {weight.name for weight in graph.initializer}
    products = [node for node in graph.node if node.op_type in ("MatMul", "Gemm") and node.input[1] in weights]
    return [node for node in products if not _of(node, keep)]


def _narrow_tables(graph: Any) -> None:
    """Keep tables of many rows, as a multilingual vocabulary has, in INT8 with a scale a row: they are most of a graph,
    and only few rows of them are read in a call."""
    from onnx import TensorProto, helper, numpy_helper

    tables = {weight.name: weight for weight in graph.initializer if weight.data_type == TensorProto.FLOAT}
    for node in [node for node in graph.node if node.op_type == "Gather" and node.input[0] in tables]:
        name, index, out = node.input[0], node.input[1], node.output[0]
        table = numpy_helper.to_array(tables[name])
        axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
        if table.ndim != 2 or len(table) < MANY_ROWS or axis != 0:
            continue
        if f"{name}_narrow" not in {weight.name for weight in graph.initializer}:
            scale = np.maximum(np.abs(table).max(axis=1, keepdims=True), 1e-12).astype(np.float32) / 127
            rows = np.rint(table / scale).astype(np.int8)
            graph.initializer.append(numpy_helper.from_array(rows, f"{name}_narrow"))
            graph.initializer.append(numpy_helper.from_array(scale, f"{name}_row_scales"))
        steps: tuple[tuple[str, list[str], str, dict[str, Any]], ...] = (
            ("Gather", [f"{name}_narrow", index], f"{out}_narrow", {}),
            ("Cast", [f"{out}_narrow"], f"{out}_levels", {"to": TensorProto.FLOAT}),
            ("Gather", [f"{name}_row_scales", index], f"{out}_row_scale", {}),
            ("Mul", [f"{out}_levels", f"{out}_row_scale"], out, {}),
        )
        place = list(graph.node).index(node)
        graph.node.remove(node)
        for i, (kind, inputs, output, about) in enumerate(steps):
            graph.node.insert(place + i, helper.make_node(kind, inputs, [output], f"row of {output}", **about))
    used = {name for node in graph.node for name in node.input}
    for name in tables.keys() - used:
        graph.initializer.remove(tables[name])


def _split(graph: Any, gemm: Any) -> None:
    """Make a Gemm a MatMul, and an Add where it has a bias."""
    from onnx import helper, numpy_helper

    old = next(weight for weight in graph.initializer if weight.name == gemm.input[1])
    weight = numpy_helper.to_array(old)
    turned = weight.T if any(a.name == "transB" and a.i for a in gemm.attribute) else weight
    name, out = f"{gemm.name}_weight", gemm.output[0]
    graph.initializer.append(numpy_helper.from_array(turned.copy(), name))
    graph.initializer.remove(old)
    if len(gemm.input) == 3:
        place = list(graph.node).index(gemm)
        out = f"{name}_product"
        graph.node.insert(place + 1, helper.make_node("Add", [out, gemm.input[2]], gemm.output))
    gemm.CopyFrom(helper.make_node("MatMul", [gemm.input[0], name], [out], f"{gemm.name}_product"))


def _of(node: Any, modules: tuple[str, ...]) -> bool:
    scopes = [entry.value for entry in node.metadata_props if entry.key == "pkg.torch.onnx.name_scopes"]
    return any(scope.startswith(modules) for scope in ast.literal_eval(scopes[0])) if scopes and modules else False


def _scale_tokens(graph: Any, products: Sequence[Any]) -> None:
    """Divide what enters each product by its largest value, token by token, and multiply what comes out.

    Dynamic quantisation has one scale a call; with every token at the same range that scale is each token's own.
    """
    from onnx import helper, numpy_helper

    graph.initializer.append(numpy_helper.from_array(np.array([-1]), "last_axis"))
    graph.initializer.append(numpy_helper.from_array(np.array(1e-6, np.float32), "least_range"))
    scaled = set()
    for product in products:
        tokens, out = product.input[0], product.output[0]
        place = list(graph.node).index(product)
        graph.node.insert(place + 1, helper.make_node("Mul", [f"{out}_scaled", f"{tokens}_range"], [out]))
        product.input[0], product.output[0] = f"{tokens}_scaled", f"{out}_scaled"
        if tokens in scaled:
            continue
        scaled.add(tokens)
        steps = (
            ("Abs", [tokens], f"{tokens}_size"),
            ("ReduceMax", [f"{tokens}_size", "last_axis"], f"{tokens}_largest"),
            ("Max", [f"{tokens}_largest", "least_range"], f"{tokens}_range"),
            ("Div", [tokens, f"{tokens}_range"], f"{tokens}_scaled"),
        )
        for i, (kind, inputs, output) in enumerate(steps):
            graph.node.insert(place + i, helper.make_node(kind, inputs, [output]))


@contextlib.contextmanager
def _quiet(*loggers: logging.Logger) -> Iterator[None]:
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
