"""The retrieval encoder is the sentence encoder that the backbone was published as."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from contracts.errors import BadInput
from contracts.text.parts import PartWeights
from contracts.text.token_ids import open_tokenizer, pad, token_ids
from models.encoder.export import export_encoder
from models.layers.folder import backbone_folder
from models.layers.onnx import quantize
from models.layers.sentences import MAX_TOKENS

TEXTS = ["registered nurse in Boise | skills: triage, icu", "", "welder", "pastry chef " * 40]


@pytest.fixture(scope="module")
def inputs() -> dict[str, np.ndarray]:
    ids, mask = pad(token_ids(open_tokenizer(backbone_folder(), 64), TEXTS))
    return {"input_ids": ids, "attention_mask": mask}


@pytest.fixture(scope="module")
def expected(inputs: dict[str, np.ndarray]) -> np.ndarray:
    """Mean pooling and normalisation as the model's own card does them."""
    from transformers import AutoModel

    model = AutoModel.from_pretrained(str(backbone_folder())).eval()
    ids, mask = (torch.from_numpy(array) for array in inputs.values())
    with torch.no_grad():
        states = model(input_ids=ids, attention_mask=mask).last_hidden_state
    weight = mask[..., None].float()
    return torch.nn.functional.normalize((states * weight).sum(1) / weight.sum(1), dim=-1).numpy()


def test_vectors_are_the_published_models_and_in_int8_point_the_same_way(
    tmp_path: Path, inputs: dict, expected: np.ndarray
) -> None:
    """An export takes seconds, and what differs comes after it."""
    graph = tmp_path / "encoder" / "encoder.onnx"
    export_encoder(tmp_path / "encoder", precision="float32")
    assert np.allclose(ort.InferenceSession(str(graph)).run(["vectors"], inputs)[0], expected, atol=1e-5)
    quantize(graph, "int8")
    vectors = ort.InferenceSession(str(graph)).run(["vectors"], inputs)[0]
    assert ((vectors * expected).sum(1) > 0.97).all()


def test_the_encoder_says_what_it_is_and_versions_tell_precisions_apart(
    tmp_path: Path, tiny: Path, encoder_folder: Path
) -> None:
    about = json.loads((encoder_folder / "encoder.json").read_text())
    version = about["version"]
    assert about == {
        "name": tiny.name,
        "version": version,
        "graph": version,
        "dim": 32,
        "max_tokens": MAX_TOKENS,
        "prompts": {"request": "", "job": ""},
        "pooling": "mean",
        "precision": "float32",
        "parts": PartWeights().model_dump(),
        "head": "",
    }
    assert version != export_encoder(tmp_path / "int8", tiny, "int8")
    assert "MatMulInteger" in {node.op_type for node in onnx.load(tmp_path / "int8" / "encoder.onnx").graph.node}


def test_a_folder_without_a_model_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        export_encoder(tmp_path / "encoder", tmp_path / "absent")
    assert not (tmp_path / "encoder").exists()
