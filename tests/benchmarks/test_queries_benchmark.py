"""The benchmark of queries runs on a market's workspace, and compares reading with typing on the same searches."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks import queries
from contracts.workspace import Workspace
from retrieval.index.job_index import JobIndex


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, encoder_folder: Path) -> Workspace:
    """A small market with an index that is searched alone."""
    from beam_jobs import embed, ingest, verbalize
    from retrieval.index.build import build_index
    from simulator.market import simulate

    found = Workspace(tmp_path_factory.mktemp("market"))
    simulate(found.root / "raw", members=30, jobs=60, events=600, seed=5)
    place = ["--workspace", str(found.root)]
    ingest.run([*place, "--source", str(found.root / "raw")])
    verbalize.run(place)
    shutil.copytree(encoder_folder, found.encoder)
    embed.run([*place, "--tables", "jobs"])
    build_index(found)
    return found


def test_rows_of_both_systems_stand_beside_each_other(workspace: Workspace) -> None:
    searches = queries.drawn(workspace, 10)
    assert searches == queries.drawn(workspace, 10) and len(searches) == 10
    made = list(queries.rows(JobIndex.load(workspace.index), workspace, searches))
    named = {(row["system"], row["metric"]): row["value"] for row in made}
    read, typed = named[queries.READ, "good_fits@10"], named[queries.TYPED, "good_fits@10"]
    assert named[f"{queries.READ}, less {queries.TYPED}", "good_fits@10"] == pytest.approx(read - typed)
    assert 0 <= named[queries.READ, "with chips"] <= 1 and {row["case"] for row in made} == {made[0]["case"]}
