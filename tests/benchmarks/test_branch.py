from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import branch


def test_the_full_run_begins_with_nothing_and_the_partial_one_with_what_it_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []

    def run(workspace: Path, changed: dict[str, str]) -> branch.Run:
        begun.append((workspace.exists(), set(changed)))
        workspace.mkdir(exist_ok=True)
        return branch.Run(100.0 if not changed else 40.0, {"label": 30.0}, {"policy": "p", "click": str(len(begun))})

    monkeypatch.setattr(branch, "run", run)
    full, part = branch.measured(tmp_path / "scratch")
    assert begun == [(False, set()), (True, {branch.CHANGED})]
    rows = {(row["system"], row["metric"]): row["value"] for row in branch._rows(full, part)}
    assert rows["full run", "seconds"] == 100 and rows["partial run", "seconds"] == 40
    assert rows["partial run", "of the full run"] == 0.4 and rows["full run, label", "seconds"] == 30
