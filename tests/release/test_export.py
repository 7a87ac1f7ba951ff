"""The exported graphs score as the student does, and the bundle is whole or refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import get_args

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from contracts.bundle import Calibration, read_manifest
from contracts.errors import BadInput, BundleMismatch, NotReady
from contracts.match import SIZES
from contracts.tasks import TASKS
from contracts.workspace import Workspace
from models.config import ExportConfig, Precision, StudentConfig
from models.layers.onnx import quantize
from models.student.distil import load_student
from models.student.student import Student
from models.training.rows import read_rows
from ranking.canaries import check_canaries
from ranking.scorer import BundleScorer
from release.export import (
    GRAPHS,
    Graphs,
    ItemGraph,
    PrefixGraph,
    ScoreGraph,
    calibration_feeds,
    export_graphs,
    export_score,
    export_student,
    write_bundle,
)
from tests.make import refused, tiny_bert

TOKENS = 3
C = len(SIZES)
INT8 = [name for name in get_args(Precision) if name != "float32"]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of two layers: an export takes seconds a layer."""
    return tiny_bert(tmp_path_factory.mktemp("backbone"), layers=2)


@pytest.fixture(scope="module")
def student(backbone: Path) -> Student:
    torch.manual_seed(0)
    return Student(backbone, tuple(TASKS), TOKENS, 2).eval()


