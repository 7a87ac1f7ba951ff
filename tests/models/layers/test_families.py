"""Each family of encoders gives the states that transformers gives: by layer where it runs so, and in our graphs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from contracts.errors import BadInput
from contracts.text.token_ids import open_tokenizer, pad, token_ids
from models.encoder import centre
from models.encoder.export import export_encoder
from models.layers import folder as folder_of
from models.layers.backbone import Backbone, save_backbone
from models.layers.folder import backbone_folder
from models.layers.onnx import quantize
from models.layers.sentences import EncoderOverrides
from models.layers.whole import WholeModel, open_text_model, pool
from models.student.student import Student
from models.teachers.cross_encoder import CrossEncoder
from retrieval.encoder import TextEncoder
from tests.make import FAMILIES, refused, saturates, tiny_encoder

TEXTS = ["registered nurse in Köln, triage and icu", "", "welder", "pastry chef médica " * 40]
LONGEST = 60
OTHERS = sorted(FAMILIES.keys() - set(folder_of.FAMILIES))
EXPORTED = ["xlm-roberta", *OTHERS]
"""Those whose graphs differ: of the families that run by layer the one whose places and padding are not BERT's."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("families")
    return {family: tiny_encoder(root / family, family) for family in FAMILIES}


def as_transformers_reads(folder: Path, texts: Sequence[str]) -> tuple[Any, Tensor]:
    """The outputs of transformers' own model, its texts padded with its own padding, and the mask."""
    from transformers import AutoModel

    tokenizer = open_tokenizer(folder, LONGEST)
    model = AutoModel.from_pretrained(str(folder)).eval()
    tokenizer.enable_padding(pad_id=model.config.pad_token_id or 0)
    encoded = tokenizer.encode_batch(list(texts))
    ids, mask = (torch.tensor([getattr(one, name) for one in encoded]) for name in ("ids", "attention_mask"))
    with torch.no_grad():
        return model(input_ids=ids, attention_mask=mask, output_hidden_states=True), mask


@pytest.mark.parametrize("family", folder_of.FAMILIES)
def test_every_layer_leaves_the_states_that_transformers_leaves(folders: dict[str, Path], family: str) -> None:
    folder = folders[family]
    expected, real = as_transformers_reads(folder, TEXTS)
    ids, mask = (torch.from_numpy(a) for a in pad(token_ids(open_tokenizer(folder, LONGEST), TEXTS)))
    own = Backbone(backbone_folder(folder)).eval()
    assert torch.equal(mask, real) and own.longest == 64 and own.depth == 2
    with torch.no_grad():
        states = own.embed(ids)
        for layer, wanted in enumerate(expected.hidden_states):
            torch.testing.assert_close(states[mask.bool()], wanted[mask.bool()], atol=2e-5, rtol=1e-4)
            if layer < own.depth:
                states = own.run(states, mask, layer, layer + 1)


@pytest.mark.parametrize("family", folder_of.FAMILIES)
def test_a_trained_backbone_is_stored_as_its_family_stores_it(
    folders: dict[str, Path], family: str, tmp_path: Path
) -> None:
    own = Backbone(folders[family])
    with torch.no_grad():
        for weight in own.parameters():
            weight.mul_(0.9)
    save_backbone(own, folders[family], tmp_path / "out")
    expected, mask = as_transformers_reads(tmp_path / "out", TEXTS)
    ids = torch.from_numpy(pad(token_ids(open_tokenizer(folders[family], LONGEST), TEXTS))[0])
    with torch.no_grad():
        found = own.eval()(ids, mask)
    torch.testing.assert_close(found[mask.bool()], expected.last_hidden_state[mask.bool()], atol=2e-5, rtol=1e-4)
    again = Backbone(backbone_folder(tmp_path / "out"))
    torch.testing.assert_close(again.state_dict(), own.state_dict())


