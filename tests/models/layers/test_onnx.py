"""A table of many rows is kept in INT8, and what is read of it is what stood there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto
from torch import Tensor, nn

from models.layers import onnx as graphs
from models.layers.onnx import export_graph, quantize
from tests.make import saturates

ROWS, WIDTH = 300, 16


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.places, self.out = nn.Embedding(ROWS, WIDTH), nn.Embedding(9, WIDTH), nn.Linear(WIDTH, WIDTH)
        with torch.no_grad():
            self.table.weight[7] = 0

    def forward(self, ids: Tensor) -> Tensor:
        words = self.table(ids) + 0 * self.places(ids % 9)
        return torch.cat((words, self.out(words)), -1)


@pytest.mark.parametrize("least", [ROWS, ROWS + 1])
def test_a_large_table_takes_a_byte_a_number_and_a_small_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, least: int
) -> None:
    monkeypatch.setattr(graphs, "MANY_ROWS", least)
    words, path = Words().eval(), tmp_path / "words.onnx"
    ids = torch.arange(ROWS).reshape(2, -1)
    export_graph(words, (ids,), path, inputs={"ids": ("n", "len")}, output="states")
    quantize(path)
    tables = [w for w in onnx.load(path).graph.initializer if ROWS in w.dims and WIDTH in w.dims]
    assert [w.data_type for w in tables] == [TensorProto.INT8 if least == ROWS else TensorProto.FLOAT]
    found = ort.InferenceSession(str(path)).run(None, {"ids": ids.numpy()})[0]
    with torch.no_grad():
        wanted = words(ids).numpy()
    np.testing.assert_allclose(found[..., :WIDTH], wanted[..., :WIDTH], atol=0.02)
    assert not found.reshape(-1, 2 * WIDTH)[7, :WIDTH].any()
    np.testing.assert_allclose(found[..., WIDTH:], wanted[..., WIDTH:], atol=1.0 if saturates() else 0.15)
