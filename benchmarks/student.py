"""The served student against its teachers: pairs a second on the same threads, and how much quality is kept.

    python -m benchmarks.student --workspace artifacts/demo

Speed: each takes the same requests and candidates, one request after the other, in two turns with a rest between, since
threads that wait for more work still hold the cores from the next. The student reads the request's text and
scores item tokens made beforehand (INT8 ONNX); the policy teacher reads every text (PyTorch float32), the request once
for all its candidates. A third row lets the teacher keep its jobs' states below the joint layers as the student keeps
item tokens. Quality: the student's exported graphs and the teachers' stored scores on the same held-out lists.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import result_file
from contracts.text.token_ids import open_tokenizer, pad, token_ids
from contracts.versions import require_current
from contracts.workspace import Workspace
from models.registry import TEACHERS
from models.teachers.cross_encoder import CrossEncoder, load_teacher
from models.teachers.scores import current_scores, read_scores
from models.training.metrics import auc, list_ndcgs, mean_ndcg
from models.training.rows import Rows, read_rows
from ranking.scorer import BundleScorer, ItemEncoder
from release.held_out import held_out_logits

RESAMPLES = 1_000
REST = 1.0
"""Seconds until the threads of a model that was just used have gone to sleep."""
JOBS_AT_ONCE = 25
"""Texts in one call of the teacher: the fastest of 10, 25, 50 and 100 on two cores."""


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--workspace", type=Path, default=Path("artifacts/demo"), help="a workspace with a bundle")
    parser.add_argument("--candidates", type=int, default=200, help="jobs a request (200)")
    parser.add_argument("--rounds", type=int, default=10, help="requests that are timed (10)")
    parser.add_argument("--threads", type=int, default=2, help="of both (2)")
    options = parser.parse_args(argv)
    logging.getLogger("transformers").setLevel(logging.ERROR)
    torch.set_num_threads(options.threads)
    workspace = Workspace(options.workspace)
    rows = read_rows(workspace.training)
    scorer, encoder = BundleScorer(workspace.bundle, options.threads), ItemEncoder(workspace.bundle, options.threads)
    made = [
        *speed(workspace, rows, scorer, encoder, options.candidates, options.rounds),
        *quality(workspace, rows, scorer, encoder),
    ]
    simulated = bool(scorer.manifest.lineage.get("simulated"))
    result_file.write("spine", result_file.command_line("benchmarks.student"), made, simulated, publish=options.publish)


def speed(
    workspace: Workspace, rows: Rows, scorer: BundleScorer, encoder: ItemEncoder, candidates: int, rounds: int
) -> list[dict[str, Any]]:
    """Rows on pairs a second at `candidates` a request: the median, and the extremes of all requests."""
    folder = workspace.teachers / "policy"
    folder = require_current(folder, "version", "run `rolecall train` first")
    teacher, knobs = load_teacher(folder)
    rng = np.random.default_rng(0)
    jobs = rng.choice(len(rows.jobs), candidates, replace=len(rows.jobs) < candidates)
    requests = rng.choice(len(rows.requests), rounds, replace=len(rows.requests) < rounds)
    texts = [rows.jobs[i] for i in jobs]
    items = encoder.encode(texts)
    read = TeacherReader(teacher, folder, knobs.max_request_tokens, knobs.max_job_tokens)
    kept = read.states(texts)
    runs: dict[str, Callable[[str], Any]] = {
        "student, INT8 ONNX": lambda text: scorer.logits(scorer.prefix(text), items),
        "policy teacher, PyTorch float32": lambda text: read.logits(text, texts),
        "policy teacher, job states kept": lambda text: read.logits(text, kept=kept),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for name, run in [*runs.items()] * 2:
        time.sleep(REST)
        run(rows.requests[requests[0]])  # warm
        for i in requests:
            seconds[name].append(_clock(lambda run=run, i=i: run(rows.requests[i])))  # type: ignore[misc]
    case = f"{candidates} candidates a request"
    rates = {name: candidates / np.array(taken) for name, taken in seconds.items()}
    made = [_row(case, name, "pairs_per_s", rate, "pairs/s") for name, rate in rates.items()]
    student, *teachers = rates
    for name in teachers:
        made.append(_row(case, student, f"times_{name}", rates[student] / rates[name], "x"))
    prefix = np.array([_clock(lambda i=i: scorer.prefix(rows.requests[i])) for i in requests])  # type: ignore[misc]
    made.append(_row(case, student, "prefix_ms", prefix * 1_000, "ms"))
    offline = np.array([len(texts) / _clock(lambda: encoder.encode(texts)) for _ in range(2)])
    made.append(_row("item tokens, offline", student, "jobs_per_s", offline, "jobs/s"))
    return made


def quality(workspace: Workspace, rows: Rows, scorer: BundleScorer, encoder: ItemEncoder) -> list[dict[str, Any]]:
    """Rows on the student's NDCG@10 and AUCs over its teachers', with 95% bootstrap intervals over requests."""
    test = rows.of_splits("test")
    lists = rows.lists(test)
    tasks = scorer.tasks
    student = held_out_logits(scorer, encoder, rows, test)
    made: list[dict[str, Any]] = []
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(lists), (RESAMPLES, len(lists)))
    for teacher in TEACHERS.names():
        answered, logits = read_scores(current_scores(workspace, teacher), rows, test)
        for column, task in enumerate(answered):
            target, own, taught = rows.target(task), student[:, tasks.index(task)], logits[:, column]
            if task == "relevance":
                measure, pair = "ndcg@10", _ndcg_ratios(own, taught, target, lists, draws)
            else:
                measure, pair = f"{task}_auc", _auc_ratios(own, taught, target, lists, draws)
            for system, value in ((f"{teacher} teacher", pair[1]), ("student, INT8 ONNX", pair[0])):
                made.append({"case": "held-out lists", "system": system, "metric": measure, "value": value})
            low, high = np.nanquantile(pair[2], [0.025, 0.975]) if np.isfinite(pair[2]).any() else (None, None)
            made.append(
                {
                    "case": "held-out lists",
                    "system": "student, INT8 ONNX",
                    "metric": f"{measure}_of_teacher",
                    "value": pair[0] / pair[1],
                    "low": low,
                    "high": high,
                    "unit": "x",
                }
            )
    return [row for row in made if np.isfinite(row["value"])]


class TeacherReader:
    """The policy teacher at its fastest in PyTorch float32: the request is read once, jobs in batches."""

    def __init__(self, teacher: CrossEncoder, folder: Path, request_tokens: int, job_tokens: int) -> None:
        self._teacher = teacher
        self._of_request, self._of_job = (open_tokenizer(folder, longest) for longest in (request_tokens, job_tokens))

    def states(self, texts: Sequence[str]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Batches of states that enter the joint layers, with their masks."""
        backbone, made = self._teacher.backbone, []
        with torch.inference_mode():
            for start in range(0, len(texts), JOBS_AT_ONCE):
                tokens = token_ids(self._of_job, texts[start : start + JOBS_AT_ONCE])
                ids, mask = (torch.from_numpy(array) for array in pad(tokens))
                made.append((backbone.run(backbone.embed(ids), mask, 0, self._teacher.split), mask))
        return made

    def logits(self, request: str, texts: Sequence[str] = (), kept: list | None = None) -> np.ndarray:
        """(jobs, tasks) of one request and the texts, or the states that `states` kept of them."""
        batches = kept if kept is not None else self.states(texts)
        ids = torch.tensor([self._of_request.encode(request).ids])
        backbone, first, found = self._teacher.backbone, self._teacher.split, []
        with torch.inference_mode():
            mask = torch.ones_like(ids)
            asked = backbone.run(backbone.embed(ids), mask, 0, first), mask
            for states, job_mask in batches:
                n = len(states)
                found.append(
                    self._teacher(asked, (states, job_mask), torch.zeros(n, dtype=torch.int64), torch.arange(n), first)
                )
        return torch.cat(found).numpy()