@pytest.fixture(scope="module")
def exported(student: Student, backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """precision -> folder of the three graphs."""
    folders: dict[str, Path] = {name: tmp_path_factory.mktemp("graphs") / name for name in get_args(Precision)}
    export_student(student, backbone / "tokenizer.json", folders["float32"], "float32")
    for precision, folder in folders.items():
        if precision != "float32":  # an export takes seconds, and what differs comes after it
            shutil.copytree(folders["float32"], folder)
            for name in GRAPHS:
                quantize(folder / name, precision, ("student.head",), calls(name))  # type: ignore[arg-type]
    return folders


def calls(graph: str) -> list[dict[str, np.ndarray]]:
    """Inputs of some calls of a graph."""
    draws = np.random.default_rng(5)
    if graph != "score.onnx":
        return [text(1 if graph == "prefix.onnx" else 4, 12, seed) for seed in range(8)]
    sizes = {"prefix_kv": (2, 2, 2, 21, 16), "items": (60, TOKENS, 32)}
    return [{name: draws.normal(size=size).astype(np.float32) for name, size in sizes.items()} for _ in range(8)]


def run(folder: Path, graph: str, **inputs: np.ndarray) -> np.ndarray:
    return ort.InferenceSession(str(folder / graph)).run(None, inputs)[0]


def text(rows: int, length: int, seed: int = 0) -> dict[str, np.ndarray]:
    ids = np.random.default_rng(seed).integers(5, 1_000, (rows, length))
    mask = (np.arange(length)[None] < np.linspace(length, 1, rows).astype(int)[:, None]).astype(np.int64)
    return {"input_ids": ids * mask, "attention_mask": mask}


@pytest.mark.parametrize("rows, length", [(1, 1), (1, 30), (5, 9)])
def test_item_graph_equals_the_student(student: Student, exported: dict[str, Path], rows: int, length: int) -> None:
    inputs = text(rows, length)
    with torch.no_grad():
        expected = ItemGraph(student)(*map(torch.from_numpy, inputs.values())).numpy()
    assert expected.shape == (rows, TOKENS, 32)
    assert np.allclose(run(exported["float32"], "item.onnx", **inputs), expected, atol=1e-4)


@pytest.mark.parametrize("length, candidates", [(1, 1), (1, 7), (40, 1), (12, 50)])
def test_prefix_and_score_graphs_equal_the_student(
    student: Student, exported: dict[str, Path], length: int, candidates: int
) -> None:
    inputs = text(1, length)
    items = np.random.default_rng(1).normal(size=(candidates, TOKENS, 32)).astype(np.float32)
    with torch.no_grad():
        prefix = PrefixGraph(student)(*map(torch.from_numpy, inputs.values()))
        expected = ScoreGraph(student)(prefix, torch.from_numpy(items)).numpy()
    found = run(exported["float32"], "prefix.onnx", **inputs)
    assert np.allclose(found, prefix.numpy(), atol=1e-4)
    scores = run(exported["float32"], "score.onnx", prefix_kv=found, items=items)
    assert scores.shape == (candidates, len(TASKS)) and scores.dtype == np.float32
    assert np.allclose(scores, expected, atol=1e-4)


@pytest.fixture(scope="module")
def matched(backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Student, dict[str, Path]]:
    """A student with a match, whose embeddings are as large as learned ones, and folders of its score graph.

    Precision -> folder; the other graphs are as without a match.
    """
    torch.manual_seed(1)
    student = Student(backbone, tuple(TASKS), TOKENS, 2, match=True).eval()
    torch.nn.init.normal_(student.match.embeddings.weight, std=0.3)
    folders = {name: tmp_path_factory.mktemp(name) for name in ("float32", "int8_static")}
    export_score(student, folders["float32"] / "score.onnx")
    shutil.copy(folders["float32"] / "score.onnx", folders["int8_static"])
    feeds = [feed | {"match": bins(60, seed)} for seed, feed in enumerate(calls("score.onnx"))]
    quantize(folders["int8_static"] / "score.onnx", "int8_static", ("student.head",), feeds)
    return student, folders


def prefix_of(student: Student, inputs: dict[str, np.ndarray]) -> np.ndarray:
    with torch.no_grad():
        return PrefixGraph(student)(*map(torch.from_numpy, inputs.values())).numpy()


def bins(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, SIZES, (n, C)).astype(np.uint8)


@pytest.mark.parametrize("candidates", [1, 7, 50])
def test_the_score_graph_with_a_match_equals_the_student(
    matched: tuple[Student, dict[str, Path]], candidates: int
) -> None:
    student, scorer = matched
    inputs, match = text(1, 12), bins(candidates)
    items = np.random.default_rng(1).normal(size=(candidates, TOKENS, 32)).astype(np.float32)
    hidden = student.prefix.embed(torch.from_numpy(inputs["input_ids"]))
    with torch.no_grad():
        kept = student.encode_prefix(hidden, torch.from_numpy(inputs["attention_mask"]))
        expected = student.score(kept, None, torch.from_numpy(items)[None], torch.from_numpy(match)[None])[0].numpy()
    scores = run(scorer["float32"], "score.onnx", prefix_kv=prefix_of(student, inputs), items=items, match=match)
    assert np.allclose(scores, expected, atol=1e-4)


def test_an_int8_graph_with_a_match_orders_as_float32_and_knows_no_company(
    matched: tuple[Student, dict[str, Path]],
) -> None:
    student, scorer = matched
    prefix = prefix_of(student, text(1, 20))
    items, match = np.random.default_rng(3).normal(size=(60, TOKENS, 32)).astype(np.float32), bins(60)
    whole, small = (
        run(scorer[name], "score.onnx", prefix_kv=prefix, items=items, match=match)
        for name in ("float32", "int8_static")
    )
    alone = run(scorer["int8_static"], "score.onnx", prefix_kv=prefix, items=items[:1], match=match[:1])
    assert all(np.corrcoef(a, b)[0, 1] > 0.98 for a, b in zip(whole.T, small.T, strict=True))
    assert np.abs(small[0] - alone[0]).max() < 1e-5
    weights = onnx.load(scorer["int8_static"] / "score.onnx").graph.initializer
    assert sum(w.data_type == onnx.TensorProto.INT8 and len(w.dims) == 2 for w in weights) == 8


def test_packed_scores_of_the_graph_equal_one_by_one(exported: dict[str, Path]) -> None:
    prefix = run(exported["float32"], "prefix.onnx", **text(1, 20))
    items = np.random.default_rng(2).normal(size=(9, TOKENS, 32)).astype(np.float32)
    packed = run(exported["float32"], "score.onnx", prefix_kv=prefix, items=items)
    alone = [run(exported["float32"], "score.onnx", prefix_kv=prefix, items=items[i : i + 1])[0] for i in range(9)]
    assert np.allclose(packed, np.stack(alone), atol=1e-5)


def test_the_scores_of_a_pair_do_not_depend_on_its_company(exported: dict[str, Path]) -> None:
    """As they are served by default: one of the other candidates is a hundred times as large."""
    served = exported[ExportConfig().precision]
    prefix = run(served, "prefix.onnx", **text(1, 20))
    items = np.random.default_rng(2).normal(size=(9, TOKENS, 32)).astype(np.float32)
    others = np.concatenate([items, items[:1] * 100])
    among, alone = (run(served, "score.onnx", prefix_kv=prefix, items=company) for company in (others, items[:1]))
    assert np.abs(among[0] - alone[0]).max() < 1e-5
    assert np.abs(among[:9] - run(served, "score.onnx", prefix_kv=prefix, items=items)).max() < 1e-5


@pytest.mark.parametrize("precision", INT8)
def test_an_int8_graph_orders_candidates_as_float32_does(exported: dict[str, Path], precision: str) -> None:
    items = np.random.default_rng(3).normal(size=(60, TOKENS, 32)).astype(np.float32)
    scores = {
        name: run(
            exported[name], "score.onnx", prefix_kv=run(exported[name], "prefix.onnx", **text(1, 20)), items=items
        )
        for name in ("float32", precision)
    }
    for whole, quantised in zip(scores["float32"].T, scores[precision].T, strict=True):
        assert np.corrcoef(whole, quantised)[0, 1] > 0.98


@pytest.mark.parametrize("graph, products", [("item.onnx", 12), ("prefix.onnx", 12), ("score.onnx", 8)])
@pytest.mark.parametrize("precision", INT8)
def test_weights_of_layers_are_int8_and_the_head_is_not(
    exported: dict[str, Path], precision: str, graph: str, products: int
) -> None:
    """Six products with weights a layer, four where queries, keys and values are one. Untrained, the scoring layers are
    the prefix encoder's, and their keys and values are its own."""
    weights = onnx.load(exported[precision] / graph).graph.initializer
    small = [w for w in weights if w.data_type == onnx.TensorProto.INT8 and len(w.dims) == 2]
    assert len(small) == products
    whole = [w for w in weights if w.data_type == onnx.TensorProto.FLOAT and tuple(w.dims) == (32, 32)]
    assert len(whole) == (graph == "score.onnx")


def test_a_scale_a_token_is_nearer_where_tokens_differ_in_size(exported: dict[str, Path]) -> None:
    """One scale a call follows the largest token, and leaves few steps to the others."""
    prefix = run(exported["float32"], "prefix.onnx", **text(1, 20))
    items = np.random.default_rng(4).normal(size=(40, TOKENS, 32)).astype(np.float32)
    items[::8] *= 100
    scores = {
        name: run(exported[name], "score.onnx", prefix_kv=prefix, items=items)
        for name in ("float32", "int8", "int8_token")
    }
    small = np.arange(40) % 8 != 0
    off = {name: float(np.square(scores[name] - scores["float32"])[small].mean()) for name in ("int8", "int8_token")}
    assert off["int8_token"] < 0.5 * off["int8"]


def test_a_weight_that_two_products_share_is_int8_too(tmp_path: Path) -> None:
    """The exporter transposes a large one at each call and names no weight in the product."""
    weight = onnx.numpy_helper.from_array(np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32), "weight")
    nodes = [
        onnx.helper.make_node("Transpose", ["weight"], ["turned"], perm=[1, 0]),
        *(onnx.helper.make_node("MatMul", [f"x{i}", "turned"], [f"y{i}"], f"product_{i}") for i in (1, 2)),
    ]
    ends = [
        [onnx.helper.make_tensor_value_info(f"{end}{i}", onnx.TensorProto.FLOAT, ["n", size]) for i in (1, 2)]
        for end, size in (("x", 8), ("y", 6))
    ]
    graph = onnx.helper.make_graph(nodes, "shared", *ends, [weight])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)]), tmp_path / "g.onnx")
    quantize(tmp_path / "g.onnx")
    kinds = [node.op_type for node in onnx.load(tmp_path / "g.onnx").graph.node]
    assert kinds.count("MatMulInteger") == 2 and "MatMul" not in kinds and "Transpose" not in kinds


