"""From a trained student to a bundle: what is fitted on the way, and when nothing is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from contracts.bundle import Manifest, read_manifest
from contracts.errors import ExportRefused, NotReady, TrainingFailed
from contracts.examples import PAIR_FEATURES
from contracts.tables import read_table, write_part
from contracts.workspace import Workspace
from models.config import ExportConfig, ObjectiveConfig
from models.training.rows import Rows, read_rows
from ranking.scorer import BundleScorer, ItemEncoder
from release.held_out import HeldOut
from release.order import Trial
from release.orders import Orders, fit_order
from release.release import calibrate, release
from tests.make import refused

if TYPE_CHECKING:
    from release.export import Graphs

LENIENT = ExportConfig(least_agreement=0, least_rank_correlation=-1, most_calibration_error=1)


@pytest.fixture
def trained(distilled: Workspace, graphs: Graphs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace of its own with a student, and a log of what a service showed."""
    shutil.copytree(distilled.root, tmp_path / "workspace")
    workspace = Workspace(tmp_path / "workspace")
    mine = replace(graphs, folder=shutil.copytree(graphs.folder, tmp_path / "graphs"))
    monkeypatch.setattr("release.release.export_graphs", lambda *_: mine)
    write_log(workspace, "bundle/index")
    return workspace


def write_log(workspace: Workspace, signed: str) -> None:
    shutil.rmtree(workspace.records / "events", ignore_errors=True)
    write_part(workspace.records / "events", pa.table({"logged_by": [signed]}))


def scored(rows: Rows, tasks: tuple[str, ...], logits: np.ndarray) -> HeldOut:
    valid, test = (np.flatnonzero(rows.splits == split) for split in ("valid", "test"))
    return HeldOut(rows, tasks, valid, test, logits)


def released(workspace: Workspace, knobs: ExportConfig = LENIENT) -> Manifest:
    return read_manifest(release(workspace, knobs))


SHIPS = "it is ahead"


