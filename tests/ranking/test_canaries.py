"""A bundle that computes something else than at its export is refused, whatever its hashes say."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.bundle import MANIFEST, read_manifest
from contracts.errors import BundleMismatch
from ranking.canaries import CANARIES, check_canaries, write_canaries
from ranking.scorer import BundleScorer
from retrieval.onnx_session import open_session
from tests.make import refused, write_manifest

FIELDS = ("text_version", "tasks", "item_tokens", "hidden", "max_prefix_tokens", "max_item_tokens", "match_version")


@pytest.fixture(params=["bundle", "match_bundle"])
def exported(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a bundle, with canaries."""
    folder = tmp_path / "exported"
    shutil.copytree(request.getfixturevalue(request.param), folder)
    manifest = read_manifest(folder)
    write_canaries(folder, manifest)
    (folder / MANIFEST).unlink()
    write_manifest(folder, **{name: getattr(manifest, name) for name in FIELDS})
    return folder


def test_what_scores_as_at_the_export_may_serve(exported: Path) -> None:
    assert check_canaries(exported, BundleScorer(exported))


def test_a_bundle_of_before_has_none(bundle: Path) -> None:
    assert not check_canaries(bundle, BundleScorer(bundle))


class Off:
    """A session whose logits are off by so much."""

    def __init__(self, session: Any, by: float) -> None:
        self._session, self._by = session, by

    def run(self, outputs: list[str], inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        found = self._session.run(outputs, inputs)
        return [values + np.float32(self._by) for values in found] if outputs == ["logits"] else found


@pytest.mark.parametrize(("by", "may_serve"), [(0.01, True), (0.5, False), (float("nan"), False)])
def test_a_machine_that_computes_otherwise_is_found(exported: Path, by: float, may_serve: bool) -> None:
    scorer = BundleScorer(exported, opened=lambda path, threads: Off(open_session(path, threads), by))
    if may_serve:
        assert check_canaries(exported, scorer)
        return
    with refused(BundleMismatch, "canary", scorer.manifest.version, where=CANARIES):
        check_canaries(exported, scorer)


def test_broken_canaries_are_refused(exported: Path) -> None:
    scorer = BundleScorer(exported)
    for content in (b"", b"no archive"):
        (exported / CANARIES).write_bytes(content)
        with refused(BundleMismatch, "broken", where=CANARIES):
            check_canaries(exported, scorer)
    np.savez(exported / CANARIES, items=np.zeros((1, 1, 1)), logits=np.zeros((1, 1)))
    with refused(BundleMismatch, where=CANARIES):
        check_canaries(exported, scorer)
