"""From a trained student to the bundle that is served: export, calibrate, measure, refuse, blend, describe, write.

All that is fitted and measured here is fitted and measured on the logits of the exported graphs, not on those of the
student in training: the graphs are what a service runs.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from contracts.bundle import Calibration, read_manifest
from contracts.tasks import ENGAGEMENT_TASKS
from contracts.workspace import Workspace
from models.config import MODEL_FORMAT, ExportConfig
from models.student.distil import float_logits
from models.training.loop import check_spread
from models.training.metrics import reliability
from models.training.rows import read_rows
from ranking.calibrate import fit_by_rank, fit_isotonic, probabilities
from ranking.objective import served_scores
from release.chain import policy_chain
from release.diagram import reliability_svg
from release.export import export_graphs, write_bundle
from release.figures import Figures, measure_agreement, measure_calibration, measure_quality
from release.frontier import frontier_svg
from release.gate import refuse
from release.held_out import HeldOut, score_held_out
from release.order import decide
from release.orders import retrieval_scores
from release.protocol import left_out, measure_features
from release.provenance import provenance, searches, slices

log = logging.getLogger("rolecall")

LEAST_POSITIVES = 10
"""Sum of a task's validation labels under which it is not calibrated."""


def release(workspace: Workspace, config: ExportConfig) -> Path:
    """Write the bundle of the current student and make it current.

    Args:
        workspace: With a student, its teachers and the training set. Its `export_metrics` gets the bundle's metrics.
        config: Precision of the graphs, limits of the gate, knobs of calibration and blend.

    Returns:
        The bundle's folder.

    Raises:
        NotReady: No student was trained.
        TrainingFailed: The logits of a task are all but constant within lists.
        ExportRefused: A figure fails its check (`release.gate`).
    """
    graphs = export_graphs(workspace, config.precision)
    rows = read_rows(workspace.training)
    held_out = score_held_out(graphs.folder, graphs.manifest, rows)
    tasks, test = held_out.tasks, held_out.test
    check_spread(held_out.logits, held_out.lists(), tasks, f"export, precision {config.precision}")

    calibration = calibrate(held_out, config.by_position)
    calibrated = graphs.manifest.model_copy(update={"calibration": calibration})
    test_probabilities = probabilities(calibrated, held_out.logits[test], rows.position[test])

    figures = Figures(config.seed)
    student_logits = float_logits(workspace.student / graphs.manifest.lineage["student"], rows, test)
    measure_agreement(figures, held_out, student_logits)
    measure_calibration(figures, held_out, test_probabilities)
    refuse(figures.metrics, figures.intervals, tuple(calibration) or tasks, config)

    told = measure_features(held_out, config)
    config = config.model_copy(update={"leave_out": left_out(told)})
    order = decide(held_out, config)
    groups = slices(workspace, rows, test)
    ordered = order.of(calibrated)
    retrieved, asked = retrieval_scores(rows.retrieved[test]), searches(workspace, rows)[test]
    final = np.full(len(rows), np.nan)
    final[test] = served_scores(ordered, rows.features[test], held_out.logits[test], retrieved, asked)
    measure_quality(figures, held_out, final, groups)
    (graphs.folder / "frontier.json").write_text(order.frontier.model_dump_json(indent=1) + "\n")
    (graphs.folder / "frontier.svg").write_text(frontier_svg(order.frontier))

    draw_reliability(graphs.folder, held_out, test_probabilities)
    teachers = graphs.manifest.lineage["teachers"]
    scored = teachers if graphs.manifest.lineage["training"] == rows.version else {}  # of these very pairs
    chain = policy_chain(workspace, held_out, scored, student_logits, final)
    sources = provenance(workspace, rows, teachers)
    lineage = {
        **graphs.manifest.lineage,
        **sources,
        "export": config.model_dump(mode="json"),
        "model_format": MODEL_FORMAT,
        "chain": [link.model_dump() for link in chain],
        "order": order.frontier.model_dump(mode="json", exclude={"points"}),
        "pair_features": {name: of_feature.model_dump() for name, of_feature in told.items()},
        "slices": {name: len(lists) for name, lists in groups.items() if name},
        "bytes": {path.name: path.stat().st_size for path in sorted(graphs.folder.iterdir())},
    }
    manifest = ordered.model_copy(update={"lineage": lineage, "intervals": figures.intervals})
    bundle = write_bundle(
        replace(graphs, manifest=manifest),
        workspace,
        calibration=calibration,
        blend=order.blend,
        metrics=figures.metrics,
        simulated=sources["simulated"],
    )
    metrics = json.dumps(dict(read_manifest(bundle).metrics), indent=1, sort_keys=True)
    workspace.export_metrics.parent.mkdir(exist_ok=True)
    workspace.export_metrics.write_text(metrics + "\n")
    overall = (f"{name} {value:.3f}" for name, value in figures.metrics.items() if "/" not in name)
    log.info("bundle %s: %s", bundle.name, ", ".join(overall))
    return bundle


def calibrate(held_out: HeldOut, by_position: bool) -> dict[str, tuple[Calibration, ...]]:
    """Fit the maps from logits to probabilities on the validation pairs.

    Args:
        held_out: The scored pairs.
        by_position: Fit a map for each group of ranks too. Grades have none: they do not depend on the rank.

    Returns:
        Task -> its maps, without the tasks whose labels add up to less than `LEAST_POSITIVES`.
    """
    calibration: dict[str, tuple[Calibration, ...]] = {}
    for task in held_out.tasks:
        logits, labels = held_out.task_logits(task)[held_out.valid], held_out.rows.target(task)[held_out.valid]
        if np.nansum(labels) < LEAST_POSITIVES:
            log.warning("%s: under %d positives to calibrate on; no probability of it is shown", task, LEAST_POSITIVES)
        elif by_position and task in ENGAGEMENT_TASKS:
            calibration[task] = fit_by_rank(logits, labels, held_out.rows.position[held_out.valid])
        else:
            calibration[task] = (fit_isotonic(logits, labels),)
    return calibration


def draw_reliability(folder: Path, held_out: HeldOut, test_probabilities: Mapping[str, np.ndarray]) -> None:
    """Write `reliability_<task>.svg` to the folder for each calibrated task that has a label on the test pairs."""
    for task, predicted in test_probabilities.items():
        if bins := reliability(predicted, held_out.rows.target(task)[held_out.test]):
            (folder / f"reliability_{task}.svg").write_text(reliability_svg(task, bins))