def _ndcg_ratios(
    own: np.ndarray, taught: np.ndarray, target: np.ndarray, lists: list[np.ndarray], draws: np.ndarray
) -> tuple[float, float, np.ndarray]:
    ours, theirs = (list_ndcgs(scores, target, lists) for scores in (own, taught))
    with np.errstate(invalid="ignore"):
        ratios = np.nanmean(ours[draws], axis=1) / np.nanmean(theirs[draws], axis=1)
    return mean_ndcg(own, target, lists), mean_ndcg(taught, target, lists), ratios


def _auc_ratios(
    own: np.ndarray, taught: np.ndarray, target: np.ndarray, lists: list[np.ndarray], draws: np.ndarray
) -> tuple[float, float, np.ndarray]:
    ratios = np.full(len(draws), np.nan)
    for i, draw in enumerate(draws):
        chosen = np.concatenate([lists[j] for j in draw])
        below = auc(taught[chosen], target[chosen])
        ratios[i] = auc(own[chosen], target[chosen]) / below if below else np.nan
    rows = np.concatenate(lists)
    return auc(own[rows], target[rows]), auc(taught[rows], target[rows]), ratios


def _clock(run: Callable[[], Any]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _row(case: str, system: str, metric: str, values: np.ndarray, unit: str) -> dict[str, Any]:
    return {
        "case": case,
        "system": system,
        "metric": metric,
        "value": float(np.median(values)),
        "low": float(values.min()),
        "high": float(values.max()),
        "unit": unit,
    }


if __name__ == "__main__":
    main()