def test_a_token_of_zeros_has_a_scale(exported: dict[str, Path]) -> None:
    prefix = run(exported["float32"], "prefix.onnx", **text(1, 5))
    items = np.zeros((3, TOKENS, 32), np.float32)
    assert np.isfinite(run(exported["int8_token"], "score.onnx", prefix_kv=prefix, items=items)).all()


def test_static_scales_need_calibration_inputs(exported: dict[str, Path], tmp_path: Path) -> None:
    shutil.copy(exported["float32"] / "score.onnx", tmp_path)
    with refused(BadInput, "int8_static", where="score.onnx"):
        quantize(tmp_path / "score.onnx", "int8_static")


def test_calibration_inputs_are_those_of_the_graphs(distilled: Workspace, graphs: Graphs) -> None:
    folder = distilled.student / (distilled.student / "CURRENT").read_text().strip()
    student, about = load_student(folder)
    config = StudentConfig.model_validate(about["config"])
    feeds = calibration_feeds(student, folder, config, read_rows(distilled.training))
    assert {name: len(calls) for name, calls in feeds.items()} == dict.fromkeys(GRAPHS, 24)
    for name in GRAPHS:
        inputs = ort.InferenceSession(str(graphs.folder / name)).get_inputs()
        assert {one.name for one in inputs} == feeds[name][0].keys()
        for one in inputs:
            assert len(one.shape) == feeds[name][0][one.name].ndim


