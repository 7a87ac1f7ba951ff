"""A bundle whose graphs are a few operators each, with the shapes and names of an exported one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from contracts.match import MATCH_VERSION, SIZES
from tests.make import text_inputs, word_nodes, write_graph, write_manifest, write_word_tokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "nurse", "driver", "python", "developer", "austin"]
HIDDEN, TOKENS = 4, 2
TASKS = ("relevance", "view", "apply")


def match_weights() -> np.ndarray:
    """(C, tasks) what a bin number adds to a logit of the toy bundle with a match."""
    return np.random.default_rng(3).standard_normal((len(SIZES), len(TASKS))).astype(np.float32)


def write_bundle(folder: Path, match: bool = False) -> Path:
    """items = word vectors' sum and maximum; prefix = word vectors; logit = items . mean of the prefix, per task, and
    with a match what each comparison's bin number adds to it."""
    folder.mkdir(parents=True, exist_ok=True)
    table = np.random.default_rng(1).standard_normal((len(WORDS), HIDDEN)).astype(np.float32)
    constants = {"table": table, "last": np.array([2]), "middle": np.array([1])}
    item = [
        *word_nodes(),
        helper.make_node("ReduceSum", ["kept", "middle"], ["sum"], keepdims=1),
        helper.make_node("ReduceMax", ["kept", "middle"], ["max"], keepdims=1),
        helper.make_node("Concat", ["sum", "max"], ["items"], axis=1),
    ]
    write_graph(folder / "item.onnx", item, text_inputs(), ("items", ["n", TOKENS, HIDDEN]), constants)
    prefix = [
        *word_nodes(),
        helper.make_node("Unsqueeze", ["kept", "front"], ["keys"]),
        helper.make_node("Concat", ["keys", "keys"], ["prefix_kv"], axis=1),
    ]
    front = constants | {"front": np.array([0, 1])}
    write_graph(folder / "prefix.onnx", prefix, text_inputs(), ("prefix_kv", [1, 2, 1, "len", HIDDEN]), front)
    score = [
        helper.make_node("ReduceMean", ["prefix_kv", "all"], ["asked"], keepdims=0),
        helper.make_node("MatMul", ["items", "asked"], ["matched"]),
        helper.make_node("MatMul", ["matched", "head"], ["logits" if not match else "read"]),
    ]
    inputs = [
        helper.make_tensor_value_info("prefix_kv", TensorProto.FLOAT, [1, 2, 1, "len", HIDDEN]),
        helper.make_tensor_value_info("items", TensorProto.FLOAT, ["n", TOKENS, HIDDEN]),
    ]
    head = np.random.default_rng(2).standard_normal((TOKENS, len(TASKS))).astype(np.float32)
    arrays = {"all": np.array([0, 1, 2, 3]), "head": head}
    if match:
        arrays["weights"] = match_weights()
        inputs.append(helper.make_tensor_value_info("match", TensorProto.UINT8, ["n", len(SIZES)]))
        score += [
            helper.make_node("Cast", ["match"], ["bins"], to=TensorProto.FLOAT),
            helper.make_node("MatMul", ["bins", "weights"], ["told"]),
            helper.make_node("Add", ["read", "told"], ["logits"]),
        ]
    write_graph(folder / "score.onnx", score, inputs, ("logits", ["n", len(TASKS)]), arrays)
    write_word_tokenizer(folder / "tokenizer.json", WORDS)
    write_manifest(
        folder,
        text_version="1-test",
        tasks=TASKS,
        item_tokens=TOKENS,
        hidden=HIDDEN,
        max_prefix_tokens=16,
        max_item_tokens=16,
        match_version=MATCH_VERSION if match else "",
    )
    return folder


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="session")
def match_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("match_bundle"), match=True)
