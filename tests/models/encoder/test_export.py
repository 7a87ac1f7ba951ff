"""The retrieval encoder is the sentence encoder that the backbone was published as."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch

from contracts.errors import BadInput
from contracts.text.parts import PartWeights
from contracts.text.token_ids import open_tokenizer, pad, token_ids
from models.encoder.export import export_encoder
from models.layers.folder import backbone_folder
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


def test_float32_vectors_are_the_published_models(tmp_path: Path, inputs: dict, expected: np.ndarray) -> None:
    export_encoder(tmp_path / "encoder", precision="float32")
    vectors = ort.InferenceSession(str(tmp_path / "encoder" / "encoder.onnx")).run(["vectors"], inputs)[0]
    assert np.allclose(vectors, expected, atol=1e-5)


def test_int8_vectors_point_the_same_way(tmp_path: Path, inputs: dict, expected: np.ndarray) -> None:
    export_encoder(tmp_path / "encoder", precision="int8")
    vectors = ort.InferenceSession(str(tmp_path / "encoder" / "encoder.onnx")).run(["vectors"], inputs)[0]
    assert ((vectors * expected).sum(1) > 0.97).all()


def test_the_encoder_says_what_it_is_and_versions_tell_precisions_apart(tmp_path: Path, tiny: Path) -> None:
    version = export_encoder(tmp_path / "encoder", tiny, "float32")
    about = json.loads((tmp_path / "encoder" / "encoder.json").read_text())
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


def test_a_folder_without_a_model_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        export_encoder(tmp_path / "encoder", tmp_path / "absent")
    assert not (tmp_path / "encoder").exists()
