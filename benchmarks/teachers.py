"""A teacher as what a student is measured against: its logits from a folder, and its graph in ONNX Runtime."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from contracts.text.token_ids import open_tokenizer, pad, token_ids
from models.config import Precision
from models.layers.onnx import export_graph, quantize
from models.teachers.cross_encoder import CrossEncoder, load_teacher
from models.teachers.fit_text import open_teacher, score_pairs
from models.teachers.pairs import read_pairs
from models.training.rows import Rows
from ranking.scorer import BATCH_TOKENS
from retrieval.encoder import batches_by_length
from retrieval.onnx_session import open_session

TEACHER_GRAPH = "teacher.onnx"


def teacher_logits(folder: Path, rows: Rows, chosen: np.ndarray) -> np.ndarray:
    """Logits (len(chosen), tasks) float32 of rows by the text teacher in `folder`, as it scores after training."""
    model, config = open_teacher(folder)
    pairs = read_pairs(rows.only(chosen), model, folder, config, len(model.layers()))
    return score_pairs(pairs, np.arange(len(chosen)), config.precision, folder.parent.name)


class TeacherGraph(nn.Module):
    """teacher.onnx: the full text of one request and of n jobs to logits."""

    def __init__(self, teacher: CrossEncoder) -> None:
        super().__init__()
        self.teacher = teacher

    def forward(self, request_ids: Tensor, job_ids: Tensor, job_mask: Tensor) -> Tensor:
        """request_ids (1, m), job_ids, job_mask (n, len) int64 -> logits (n, tasks) float32."""
        backbone, jobs = self.teacher.backbone, torch.arange(job_ids.shape[0])
        asked = backbone.embed(request_ids), torch.ones_like(request_ids)
        texts = asked, (backbone.embed(job_ids), job_mask)
        return self.teacher.answers(self.teacher(*texts, torch.zeros_like(jobs), jobs))


def export_teacher(teacher: Path, out: Path, precision: Precision = "int8") -> Path:
    """Write a trained teacher as `teacher.onnx`, with its tokenizer and knobs, to `out`; return `out`.

    teacher: the folder of its version. Read by `TeacherScorer`. The head stays float32.
    Raises BadInput for a teacher of another architecture than the joint one.
    """
    model, _ = load_teacher(teacher)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    ids = torch.randint(5, 100, (2, 16))
    inputs = {"request_ids": (None, "m"), "job_ids": ("n", "len"), "job_mask": ("n", "len")}
    example = ids[:1, :9], ids, torch.ones_like(ids)
    export_graph(TeacherGraph(model), example, out / TEACHER_GRAPH, inputs=inputs, output="logits")
    quantize(out / TEACHER_GRAPH, precision, ("teacher.head",))
    for name in ("tokenizer.json", "teacher.json"):
        shutil.copy(teacher / name, out)
    return out


class TeacherScorer:
    """A teacher's graph (`export_teacher`) over the full text of a request and its jobs.

    What a student is measured against: the request is read with every batch of jobs.
    """

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        knobs = json.loads((folder / "teacher.json").read_text())["config"]
        self._of_request = open_tokenizer(folder, knobs["max_request_tokens"])
        self._of_job = open_tokenizer(folder, knobs["max_job_tokens"])
        self._session = open_session(folder / "teacher.onnx", threads)

    def logits(self, request_text: str, job_texts: Sequence[str]) -> np.ndarray:
        """(n, tasks) float32 of n jobs, n at least 1."""
        request = np.array([self._of_request.encode(request_text).ids])
        tokens = token_ids(self._of_job, job_texts)
        found: dict[int, np.ndarray] = {}
        for chosen in batches_by_length([len(ids) for ids in tokens], BATCH_TOKENS):
            ids, mask = pad([tokens[i] for i in chosen])
            feeds = {"request_ids": request, "job_ids": ids, "job_mask": mask}
            found.update(zip(chosen.tolist(), self._session.run(["logits"], feeds)[0], strict=True))
        return np.stack([found[i] for i in range(len(job_texts))])
