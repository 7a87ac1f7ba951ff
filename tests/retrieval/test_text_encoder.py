from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from contracts.encoder import ENCODER, Prompts, read_encoder
from contracts.errors import NotReady, UnreadableFile
from contracts.text.parts import PartWeights
from retrieval.encoder import TextEncoder, batches_by_length
from retrieval.engines.side_by_side import one_core
from tests.make import refused


@pytest.fixture
def encoder(encoder_folder: Path) -> TextEncoder:
    return TextEncoder(encoder_folder, threads=1)


def test_vectors_have_unit_length_and_the_order_of_the_texts(encoder: TextEncoder) -> None:
    texts = ["nurse austin texas", "driver", "python developer"]
    vectors = encoder.encode(texts, "job")
    assert vectors.shape == (3, encoder.dim) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    for text, vector in zip(texts, vectors, strict=True):
        np.testing.assert_allclose(encoder.encode([text], "job")[0], vector, atol=1e-6)


def test_no_texts_give_no_vectors(encoder: TextEncoder) -> None:
    assert encoder.encode([], "job").shape == (0, encoder.dim)


def test_texts_of_unlike_length_read_at_once_have_the_same_vectors(
    encoder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.engines.side_by_side.cores", lambda: 2)
    monkeypatch.setattr("retrieval.encoder.cores", lambda: 2)
    encoder, texts = TextEncoder(encoder_folder, threads=1), ["nurse", "driver " * 60, "nurse austin", "python " * 30]
    alone = encoder.encode(texts, "job")
    with one_core():
        assert np.array_equal(encoder.encode(texts, "job"), alone)


def test_an_empty_text_has_a_vector(encoder: TextEncoder) -> None:
    assert np.isfinite(encoder.encode(["", "nurse"], "job")).all()


def test_a_long_text_is_cut_at_the_limit(encoder: TextEncoder) -> None:
    first = " ".join(["nurse"] * (encoder.max_tokens - 2))
    np.testing.assert_allclose(
        encoder.encode([first + " driver" * 10_000], "job"), encoder.encode([first], "job"), atol=1e-6
    )


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


def test_prompts_stand_before_the_texts_of_their_side_and_before_each_part(
    encoder: TextEncoder, encoder_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(encoder_folder, tmp_path / "e")
    prompts = Prompts(request="nurse ", job="python developer ")
    parts = PartWeights(whole=0, titles=1)
    manifest = read_encoder(encoder_folder).model_copy(update={"prompts": prompts, "parts": parts})
    (tmp_path / "e" / ENCODER).write_text(manifest.model_dump_json())
    told, texts = TextEncoder(tmp_path / "e", threads=1), ["driver", "title: truck | description: austin."]
    for side, prompt in (("request", "nurse "), ("job", "python developer ")):
        wanted = encoder.encode([f"{prompt}driver", f"{prompt}truck"], "job")
        np.testing.assert_allclose(told.encode(texts, side), wanted, atol=1e-6)  # type: ignore[arg-type]
    np.testing.assert_allclose(told.titles(["driver"]), encoder.encode(["nurse driver"], "job"), atol=1e-6)


def with_parts(folder: Path, to: Path, weights: PartWeights, head: np.ndarray | None = None) -> TextEncoder:
    """The same encoder, told to read texts in parts."""
    shutil.copytree(folder, to)
    name = "" if head is None else "head.npy"
    manifest = read_encoder(folder).model_copy(update={"parts": weights, "head": name})
    (to / ENCODER).write_text(manifest.model_dump_json())
    if head is not None:
        np.save(to / "head.npy", head)
    return TextEncoder(to, threads=1)


JOB = "title: nurse | location: austin texas | description: python developer. driver."


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def test_a_vector_is_the_weighted_sum_of_its_kinds(encoder: TextEncoder, encoder_folder: Path, tmp_path: Path) -> None:
    weights = PartWeights(whole=1, titles=2, sentences=0.5)
    read = with_parts(encoder_folder, tmp_path / "e", weights)
    whole, title, first, second = encoder.plain([JOB, "nurse", "python developer.", "driver."], "job")
    wanted = unit(whole + 2 * title + 0.5 * unit(first + second))
    np.testing.assert_allclose(read.encode([JOB], "job")[0], wanted, atol=1e-6)


def test_vectors_are_the_same_alone_and_beside_others(encoder_folder: Path, tmp_path: Path) -> None:
    read = with_parts(encoder_folder, tmp_path / "e", PartWeights(whole=0, titles=1, skills=1, sentences=1))
    texts = [JOB, "title: driver | description: driver. nurse.", "nurse", "", "search: python"]
    together = read.encode(texts, "job")
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    for text, vector in zip(texts, together, strict=True):
        np.testing.assert_allclose(read.encode([text], "job")[0], vector, atol=1e-6)
    np.testing.assert_allclose(
        together[2], read.plain(["nurse"], "job")[0], atol=1e-6
    )  # no part that weighs: the whole


def test_a_sentence_past_the_limit_of_the_whole_counts(encoder_folder: Path, tmp_path: Path) -> None:
    read = with_parts(encoder_folder, tmp_path / "e", PartWeights(sentences=1))
    long = "title: nurse | description: " + "driver. " + "nurse austin. " * read.max_tokens
    near, far = read.encode([f"{long}python.", f"{long}texas."], "job") @ read.plain(["python"], "job")[0]
    assert near > far


def test_the_head_maps_the_sum_and_leaves_titles_alone(encoder_folder: Path, tmp_path: Path) -> None:
    head = np.random.default_rng(0).standard_normal((8, 8)).astype(np.float32)
    weights = PartWeights(titles=1)
    bare, read = (with_parts(encoder_folder, tmp_path / n, weights, h) for n, h in (("a", None), ("b", head)))
    np.testing.assert_allclose(read.encode([JOB], "job")[0], unit(head @ bare.encode([JOB], "job")[0]), atol=1e-5)
    np.testing.assert_array_equal(read.plain(["nurse"], "job"), bare.plain(["nurse"], "job"))


@pytest.mark.parametrize("head", [np.eye(7, dtype=np.float32), np.eye(8), np.full((8, 8), np.nan, np.float32)])
def test_a_head_that_does_not_fit_is_refused(encoder_folder: Path, tmp_path: Path, head: np.ndarray) -> None:
    with refused(UnreadableFile, where=tmp_path / "e" / "head.npy"):
        with_parts(encoder_folder, tmp_path / "e", PartWeights(), head)


def test_a_head_that_is_missing_is_named(encoder_folder: Path, tmp_path: Path) -> None:
    with_parts(encoder_folder, tmp_path / "e", PartWeights(), np.eye(8, dtype=np.float32))
    (tmp_path / "e" / "head.npy").unlink()
    with refused(NotReady, "head.npy"):
        TextEncoder(tmp_path / "e")
