"""What each precision of one student costs and keeps: pairs a second, bytes, NDCG@1 agreement with float32.

    python -m benchmarks.compression --workspace artifacts/demo

The student that a workspace serves is exported at each precision and run by ONNX Runtime; OpenVINO, where it is
installed, runs the graphs of float32 and of static INT8, the same files. All take the same requests and candidates in
turns, and the policy teacher's graph with them. How much INT8 gives depends on the processor: the result file names
its flags (a neighbour reports 3.2 and 5.3 times with VNNI and almost nothing without).
"""

from __future__ import annotations

import functools
import importlib.util
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import torch

from benchmarks import result_file
from benchmarks.teachers import TeacherScorer, export_teacher
from contracts.bundle import read_manifest
from contracts.machine import cpu_flags
from contracts.versions import require_current
from contracts.workspace import Workspace
from models.config import Precision, StudentConfig
from models.student.distil import load_student
from models.training.metrics import top_agreement
from models.training.rows import Rows, read_rows
from ranking.scorer import BundleScorer, ItemEncoder
from release.export import GRAPHS, calibration_feeds, export_graphs, quantize_graphs
from release.held_out import held_out_logits
from retrieval.onnx_session import Opener, open_session

FLOAT32 = "student, float32, ONNX Runtime"
REST = 0.5
"""Seconds until the threads of a system that was just used have gone to sleep."""
PRECISIONS = "precisions of one student, "
"""What the cases of these rows begin with: the ladder measures rungs at as many candidates."""


class System(NamedTuple):
    """A student at one precision in one engine."""

    scorer: BundleScorer
    encoder: ItemEncoder
    bytes: int


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--workspace", type=Path, default=Path("artifacts/demo"), help="a workspace with a bundle")
    parser.add_argument("--candidates", type=int, default=200, help="jobs a request (200)")
    parser.add_argument("--rounds", type=int, default=10, help="turns of all systems (10)")
    parser.add_argument("--threads", type=int, default=2, help="of each (2)")
    parser.add_argument("--lists", type=int, default=150, help="held-out lists to agree on, at most (150)")
    options = parser.parse_args(argv)
    logging.getLogger("transformers").setLevel(logging.ERROR)
    torch.set_num_threads(options.threads)
    workspace = Workspace(options.workspace)
    rows = read_rows(workspace.training)
    with tempfile.TemporaryDirectory() as scratch:
        students = systems(workspace, rows, Path(scratch), options.threads)
        made = [
            *speed(workspace, rows, students, options.candidates, options.rounds, options.threads),
            *agreement(rows, students, options.lists),
        ]
    simulated = bool(read_manifest(workspace.bundle).lineage.get("simulated"))
    result_file.write(
        "recipe_ladder", result_file.command_line("benchmarks.compression"), made, simulated, publish=options.publish
    )


def systems(workspace: Workspace, rows: Rows, scratch: Path, threads: int) -> dict[str, System]:
    """The current student at each precision in each engine. scratch: where its graphs are written."""
    whole = export_graphs(workspace, "float32")
    version = whole.folder.parent
    student, about = load_student(version)
    feeds = calibration_feeds(student, version, StudentConfig.model_validate(about["config"]), rows)
    exported = {}
    for precision in get_args(Precision):
        exported[precision] = Path(shutil.copytree(whole.folder, scratch / precision))
        quantize_graphs(exported[precision], precision, feeds)

    def system(folder: Path, opened: Opener) -> System:
        read = folder, threads, whole.manifest, opened
        return System(BundleScorer(*read), ItemEncoder(*read), sum((folder / name).stat().st_size for name in GRAPHS))

    found = {f"student, {name}, ONNX Runtime": system(folder, open_session) for name, folder in exported.items()}
    if importlib.util.find_spec("openvino"):
        for name in ("float32", "int8_static"):
            found[f"student, {name}, OpenVINO"] = system(exported[name], open_openvino)
        if cpu_flags() & {"avx512_bf16", "amx_bf16"}:
            half = functools.partial(open_openvino, precision="bf16")
            found["student, bfloat16, OpenVINO"] = system(exported["float32"], half)
    return found


