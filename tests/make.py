"""Builders and checks that several folders of tests share, by noun."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.bundle import MANIFEST, Manifest, content_version
from contracts.errors import RolecallError
from contracts.lock import locked
from contracts.records import Event, Job, Member
from contracts.versions import file_hash

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
"""The time of the request in tests that do not say another."""
WORD_WIDTH = 8
"""Numbers in a word vector of `write_word_encoder`."""


def change_file(folder: Path, first: int, changes: Sequence[Mapping[str, Any]], name: str | None = None) -> Path:
    """A file of a change feed, which appears whole; `first` is the sequence number of its first change."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from sources.feeds.files import SCHEMA

    rows = [{"sequence": number, **change} for number, change in enumerate(changes, first)]
    path = folder / f"{name or f'{first:012d}'}.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path.with_suffix(".staged"))
    return path.with_suffix(".staged").rename(path)


def event(
    event_id: str = "e1",
    time: datetime = NOW,
    member_id: str = "m1",
    job_id: str = "j1",
    action: str = "view",
    **fields: Any,
) -> Event:
    """An event; `fields` are its other fields."""
    return Event(id=event_id, time=time, member_id=member_id, job_id=job_id, action=action, **fields)  # type: ignore[arg-type]


def job(job_id: str = "j1", title: str = "Nurse", **fields: Any) -> Job:
    """A job that became known 100 days before `NOW`; `fields` are its other fields."""
    return Job.model_validate({"id": job_id, "title": title, "updated_at": NOW - timedelta(days=100)} | fields)


def member(member_id: str = "m1", headline: str = "Nurse", **fields: Any) -> Member:
    """A member who became known 90 days before `NOW`; `fields` are the other fields."""
    return Member.model_validate(
        {"id": member_id, "headline": headline, "updated_at": NOW - timedelta(days=90)} | fields
    )


def once_a_run(temporary: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that is made once a run, by the worker that asks first, and that all read. Nobody writes to it."""
    base = temporary.getbasetemp()
    run = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with locked(run / f"{name}.lock", f"making {name}", wait=600):
        if not (run / f"{name}.made").exists():
            shutil.rmtree(run / name, ignore_errors=True)
            make(run / name)
            (run / f"{name}.made").touch()
    return run / name


@contextmanager
def refused(kind: type[RolecallError], *values: object, where: object = None) -> Iterator[None]:
    """Claims that a typed error is raised which names the given values, where they stand, and a cure.

    It asks for the values of the input that must be named, never for the wording around them.

    Args:
        kind: The exact type of the error.
        *values: Found in `what`, `where` or `cure`: a field, an id, a number, a line.
        where: A part of the error's place, such as a file's name or a row.
    """
    with pytest.raises(kind) as caught:
        yield
    error = caught.value
    assert type(error) is kind, f"{type(error).__name__}: {error}"
    missing = [str(value) for value in values if str(value) not in str(error)]
    assert not missing, f"{error} does not name {missing}"
    assert where is None or str(where) in error.where, f"{error.where!r} is not {where!r}"
    assert error.cure, f"{error} has no cure"


def replace_part(path: Path, content: bytes) -> None:
    """Put another file in the place of one that may be read-only."""
    path.unlink()
    path.write_bytes(content)


def saturates() -> bool:
    """Whether INT8 products lose what passes 16 bits on this processor: x86 without VNNI.

    Source: ONNX Runtime's documentation of quantization, "When and why do I need to try U8U8?"
    """
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx2" in flags and "vnni" not in flags


def tiny_bert(folder: Path, layers: int) -> Path:
    """A BERT backbone folder of 32 hidden numbers with random weights (seed 0) and the embedded model's tokenizer."""
    import torch
    from transformers import BertConfig, BertModel

    from models.layers.folder import backbone_folder

    torch.manual_seed(0)
    config = BertConfig(hidden_size=32, num_hidden_layers=layers, num_attention_heads=2, intermediate_size=64)
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    shutil.copy(backbone_folder() / "tokenizer.json", folder)
    return folder


FAMILIES: Mapping[str, Mapping[str, Any]] = {
    "bert": {},
    "roberta": {"tokens": "bytes", "pad_token_id": 1, "type_vocab_size": 1, "max_position_embeddings": 66},
    "xlm-roberta": {"tokens": "pieces", "pad_token_id": 1, "type_vocab_size": 1, "max_position_embeddings": 66},
    "camembert": {"tokens": "pieces", "pad_token_id": 1, "type_vocab_size": 1, "max_position_embeddings": 66},
    "electra": {"embedding_size": 16, "hidden_act": "relu"},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
    "mpnet": {"tokens": "bytes", "pad_token_id": 1, "max_position_embeddings": 66},
    "deberta-v2": {
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_biased_input": False,
        "position_buckets": 16,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "type_vocab_size": 0,
    },
    "modernbert": {"pad_token_id": 0, "local_attention": 8, "global_attn_every_n_layers": 2},
    "nomic_bert": {},
}
"""`model_type` -> what a tiny model of it is made with beside its size; tokens: the kind of its tokenizer."""


def tiny_encoder(folder: Path, family: str) -> Path:
    """An encoder folder of a family: two layers of 32 numbers, random weights (seed 0), a tokenizer of its kind."""
    import torch
    from transformers import AutoConfig, AutoModel

    folder.mkdir(parents=True, exist_ok=True)
    extra = dict(FAMILIES[family])
    size = write_tokenizer(folder, extra.pop("tokens", "words"))
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    torch.manual_seed(0)
    made = {"vocab_size": size, "max_position_embeddings": 64} | ({} if "dim" in extra else shape) | extra
    model = AutoModel.from_config(AutoConfig.for_model(family, **made))
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.2)  # untrained ones hardly tell texts and places apart
    model.save_pretrained(folder)
    return folder


