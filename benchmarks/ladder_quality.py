"""How good each rung is on held-out lists, with intervals over seeds and lists together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.judge import kappas
from benchmarks.teachers import teacher_logits
from contracts.tables import read_table
from contracts.workspace import Workspace
from models.student.distil import float_logits
from models.teachers.scores import current_scores, read_scores
from models.training.metrics import auc, calibration_error, list_ndcgs, top_agreement
from models.training.rows import Rows
from ranking.calibrate import calibrated, fit_isotonic
from simulator.truth import Truth

RESAMPLES = 400
TASKS = ("relevance", "view", "apply")
HELD_OUT = ("valid", "test")

Samples = Mapping[str, np.ndarray]
"""Metric -> (1 + RESAMPLES,) float64: on all test lists, then on each draw of them; NaN where it cannot be said."""


@dataclass(frozen=True)
class Held:
    """The test lists of a set of pairs and the draws of them that all systems share."""

    rows: Rows
    lists: list[np.ndarray]
    draws: list[np.ndarray]

    @classmethod
    def of(cls, rows: Rows, seed: int = 0) -> Held:
        lists = rows.lists(rows.of_splits("test"))
        drawn = np.random.default_rng(seed).integers(0, len(lists), (RESAMPLES, len(lists)))
        return cls(rows, lists, [np.arange(len(lists)), *drawn])


def student_logits(folder: Path, rows: Rows) -> tuple[tuple[str, ...], np.ndarray]:
    """Tasks and logits (n, tasks) float32 of a trained student for valid and test rows, NaN elsewhere."""
    tasks = tuple(json.loads((folder / "student.json").read_text())["tasks"])
    held = rows.of_splits(*HELD_OUT)
    logits = np.full((len(rows), len(tasks)), np.nan, np.float32)
    logits[held] = float_logits(folder, rows, held)
    return tasks, logits


def taught_logits(workspace: Workspace, teachers: Sequence[str], rows: Rows) -> tuple[tuple[str, ...], np.ndarray]:
    """Tasks and logits (n, tasks) of the teachers for valid and test rows, NaN elsewhere.

    Those of test rows are stored. No student learns from those of valid rows, so they are made here, once a teacher.
    """
    valid, test = (rows.of_splits(split) for split in HELD_OUT)
    tasks: list[str] = []
    columns = []
    for teacher in teachers:
        scores = current_scores(workspace, teacher)
        answered, logits = read_scores(scores, rows, test)
        made = scores.with_name(f"{scores.stem}-valid.npy")
        if not made.is_file():
            np.save(made, teacher_logits(workspace.teachers / teacher / scores.stem, rows, valid))
        logits[valid] = np.load(made)
        tasks += answered
        columns.append(logits)
    return tuple(tasks), np.concatenate(columns, axis=1)


def measure(test: Held, tasks: Sequence[str], logits: np.ndarray) -> Samples:
    """NDCG@10 by grades, AUC of what people did, and the calibration error after isotonic regression on valid lists."""
    rows, found = test.rows, {}
    for column, task in enumerate(tasks):
        if task not in TASKS:
            continue
        scores, target = logits[:, column], rows.target(task)
        if task == "relevance":
            each = list_ndcgs(scores, target, test.lists)
            with np.errstate(invalid="ignore"):
                found["ndcg@10"] = np.array([_mean(each[draw]) for draw in test.draws])
        else:
            found[f"{task}_auc"] = np.array([auc(scores[r], target[r]) for r in _rows(test)])
        valid = rows.of_splits("valid")
        valid = valid[np.isfinite(target[valid]) & np.isfinite(scores[valid])]
        if (target[valid] > 0).sum() >= 10:
            probability = calibrated(fit_isotonic(scores[valid], target[valid]), np.nan_to_num(scores))
            found[f"{task}_ece"] = np.array([calibration_error(probability[r], target[r]) for r in _rows(test)])
    return {name: values for name, values in found.items() if np.isfinite(values[0])}


def quality_rows(case: str, system: str, seeds: Sequence[Samples], teacher: Samples) -> list[dict[str, Any]]:
    """Result rows of a rung: each metric over its seeds and, where a teacher has it, over the teacher's."""
    made = []
    for metric in seeds[0]:
        own = np.stack([samples[metric] for samples in seeds])
        made.append(row(case, system, metric, over_seeds(own)))
        if metric in teacher and not metric.endswith("_ece"):
            made.append(row(case, system, f"{metric}_of_teacher", over_seeds(own / teacher[metric]), "x"))
    return made


