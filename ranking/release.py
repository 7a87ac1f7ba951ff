"""From a trained student to the bundle that is served: export, quantise, compare, calibrate, blend, write.

The one place where the offline half (`models`) and the online half (`ranking`) meet: everything fitted here is fitted
on what the exported graphs say, not on what the student said in training.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from contracts.bundle import Blend, Calibration
from contracts.errors import TrainingFailed
from contracts.examples import PAIR_FEATURES
from contracts.tables import read_table
from contracts.tasks import GAINS
from contracts.workspace import Workspace
from models.config import ExportConfig
from ranking.blend import apply_blend, blend_inputs, fit_blend
from ranking.calibrate import calibrated, fit_isotonic
from ranking.scorer import BundleScorer, ItemEncoder

if TYPE_CHECKING:
    from models.rows import Rows

log = logging.getLogger("rolecall")

LEAST_POSITIVES = 10


def release(workspace: Workspace, config: ExportConfig) -> Path:
    """Write the bundle of the workspace's current student and make it current; return its folder.

    Raises NotReady without a student, TrainingFailed where the quantised student disagrees with the float32 one.
    """
    from models.distil import float_logits
    from models.export import export_graphs, write_bundle
    from models.metrics import auc, calibration_error, mean_ndcg, top_agreement
    from models.rows import read_rows

    graphs = export_graphs(workspace, config.precision)
    rows = read_rows(workspace.training)
    held = np.flatnonzero(np.isin(rows.splits, ("valid", "test")))
    tasks = graphs.manifest.tasks
    logits = np.full((len(rows), len(tasks)), np.nan, np.float32)
    scorer = BundleScorer(graphs.folder, manifest=graphs.manifest)
    distinct, which = np.unique(rows.job[held], return_inverse=True)
    items = ItemEncoder(graphs.folder, manifest=graphs.manifest).encode([rows.jobs[j] for j in distinct])
    place = dict(zip(held.tolist(), which.tolist(), strict=True))
    for of_list in rows.lists(held):
        prefix = scorer.prefix(rows.requests[rows.request[of_list[0]]])
        logits[of_list] = scorer.logits(prefix, items[[place[int(row)] for row in of_list]])
    valid, test = (np.flatnonzero(rows.splits == split) for split in ("valid", "test"))

    relevance = tasks.index("relevance")
    whole = float_logits(workspace, rows, test)
    agreement = top_agreement(logits[test, relevance], whole[:, relevance], _lists_within(rows.lists(test), test))
    if not agreement >= config.least_agreement:  # also where there is no test list to agree on
        raise TrainingFailed(
            f"NDCG@1 agreement of {config.precision} with float32 is {agreement:.3f}, under {config.least_agreement}",
            where="export",
            cure="export with precision float32, or train the student longer",
        )
    calibration = {
        task: found
        for column, task in enumerate(tasks)
        if (found := _calibration(logits[valid, column], rows.target(task)[valid], task)) is not None
    }
    features = _features(workspace, rows.list_ids, rows.job_ids)
    blend = _blend(rows, valid, features, logits, tasks, config)
    metrics: dict[str, float] = {"int8_ndcg@1_agreement": agreement}
    for column, task in enumerate(tasks):
        target = rows.target(task)
        if task == "relevance":
            metrics["served_ndcg@10"] = mean_ndcg(logits[:, column], target, rows.lists(test))
        else:
            metrics[f"served_{task}_auc"] = auc(logits[test, column], target[test])
        if task in calibration:
            metrics[f"{task}_ece"] = calibration_error(
                calibrated(calibration[task], logits[test, column]), target[test]
            )
    if blend is not None:
        final = np.full(len(rows), np.nan)
        final[held] = apply_blend(blend, blend_inputs(blend.names, features[held], logits[held], tasks))
        metrics["blend_ndcg@10"] = mean_ndcg(final, _gains(rows), rows.lists(test))
    folder = write_bundle(
        graphs, workspace, calibration=calibration, blend=blend,
        simulated=_simulated(workspace),
        metrics={name: value for name, value in metrics.items() if np.isfinite(value)},
    )  # fmt: skip
    log.info("bundle %s: %s", folder.name, ", ".join(f"{k} {v:.3f}" for k, v in metrics.items() if np.isfinite(v)))
    return folder


def _simulated(workspace: Workspace) -> bool:
    """Whether any event was drawn by the simulator, which signs what it logs."""
    signed = read_table(workspace.records / "events", ["logged_by"])["logged_by"].unique().to_pylist()
    return any(name.startswith("simulator/") for name in signed)


def _lists_within(lists: list[np.ndarray], rows: np.ndarray) -> list[np.ndarray]:
    """Lists of row numbers of the table as positions in `rows`, which ascends."""
    return [np.searchsorted(rows, of_list) for of_list in lists]


def _calibration(logits: np.ndarray, target: np.ndarray, task: str) -> Calibration | None:
    known = np.isfinite(target)
    if target[known].sum() < LEAST_POSITIVES:
        log.warning("%s: under %d positives to calibrate on; its scores stay uncalibrated", task, LEAST_POSITIVES)
        return None
    return fit_isotonic(logits[known], target[known])


def _features(workspace: Workspace, list_ids: np.ndarray, job_ids: np.ndarray) -> np.ndarray:
    """(n, len(PAIR_FEATURES)) float32 of the training table, in the order of its rows by list and job."""
    table = read_table(workspace.training, ["list_id", "job_id", *PAIR_FEATURES])
    table = table.sort_by([("list_id", "ascending"), ("job_id", "ascending")])
    assert np.array_equal(table["job_id"].to_numpy(), job_ids) and np.array_equal(table["list_id"].to_numpy(), list_ids)
    return np.stack([table[name].to_numpy() for name in PAIR_FEATURES], axis=1)


def _gains(rows: Rows) -> np.ndarray:
    """(n,) float64 `GAINS` of what members did; NaN where the log does not tell, as of jobs that were not shown."""
    done = np.stack([rows.target(task) * gain for task, gain in GAINS.items()])
    return np.where(np.isfinite(done).any(axis=0), np.nan_to_num(done).max(axis=0), np.nan)


def _blend(rows: Rows, valid: np.ndarray, features: np.ndarray, logits: np.ndarray, tasks: tuple[str, ...],
           config: ExportConfig) -> Blend | None:  # fmt: skip
    """Fitted on the validation lists: what members did there and, if asked for, what the judge says of them.

    A job that was not shown counts as not chosen: the blend orders all that retrieval finds, of which members saw few,
    and would else learn only what tells apart the jobs that the former system put on top (docs/decisions/0008).
    """
    names = (*(name for name in PAIR_FEATURES if name not in config.leave_out), *tasks)
    inputs = blend_inputs(names, features[valid], logits[valid], tasks)
    gains, lists = [np.nan_to_num(_gains(rows)[valid])], [rows.list_ids[valid]]
    if config.grades:
        gains.append((2.0 ** (4 * rows.target("relevance")[valid]) - 1) / 15)
        lists.append(np.char.add("graded ", rows.list_ids[valid].astype(str)))
    if not any((np.nan_to_num(gain) > 0).any() for gain in gains):
        log.warning("no validation list holds a positive: results keep the order of retrieval")
        return None
    inputs = np.concatenate([inputs] * len(gains))
    return fit_blend(inputs, names, np.concatenate(lists), np.concatenate(gains), config.l2)
