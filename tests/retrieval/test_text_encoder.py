from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from contracts.errors import NotReady, UnreadableFile
from retrieval.encoder import TextEncoder, batches_by_length
from tests.make import refused


@pytest.fixture
def encoder(encoder_folder: Path) -> TextEncoder:
    return TextEncoder(encoder_folder, threads=1)


def test_vectors_have_unit_length_and_the_order_of_the_texts(encoder: TextEncoder) -> None:
    texts = ["nurse austin texas", "driver", "python developer"]
    vectors = encoder.encode(texts)
    assert vectors.shape == (3, encoder.dim) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    for text, vector in zip(texts, vectors, strict=True):
        np.testing.assert_allclose(encoder.encode([text])[0], vector, atol=1e-6)


def test_no_texts_give_no_vectors(encoder: TextEncoder) -> None:
    assert encoder.encode([]).shape == (0, encoder.dim)


def test_an_empty_text_has_a_vector(encoder: TextEncoder) -> None:
    assert np.isfinite(encoder.encode(["", "nurse"])).all()


def test_a_long_text_is_cut_at_the_limit(encoder: TextEncoder) -> None:
    first = " ".join(["nurse"] * (encoder.max_tokens - 2))
    np.testing.assert_allclose(encoder.encode([first + " driver" * 10_000]), encoder.encode([first]), atol=1e-6)


def test_batches_cover_every_item_once_within_the_budget() -> None:
    lengths = [5, 300, 1, 40, 40, 7_000]
    batches = list(batches_by_length(lengths, 400))
    assert sorted(np.concatenate(batches)) == list(range(6))
    assert all(len(b) == 1 or len(b) * max(lengths[i] for i in b) <= 400 for b in batches)


def test_a_folder_without_an_encoder_says_what_to_run(tmp_path: Path) -> None:
    with refused(NotReady, tmp_path, "rolecall train encoder"):
        TextEncoder(tmp_path)


def test_a_broken_graph_is_named(encoder_folder: Path, tmp_path: Path) -> None:
    for name in ("encoder.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((encoder_folder / name).read_bytes())
    (tmp_path / "encoder.onnx").write_bytes((encoder_folder / "encoder.onnx").read_bytes()[:100])
    with refused(UnreadableFile, where=tmp_path / "encoder.onnx"):
        TextEncoder(tmp_path)


def test_a_description_without_a_dimension_is_named(encoder_folder: Path, tmp_path: Path) -> None:
    about = json.loads((encoder_folder / "encoder.json").read_text())
    del about["dim"]
    (tmp_path / "encoder.json").write_text(json.dumps(about))
    with refused(UnreadableFile, "dim", where=tmp_path / "encoder.json"):
        TextEncoder(tmp_path)
