"""The backbone opened layer by layer is the model that transformers knows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from contracts.errors import BadInput
from contracts.text.token_ids import open_tokenizer, pad, token_ids
from models.layers.backbone import Backbone, TaskHead, attend, mask_bias, mean_pool
from models.layers.folder import backbone_folder, backbone_version
from tests.make import refused

TEXTS = ["registered nurse in Boise, triage and icu", "", "welder", "pastry chef " * 40]


def test_embedded_backbone_gives_the_states_that_transformers_gives() -> None:
    from transformers import BertModel

    folder = backbone_folder()
    ids, mask = (torch.from_numpy(a) for a in pad(token_ids(open_tokenizer(folder, 64), TEXTS)))
    with torch.no_grad():
        expected = BertModel.from_pretrained(str(folder)).eval()(ids, mask).last_hidden_state
        found = Backbone(folder).eval()(ids, mask)
    assert torch.allclose(found[mask.bool()], expected[mask.bool()], atol=1e-4)


def test_padding_changes_no_state(tiny: Path) -> None:
    backbone = Backbone(tiny).eval()
    tokens = token_ids(open_tokenizer(tiny, 64), TEXTS)
    ids, mask = (torch.from_numpy(a) for a in pad(tokens))
    with torch.no_grad():
        together = mean_pool(backbone(ids, mask), mask)
        alone = [mean_pool(backbone(i, m), m)[0] for i, m in (map(torch.from_numpy, pad([t])) for t in tokens)]
    assert torch.allclose(together, torch.stack(alone), atol=1e-5)


def test_a_folder_that_lacks_weights_is_named(tmp_path: Path, tiny: Path) -> None:
    shutil.copy(tiny / "config.json", tmp_path)
    with refused(BadInput, "model.safetensors", "tokenizer.json"):
        backbone_folder(tmp_path)


def test_a_decoder_is_refused_with_its_type(tmp_path: Path, tiny: Path) -> None:
    shutil.copytree(tiny, tmp_path / "decoder")
    (tmp_path / "decoder" / "config.json").write_text(json.dumps({"model_type": "qwen3"}))
    with refused(BadInput, "qwen3"):
        backbone_folder(tmp_path / "decoder")


def test_version_follows_the_weights(tmp_path: Path, tiny: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny, other)
    assert backbone_version(other) == backbone_version(tiny)
    weights = bytearray((other / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (other / "model.safetensors").write_bytes(weights)
    assert backbone_version(other) != backbone_version(tiny)


def test_version_follows_the_tokenizer(tmp_path: Path, tiny: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny, other)
    (other / "tokenizer.json").write_text((other / "tokenizer.json").read_text() + " ")
    assert backbone_version(other) != backbone_version(tiny)


def test_alike_sentences_start_with_alike_logits() -> None:
    """A task is its sentence: one that says the same in other words starts where the first one is."""
    torch.manual_seed(0)
    first, second, other = torch.nn.functional.normalize(torch.randn(3, 16), dim=-1)
    sentences = torch.nn.functional.normalize(torch.stack((first, first + 0.05 * second, other)), dim=-1)
    head = TaskHead(("view", "apply", "hire"), sentences)
    logits = head(torch.randn(50, 16), torch.zeros(50, 16)).detach()
    assert (logits[:, 0] - logits[:, 1]).abs().mean() < 0.2 * (logits[:, 0] - logits[:, 2]).abs().mean()


def test_a_head_starts_at_the_cosine_and_the_base_rate() -> None:
    """Before anything is learned, the job that is most alike ranks first for every task."""
    head = TaskHead(("view", "apply"), torch.nn.functional.normalize(torch.randn(2, 16), dim=-1))
    head.init_bias_to_prior(torch.tensor([0.3, 0.1]))
    cosines = torch.linspace(-1, 1, 21)
    match = (cosines / 16)[:, None].expand(21, 16)
    logits = head(torch.zeros(21, 16), match).detach()
    assert (logits.diff(dim=0) > 0).all()
    assert torch.allclose(torch.sigmoid(logits[cosines == 0.5]), torch.tensor([[0.3, 0.1]]), atol=0.15)


@pytest.mark.parametrize("padded", [False, True])
def test_attention_written_out_equals_the_fused_one(padded: bool) -> None:
    """Values and gradients: the first is for learning, the second for reading."""
    torch.manual_seed(0)
    queries, keys, values = (torch.randn(2, 3, n, 8, requires_grad=True) for n in (5, 7, 7))
    bias = mask_bias(torch.tensor([[1] * 7, [1] * 4 + [0] * 3]), queries.dtype) if padded else None
    found = attend(queries, keys, values, bias)
    expected = torch.nn.functional.scaled_dot_product_attention(queries, keys, values, attn_mask=bias)
    assert torch.allclose(found, expected, atol=1e-6)
    gradients = (torch.autograd.grad(out.square().sum(), (queries, keys, values)) for out in (found, expected))
    for own, other in zip(*gradients, strict=True):
        assert torch.allclose(own, other, atol=1e-5)
