"""From a trained student to the bundle that is served: export, quantise, compare, calibrate, blend, measure, write.

The one place where the offline half (`models`) and the online half (`ranking`) meet: everything fitted here is fitted
on what the exported graphs say, not on what the student said in training.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from contracts.bundle import Blend, Calibration, read_manifest
from contracts.examples import PAIR_FEATURES
from contracts.tables import read_table
from contracts.tasks import ENGAGEMENT_TASKS
from contracts.workspace import Workspace
from models.config import MODEL_FORMAT, ExportConfig
from ranking.blend import apply_blend, blend_inputs, fit_blend
from ranking.calibrate import fit_by_rank, fit_isotonic
from ranking.scorer import BundleScorer, ItemEncoder
from release.diagram import reliability_svg
from release.figures import Figures, agreements, calibrations, done_gains, qualities
from release.gate import refuse
from release.held_out import held_out_logits
from release.provenance import provenance, slices

if TYPE_CHECKING:
    from models.training.rows import Rows

log = logging.getLogger("rolecall")

LEAST_POSITIVES = 10


def release(workspace: Workspace, config: ExportConfig) -> Path:
    """Write the bundle of the workspace's current student and make it current; return its folder.

    Its figures go to `workspace.export_metrics` too. Raises NotReady without a student, TrainingFailed where the served
    scores have collapsed, ExportRefused where a figure fails its check (see `release.gate`).
    """
    from models.student.distil import float_logits
    from models.training.loop import check_spread
    from models.training.rows import read_rows
    from release.export import export_graphs, write_bundle

    graphs = export_graphs(workspace, config.precision)
    rows = read_rows(workspace.training)
    valid, test = (np.flatnonzero(rows.splits == split) for split in ("valid", "test"))
    held, tasks = np.sort(np.concatenate([valid, test])), graphs.manifest.tasks
    read = graphs.folder, None, graphs.manifest
    logits = held_out_logits(BundleScorer(*read), ItemEncoder(*read), rows, held)
    check_spread(logits, rows.lists(held), tasks, f"export, precision {config.precision}")

    calibration = {
        task: maps
        for column, task in enumerate(tasks)
        if (maps := _calibration(logits[valid, column], rows, valid, task, config.by_position))
    }
    figures = Figures(config.seed)
    whole = float_logits(workspace.student / graphs.manifest.lineage["student"], rows, test)
    agreements(figures, tasks, logits[test], whole, _lists_within(rows.lists(test), test))
    said = calibrations(figures, calibration, rows, tasks, logits, test)
    refuse(figures.metrics, figures.intervals, tuple(calibration) or tasks, config)

    features = _features(workspace, rows.list_ids, rows.job_ids)
    blend, final = _blend(rows, valid, features, logits, tasks, config), None
    if blend is not None:
        final = np.full(len(rows), np.nan)
        final[held] = apply_blend(blend, blend_inputs(blend.names, features[held], logits[held], tasks))
    groups = slices(workspace, rows, test)
    qualities(figures, rows, tasks, logits, final, groups, test)
    made_from = provenance(workspace, rows, graphs.manifest.lineage["teachers"])
    _draw(graphs.folder, rows, said, test)
    lineage = (
        dict(graphs.manifest.lineage)
        | made_from
        | {
            "export": config.model_dump(mode="json"),
            "model_format": MODEL_FORMAT,
            "slices": {name: len(lists) for name, lists in groups.items() if name},
            "bytes": {path.name: path.stat().st_size for path in sorted(graphs.folder.iterdir())},
        }
    )
    manifest = graphs.manifest.model_copy(update={"lineage": lineage, "intervals": figures.intervals})
    folder = write_bundle(
        replace(graphs, manifest=manifest),
        workspace,
        calibration=calibration,
        blend=blend,
        metrics=figures.metrics,
        simulated=made_from["simulated"],
    )
    _publish(workspace, folder)
    told = (f"{name} {value:.3f}" for name, value in figures.metrics.items() if "/" not in name)
    log.info("bundle %s: %s", folder.name, ", ".join(told))
    return folder


def _lists_within(lists: list[np.ndarray], rows: np.ndarray) -> list[np.ndarray]:
    """Lists of row numbers of the table as positions in `rows`, which ascends."""
    return [np.searchsorted(rows, of_list) for of_list in lists]


def _calibration(
    logits: np.ndarray, rows: Rows, valid: np.ndarray, task: str, by_position: bool
) -> tuple[Calibration, ...]:
    """The maps of a task from the logits of the valid rows; none where too few labels tell of it."""
    labels = rows.target(task)[valid]
    if np.nansum(labels) < LEAST_POSITIVES:
        log.warning("%s: under %d positives to calibrate on; no probability of it is shown", task, LEAST_POSITIVES)
        return ()
    if by_position and task in ENGAGEMENT_TASKS:  # a grade does not depend on the place at which a job was shown
        return fit_by_rank(logits, labels, rows.position[valid])
    return (fit_isotonic(logits, labels),)


def _draw(folder: Path, rows: Rows, said: dict[str, np.ndarray], test: np.ndarray) -> None:
    """A reliability diagram of each task whose probabilities the test lists tell of, among the files of the bundle."""
    from models.training.metrics import reliability

    for task, p in said.items():
        if bins := reliability(p, rows.target(task)[test]):
            (folder / f"reliability_{task}.svg").write_text(reliability_svg(task, bins))


def _publish(workspace: Workspace, bundle: Path) -> None:
    """The bundle's figures where DVC finds those of each run."""
    manifest = read_manifest(bundle)
    workspace.export_metrics.parent.mkdir(exist_ok=True)
    workspace.export_metrics.write_text(json.dumps(dict(manifest.metrics), indent=1, sort_keys=True) + "\n")


def _features(workspace: Workspace, list_ids: np.ndarray, job_ids: np.ndarray) -> np.ndarray:
    """(n, len(PAIR_FEATURES)) float32 of the training table, in the order of its rows by list and job."""
    table = read_table(workspace.training, ["list_id", "job_id", *PAIR_FEATURES])
    table = table.sort_by([("list_id", "ascending"), ("job_id", "ascending")])
    assert np.array_equal(table["job_id"].to_numpy(), job_ids) and np.array_equal(table["list_id"].to_numpy(), list_ids)
    return np.stack([table[name].to_numpy() for name in PAIR_FEATURES], axis=1)


def _blend(
    rows: Rows,
    valid: np.ndarray,
    features: np.ndarray,
    logits: np.ndarray,
    tasks: tuple[str, ...],
    config: ExportConfig,
) -> Blend | None:
    """Fitted on the validation lists: what members did there and, if asked for, what the judge says of them.

    A job that was not shown counts as not chosen: the blend orders all that retrieval finds, of which members saw few,
    and would else learn only what tells apart the jobs that the former system put on top (docs/decisions/0008).
    """
    names = (*(name for name in PAIR_FEATURES if name not in config.leave_out), *tasks)
    inputs = blend_inputs(names, features[valid], logits[valid], tasks)
    gains, lists = [np.nan_to_num(done_gains(rows)[valid])], [rows.list_ids[valid]]
    if config.grades:
        gains.append((2.0 ** (4 * rows.target("relevance")[valid]) - 1) / 15)
        lists.append(np.char.add("graded ", rows.list_ids[valid].astype(str)))
    if not any((np.nan_to_num(gain) > 0).any() for gain in gains):
        log.warning("no validation list holds a positive: results keep the order of retrieval")
        return None
    inputs = np.concatenate([inputs] * len(gains))
    return fit_blend(inputs, names, np.concatenate(lists), np.concatenate(gains), config.l2)