def speed(
    workspace: Workspace, rows: Rows, students: Mapping[str, System], candidates: int, rounds: int, threads: int
) -> list[dict[str, Any]]:
    """Rows on pairs a second, with the request read each time: the median, and the range of nine in ten."""
    rng = np.random.default_rng(0)
    jobs = [rows.jobs[i] for i in rng.choice(len(rows.jobs), candidates, replace=len(rows.jobs) < candidates)]
    requests = [rows.requests[i] for i in rng.choice(len(rows.requests), rounds + 1)]
    runs: dict[str, Callable[[str], Any]] = {}
    for name, system in students.items():
        items = system.encoder.encode(jobs)
        runs[name] = functools.partial(_score, system.scorer, items)
    with tempfile.TemporaryDirectory() as scratch:
        precisions: tuple[Precision, ...] = "float32", "int8"
        for precision in precisions:
            folder = export_teacher(_policy_teacher(workspace), Path(scratch) / precision, precision)
            read = functools.partial(TeacherScorer(folder, threads).logits, job_texts=jobs)
            runs[f"policy teacher, {precision}, ONNX Runtime"] = read
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for request in requests:
        for name, run in runs.items():
            time.sleep(REST)
            run(requests[0])  # warm
            started = time.perf_counter()
            run(request)
            rates[name].append(candidates / (time.perf_counter() - started))
    case = f"{PRECISIONS}{candidates} candidates a request, {threads} threads"
    made = [_measured(case, name, "pairs_per_s", np.array(rate), "pairs/s") for name, rate in rates.items()]
    for name, system in students.items():
        times = np.array(rates[name]) / np.array(rates[FLOAT32])
        made.append(_measured(case, name, "times_float32", times, "x"))
        made.append({"case": case, "system": name, "metric": "bytes", "value": system.bytes})
    return made


def agreement(rows: Rows, students: Mapping[str, System], most: int) -> list[dict[str, Any]]:
    """Rows on the share of held-out lists whose best job is as good as float32's by float32's own scores."""
    lists = rows.lists(rows.of_splits("test"))[:most]
    column = students[FLOAT32].scorer.tasks.index("relevance")
    chosen = np.concatenate(lists)
    found = {
        name: held_out_logits(system.scorer, system.encoder, rows, chosen)[:, column]
        for name, system in students.items()
    }
    case = f"{PRECISIONS}{len(lists)} held-out lists"
    return [
        {
            "case": case,
            "system": name,
            "metric": "ndcg@1_agreement",
            "value": top_agreement(logits, found[FLOAT32], lists),
        }
        for name, logits in found.items()
    ]


class open_openvino:  # called as `open_session` is
    """A graph compiled by OpenVINO for the CPU, with the `run` of an ONNX Runtime session.

    precision: f32 or bf16, of what is float in the graph.
    """

    def __init__(self, path: Path, threads: int | None, precision: str = "f32") -> None:
        import openvino

        core = openvino.Core()
        knobs = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
        if threads:
            knobs["INFERENCE_NUM_THREADS"] = str(threads)
        self._request = core.compile_model(core.read_model(path), "CPU", knobs).create_infer_request()

    def run(self, outputs: Sequence[str], feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        found = self._request.infer(dict(feeds))
        return [np.array(found[name]) for name in outputs]


def _score(scorer: BundleScorer, items: np.ndarray, request: str) -> np.ndarray:
    return scorer.logits(scorer.prefix(request), items)


def _policy_teacher(workspace: Workspace) -> Path:
    folder = workspace.teachers / "policy"
    return require_current(folder, "version", "run `rolecall train` first")


def _measured(case: str, name: str, metric: str, values: np.ndarray, unit: str) -> dict[str, Any]:
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    return {
        "case": case,
        "system": name,
        "metric": metric,
        "value": float(middle),
        "low": float(low),
        "high": float(high),
        "unit": unit,
    }


if __name__ == "__main__":
    main()