@pytest.mark.parametrize("family", OTHERS)
def test_what_does_not_run_by_layer_is_named_with_what_does(folders: dict[str, Path], family: str) -> None:
    with refused(BadInput, family, "xlm-roberta", "encoder.backbone", where=folders[family]):
        backbone_folder(folders[family])
    assert isinstance(open_text_model(folders[family]), WholeModel)


@pytest.mark.parametrize("family", EXPORTED)
def test_the_graph_of_a_family_makes_the_vectors_of_transformers(
    folders: dict[str, Path], family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folders[family]
    monkeypatch.setattr(centre, "NARROW", 1.1)  # random weights make a narrow cone
    export_encoder(tmp_path / "e", folder, "float32", overrides=EncoderOverrides(max_tokens=LONGEST))
    expected, mask = as_transformers_reads(folder, TEXTS)
    wanted = torch.nn.functional.normalize(pool(expected.last_hidden_state, mask, "mean"), dim=-1).numpy()
    found = TextEncoder(tmp_path / "e", threads=1).encode(TEXTS, "job")
    np.testing.assert_allclose(found, wanted, atol=5e-5)
    alone = np.concatenate([TextEncoder(tmp_path / "e", threads=1).encode([text], "job") for text in TEXTS])
    np.testing.assert_allclose(alone, found, atol=5e-5)
    quantize(tmp_path / "e" / "encoder.onnx")
    rough = TextEncoder(tmp_path / "e", threads=1).encode(TEXTS, "job")
    assert ((rough * wanted).sum(1) > (0.85 if saturates() else 0.95)).all()


@pytest.mark.parametrize("pooling", ["mean", "cls", "max", "weighted_mean", "last"])
def test_pooling_is_that_of_sentence_transformers(pooling: str) -> None:
    names = {"weighted_mean": "weightedmean", "last": "lasttoken"}
    pooling_of = pytest.importorskip("sentence_transformers.sentence_transformer.modules.pooling")
    hidden, mask = torch.randn(3, 6, 8), torch.tensor([[1] * 6, [1] * 3 + [0] * 3, [1] + [0] * 5])
    module = pooling_of.Pooling(8, pooling_mode=names.get(pooling, pooling))
    wanted = module({"token_embeddings": hidden, "attention_mask": mask})["sentence_embedding"]
    torch.testing.assert_close(pool(hidden, mask, pooling), wanted)  # type: ignore[arg-type]


def test_weights_that_lack_a_layer_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(folders["xlm-roberta"], tmp_path / "m")
    path = tmp_path / "m" / "model.safetensors"
    tensors = {name: value for name, value in load_file(path).items() if "layer.1." not in name}
    save_file(tensors, path, {"format": "pt"})
    with refused(BadInput, "encoder.layer.1", where=tmp_path / "m"):
        open_text_model(tmp_path / "m")


@pytest.mark.parametrize("family", ["xlm-roberta", "electra", "distilbert"])
def test_teacher_and_student_of_a_family_score_a_job_alike_alone_and_among_others(
    folders: dict[str, Path], family: str
) -> None:
    """On other families than BERT; a stored one is built from the folder without its weights."""
    folder = folders[family]
    teacher = CrossEncoder(folder, ("view", "apply"), 1).eval()
    student = Student(folder, ("view", "apply"), 2, 1).eval()
    student.start_from(teacher)
    ids, mask = (torch.from_numpy(a) for a in pad(token_ids(open_tokenizer(folder, LONGEST), TEXTS)))
    with torch.no_grad():
        items = student.encode_items(student.item.embed(ids), mask)
        prefix = student.encode_prefix(student.prefix.embed(ids[:1]), mask[:1])
        packed = student.score(prefix, None, items[None])
        alone = torch.cat([student.score(prefix, None, items[None, [i]]) for i in range(len(TEXTS))], 1)
    torch.testing.assert_close(packed, alone, atol=1e-5, rtol=1e-4)
    assert packed.std() > 0
    copy = Student(folder, ("view", "apply"), 2, 1, trained=False)
    copy.load_state_dict(student.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(copy.eval().encode_items(copy.item.embed(ids), mask), items)
