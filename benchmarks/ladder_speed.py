"""How fast each rung is at 200 candidates a request, in turns within one run, and what the two cores could do at most.

The rate of a system is candidates over the time of a request: the request is read and every candidate scored; what
depends on the job alone (item tokens) was made before. The teacher reads the full text of both. Rungs of one shape are
equally fast: one of them is measured, and its figures stand for all.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.ladder_data import SPEED, TEACHER, TEACHER_INT8, WARM
from benchmarks.student import TeacherReader
from benchmarks.teachers import TeacherScorer, export_teacher
from contracts.bundle import Manifest
from contracts.match import MATCH_VERSION
from contracts.tasks import TASKS
from contracts.versions import require_current
from contracts.workspace import Workspace
from models.config import Precision, StudentConfig
from models.layers.onnx import export_graph, quantize
from models.student.distil import load_student
from models.student.student import Student
from models.teachers.cross_encoder import load_teacher
from models.training.rows import Rows
from ranking.scorer import BundleScorer, ItemEncoder
from release.export import export_student
from retrieval.onnx_session import open_session

CANDIDATES = 200
ROUNDS = 3
REQUESTS = 6
MEMORY_READ = 1 << 29
"""Bytes: more than any cache."""
REST = 0.5
"""Seconds until the threads of the system before have gone to sleep."""

Rates = Mapping[str, np.ndarray]
"""System -> (ROUNDS * REQUESTS,) float64 pairs a second; the same place is the same request of the same round."""


class Exported:
    """A student as the graphs that are served, with item tokens of some jobs."""

    def __init__(self, folder: Path, precision: Precision, jobs: list[str], threads: int, place: Path) -> None:
        student, about = load_student(folder)
        config = StudentConfig.model_validate(about["config"])
        export_student(student, folder / "tokenizer.json", place, precision)
        self.manifest = Manifest(
            text_version=about["text_version"],
            tasks=student.head.tasks,
            task_sentences={task: TASKS[task] for task in student.head.tasks},
            item_tokens=student.item_tokens,
            hidden=student.hidden,
            max_prefix_tokens=config.max_prefix_tokens,
            max_item_tokens=config.max_item_tokens,
            precision=precision,
            match_version="" if student.match is None else MATCH_VERSION,
        )
        self.operations = _operations_a_pair(student)
        self.bytes = _bytes_of_graphs(place)
        self.bytes_a_pair = _bytes_a_pair(student, place / "score.onnx")
        self.scorer = BundleScorer(place, threads, manifest=self.manifest)
        self.encoder = ItemEncoder(place, threads, manifest=self.manifest)
        self._items = self.encoder.encode(jobs)

    def score(self, request: str) -> np.ndarray:
        """(jobs, tasks) logits of one request."""
        return self.scorer.logits(self.scorer.prefix(request), self._items)


def speed_rows(
    quality: str, workspace: Workspace, rows: Rows, students: Mapping[str, Path], threads: int
) -> list[dict[str, Any]]:
    """Pairs a second, bytes and operations of a student of each shape, as INT8 graphs, and of the policy teacher.

    students: rung -> folder; quality: the case of the rungs' figures, to which what its shape costs is added.
    """
    rng = np.random.default_rng(0)
    jobs = [rows.jobs[i] for i in rng.choice(len(rows.jobs), CANDIDATES, replace=len(rows.jobs) < CANDIDATES)]
    requests = [rows.requests[i] for i in rng.choice(len(rows.requests), REQUESTS)]
    policy = workspace.teachers / "policy"
    teacher = require_current(policy, "policy teacher", "run `rolecall train policy` first")
    measured = shapes(students)
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        served = {
            rung: Exported(students[rung], "int8", jobs, threads, place / str(i))
            for i, rung in enumerate(dict.fromkeys(measured.values()))
        }
        quantised = TeacherScorer(export_teacher(teacher, place / "teacher", "int8"), threads)
        teacher_bytes = _bytes_of_graphs(place / "teacher")
        systems: dict[str, Callable[[str], Any]] = {
            TEACHER: teacher_reader(teacher, jobs),
            TEACHER_INT8: lambda request: quantised.logits(request, jobs),
        }
        found = rates(systems | {f"{rung}, INT8": own.score for rung, own in served.items()}, requests)
    case = f"{SPEED}{CANDIDATES} candidates a request, {threads} threads"
    made = [_row(case, name, "pairs_per_s", rate, "pairs/s") for name, rate in found.items()]
    for rung, own in served.items():
        name = f"{rung}, INT8"
        made += [_row(case, name, f"times_{slow}", found[name] / found[slow], "x") for slow in systems]
        costs = {"bytes": own.bytes, "operations_a_pair": own.operations, "bytes_a_pair": own.bytes_a_pair}
        made += [_one(case, name, metric, value) for metric, value in costs.items()]
    limits = core_limit(next(iter(served.values())).manifest.hidden, CANDIDATES * 4, threads)
    for precision, limit in limits.items():
        made.append(_one(case, f"the student's matrix products alone, {precision}", "operations_per_s", limit))
    made.append(_one(case, "reading memory alone", "bytes_per_s", memory_limit()))
    of_shape = {rung: (found[f"{first}, INT8"], served[first].bytes) for rung, first in measured.items()}
    of_shape |= {f"{WARM}, INT8": of_shape[WARM]} if WARM in of_shape else {}
    for system, (rate, size) in {"teachers": (found[TEACHER_INT8], teacher_bytes), **of_shape}.items():
        made += [_row(quality, system, "pairs_per_s", rate, "pairs/s"), _one(quality, system, "bytes", size)]
    return made


def shapes(students: Mapping[str, Path]) -> dict[str, str]:
    """Rung -> the rung that is measured for all of its shape: WARM where that is one of them, else the first.

    T and the sizes of the weights say how fast a student is, not what it learned.
    """
    measured: dict[tuple, str] = {}
    of = {}
    for rung in sorted(students, key=lambda rung: rung != WARM):
        student, _ = load_student(students[rung])
        of[rung] = measured.setdefault(tuple(tuple(weight.shape) for weight in student.parameters()), rung)
    return {rung: of[rung] for rung in students}


def _one(case: str, system: str, metric: str, value: float) -> dict[str, Any]:
    return {"case": case, "system": system, "metric": metric, "value": float(value)}


def _row(case: str, system: str, metric: str, values: np.ndarray, unit: str) -> dict[str, Any]:
    """The median over requests and rounds, and the range of nine in ten."""
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    return {
        "case": case,
        "system": system,
        "metric": metric,
        "value": float(middle),
        "low": float(low),
        "high": float(high),
        "unit": unit,
    }


def rates(systems: Mapping[str, Callable[[str], Any]], requests: list[str]) -> Rates:
    """Pairs a second of each system, each round all systems in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for _ in range(ROUNDS):
        for name, run in systems.items():
            time.sleep(REST)
            run(requests[0])  # warm
            for request in requests[:REQUESTS]:
                started = time.perf_counter()
                run(request)
                seconds[name].append(time.perf_counter() - started)
    return {name: CANDIDATES / np.array(taken) for name, taken in seconds.items()}


