"""A GGUF file becomes a Hugging Face folder of the same numbers and the same tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from contracts.errors import UnreadableFile
from models.layers.decoder import open_chat_tokenizer
from models.layers.folder import complete_folder, open_pretrained
from models.packaged.gguf_file import write_gguf
from tests.make import refused

TEMPLATE = "{% for m in messages %}<|a|>{{ m['content'] }}<|b|>{% endfor %}"
HEADS, KEY_HEADS, HIDDEN, INNER, ROPE = 4, 2, 32, 64, 10_000.0


def write_file(path: Path, make: str = "llama", splits: str = "smollm", left_out: str = "") -> dict[str, np.ndarray]:
    """A GGUF file of one layer in float32 and Q8_0, and its tensors as the file has them."""
    from gguf import GGMLQuantizationType, GGUFWriter
    from gguf.quants import dequantize, quantize
    from tokenizers import pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = ["<|a|>", "<|b|>", *letters, "ye", "yes", "no", "12"]
    writer = GGUFWriter(str(path), make)
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(ROPE)
    if left_out != "tokens":
        writer.add_token_list(tokens)
    writer.add_token_types([3, 3, *[1] * (len(tokens) - 2)])
    writer.add_token_merges(["y e", "ye s", "n o", "1 2"])
    writer.add_tokenizer_pre(splits)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_chat_template(TEMPLATE)
    rng, width = np.random.default_rng(0), HIDDEN // HEADS
    shapes = {
        "token_embd": (len(tokens), HIDDEN), "output_norm": (HIDDEN,), "blk.0.attn_norm": (HIDDEN,),
        "blk.0.ffn_norm": (HIDDEN,), "blk.0.attn_q": (HIDDEN, HIDDEN), "blk.0.attn_k": (KEY_HEADS * width, HIDDEN),
        "blk.0.attn_v": (KEY_HEADS * width, HIDDEN), "blk.0.attn_output": (HIDDEN, HIDDEN),
        "blk.0.ffn_gate": (INNER, HIDDEN), "blk.0.ffn_up": (INNER, HIDDEN), "blk.0.ffn_down": (HIDDEN, INNER),
    }  # fmt: skip
    tensors = {}
    for name, shape in shapes.items():
        values = rng.normal(size=shape).astype(np.float32)
        if len(shape) == 2:
            packed = quantize(values, GGMLQuantizationType.Q8_0)
            values = dequantize(packed, GGMLQuantizationType.Q8_0)
            writer.add_tensor(f"{name}.weight", packed, raw_dtype=GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(f"{name}.weight", values)
        tensors[name] = values
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tensors


def interleaved_attention(tensors: dict[str, np.ndarray], states: np.ndarray, name: str, heads: int) -> np.ndarray:
    """Queries or keys (n, heads, D) with the rotation of llama.cpp, which turns neighbouring numbers by pairs."""
    turned = (states @ tensors[f"blk.0.{name}"].T).reshape(len(states), heads, -1, 2)
    rates = ROPE ** (-np.arange(turned.shape[2]) / turned.shape[2])
    angles = np.arange(len(states))[:, None, None] * rates
    even, odd = turned[..., 0], turned[..., 1]
    return np.stack([even * np.cos(angles) - odd * np.sin(angles), even * np.sin(angles) + odd * np.cos(angles)], -1)


def test_the_model_computes_what_the_file_says(tmp_path: Path) -> None:
    """Attention weights are held against llama.cpp's own form of the rotation, over weights as the file has them."""
    from transformers import AutoModelForCausalLM

    tensors = write_file(tmp_path / "toy.gguf")
    out = tmp_path / "out"
    out.mkdir()
    write_gguf(tmp_path / "toy.gguf", out)
    model = open_pretrained(AutoModelForCausalLM, complete_folder(out)).eval()
    model.set_attn_implementation("eager")
    ids = torch.tensor([[5, 9, 40, 7]])
    with torch.inference_mode():
        found = model(input_ids=ids, output_attentions=True)
    states = tensors["token_embd"][ids[0].numpy()]
    states = states / np.sqrt((states**2).mean(-1, keepdims=True) + 1e-5) * tensors["blk.0.attn_norm"]
    queries = interleaved_attention(tensors, states, "attn_q", HEADS)
    keys = interleaved_attention(tensors, states, "attn_k", KEY_HEADS).repeat(HEADS // KEY_HEADS, axis=1)
    scores = np.einsum("ihcp,jhcp->hij", queries, keys) / np.sqrt(HIDDEN // HEADS)
    scores[:, ~np.tril(np.ones((4, 4), bool))] = -np.inf
    expected = torch.from_numpy(scores).softmax(-1)
    torch.testing.assert_close(found.attentions[0][0].double(), expected.double(), atol=1e-4, rtol=1e-4)
    np.testing.assert_array_equal(model.get_output_embeddings().weight.detach(), tensors["token_embd"])


@pytest.mark.parametrize("splits, digits", [("smollm", ["1", "2"]), ("gpt-2", ["12"])])
def test_the_tokenizer_and_the_template_are_the_files(tmp_path: Path, splits: str, digits: list[str]) -> None:
    write_file(tmp_path / "toy.gguf", splits=splits)
    (tmp_path / "out").mkdir()
    write_gguf(tmp_path / "toy.gguf", tmp_path / "out")
    tokenizer = open_chat_tokenizer(tmp_path / "out")
    assert tokenizer.tokenize("<|a|>yes no12") == ["<|a|>", "yes", "Ġ", "no", *digits]
    assert tokenizer.apply_chat_template([{"role": "user", "content": "é"}], tokenize=False) == "<|a|>é<|b|>"
    assert tokenizer.decode(tokenizer.encode("yes é")) == "yes é"
    assert (tokenizer.bos_token, tokenizer.eos_token) == ("<|a|>", "<|b|>")


@pytest.mark.parametrize(
    "changes, value",
    [({"make": "falcon"}, "falcon"), ({"splits": "qwen2"}, "qwen2"), ({"left_out": "tokens"}, "tokens")],
)
def test_a_file_of_another_make_is_refused(tmp_path: Path, changes: dict[str, str], value: str) -> None:
    write_file(tmp_path / "toy.gguf", **changes)
    (tmp_path / "out").mkdir()
    with refused(UnreadableFile, value, where="toy.gguf"):
        write_gguf(tmp_path / "toy.gguf", tmp_path / "out")


@pytest.mark.parametrize("content", [b"", b"GGUF", b"no GGUF at all, but long enough to look like a header of one"])
def test_what_is_no_gguf_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "toy.gguf").write_bytes(content)
    with refused(UnreadableFile, where="toy.gguf"):
        write_gguf(tmp_path / "toy.gguf", tmp_path)


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    write_file(tmp_path / "toy.gguf")
    content = (tmp_path / "toy.gguf").read_bytes()
    (tmp_path / "toy.gguf").write_bytes(content[: len(content) // 2])
    (tmp_path / "out").mkdir()
    with refused(UnreadableFile, where="toy.gguf"):
        write_gguf(tmp_path / "toy.gguf", tmp_path / "out")


@pytest.mark.slow
def test_the_unpacked_smollm2_speaks(smollm2: Path) -> None:
    """One wrong half of a rotation, merge or scale, and it would not know this."""
    from transformers import AutoModelForCausalLM

    tokenizer = open_chat_tokenizer(smollm2)
    asked = [{"role": "user", "content": "What is the capital of France?"}]
    text = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    ids = torch.tensor([tokenizer.encode(text, add_special_tokens=False)])
    model = open_pretrained(AutoModelForCausalLM, complete_folder(smollm2)).eval()
    with torch.inference_mode():
        said = model.generate(ids, max_new_tokens=8, do_sample=False)[0, ids.shape[1] :]
    assert tokenizer.decode(said, skip_special_tokens=True) == "The capital of France is Paris."
