"""A teacher's graph scores as the teacher does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch

from benchmarks.teachers import TeacherGraph, TeacherScorer, export_teacher
from contracts.text.token_ids import open_tokenizer, pad, token_ids
from contracts.workspace import Workspace
from models.layers.onnx import quantize
from models.teachers.cross_encoder import load_teacher
from models.training.rows import read_rows


def text(rows: int, length: int, seed: int = 0) -> dict[str, np.ndarray]:
    ids = np.random.default_rng(seed).integers(5, 1_000, (rows, length))
    mask = (np.arange(length)[None] < np.linspace(length, 1, rows).astype(int)[:, None]).astype(np.int64)
    return {"input_ids": ids * mask, "attention_mask": mask}


def run(folder: Path, graph: str, **inputs: np.ndarray) -> np.ndarray:
    return ort.InferenceSession(str(folder / graph)).run(None, inputs)[0]


def test_the_teachers_graph_equals_the_teacher(distilled: Workspace, tmp_path: Path) -> None:
    teacher = distilled.teachers / "policy" / (distilled.teachers / "policy" / "CURRENT").read_text().strip()
    model, _ = load_teacher(teacher)
    ids = np.random.default_rng(0).integers(5, 1_000, (1, 17))
    jobs = text(6, 11)
    with torch.no_grad():
        expected = TeacherGraph(model)(*map(torch.from_numpy, (ids, *jobs.values()))).numpy()
        first = torch.zeros(1, dtype=torch.int64)
        texts = (torch.from_numpy(tokens) for tokens in (ids, jobs["input_ids"][:1]))
        pair = model(*((model.backbone.embed(t), torch.ones_like(t)) for t in texts), first, first)
    assert np.allclose(expected[0], pair[0].numpy(), atol=1e-5)
    folder = export_teacher(teacher, tmp_path / "float32", "float32")
    feeds = {"request_ids": ids, "job_ids": jobs["input_ids"], "job_mask": jobs["attention_mask"]}
    assert np.allclose(run(folder, "teacher.onnx", **feeds), expected, atol=1e-4)
    requests, texts = read_rows(distilled.training).requests[:1], read_rows(distilled.training).jobs[:5]
    read = token_ids(open_tokenizer(folder, 128), texts)
    ids, mask = pad(read)
    asked = np.array([open_tokenizer(folder, 160).encode(requests[0]).ids])
    by_graph = run(folder, "teacher.onnx", request_ids=asked, job_ids=ids, job_mask=mask)
    assert np.allclose(TeacherScorer(folder).logits(requests[0], texts), by_graph, atol=1e-4)
    quantize(folder / "teacher.onnx", keep=("teacher.head",))
    small = run(folder, "teacher.onnx", **feeds)
    assert np.corrcoef(small[:, 0], expected[:, 0])[0, 1] > 0.95
    assert sum(node.op_type == "MatMulInteger" for node in onnx.load(folder / "teacher.onnx").graph.node) >= 18