def both_objectives(held: Held, tasks: Sequence[str], logits: np.ndarray) -> np.ndarray:
    """(1 + RESAMPLES,) NDCG@10 by grades plus the mean AUC of views and applications."""
    samples = measure(held, tasks, logits)
    return samples["ndcg@10"] + np.mean([found for name, found in samples.items() if name.endswith("_auc")], axis=0)


def over_seeds(samples: np.ndarray) -> np.ndarray:
    """(1 + RESAMPLES,) from (seeds, 1 + RESAMPLES): the mean over seeds; of a draw of lists, over drawn seeds."""
    rng = np.random.default_rng(1)
    chosen = rng.integers(0, len(samples), (len(samples), samples.shape[1]))
    drawn = samples[chosen, np.arange(samples.shape[1])].mean(0)
    drawn[0] = samples[:, 0].mean()
    return drawn


def row(case: str, system: str, metric: str, samples: np.ndarray, unit: str = "ratio") -> dict[str, Any]:
    """A result row of the value and the 95% interval of its draws."""
    low, high = np.nanquantile(samples[1:], [0.025, 0.975])
    return {
        "case": case,
        "system": system,
        "metric": metric,
        "value": float(samples[0]),
        "low": float(low),
        "high": float(high),
        "unit": unit,
    }


def top_rows(held: Held, tasks: Sequence[str], logits: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """(1 + RESAMPLES,) NDCG@1 agreement of relevance between a quantised student and the float32 one."""
    column = list(tasks).index("relevance")
    each = np.array([top_agreement(logits[:, column], whole[:, column], [rows]) for rows in held.lists])
    return np.array([_mean(each[draw]) for draw in held.draws])


def kappa_rows(case: str, workspace: Workspace, held: Held, logits: np.ndarray) -> list[dict[str, Any]]:
    """Weighted kappa of test pairs with the simulated truth: of the judge's grades, and of the policy teacher's.

    logits: (n,) of relevance by the policy teacher, rounded to grades. Both are taken on the same draws of lists,
    as pairs of one list are not independent, and so is the difference.
    """
    rows = held.rows
    graded = np.isfinite(rows.target("relevance"))
    truth = np.zeros(len(rows), np.int64)
    test = rows.of_splits("test")
    test = test[graded[test]]
    truth[test] = _truth(workspace, rows, test)
    judge = np.rint(4 * np.nan_to_num(rows.target("relevance"))).astype(np.int64)
    teacher = np.rint(4 / (1 + np.exp(-np.nan_to_num(logits)))).astype(np.int64)
    drawn = [chosen[graded[chosen]] for chosen in _rows(held)]
    by_judge, by_teacher, between = (
        kappas(one, other, drawn)["quadratic"] for one, other in ((judge, truth), (teacher, truth), (teacher, judge))
    )
    kappa = "quadratic kappa with the truth"
    return [
        row(case, "rubric judge", kappa, by_judge),
        row(case, "policy teacher", kappa, by_teacher),
        row(case, "policy teacher", f"{kappa}, above the judge's", by_teacher - by_judge),
        row(case, "policy teacher", "quadratic kappa with the judge", between),
    ]


def _truth(workspace: Workspace, rows: Rows, chosen: np.ndarray) -> list[int]:
    """True grades of the chosen pairs of a simulated market."""
    table = read_table(workspace.training, ["list_id", "job_id", "member_id", "query"])
    columns = (table[name].to_pylist() for name in ("list_id", "job_id", "member_id", "query"))
    asked = {(listed, job): (member, query) for listed, job, member, query in zip(*columns, strict=True)}
    who = [asked[rows.list_ids[i], rows.job_ids[i]] for i in chosen]
    members, queries = ([pair[side] for pair in who] for side in (0, 1))
    return Truth.load(workspace.root / "raw").fits(members, rows.job_ids[chosen].tolist(), queries).tolist()


def _rows(test: Held) -> list[np.ndarray]:
    return [np.concatenate([test.lists[i] for i in draw]) for draw in test.draws]


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
