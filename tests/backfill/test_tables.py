"""Text, vectors and item tokens made anew beside those in use, switched to and back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from typer.testing import CliRunner

from backfill import deal as dealing
from backfill.activity import Activity
from backfill.encoded import Items, Vectors
from backfill.product import Product
from backfill.prune import judged
from backfill.run import back, estimate, listing, plan_of, run, switch_to, verify
from backfill.text import Text
from backfill.versions import (
    IN_PLACE,
    Manifest,
    all_parts,
    finish,
    is_finished,
    read_manifest,
    roll_back,
    switch,
    versions,
)
from beam_jobs import activity, embed, ingest, verbalize
from contracts.encoder import read_encoder
from contracts.erased import note_erased
from contracts.errors import BundleMismatch, IndexMismatch, NotReady, NotWritten, OtherWriter
from contracts.lock import SWITCHING, locked
from contracts.tables import in_use, parts, read_table, write_part
from contracts.text.fitted import open_verbalizer
from contracts.text.verbalizer import Percentiles
from contracts.versions import current
from contracts.workspace import Workspace
from retrieval.index.build import build_index
from rolecall.cli import app
from rolecall.erase import erase_rows
from serving.config import ServeConfig
from serving.servable import load_servable
from tests.make import refused

NOW = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=12)
"""Later than all that the market's making wrote."""
IN_PROCESS = PipelineOptions([])
SMALL = 40


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for product in (Text, Vectors, Items):
        monkeypatch.setattr(product, "part_rows", SMALL)
    monkeypatch.setattr(Activity, "part_rows", 300)


def made(workspace: Workspace, product: Product, at: datetime | None = NOW) -> Manifest:
    manifest = run(workspace, product, plan_of(workspace, product, at), IN_PROCESS)
    assert verify(workspace, product, manifest.plan.version) == []
    return manifest


def contents(folder: Path, manifest: Manifest) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in all_parts(folder, manifest.plan).items()}


def as_rows(folder: Path, *keys: str) -> pl.DataFrame:
    return pl.DataFrame(read_table(folder)).sort(*keys)


def other_pay(workspace: Workspace) -> None:
    """Break points of another board: what `--refit` then takes today's in place of."""
    told = Percentiles.model_validate_json(workspace.percentiles.read_bytes())
    breaks = {name: tuple(value * 2 for value in values) for name, values in told.breaks.items()}
    workspace.percentiles.write_text(told.model_copy(update={"breaks": breaks}).model_dump_json())


@pytest.mark.parametrize("product", [Text(), Vectors(), Items()], ids=lambda product: product.name)
def test_what_is_made_beside_equals_what_the_job_made_in_place(workspace: Workspace, product: Product):
    views = {"text": ["member_text", "job_text"], "vectors": ["job_vector"], "items": []}[product.name]
    folders = [workspace.features / view for view in views] or [product.folder(workspace)]
    keys = {"text": ("row_hash",), "vectors": ("job_id", "event_timestamp"), "items": ("job_id",)}[product.name]
    before = [as_rows(folder, *keys) for folder in folders]
    manifest = made(workspace, product)
    assert [as_rows(folder, *keys).equals(was) for folder, was in zip(folders, before, strict=True)], "not in use yet"
    switch(product.folder(workspace), manifest.plan.version)
    for folder, was in zip(folders, before, strict=True):
        assert in_use(folder) != folder
        now = as_rows(folder, *keys).select(was.columns)
        assert now.drop("vector", "title_vector", "tokens", strict=False).equals(
            was.drop("vector", "title_vector", "tokens", strict=False)
        )
        for name in {"vector", "title_vector", "tokens"} & set(was.columns):
            assert np.allclose(now[name].to_list(), was[name].to_list(), atol=0.1), "but for what shares a batch"
    assert roll_back(product.folder(workspace), product.in_place(workspace)) == IN_PLACE
    assert all(as_rows(folder, *keys).equals(was) for folder, was in zip(folders, before, strict=True))


ACTIVITY = {"member_activity": "member_id", "job_stats": "job_id"}