def teacher_reader(folder: Path, jobs: list[str]) -> Callable[[str], np.ndarray]:
    """The policy teacher in PyTorch float32 over the full text of a request and the jobs."""
    teacher, knobs = load_teacher(folder)
    read = TeacherReader(teacher, folder, knobs.max_request_tokens, knobs.max_job_tokens)
    return lambda request: read.logits(request, jobs)


def core_limit(hidden: int, rows: int, threads: int) -> dict[str, float]:
    """Operations a second of a feed-forward block's two products alone, (rows, hidden), float32 and INT8."""
    found = {}
    x = torch.randn(rows, hidden)
    layers = nn.Sequential(nn.Linear(hidden, 4 * hidden, bias=False), nn.Linear(4 * hidden, hidden, bias=False))
    with tempfile.TemporaryDirectory() as scratch:
        for precision in ("float32", "int8"):
            path = Path(scratch) / f"{precision}.onnx"
            export_graph(layers, (x,), path, inputs={"input": ("n", None)}, output="y")
            if precision == "int8":
                quantize(path)
            session = open_session(path, threads)
            taken = [_clock(lambda s=session: s.run(["y"], {"input": x.numpy()})) for _ in range(20)]  # type: ignore[misc]
            found[precision] = 16 * rows * hidden * hidden / min(taken)
    return found


def memory_limit() -> float:
    """Bytes a second of reading what no cache holds, by the threads of PyTorch."""
    numbers = torch.ones(MEMORY_READ // 4)
    return MEMORY_READ / min(_clock(numbers.sum) for _ in range(10))


def _operations_a_pair(student: Student) -> float:
    """Multiplications and additions of one candidate in the scoring layers' matrix products; the prefix is shared."""
    weights = [w for w in student.score_layers.parameters() if w.ndim == 2]
    tokens = student.item_tokens + (student.match is not None)
    return float(2 * tokens * sum(w.numel() for w in weights))


def _bytes_a_pair(student: Student, score_graph: Path) -> float:
    """Bytes that have to be read for one candidate: its item tokens, float32, and its share of the scoring weights.

    What is in between (a few tokens' states) stays in the caches.
    """
    return 4.0 * student.item_tokens * student.hidden + score_graph.stat().st_size / CANDIDATES


def _bytes_of_graphs(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.onnx"))


def _clock(run: Callable[[], Any]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started
