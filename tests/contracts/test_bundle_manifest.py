"""A bundle that was changed after export is not served."""

import json
from pathlib import Path

import pytest

from contracts.bundle import FORMAT, GRAPHS, MANIFEST, Manifest, content_version, read_manifest
from contracts.errors import BundleMismatch
from contracts.match import MATCH_VERSION
from contracts.versions import file_hash
from tests.make import refused


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    for name in GRAPHS:
        (tmp_path / name).write_bytes(b"a graph")
    manifest = Manifest(
        text_version="1-abc",
        tasks=("view",),
        task_sentences={"view": "Will this member open this job?"},
        item_tokens=4,
        hidden=8,
        max_prefix_tokens=64,
        max_item_tokens=32,
        precision="int8",
        files={name: file_hash(tmp_path / name) for name in GRAPHS},
    )
    version = content_version(manifest)
    manifest = manifest.model_copy(update={"version": version, "feature_service": f"student_{version}"})
    (tmp_path / MANIFEST).write_text(manifest.model_dump_json())
    return tmp_path


def _edit(bundle: Path, **fields: object) -> None:
    path = bundle / MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_a_bundle_as_exported_is_read(bundle: Path) -> None:
    assert read_manifest(bundle).tasks == ("view",)


def test_a_changed_graph_is_found(bundle: Path) -> None:
    (bundle / "score.onnx").write_bytes(b"another graph")
    with refused(BundleMismatch, "score.onnx"):
        read_manifest(bundle)


def test_a_missing_graph_is_found(bundle: Path) -> None:
    (bundle / "score.onnx").unlink()
    with refused(BundleMismatch, "score.onnx"):
        read_manifest(bundle)


def test_an_edited_manifest_is_found(bundle: Path) -> None:
    _edit(bundle, text_version="2-def")
    with refused(BundleMismatch, MANIFEST):
        read_manifest(bundle)


def test_an_unknown_field_in_the_manifest_is_named(bundle: Path) -> None:
    _edit(bundle, colour="blue")
    with refused(BundleMismatch, "colour"):
        read_manifest(bundle)


def test_a_later_format_is_refused(bundle: Path) -> None:
    _edit(bundle, format=99)
    with refused(BundleMismatch, 99):
        read_manifest(bundle)


def test_a_former_format_is_refused_by_its_number_and_not_by_a_field(bundle: Path) -> None:
    _edit(bundle, format=1, calibration={"view": {"logits": [0.0], "probabilities": [0.1]}})
    with refused(BundleMismatch, "format 1", FORMAT):
        read_manifest(bundle)


@pytest.mark.parametrize("version, is_read", [("", True), (MATCH_VERSION, True), ("0-abc", False)])
def test_a_bundle_of_another_match_is_refused_by_both_versions(bundle: Path, version: str, is_read: bool) -> None:
    manifest = read_manifest(bundle).model_copy(update={"match_version": version})
    _edit(bundle, match_version=version, version=content_version(manifest))
    if is_read:
        assert read_manifest(bundle).match_version == version
        return
    with refused(BundleMismatch, "0-abc", MATCH_VERSION, "label, train and export again"):
        read_manifest(bundle)


def test_a_manifest_that_is_no_json_is_refused(bundle: Path) -> None:
    (bundle / MANIFEST).write_text("not JSON")
    with refused(BundleMismatch, where=MANIFEST):
        read_manifest(bundle)


def test_a_folder_without_manifest_names_the_command(tmp_path: Path) -> None:
    with refused(BundleMismatch, "rolecall export"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "a/../../outside", "", "..\\outside"])
def test_a_manifest_that_names_a_file_outside_the_folder_is_refused(bundle: Path, name: str) -> None:
    (bundle.parent / "outside").write_bytes(b"x")
    files = read_manifest(bundle).files
    _edit(bundle, files={**files, name: file_hash(bundle.parent / "outside")})
    with refused(BundleMismatch, where=MANIFEST):
        read_manifest(bundle)


@pytest.mark.parametrize("left_out", GRAPHS)
def test_a_manifest_that_leaves_a_served_file_out_is_refused(bundle: Path, left_out: str) -> None:
    files = {name: digest for name, digest in read_manifest(bundle).files.items() if name != left_out}
    _edit(bundle, files=files)
    with refused(BundleMismatch, left_out):
        read_manifest(bundle)


@pytest.mark.parametrize(
    "field, value",
    [
        ("item_tokens", 10**9),
        ("hidden", 0),
        ("max_prefix_tokens", -1),
        ("calibration", {"view": [{"logits": [0.0], "probabilities": [5.0]}]}),
        ("calibration", {"view": [{"logits": [1.0, 0.0], "probabilities": [0.1, 0.2]}]}),
        ("good_match", {"logits": [0.0, 1.0], "probabilities": [0.1]}),
    ],
)
def test_a_manifest_with_an_absurd_value_is_refused_by_its_field(bundle: Path, field: str, value: object) -> None:
    _edit(bundle, **{field: value})
    with refused(BundleMismatch, field):
        read_manifest(bundle)
