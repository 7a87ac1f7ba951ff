"""A bundle whose graphs are a few operators each, with the shapes and names of an exported one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import settings
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from contracts.bundle import MANIFEST, Manifest, content_version
from contracts.versions import file_hash

settings.register_profile("rolecall", deadline=None)  # a busy machine is not a failure
settings.load_profile("rolecall")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "nurse", "driver", "python", "developer", "austin"]
HIDDEN, TOKENS = 4, 2
TASKS = ("relevance", "view", "apply")


def write_bundle(folder: Path) -> Path:
    """items = word vectors' sum and maximum; prefix = word vectors; logit = items . mean of the prefix, per task."""
    folder.mkdir(parents=True, exist_ok=True)
    table = np.random.default_rng(1).standard_normal((len(WORDS), HIDDEN)).astype(np.float32)
    text = [_input("input_ids", ["n", "len"]), _input("attention_mask", ["n", "len"])]
    words = [
        helper.make_node("Gather", ["table", "input_ids"], ["words"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["weights"]),
        helper.make_node("Mul", ["words", "weights"], ["kept"]),
    ]
    constants = {"table": table, "last": np.array([2]), "middle": np.array([1])}
    item = [
        *words,
        helper.make_node("ReduceSum", ["kept", "middle"], ["sum"], keepdims=1),
        helper.make_node("ReduceMax", ["kept", "middle"], ["max"], keepdims=1),
        helper.make_node("Concat", ["sum", "max"], ["items"], axis=1),
    ]
    _save(folder / "item.onnx", item, text, _output("items", ["n", TOKENS, HIDDEN]), constants)
    prefix = [
        *words,
        helper.make_node("Unsqueeze", ["kept", "front"], ["keys"]),
        helper.make_node("Concat", ["keys", "keys"], ["prefix_kv"], axis=1),
    ]
    front = constants | {"front": np.array([0, 1])}
    _save(folder / "prefix.onnx", prefix, text, _output("prefix_kv", [1, 2, 1, "len", HIDDEN]), front)
    score = [
        helper.make_node("ReduceMean", ["prefix_kv", "all"], ["asked"], keepdims=0),
        helper.make_node("MatMul", ["items", "asked"], ["matched"]),
        helper.make_node("MatMul", ["matched", "head"], ["logits"]),
    ]
    inputs = [
        helper.make_tensor_value_info("prefix_kv", TensorProto.FLOAT, [1, 2, 1, "len", HIDDEN]),
        helper.make_tensor_value_info("items", TensorProto.FLOAT, ["n", TOKENS, HIDDEN]),
    ]
    head = np.random.default_rng(2).standard_normal((TOKENS, len(TASKS))).astype(np.float32)
    _save(
        folder / "score.onnx",
        score,
        inputs,
        _output("logits", ["n", len(TASKS)]),
        {"all": np.array([0, 1, 2, 3]), "head": head},
    )
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    manifest = Manifest(
        text_version="1-test",
        tasks=TASKS,
        task_sentences={},
        item_tokens=TOKENS,
        hidden=HIDDEN,
        max_prefix_tokens=16,
        max_item_tokens=16,
        precision="float32",
        files={path.name: file_hash(path) for path in folder.iterdir()},
    )
    manifest = manifest.model_copy(update={"version": content_version(manifest)})
    (folder / MANIFEST).write_text(manifest.model_dump_json())
    return folder


def _input(name: str, shape: list) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.INT64, shape)


def _output(name: str, shape: list) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _save(path: Path, nodes: list, inputs: list, output: onnx.ValueInfoProto, constants: dict) -> None:
    arrays = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, path.stem, inputs, [output], arrays)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundle"))