def write_tokenizer(folder: Path, kind: str) -> int:
    """Write `tokenizer.json` of a kind and return its number of tokens.

    words: the embedded model's; bytes: byte-level BPE as RoBERTa's; pieces: a unigram model as XLM-RoBERTa's, in which
    number 0 begins a text and number 1 is padding.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    from models.layers.folder import backbone_folder

    if kind == "words":
        shutil.copy(backbone_folder() / "tokenizer.json", folder)
        return int(Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size())
    marks = ["<s>", "<pad>", "</s>", "<unk>"]
    corpus = ["registered nurse welder pastry chef Krankenpfleger Köln médica São Paulo ñ triage icu"] * 4
    if kind == "bytes":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer: Any = trainers.BpeTrainer(
            vocab_size=330, special_tokens=marks, initial_alphabet=alphabet, show_progress=False
        )
    else:
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.decoder = decoders.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=120, special_tokens=marks, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(corpus, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return int(tokenizer.get_vocab_size())


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Claims that the block ends in so many seconds, for what would else hang; never for how fast a machine is."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"not done in {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def word_nodes() -> list[Any]:
    """ONNX nodes from `input_ids` and `attention_mask` to `kept`: word vectors (n, len, width), zero where padded."""
    from onnx import TensorProto, helper

    return [
        helper.make_node("Gather", ["table", "input_ids"], ["words"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["weights"]),
        helper.make_node("Mul", ["words", "weights"], ["kept"]),
    ]


def write_graph(
    path: Path, nodes: Iterable[Any], inputs: Sequence[Any], output: tuple[str, list[Any]], arrays: Mapping[str, Any]
) -> Path:
    """An ONNX file with one float32 output, (name, shape); of `arrays`, those that a node reads become constants."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    made = helper.make_tensor_value_info(output[0], TensorProto.FLOAT, output[1])
    nodes = list(nodes)
    read = {name for node in nodes for name in node.input}
    constants = [numpy_helper.from_array(array, name) for name, array in arrays.items() if name in read]
    graph = helper.make_graph(nodes, path.stem, list(inputs), [made], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def text_inputs() -> list[Any]:
    """The ONNX inputs of a graph that reads text: `input_ids` and `attention_mask`, (n, len) int64."""
    from onnx import TensorProto, helper

    names = ("input_ids", "attention_mask")
    return [helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "len"]) for name in names]


def write_manifest(folder: Path, **fields: Any) -> Manifest:
    """The manifest of a bundle folder whose other files are there: float32, with their hashes and its version."""
    named = {"task_sentences": {}, "precision": "float32"} | fields
    manifest = Manifest(files={path.name: file_hash(path) for path in folder.iterdir()}, **named)
    manifest = manifest.model_copy(update={"version": content_version(manifest)})
    (folder / MANIFEST).write_text(manifest.model_dump_json())
    return manifest


def write_word_encoder(folder: Path, words: Sequence[str], *, max_tokens: int, seed: int) -> Path:
    """An encoder folder: the L2-normalised mean of random word vectors, a sentence encoder without layers."""
    from onnx import helper

    folder.mkdir(parents=True, exist_ok=True)
    nodes = [
        *word_nodes(),
        helper.make_node("ReduceSum", ["kept", "middle"], ["total"], keepdims=0),
        helper.make_node("LpNormalization", ["total"], ["vectors"], axis=1, p=2),
    ]
    table = np.random.default_rng(seed).standard_normal((len(words), WORD_WIDTH)).astype(np.float32)
    arrays = {"table": table, "last": np.array([2]), "middle": np.array([1])}
    write_graph(folder / "encoder.onnx", nodes, text_inputs(), ("vectors", ["n", WORD_WIDTH]), arrays)
    write_word_tokenizer(folder / "tokenizer.json", words)
    about = {"name": "toy", "version": "0123456789ab", "dim": WORD_WIDTH, "precision": "float32"}
    (folder / "encoder.json").write_text(json.dumps(about | {"max_tokens": max_tokens}))
    return folder


def write_word_tokenizer(path: Path, words: Sequence[str]) -> Path:
    """A tokenizer file with one token a word; the first four words are [PAD], [UNK], [CLS] and [SEP]."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(path))
    return path


def tiny_decoder(folder: Path, longest: int = 1_024, template: str | None = None) -> Path:
    """A Llama of two layers of 32 numbers, random weights (seed 0), with the embedded model's tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    size = write_tokenizer(folder, "words")
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = LlamaConfig(vocab_size=size, num_key_value_heads=1, max_position_embeddings=longest, **shape)
    LlamaForCausalLM(config).save_pretrained(folder)
    if template is not None:
        about = {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": template}
        (folder / "tokenizer_config.json").write_text(json.dumps(about))
    return folder
