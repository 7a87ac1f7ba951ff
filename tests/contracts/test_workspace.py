from __future__ import annotations

import os
from pathlib import Path

import pytest

from contracts.errors import NotWritten
from contracts.workspace import set_current


def test_a_version_that_cannot_be_written_leaves_the_one_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("the disk is full")

    set_current(tmp_path, "one")
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(NotWritten, match="version two was not made the current one: the disk is full"):
            set_current(tmp_path, "two")
    assert (tmp_path / "CURRENT").read_text() == "one\n"