def test_signatures_are_those_of_the_manifest(exported: dict[str, Path]) -> None:
    names = {}
    for graph in GRAPHS:
        session = ort.InferenceSession(str(exported["int8"] / graph))
        names[graph] = [i.name for i in session.get_inputs()], [o.name for o in session.get_outputs()]
    assert names == {
        "item.onnx": (["input_ids", "attention_mask"], ["items"]),
        "prefix.onnx": (["input_ids", "attention_mask"], ["prefix_kv"]),
        "score.onnx": (["prefix_kv", "items"], ["logits"]),
    }


def test_without_a_student_nothing_is_exported(tmp_path: Path) -> None:
    with refused(NotReady, "rolecall train student"):
        export_graphs(Workspace(tmp_path))


def bundle(graphs: Graphs, root: Path, knot: float = 1.0) -> Path:
    calibration = {"view": (Calibration(logits=(0.0, knot), probabilities=(0.1, 0.9)),)}
    return write_bundle(
        graphs, Workspace(root), calibration=calibration, blend=None, metrics={"served_ndcg@10": 0.9}, simulated=True
    )


def test_a_bundle_reads_back_with_its_lineage(graphs: Graphs, tmp_path: Path) -> None:
    folder = bundle(graphs, tmp_path)
    manifest = read_manifest(folder)
    assert folder == Workspace(tmp_path).bundle
    assert manifest.version == folder.name and manifest.feature_service == f"student_{folder.name}"
    assert manifest.text_version == "1-test" and set(manifest.lineage["teachers"]) == {"policy", "click"}
    assert manifest.metrics["served_ndcg@10"] == 0.9 and "view_auc" in manifest.metrics


def test_a_bundle_holds_nothing_that_can_run_code(graphs: Graphs, tmp_path: Path) -> None:
    names = {path.name for path in bundle(graphs, tmp_path).iterdir()}
    assert names == {*GRAPHS, "tokenizer.json", "bundle.json", "README.md", "canaries.npz"}


def test_the_same_student_and_calibration_are_the_same_version(graphs: Graphs, tmp_path: Path) -> None:
    first, second = bundle(graphs, tmp_path / "a"), bundle(graphs, tmp_path / "b")
    assert first.name == second.name != bundle(graphs, tmp_path / "a", knot=2.0).name


@pytest.mark.parametrize("name", [*GRAPHS, "tokenizer.json", "README.md", "canaries.npz"])
def test_a_file_changed_after_export_is_refused(graphs: Graphs, tmp_path: Path, name: str) -> None:
    folder = bundle(graphs, tmp_path)
    with (folder / name).open("ab") as file:
        file.write(b" ")
    with refused(BundleMismatch, name):
        read_manifest(folder)


def test_a_bundle_scores_its_canaries_as_it_was_exported(graphs: Graphs, tmp_path: Path) -> None:
    folder = bundle(graphs, tmp_path)
    assert check_canaries(folder, BundleScorer(folder))
