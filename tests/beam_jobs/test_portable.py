"""Every job through Beam's portable runner with workers in processes of their own, as on Flink and Spark."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from beam_jobs import activity, embed, ingest, label, verbalize
from contracts.errors import WorkspaceNotSeen
from contracts.tables import parts, read_table
from contracts.versions import set_current
from contracts.workspace import Workspace
from tests.beam_jobs.cluster import cluster
from tests.beam_jobs.conftest import SMALL_LISTS, examples_of, write_item_bundle

NOT_COMPARED = ("created", "created_timestamp")
"""When a row was written."""


@pytest.fixture(scope="module")
def portable() -> Iterator[list[str]]:
    with cluster() as flags:
        yield flags


def rows(folder: Path, *key: str) -> pl.DataFrame:
    """A table's rows in an order of their own, without when they were written."""
    table = pl.DataFrame(read_table(folder))
    return table.drop([name for name in NOT_COMPARED if name in table.columns]).sort(*key)


def test_every_job_makes_there_what_it_makes_in_process(market, raw_market, encoder_folder, portable, tmp_path):
    """The market was made in process, by the same jobs with the same flags."""
    workspace = Workspace(tmp_path / "w")
    flags = ["--workspace", str(workspace.root), *portable]
    counts = ingest.run([*flags, "--source", str(raw_market), "--now", "2026-06-01T00:00:00Z"])
    stored = sum(
        read_table(workspace.records / table, ["row_hash"]).num_rows for table in ("members", "jobs", "events")
    )
    assert counts.written == stored
    verbalize.run(flags)
    shutil.copytree(encoder_folder, workspace.encoder)
    embed.run([*flags, "--tables", "jobs"])
    activity.run(flags)
    label.run([*flags, *SMALL_LISTS])
    for folder, *key in (
        ("records/members", "id", "updated_at"),
        ("records/jobs", "id", "updated_at"),
        ("records/events", "id"),
        ("features/member_text", "member_id", "event_timestamp"),
        ("features/job_text", "job_id", "event_timestamp"),
        ("features/member_activity", "member_id", "event_timestamp"),
        ("features/job_stats", "job_id", "event_timestamp"),
    ):
        assert rows(workspace.root / folder, *key).equals(rows(market.root / folder, *key)), folder
    keys = ["job_id", "event_timestamp", "vector_hash"]
    vectors = "features/job_vector"
    assert rows(workspace.root / vectors, *keys)[keys].equals(rows(market.root / vectors, *keys)[keys])
    assert examples_of(workspace)["list_id", "job_id"].equals(examples_of(market)["list_id", "job_id"])

    bundle = write_item_bundle(workspace.bundles / "small", read_text_version(workspace))
    set_current(workspace.bundles, bundle.name)
    counts = embed.run([*flags, "--what", "items"])
    (made,) = (folder for folder in workspace.items.iterdir() if parts(folder))
    jobs = pl.DataFrame(read_table(market.records / "jobs", ["id"]))["id"].n_unique()
    assert counts.written == read_table(made, ["job_id"]).num_rows == jobs


def read_text_version(workspace: Workspace) -> str:
    return str(read_table(workspace.features / "job_text", ["text_version"])["text_version"][0])


def test_a_worker_that_does_not_see_the_workspace_is_found_and_nothing_is_noted(raw, tmp_path):
    """It sees an empty folder in its place, as on a machine where nobody mounted it."""
    apart = ["unshare", "--mount", "--map-root-user"]
    if shutil.which("unshare") is None or subprocess.run([*apart, "true"], capture_output=True).returncode:
        pytest.skip("no mount of one's own here")
    workspace = Workspace(tmp_path / "mounted" / "w")
    workspace.root.mkdir(parents=True)
    elsewhere = [*apart, "sh", "-c", f'mount -t tmpfs none "{workspace.root.parent}" && exec "$@"', "sh"]
    with cluster(elsewhere) as flags, pytest.raises(WorkspaceNotSeen, match=f"{workspace.root}.*mount the same folder"):
        ingest.run(["--workspace", str(workspace.root), "--source", str(raw.path), *flags])
    assert not parts(workspace.records / "jobs")
    counts = ingest.run(["--workspace", str(workspace.root), "--source", str(raw.path)])
    assert counts.written == sum(map(len, raw.good.values()))