def test_activity_is_folded_to_the_same_rows_and_what_was_pushed_is_carried_over(workspace: Workspace, member_ids):
    product, features = Activity(), workspace.features
    before = {view: as_rows(features / view, key, "event_timestamp") for view, key in ACTIVITY.items()}
    manifest = made(workspace, product)

    def pushed(number: int) -> None:
        at = NOW - timedelta(minutes=number)
        row = {"member_id": member_ids[0], "activity": "{}", "activity_text": f"pushed {number}"}
        table = pa.Table.from_pylist([row | {"event_timestamp": at, "created_timestamp": at}])
        write_part(in_use(features / "member_activity"), table)

    pushed(1)
    switch_to(workspace, product, manifest.plan.version)
    for view, key in ACTIVITY.items():
        rows = as_rows(features / view, key, "event_timestamp")
        if view == "member_activity":
            assert rows.filter(pl.col("activity_text") == "pushed 1").height == 1
            rows = rows.filter(pl.col("activity_text") != "pushed 1")
        assert rows.select(before[view].columns).equals(before[view])
    counts = activity.run(["--workspace", str(workspace.root)])
    assert counts.written == 0 and counts.skipped == counts.read > 0, "the job goes on where the version stands"
    pushed(2)
    assert verify(workspace, product, manifest.plan.version) == [], "what was added beside its parts is no damage"
    assert back(workspace, product) == IN_PLACE
    told = as_rows(features / "member_activity", "member_id", "event_timestamp")["activity_text"].to_list()
    assert "pushed 1" in told and "pushed 2" in told


