"""The exported graphs score as the student does, and the bundle is whole or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from contracts.bundle import Calibration, read_manifest
from contracts.errors import BundleMismatch, NotReady
from contracts.tasks import TASKS
from contracts.workspace import Workspace
from models.export import (
    GRAPHS,
    Graphs,
    ItemGraph,
    PrefixGraph,
    ScoreGraph,
    export_graphs,
    export_student,
    write_bundle,
)
from models.student import Student

TOKENS = 3


@pytest.fixture(scope="module")
def student(tiny: Path) -> Student:
    torch.manual_seed(0)
    return Student(tiny, tuple(TASKS), TOKENS, 2).eval()


@pytest.fixture(scope="module")
def exported(student: Student, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """precision -> folder of the three graphs."""
    folders = {name: tmp_path_factory.mktemp("graphs") / name for name in ("float32", "int8")}
    for precision, folder in folders.items():
        export_student(student, tiny / "tokenizer.json", folder, precision)  # type: ignore[arg-type]
    return folders


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


def test_packed_scores_of_the_graph_equal_one_by_one(exported: dict[str, Path]) -> None:
    prefix = run(exported["float32"], "prefix.onnx", **text(1, 20))
    items = np.random.default_rng(2).normal(size=(9, TOKENS, 32)).astype(np.float32)
    packed = run(exported["float32"], "score.onnx", prefix_kv=prefix, items=items)
    alone = [run(exported["float32"], "score.onnx", prefix_kv=prefix, items=items[i : i + 1])[0] for i in range(9)]
    assert np.allclose(packed, np.stack(alone), atol=1e-5)


def test_the_int8_graph_orders_candidates_as_float32_does(exported: dict[str, Path]) -> None:
    items = np.random.default_rng(3).normal(size=(60, TOKENS, 32)).astype(np.float32)
    scores = {
        name: run(folder, "score.onnx", prefix_kv=run(folder, "prefix.onnx", **text(1, 20)), items=items)
        for name, folder in exported.items()
    }
    for whole, quantised in zip(scores["float32"].T, scores["int8"].T, strict=True):
        assert np.corrcoef(whole, quantised)[0, 1] > 0.98


@pytest.mark.parametrize("graph", GRAPHS)
def test_weights_of_layers_are_int8_and_the_head_is_not(exported: dict[str, Path], graph: str) -> None:
    nodes = onnx.load(exported["int8"] / graph).graph.node
    assert sum(node.op_type in ("MatMulInteger", "DynamicQuantizeMatMul") for node in nodes) >= 12
    inputs = {name for node in nodes if node.op_type == "MatMulInteger" for name in node.input}
    assert not any("head" in name for name in inputs)


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
    with pytest.raises(NotReady, match="rolecall train student"):
        export_graphs(Workspace(tmp_path))


@pytest.fixture(scope="module")
def graphs(distilled: Workspace) -> Graphs:
    return export_graphs(distilled)


def bundle(graphs: Graphs, root: Path, knot: float = 1.0) -> Path:
    calibration = {"view": Calibration(logits=(0.0, knot), probabilities=(0.1, 0.9))}
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
    assert names == {*GRAPHS, "tokenizer.json", "bundle.json", "README.md"}


def test_the_same_student_and_calibration_are_the_same_version(graphs: Graphs, tmp_path: Path) -> None:
    first, second = bundle(graphs, tmp_path / "a"), bundle(graphs, tmp_path / "b")
    assert first.name == second.name != bundle(graphs, tmp_path / "a", knot=2.0).name


@pytest.mark.parametrize("name", [*GRAPHS, "tokenizer.json", "README.md"])
def test_a_file_changed_after_export_is_refused(graphs: Graphs, tmp_path: Path, name: str) -> None:
    folder = bundle(graphs, tmp_path)
    with (folder / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(BundleMismatch, match=f"{name} is missing or was changed"):
        read_manifest(folder)


def test_the_card_says_what_was_simulated_and_how_good_it_is(graphs: Graphs, tmp_path: Path) -> None:
    card = (bundle(graphs, tmp_path) / "README.md").read_text()
    assert "Simulated data" in card
    assert "| served_ndcg@10 | 0.9000 |" in card
    assert all(task in card for task in graphs.manifest.tasks)
    assert "nan" not in card.lower().split("## how good")[1]
