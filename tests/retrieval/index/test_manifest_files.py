"""An index's manifest names parts of its own folder alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import IndexMismatch
from contracts.versions import file_hash
from retrieval.index.manifest import IndexManifest, check_files
from tests.make import refused


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "terms/../../outside"])
def test_a_part_outside_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside").write_bytes(b"x")
    (tmp_path / "index" / "terms").mkdir(parents=True)
    files = {name: file_hash(tmp_path / "outside")}
    manifest = IndexManifest(
        version="v",
        engine="exact",
        bundle_version="",
        encoder_version="e",
        text_version="t",
        jobs=1,
        dim=1,
        files=files,
    )
    with refused(IndexMismatch, "outside" if "outside" in name else name, where=tmp_path / "index"):
        check_files(tmp_path / "index", manifest)