def test_an_event_that_came_late_is_not_known_earlier_for_being_folded_again(
    workspace: Workspace, member_ids: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("beam_jobs.loads.require_one_world", lambda *_: True)
    old = read_table(workspace.records / "events")
    job, first = old["job_id"][0].as_py(), min(old["time"].to_pylist())
    (tmp_path / "late" / "events").mkdir(parents=True)
    event = {"id": "late", "time": (first + timedelta(hours=1)).isoformat(), "member_id": member_ids[0], "job_id": job}
    (tmp_path / "late" / "events" / "a.jsonl").write_text(json.dumps(event | {"action": "apply"}))
    ingest.run(["--workspace", str(workspace.root), "--source", str(tmp_path / "late")])
    activity.run(["--workspace", str(workspace.root)])
    before = as_rows(workspace.features / "member_activity", "event_timestamp", "created_timestamp").filter(
        pl.col("member_id") == member_ids[0]
    )
    product = Activity()
    switch_to(workspace, product, made(workspace, product).plan.version)
    now = as_rows(workspace.features / "member_activity", "event_timestamp", "created_timestamp").filter(
        pl.col("member_id") == member_ids[0]
    )
    late = now.filter(pl.col("event_timestamp") > first + timedelta(hours=1)).head(1)
    was = before.filter(pl.col("event_timestamp") == late["event_timestamp"][0])
    assert (
        late["created_timestamp"][0] == was["created_timestamp"].min() > late["event_timestamp"][0] + timedelta(days=1)
    )
    assert now["event_timestamp"].is_duplicated().any(), "rows after it are told without it and, since it came, with it"
    assert now.select(before.columns).equals(before), "as the job folded them, load by load"


def test_a_log_of_impressions_alone_is_no_piece_of_activity(workspace: Workspace):
    events = workspace.records / "events"
    write_part(events, read_table(events, filter=pc.field("action") == "impression"), "impressions")
    pieces = Activity().pieces(workspace, NOW)
    assert pieces and all(sum(piece.counts.values()) for piece in pieces), "an estimate measures a row of any"


def test_activity_that_no_job_folded_yet_is_not_told_as_of_today(workspace: Workspace):
    for view in ACTIVITY:
        shutil.rmtree(workspace.features / view)
    with refused(NotReady, "rolecall activity"):
        plan_of(workspace, Activity(), NOW)


def test_parts_are_of_a_month_and_a_hash_and_the_plan_says_what_it_touches(workspace: Workspace):
    product = Text()
    plan = plan_of(workspace, product, NOW)
    found = estimate(workspace, product, plan)
    rows = sum(read_table(workspace.features / view).num_rows for view in ("member_text", "job_text"))
    assert plan.keys == found.rows == rows and found.parts_left == plan.buckets > 4
    assert not versions(product.folder(workspace)), "a plan writes nothing"
    manifest = made(workspace, product)
    for name in manifest.parts:
        version, _, place = name.removesuffix(".parquet").partition("/part-")[2].rpartition(".")
        of_month, _, _ = place.partition("-")
        table = pq.read_table(product.folder(workspace) / plan.version / name)
        assert set(table["text_version"].to_pylist()) == {version}
        assert {time.strftime("%Y%m") for time in table["event_timestamp"].to_pylist()} == {of_month}


def test_a_new_text_is_switched_with_its_break_points_at_once_while_the_service_goes_on(workspace: Workspace):
    made_before = open_verbalizer(workspace).version
    as_it_was = load_servable(workspace, ServeConfig())
    as_it_was.members.close()
    other_pay(workspace)
    verbalize.run(["--workspace", str(workspace.root)])
    assert open_verbalizer(workspace).version != made_before
    product = Text(refit=True)
    plan = plan_of(workspace, product, NOW)
    assert any("is served on" in line for line in product.touches(workspace, plan))
    version = made(workspace, product).plan.version
    assert open_verbalizer(workspace).version != made_before, "the text in use is that of before"
    switch(product.folder(workspace), version)
    assert open_verbalizer(workspace).version == made_before
    for view in ("member_text", "job_text"):
        assert set(read_table(workspace.features / view)["text_version"].to_pylist()) == {made_before}
    counts = verbalize.run(["--workspace", str(workspace.root)])
    assert (counts.written, counts.skipped) == (0, plan.keys), "the incremental job goes on where it stands"
    command = ["features", "materialize", "--workspace", str(workspace.root)]
    assert not isinstance(CliRunner().invoke(app, command).exception, BundleMismatch)
    back(workspace, product)
    refusal = CliRunner().invoke(app, command)
    assert isinstance(refusal.exception, BundleMismatch) and made_before in str(refusal.exception)
    serves = load_servable(workspace, ServeConfig())
    serves.members.close()
    assert serves.verbalizer.version == made_before, "what a bundle reads is found by its version"
    assert serves.is_current(workspace, ServeConfig()), "so processes go on to share it"


def test_another_encoder_is_switched_with_its_vectors_and_an_index_keeps_its_own(
    workspace: Workspace, encoder_folder: Path, tmp_path: Path
):
    shutil.copytree(encoder_folder, tmp_path / "other")
    old, new = read_encoder(workspace.encoder).version, read_encoder(tmp_path / "other").version
    assert old != new
    product = Vectors(tmp_path / "other")
    manifest = made(workspace, product)
    assert any("search for members" in line for line in product.touches(workspace, manifest.plan))
    assert read_encoder(workspace.encoder).version == old
    switch(product.folder(workspace), manifest.plan.version)
    shutil.rmtree(tmp_path / "other")
    assert read_encoder(workspace.encoder).version == new
    assert set(read_table(workspace.features / "job_vector")["encoder_version"].to_pylist()) == {new}
    serves = load_servable(workspace, ServeConfig())
    serves.members.close()
    assert serves.encoder.version == old, "the index in use keeps the encoder that it was made by"
    assert serves.is_current(workspace, ServeConfig()), "so processes go on to share it"
    counts = embed.run(["--workspace", str(workspace.root)])
    assert counts.written == 0
    again = made(workspace, Vectors(), NOW + timedelta(seconds=1))
    switch(product.folder(workspace), again.plan.version)
    assert read_encoder(workspace.encoder).version == again.plan.inputs["encoder"] == new, "theirs went along"
    assert roll_back(product.folder(workspace), product.in_place(workspace)) == manifest.plan.version
    version = product.folder(workspace) / manifest.plan.version
    assert product.pinned(workspace, version) == ""
    index = build_index(workspace, workspace.bundle)
    assert product.pinned(workspace, version) == f"index {index.name} has its vectors"
    serves = load_servable(workspace, ServeConfig())
    serves.members.close()
    assert serves.encoder.version == new
    assert roll_back(product.folder(workspace), product.in_place(workspace)) == IN_PLACE
    serves = load_servable(workspace, ServeConfig())
    serves.members.close()
    assert serves.encoder.version == new, "also after the vectors were rolled back"


def test_a_run_killed_in_a_part_or_while_dealing_ends_in_the_same_bytes(market: Workspace, tmp_path: Path):
    places = [Workspace(tmp_path / name) for name in ("whole", "killed")]
    for place in places:
        shutil.copytree(market.root, place.root)
    whole = made(places[0], Text())
    for point in ("dealing", "part 3"):
        command = [sys.executable, "-m", "tests.backfill.killed_text", str(places[1].root), NOW.isoformat(), point]
        ended = subprocess.run(command, capture_output=True, text=True)
        assert ended.returncode == -9, ended.stderr
        (version,) = versions(Text().folder(places[1]))
        assert not is_finished(version)
    sorted((version / "dealt").iterdir())[0].write_bytes(b"")  # as a machine that goes down may leave it
    later = plan_of(places[1], Text())
    assert later.version == version.name, "it goes on with what was begun"
    killed = run(places[1], Text(), later, IN_PROCESS)
    assert contents(version, killed) == contents(Text().folder(places[0]) / version.name, whole)
    assert killed.parts == whole.parts and not (version / "dealt").exists()


def test_a_version_of_part_of_the_time_holds_each_key_as_of_then_and_later(workspace: Workspace):
    rows = as_rows(workspace.features / "job_text", "row_hash")
    since = rows["event_timestamp"].median()
    product = Text(since=since)
    switch(product.folder(workspace), made(workspace, product).plan.version)
    now = as_rows(workspace.features / "job_text", "row_hash")
    wanted = rows.filter(
        (pl.col("event_timestamp") > since)
        | (
            pl.col("event_timestamp")
            == pl.col("event_timestamp").filter(pl.col("event_timestamp") <= since).max().over("job_id")
        )
    )
    assert now["row_hash"].to_list() == wanted["row_hash"].to_list()
    assert now["job_id"].n_unique() == rows["job_id"].n_unique()
    counts = verbalize.run(["--workspace", str(workspace.root)])
    assert counts.written == 0 < len(rows) - len(wanted), "the job does not bring back what was left out"


def test_a_changed_row_is_found_by_a_sample_that_is_made_again(workspace: Workspace):
    product = Text()
    version = run(workspace, product, plan_of(workspace, product, NOW), IN_PROCESS).plan.version
    folder = product.folder(workspace) / version
    manifest = read_manifest(folder)
    for path in all_parts(folder, manifest.plan).values():
        table = pq.read_table(path)
        at = table.schema.get_field_index("text")
        worse = [f"{text}!" for text in table["text"].to_pylist()]
        pq.write_table(table.set_column(at, "text", [worse]), path)
    (folder / "manifest.json").unlink()
    finish(folder, manifest.plan, 0.0)
    assert any("made again it is another" in problem for problem in verify(workspace, product, version))


def dealt_ids(version: Path) -> set[str]:
    found: set[str] = set()
    for path in (version / "dealt").glob("*.arrow"):
        with pa.OSFile(str(path)) as source, pa.ipc.open_file(source) as reader:
            found.update(reader.read_all()["id"].to_pylist())
    return found


def test_an_erased_member_is_in_no_version_and_nothing_that_was_dealt(workspace: Workspace, member_ids: list[str]):
    product, gone = Text(), member_ids[0]
    plan = plan_of(workspace, product, datetime.now(UTC).replace(microsecond=0))
    version = product.folder(workspace) / plan.version
    version.mkdir(parents=True)
    dealing.deal_pieces(workspace, product, plan, version, IN_PROCESS)
    assert gone in dealt_ids(version)
    broken, left = sorted((version / "dealt").iterdir())[0], version / "dealt" / "killed.arrow.staged"
    left.write_bytes(broken.read_bytes()[:1_000])
    os.utime(left, (1, 1))
    broken.write_bytes(b"")
    note_erased(workspace, [gone], datetime.now(UTC))
    erase_rows(workspace.root, [gone])
    assert gone not in dealt_ids(version)
    assert not left.exists(), "what a killed run was writing goes"
    manifest = run(workspace, product, plan, IN_PROCESS)
    assert gone not in read_table(version / "member_text")["member_id"].to_pylist()
    assert verify(workspace, product, manifest.plan.version) == []


def test_a_full_disk_while_dealing_is_said_and_what_was_dealt_is_kept(workspace: Workspace, monkeypatch):
    product = Text()
    plan = plan_of(workspace, product, NOW)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(NotWritten, match="No space left"):
        patched.setattr(dealing, "staged_file", full)
        run(workspace, product, plan, IN_PROCESS)
    assert current(product.folder(workspace)) is None
    assert made(workspace, product).plan == plan
    assert any("unfinished" not in line for line in listing(workspace, product))


def test_vectors_of_another_text_are_not_mixed_into_a_run_that_goes_on(workspace: Workspace):
    product = Vectors()
    plan = plan_of(workspace, product, NOW)
    other_pay(workspace)
    verbalize.run(["--workspace", str(workspace.root)])
    with pytest.raises(NotReady, match="texts changed since"):
        run(workspace, product, plan, IN_PROCESS)
    with refused(IndexMismatch, "text version"):
        build_index(workspace, workspace.bundle)
    assert parts(workspace.features / "job_vector"), "what is in use stays"


def test_no_switch_comes_between_a_job_and_the_table_that_it_adds_to(workspace: Workspace, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("backfill.versions.SWITCH_WAIT", 0.1)
    manifest, product = made(workspace, Text()), Text()
    version = product.folder(workspace) / manifest.plan.version
    jobs = tmp_path / "new" / "jobs"
    jobs.mkdir(parents=True)
    (jobs / "a.jsonl").write_text(json.dumps({"id": "late", "title": "Nurse", "posted_at": "2026-01-05T00:00:00Z"}))
    monkeypatch.setattr("beam_jobs.loads.require_one_world", lambda *_: True)
    ingest.run(["--workspace", str(workspace.root), "--source", str(tmp_path / "new")])
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "tests.backfill.slow_verbalize", str(workspace.root)]
    job, mark = subprocess.Popen(command, env=environment), workspace.root / "in-the-midst"
    while not mark.exists():
        assert job.poll() is None
        time.sleep(0.05)
    with refused(OtherWriter, "verbalize", f"process {job.pid}"):
        switch_to(workspace, product, version.name)
    assert current(product.folder(workspace)) is None
    mark.unlink()
    assert job.wait() == 0
    assert "late" in read_table(workspace.features / "job_text")["job_id"].to_pylist(), "where the job began"
    switch_to(workspace, product, version.name)
    with locked(product.folder(workspace) / SWITCHING, "a switch"), pytest.MonkeyPatch.context() as patch:
        patch.setattr("contracts.tables.SWITCH_WAIT", 0.1)
        with refused(OtherWriter, "a switch"):
            verbalize.run(["--workspace", str(workspace.root)])
    assert verbalize.run(["--workspace", str(workspace.root)]).written == 1, "of the version in use it lacks"
    assert "late" in read_table(version / "job_text")["job_id"].to_pylist()


def test_a_version_is_verified_by_the_break_points_and_the_time_that_it_was_made_with(workspace: Workspace):
    other_pay(workspace)
    since = datetime(2026, 1, 15, tzinfo=UTC)
    product = Text(refit=True, since=since)
    manifest = run(workspace, product, plan_of(workspace, product, NOW), IN_PROCESS)
    assert manifest.plan.inputs["text"] != open_verbalizer(workspace).version
    other_pay(workspace)
    assert verify(workspace, Text(), manifest.plan.version) == [], "however one asks"
    switch_to(workspace, Text(), manifest.plan.version)


def test_what_nothing_needs_goes_and_a_dry_look_removes_nothing(workspace: Workspace):
    product, folder = Text(), Text().folder(workspace)
    made_at = [NOW + timedelta(minutes=i) for i in range(5)]
    names = [made(workspace, product, at).plan.version for at in made_at[:4]]
    unverified = run(workspace, product, plan_of(workspace, product, made_at[4]), IN_PROCESS).plan.version
    switch_to(workspace, product, names[2])
    told = {one.path.name: one.why for one in judged(workspace, product, 1)}
    bundle = f"bundle {workspace.bundle.name} reads its text"  # all these versions have the same break points
    assert told == {
        names[0]: bundle,
        names[1]: "before the one in use",
        names[2]: "in use",
        names[3]: "of the newest 1",
        unverified: "may be verified yet",
    }
    shutil.rmtree(workspace.bundles)
    asked = ["backfill", "prune", "--what", "text", "--keep", "1", "--workspace", str(workspace.root)]
    dry = CliRunner().invoke(app, asked)
    assert dry.exit_code == 0 and f"{names[0]}: goes" in dry.output and "1 would go" in dry.output
    assert len(versions(folder)) == 5
    assert "1 removed" in CliRunner().invoke(app, [*asked, "--yes"]).output
    assert [path.name for path in versions(folder)] == [*names[1:], unverified]
    assert back(workspace, product) == names[1]
