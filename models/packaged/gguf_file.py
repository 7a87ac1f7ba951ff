"""A GGUF file of a decoder of Llama's make as a Hugging Face folder: float32 weights, tokenizer, chat template.

Weights of any of GGUF's types are read by the package `gguf`; the tokenizer is byte-level BPE.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from contracts.errors import UnreadableFile
from models.layers.folder import CONFIG, TOKENIZER, WEIGHTS

if TYPE_CHECKING:
    from gguf import GGUFReader

_WHOLE: Mapping[str, str] = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
_OF_LAYER: Mapping[str, str] = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""Parts of a layer as GGUF and as Llama name them."""
_DIGITS_ALONE = ("smollm",)
"""Pre-tokenizers that make every digit a token; what else is known splits as GPT-2 does."""
_CONTROL = 3
"""GGUF's type of a token that no text spells."""


def write_gguf(path: Path, out: Path) -> None:
    """Write what a GGUF file holds to a folder that is there.

    Raises:
        UnreadableFile: It is no such file, or one of a model of another make or tokenizer.
    """
    from gguf import GGUFReader
    from gguf.quants import dequantize
    from safetensors.numpy import save_file

    try:
        reader = GGUFReader(str(path))
    except (ValueError, OSError, IndexError) as error:
        raise UnreadableFile(str(error) or "it is cut short", where=str(path), cure="install it again") from error
    make, splits = _field(reader, path, "general.architecture"), _field(reader, path, "tokenizer.ggml.pre")
    if make != "llama" or splits not in (*_DIGITS_ALONE, "gpt-2"):
        reason = f"a {make} model with the pre-tokenizer {splits}"
        raise UnreadableFile(reason, where=str(path), cure="give one of Llama's make with smollm or gpt-2")
    heads = int(_field(reader, path, "llama.attention.head_count"))
    key_heads = int(_field(reader, path, "llama.attention.head_count_kv"))
    tensors = {}
    for tensor in reader.tensors:
        values = np.ascontiguousarray(dequantize(tensor.data, tensor.tensor_type), np.float32)
        part = tensor.name.split(".")[-2]
        if part in ("attn_q", "attn_k"):
            values = _halves(values, heads if part == "attn_q" else key_heads)
        tensors[_name(tensor.name)] = values
    save_file(tensors, out / WEIGHTS, {"format": "pt"})
    _write_config(reader, path, out, heads, key_heads, tied="lm_head.weight" not in tensors)
    _write_tokenizer(reader, path, out, splits in _DIGITS_ALONE)


def _field(reader: GGUFReader, path: Path, name: str) -> Any:
    field = reader.get_field(name)
    if field is None:
        raise UnreadableFile(f"no {name}", where=str(path), cure="give a whole GGUF file of a decoder")
    return field.contents()


def _name(name: str) -> str:
    """Llama's name of a tensor."""
    *place, part, end = name.split(".")
    return f"model.layers.{place[1]}.{_OF_LAYER[part]}.{end}" if place else f"{_WHOLE[part]}.{end}"


def _halves(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows (heads * D, H) of queries or keys with the halves of a rotary pair apart: GGUF has them side by side."""
    return np.ascontiguousarray(weight.reshape(heads, -1, 2, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape))


def _write_config(reader: GGUFReader, path: Path, out: Path, heads: int, key_heads: int, tied: bool) -> None:
    def of(name: str) -> Any:
        return _field(reader, path, name)

    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": of("llama.embedding_length"),
        "num_hidden_layers": of("llama.block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": key_heads,
        "intermediate_size": of("llama.feed_forward_length"),
        "vocab_size": len(of("tokenizer.ggml.tokens")),
        "max_position_embeddings": of("llama.context_length"),
        "rms_norm_eps": of("llama.attention.layer_norm_rms_epsilon"),
        "rope_theta": of("llama.rope.freq_base"),
        "hidden_act": "silu",
        "tie_word_embeddings": tied,
        "bos_token_id": of("tokenizer.ggml.bos_token_id"),
        "eos_token_id": of("tokenizer.ggml.eos_token_id"),
        "dtype": "float32",
    }
    (out / CONFIG).write_text(json.dumps(config, indent=2), "utf-8")


def _write_tokenizer(reader: GGUFReader, path: Path, out: Path, digits_alone: bool) -> None:
    """Byte-level BPE (Sennrich et al. 2016; Radford et al. 2019) and the chat template, where the file has one."""
    tokens = _field(reader, path, "tokenizer.ggml.tokens")
    merges = [tuple(merge.split(" ")) for merge in _field(reader, path, "tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False)
    digits = [pre_tokenizers.Digits(individual_digits=True)] if digits_alone else []
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*digits, bytes_])
    tokenizer.decoder = decoders.ByteLevel()
    kinds = _field(reader, path, "tokenizer.ggml.token_type")
    control = [token for token, kind in zip(tokens, kinds, strict=True) if kind == _CONTROL]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in control])
    tokenizer.save(str(out / TOKENIZER))
    named = {}
    for name, key in (("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding")):
        number = reader.get_field(f"tokenizer.ggml.{key}_token_id")
        if number is not None:
            named[f"{name}_token"] = tokens[int(number.contents())]
    template = reader.get_field("tokenizer.chat_template")
    chats = {} if template is None else {"chat_template": template.contents()}
    about = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False} | named | chats
    (out / "tokenizer_config.json").write_text(json.dumps(about, indent=2), "utf-8")
