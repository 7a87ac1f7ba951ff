"""Feast's own commands work in both folders as they are; importing ours does not load Feast."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

import feature_repo
from contracts.features import VIEWS
from contracts.workspace import Workspace
from feature_repo.online import OnlineMembers
from feature_repo.store import open_store
from tests.feature_repo.conftest import SERVICE, viewed

PERIOD = ("1900-01-01T00:00:00", "2030-01-01T00:00:00")


@pytest.mark.slow
def test_feast_works_in_the_workspace(applied: Workspace, feast_command: Callable) -> None:
    assert "No changes" in feast_command(applied.feature_repo, ["plan"], {})
    feast_command(applied.feature_repo, ["materialize", *PERIOD, "--views", "member_text"], {})
    assert OnlineMembers(applied, SERVICE).read("bob").text == "a driver"


@pytest.mark.slow
def test_feast_works_in_the_source_folder(workspace: Workspace, tmp_path: Path, feast_command: Callable) -> None:
    """In a copy of it, so that the test leaves nothing behind there."""
    source = tmp_path / "checkout" / "feature_repo"
    shutil.copytree(Path(feature_repo.__file__).parent, source, ignore=shutil.ignore_patterns("data", "__pycache__"))
    where = {"ROLECALL_WORKSPACE": str(workspace.root)}
    said = feast_command(source, ["apply"], where)
    assert SERVICE in said
    from feast import FeatureStore

    store = FeatureStore(repo_path=str(source))
    store.materialize(*map(datetime.fromisoformat, PERIOD))  # as the command does, which starts for seconds
    found = store.get_online_features(features=["member_activity:activity"], entity_rows=[{"member_id": "ann"}])
    assert found.to_dict()["activity"] == [viewed("j1", 1).to_json()]


def test_feast_ui_shows_the_views(applied: Workspace) -> None:
    from fastapi.testclient import TestClient
    from feast.ui_server import get_app

    client = TestClient(get_app(open_store(applied), "rolecall"))
    assert client.get("/").status_code == 200
    found = client.get("/api/v1/feature_views", params={"project": "rolecall"}).json()["featureViews"]
    assert {view["spec"]["name"] for view in found} == set(VIEWS)


def test_importing_the_folder_does_not_load_feast() -> None:
    program = "import feature_repo.store, feature_repo.online, sys; sys.exit('feast' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], env=os.environ, check=False).returncode == 0