def test_the_bundle_is_current_calibrated_blended_and_scores(
    trained: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ships(orders: Orders, knobs: ObjectiveConfig) -> Trial:
        known = {"weights": 15, "positives": 100, "lists": 50, "why": SHIPS}
        return Trial(outcome="ships", tried=orders.point("blend", 1.0), **known)

    monkeypatch.setattr("release.order.try_blend", ships)
    manifest = released(trained, LENIENT.model_copy(update={"leave_out": ("unseen", "views_7d")}))
    assert trained.bundle.name == manifest.version and not manifest.lineage["simulated"]
    assert manifest.tasks == ("relevance", "view", "apply", "dismiss"), "nobody was hired"
    assert set(manifest.calibration) == {"relevance", "view", "apply"}, "too few dismissed"
    assert manifest.blend is not None
    assert set(manifest.blend.names) == {*PAIR_FEATURES, *manifest.tasks} - {"unseen", "views_7d"}
    weights = dict(zip(manifest.blend.names, manifest.blend.weights, strict=True))
    assert weights["view"] > 0.1, "who matches is said by the words alone, and the student has learned it"
    assert not any(weights.get(name) for name in PAIR_FEATURES), "a constant has no say"
    assert manifest.metrics["served_view_auc"] > 0.6 and "dismiss" in manifest.uncalibrated
    for figure in ("relevance_ndcg@1_agreement", "view_rank_correlation", "apply_ece"):
        assert 0 <= manifest.metrics[figure] <= 1
    low, high = manifest.intervals["apply_ece"]
    assert 0 <= low < high <= 1
    assert json.loads(trained.export_metrics.read_text()) == manifest.metrics, "what DVC compares runs by"
    assert {"reliability_relevance.svg", "reliability_view.svg", "frontier.svg"} <= set(manifest.files)
    frontier = json.loads((trained.bundle / "frontier.json").read_text())
    assert frontier["chosen"]["search"] in frontier["points"] and frontier["trials"]["search"]["why"] == SHIPS
    for surface in ("search", "recommendation"):
        stated = manifest.objective(surface)
        assert stated.order == "blend" and stated.weights == (0.0, 4.0) and stated.why == SHIPS
    assert "(reliability_view.svg)" in (trained.bundle / "README.md").read_text()
    told = manifest.lineage["pair_features"]
    assert [name for name in told if told[name]["left_out"]] == ["views_7d", "unseen"]
    assert "| `unseen` | logged | +0.000 | +0.000 | +0.000 | no |" in (trained.bundle / "README.md").read_text()
    scorer = BundleScorer(trained.bundle)
    items = ItemEncoder(trained.bundle).encode(["title: nurse | location: Boise"])
    assert scorer.logits(scorer.prefix("headline: nurse"), items).shape == (1, 4)


def test_a_feature_that_nobody_knows_cannot_be_left_out() -> None:
    with pytest.raises(ValueError, match="color: not of dense"):
        ExportConfig(leave_out=("color",))


def test_an_export_that_disagrees_with_the_student_is_refused(
    trained: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("release.release.float_logits", lambda _, rows, chosen: -np.ones((len(chosen), 4)))
    with refused(ExportRefused, "relevance", "nan", 0.85):
        release(trained, ExportConfig(most_calibration_error=1))
    assert not (trained.bundles / "CURRENT").exists() and not trained.export_metrics.exists()


def test_served_scores_that_collapsed_are_refused(trained: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        BundleScorer, "logits", lambda self, prefix, items, match: np.full((len(items), 4), 0.3, np.float32)
    )
    with refused(TrainingFailed, "relevance", where="export"):
        release(trained, LENIENT)


def test_without_a_positive_there_is_no_blend_and_what_a_simulator_logged_is_simulated(trained: Workspace) -> None:
    write_log(trained, "simulator/0-1")
    table = read_table(trained.training)
    shutil.rmtree(trained.training)
    for name in ("view", "apply"):
        column = pa.array([0.0] * len(table), pa.float32())
        table = table.set_column(table.schema.get_field_index(name), name, column)
    write_part(trained.training, table)
    manifest = released(trained)
    assert manifest.blend is None and manifest.lineage["simulated"]
    assert manifest.lineage["order"]["trials"]["search"]["outcome"] == "too_few_positives"
    objective = manifest.objective("recommendation")
    assert objective.order == "relevance" and objective.weights == objective.floors == (0.0, 0.0)
    assert "0 positives in 0 validation lists" in objective.why
    assert objective.why in (trained.bundle / "README.md").read_text(), "the card says why"


def test_what_people_did_is_calibrated_by_place_where_asked_for_and_grades_never(
    labelled: Callable[..., Workspace],
) -> None:
    rows = read_rows(labelled(60).training)
    tasks = ("relevance", "view", "dismiss")
    held_out = scored(rows, tasks, np.random.default_rng(0).normal(size=(len(rows), len(tasks))))
    by_position = calibrate(held_out, by_position=True)
    ranks = [group.from_rank for group in by_position["view"]]
    assert ranks == [0, 1, 2, 4], "of six places; a later one is held to be as the last"
    assert len(calibrate(held_out, by_position=False)["view"]) == 1
    assert len(by_position["relevance"]) == 1
    assert "dismiss" not in by_position, "too few"


def test_a_job_that_was_not_shown_counts_as_not_chosen_in_the_blend(
    labelled: Callable[..., Workspace], table: Callable[..., pa.Table]
) -> None:
    """Only shown jobs hold words of the request: what tells them from the others must weigh."""
    made = table(40)
    shown = made["position"].to_numpy() <= 3
    terms = pa.array(shown.astype("float32"))
    made = made.set_column(made.schema.get_field_index("terms"), "terms", terms)
    for name in ("view", "apply", "dismiss"):
        column = pa.array([v if s else None for v, s in zip(made[name].to_pylist(), shown, strict=True)], pa.float32())
        made = made.set_column(made.schema.get_field_index(name), name, column)
    workspace = labelled(table=made)
    rows = read_rows(workspace.training)
    pairs = scored(rows, ("relevance",), np.zeros((len(rows), 1), np.float32))
    blend = fit_order(pairs, LENIENT, pairs.valid)
    assert dict(zip(blend.names, blend.weights, strict=True))["terms"] > 0.1


def test_without_a_student_the_error_names_the_command(tmp_path: Path) -> None:
    with refused(NotReady, "rolecall train student"):
        release(Workspace(tmp_path), LENIENT)
