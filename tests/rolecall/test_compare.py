"""What differs between two runs: two bundles, or two workspaces with their replays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from contracts.bundle import GRAPHS, MANIFEST, Manifest, content_version, read_manifest
from contracts.errors import BadInput, BundleMismatch, UnreadableFile
from contracts.versions import file_hash, set_current
from contracts.workspace import Workspace
from rolecall.cli import app
from rolecall.compare import as_text, compare, read_side
from tests.make import refused


def bundle(folder: Path, epochs: int, ndcg: float, click: str = "c1") -> Path:
    """A manifest with graphs that nobody opens."""
    folder.mkdir(parents=True)
    for name in GRAPHS:
        (folder / name).write_bytes(b"of no use here")
    manifest = Manifest(
        files={name: file_hash(folder / name) for name in GRAPHS},
        text_version="1-a",
        tasks=("view",),
        task_sentences={},
        item_tokens=4,
        hidden=8,
        max_prefix_tokens=8,
        max_item_tokens=8,
        precision="int8",
        metrics={"served_ndcg@10": ndcg, "view_ece": 0.05},
        intervals={"served_ndcg@10": (ndcg - 0.01, ndcg + 0.01)},
        lineage={
            "training": "t1",
            "teachers": {"policy": "p1", "click": click},
            "teachers_config": {"click": {"epochs": 2}},
            "config": {"epochs": epochs, "weights": {"view": 1.0}},
            "export": {"precision": "int8"},
        },
    )
    manifest = manifest.model_copy(update={"version": content_version(manifest)})
    (folder / MANIFEST).write_text(manifest.model_dump_json())
    return folder


def workspace(root: Path, epochs: int, ndcg: float, engine: str) -> Path:
    version = read_manifest(bundle(root / "bundles" / "b", epochs, ndcg)).version
    set_current(root / "bundles", "b")
    place = Workspace(root)
    place.replay.mkdir()
    cell = {"system": "whole system", "metric": "nDCG@10", "value": ndcg / 2, "low": 0.0, "high": 1.0}
    versions = {"index": "i1", "bundle": version}
    replay = {"tables": [{"name": "end_to_end", "cells": [cell]}], "records": {"jobs": 10}, "versions": versions}
    (place.replay / "metrics.json").write_text(json.dumps(replay))
    (root / "summary.json").write_text(
        json.dumps({"knobs": {"student": {"epochs": ndcg}, "index": {"engine": engine}}})
    )
    (root / "stages.json").write_text(json.dumps([{"name": "export", "seconds": 1.5, "peak_mb": 100}]))
    return root


def test_knobs_versions_and_metrics_that_differ_are_named_with_both_values(tmp_path: Path) -> None:
    found = compare(read_side(bundle(tmp_path / "a", 6, 0.70)), read_side(bundle(tmp_path / "b", 2, 0.65, "c2")))
    assert found["knobs"] == {"student.epochs": [6, 2]}
    assert set(found["versions"]) == {"click teacher", "bundle"} and found["versions"]["click teacher"] == ["c1", "c2"]
    (row,) = found["metrics"].values()
    assert row["before"] == {"value": 0.70, "low": pytest.approx(0.69), "high": pytest.approx(0.71)}
    assert row["difference"] == pytest.approx(-0.05) and found["unchanged"] == 1


def test_a_bundle_beside_itself_is_the_same(tmp_path: Path) -> None:
    side = read_side(bundle(tmp_path / "a", 6, 0.7))
    assert compare(side, side) == {"knobs": {}, "versions": {}, "metrics": {}, "unchanged": 2}


def test_a_workspace_adds_its_replay_its_costs_and_the_knobs_of_its_run(tmp_path: Path) -> None:
    one, other = workspace(tmp_path / "a", 6, 0.7, "exact"), workspace(tmp_path / "b", 6, 0.8, "faiss")
    found = compare(read_side(one), read_side(other))
    assert found["knobs"] == {"index.engine": ["exact", "faiss"]}, "the bundle knows the student's own knobs better"
    assert found["metrics"]["replay end_to_end: whole system, nDCG@10"]["difference"] == pytest.approx(0.05)
    assert found["unchanged"] == 3, "the calibration error, the seconds and the memory"


def test_what_one_side_lacks_has_no_difference(tmp_path: Path) -> None:
    found = compare(read_side(bundle(tmp_path / "a", 6, 0.7)), read_side(workspace(tmp_path / "b", 6, 0.7, "exact")))
    assert found["metrics"]["stage export: seconds"] == {
        "before": None,
        "after": {"value": 1.5, "low": None, "high": None},
        "difference": None,
    }
    assert "stage export: seconds" in as_text(found)


def test_a_replay_of_another_bundle_is_refused(tmp_path: Path) -> None:
    """A bundle that was exported since has figures of its own, and the replay's are not among them."""
    root = workspace(tmp_path, 6, 0.7, "exact")
    bundle(root / "bundles" / "c", 2, 0.6)
    set_current(root / "bundles", "c")
    with refused(BundleMismatch, Workspace(root).bundle.name, "rolecall replay"):
        read_side(root)
    (Workspace(root).replay / "metrics.json").unlink()
    assert not [name for name in read_side(root).figures if name.startswith("replay")]


@pytest.mark.parametrize("file", ["stages.json", "summary.json", "replay/metrics.json"])
@pytest.mark.parametrize("content", ["{", "[1]"])
def test_a_broken_file_is_named(tmp_path: Path, file: str, content: str) -> None:
    root = workspace(tmp_path, 6, 0.7, "exact")
    (root / file).write_text(content)
    with refused(UnreadableFile, where=root / file):
        read_side(root)


def test_the_command_prints_lines_and_json_and_alone_it_prints_the_recipe(tmp_path: Path) -> None:
    folders = [str(bundle(tmp_path / "a", 6, 0.70)), str(bundle(tmp_path / "b", 2, 0.65))]
    lines = CliRunner().invoke(app, ["recipe", "diff", *folders]).stdout
    assert [line.split() for line in lines.splitlines() if "epochs" in line] == [["student.epochs", "6", "->", "2"]]
    (told,) = [line for line in lines.splitlines() if "served_ndcg@10" in line]
    assert "0.7000 (0.6900 to 0.7100)" in told and "-0.0500" in told and told.endswith("apart")
    assert json.loads(CliRunner().invoke(app, ["recipe", "diff", *folders, "--json"]).stdout)["unchanged"] == 1
    assert "stages:" in CliRunner().invoke(app, ["recipe"]).stdout


def test_a_folder_that_is_neither_names_the_command_and_an_edited_bundle_is_refused(tmp_path: Path) -> None:
    with refused(BadInput, tmp_path, "rolecall export"):
        read_side(tmp_path)
    folder = bundle(tmp_path / "a", 6, 0.7)
    (folder / MANIFEST).write_text((folder / MANIFEST).read_text().replace("0.7", "0.9"))
    with refused(BundleMismatch, where=folder):
        read_side(folder)
