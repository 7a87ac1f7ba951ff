"""A restarted service knows from its log what it knew before."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contracts.workspace import Workspace
from retrieval.rules.rules import load_rules
from serving import recovery
from serving.recovery import read_unclicked

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_of_a_log_that_is_too_long_the_newest_days_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace(tmp_path)
    (workspace.logs / "events").mkdir(parents=True)
    for days in (0, 1, 2):
        time = START - timedelta(days=days)
        row = {
            "id": f"e{days}",
            "time": time.isoformat(),
            "member_id": "ann",
            "job_id": f"j{days}",
            "action": "impression",
        }
        (workspace.logs / "events" / f"{time:%Y-%m-%d}.jsonl").write_text(json.dumps(row) + "\n{cut off")
    rule = next(rule for rule in load_rules().rules if rule.when.seen)
    assert set(read_unclicked(workspace, [rule], START).of("ann")) == {"j0", "j1", "j2"}
    assert read_unclicked(workspace, [], START).of("ann") == {}
    monkeypatch.setattr(recovery, "MAX_LOG_BYTES", 280)
    assert set(read_unclicked(workspace, [rule], START).of("ann")) == {"j0", "j1"}
