"""Who was erased: known by the id alone, to other processes too, until readmitted."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

from contracts.erased import ErasedMembers, forget_waiting, note_erased, note_waiting, readmit, waiting
from contracts.errors import BadInput
from contracts.workspace import Workspace
from tests.make import refused

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_an_erased_member_is_known_at_once_also_to_who_read_before(tmp_path: Path) -> None:
    erased = ErasedMembers(Workspace(tmp_path))
    assert "m1" not in erased and not len(erased)
    note_erased(Workspace(tmp_path), ["m1"], NOW)
    assert "m1" in erased and "m2" not in erased and "" not in erased
    note_erased(Workspace(tmp_path), ["m2"], NOW)
    assert "m1" in erased and "m2" in erased and "m3" not in erased


def test_the_note_holds_no_id_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    note_erased(workspace, ["somebody@example.com"], NOW)
    assert "somebody" not in workspace.erased.read_text()
    assert stat.S_IMODE(workspace.erased.stat().st_mode) == 0o600


def test_a_readmitted_member_is_no_longer_erased(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    note_erased(workspace, ["m1", "m2"], NOW)
    assert readmit(workspace, "m1") and not readmit(workspace, "m1")
    assert "m1" not in ErasedMembers(workspace) and "m2" in ErasedMembers(workspace)


def test_who_waits_keeps_the_first_time_and_the_file_goes_with_the_last(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    note_waiting(workspace, ["m1"], NOW)
    note_waiting(workspace, ["m1", "m2"], NOW + timedelta(days=9))
    assert waiting(workspace) == {"m1": NOW, "m2": NOW + timedelta(days=9)}
    forget_waiting(workspace, ["m1", "m2"])
    assert waiting(workspace) == {} and not workspace.erasing.exists()


def test_a_broken_note_is_an_error_and_never_an_empty_one(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.erased.write_text("{}")
    with refused(BadInput, where=workspace.erased):
        ErasedMembers(workspace)
    workspace.erasing.write_text("[]")
    with refused(BadInput, where=workspace.erasing):
        waiting(workspace)
    with refused(BadInput):
        note_erased(workspace, [""], NOW)
