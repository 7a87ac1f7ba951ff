from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from backfill import run as running
from backfill.lists import Lists, export_jsonl, lists_of
from backfill.online import load_online
from backfill.run import bring, estimate, listing, newest, plan_of, run, verify
from backfill.versions import (
    MANIFEST,
    Manifest,
    is_finished,
    missing,
    read_manifest,
    roll_back,
    switch,
    versions,
    write_plan,
)
from beam_jobs import embed
from contracts.arrow import TIME
from contracts.erased import note_erased
from contracts.errors import BadInput, NotReady, NotVerified, NotWritten, OtherWriter
from contracts.lock import locked
from contracts.tables import parts, read_table
from contracts.versions import current
from contracts.workspace import Workspace
from feature_repo.online import patient_rows
from retrieval.encoder import TextEncoder
from serving.answering import Answerer
from serving.config import ServeConfig
from serving.engine import Engine
from serving.schemas import RecommendRequest
from tests.make import refused

NOW = datetime.now(UTC).replace(microsecond=0)
IN_PROCESS = PipelineOptions([])


@pytest.fixture
def product(monkeypatch: pytest.MonkeyPatch) -> Lists:
    monkeypatch.setattr(Lists, "part_rows", 16)
    return Lists(ServeConfig(), k=5)


def made(workspace: Workspace, product: Lists, at: datetime | None = NOW) -> Manifest:
    return run(workspace, product, plan_of(workspace, product, at), IN_PROCESS)


@pytest.fixture(scope="module")
def whole(market: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy in which one version was made without interruption and verified. Nobody writes to it."""
    root = tmp_path_factory.mktemp("whole") / "w"
    shutil.copytree(market.root, root)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Lists, "part_rows", 16)
        version = made(Workspace(root), Lists(ServeConfig(), k=5)).plan.version
        assert verify(Workspace(root), Lists(ServeConfig(), k=5), version) == []
    return Workspace(root)


@pytest.fixture
def copied(whole: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(whole.root, tmp_path / "copied")
    return Workspace(tmp_path / "copied")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in parts(folder)}


def test_a_list_is_what_the_service_answers_at_that_time(whole: Workspace, member_ids: list[str]):
    (version,) = versions(whole.root / "lists")
    rows = read_table(version).to_pylist()
    assert {row["member_id"] for row in rows} == set(member_ids)
    engine = Engine(whole, ServeConfig(deadline=60))
    try:
        answerer = replace(engine._answerer, at=NOW, deadline=math.inf)
        surface = engine.surfaces["recommendation"]
        for member in member_ids[:12]:
            asked = RecommendRequest(member_id=member, k=5)
            answer, _ = answerer.answer(engine.servable, surface, asked, time.monotonic())
            mine = [row for row in rows if row["member_id"] == member]
            assert [row["job_id"] for row in mine] == [result.job_id for result in answer.results]
            assert [row["score"] for row in mine] == [result.score for result in answer.results]
            assert [row["position"] for row in mine] == list(range(1, len(mine) + 1))
            assert {row["index_version"] for row in mine} == {answer.index_version}
            assert {row["bundle_version"] for row in mine} == {answer.bundle_version}
    finally:
        engine.close()


def test_lists_read_the_members_vectors_and_are_the_same(
    whole: Workspace, market: Workspace, tmp_path: Path, product: Lists, monkeypatch: pytest.MonkeyPatch
):
    shutil.copytree(market.root, tmp_path / "w")
    workspace = Workspace(tmp_path / "w")
    embed.run(["--workspace", str(workspace.root), "--tables", "members"])

    for path in parts(workspace.features / "member_encoding"):
        rows = pq.read_table(path)
        then = pa.array([NOW - timedelta(seconds=1)] * rows.num_rows, TIME)
        for name in ("event_timestamp", "created_timestamp"):  # as if it had been made before the plan
            rows = rows.set_column(rows.schema.get_field_index(name), name, then)
        pq.write_table(rows, path)

    def refuse(*_: object) -> None:
        raise AssertionError("the encoder was asked")

    monkeypatch.setattr(TextEncoder, "plain", refuse)
    made(workspace, product)
    (mine,), (other,) = versions(workspace.root / "lists"), versions(whole.root / "lists")
    assert contents(mine) == contents(other)


def test_a_run_that_was_killed_at_any_point_ends_as_one_that_was_not(whole: Workspace, market, tmp_path: Path, product):
    shutil.copytree(market.root, tmp_path / "w")
    workspace = Workspace(tmp_path / "w")
    folder = workspace.root / "lists"
    for point in ("in part 2", "before the manifest"):
        command = [sys.executable, "-m", "tests.backfill.killed", str(workspace.root), NOW.isoformat(), point]
        ended = subprocess.run(command, capture_output=True, text=True)
        assert ended.returncode == -9, ended.stderr
        (version,) = versions(folder)
        assert not is_finished(version)
        before = {path: path.stat().st_ino for path in parts(version)}
        with refused(NotReady, version.name, where=version.name):
            switch(folder, version.name)
    later = plan_of(workspace, product)
    assert later.version == version.name, "it goes on with what was begun"
    manifest = run(workspace, product, later, IN_PROCESS)
    assert {path: path.stat().st_ino for path in before} == before, "what is done is not done again"
    (other,) = versions(whole.root / "lists")
    assert contents(version) == contents(other)
    assert manifest.parts == read_manifest(other).parts


def test_two_runs_at_once_are_refused_and_the_lock_of_a_dead_process_is_taken(copied: Workspace, product: Lists):
    lock = copied.root / "lists" / running.RUNNING
    with locked(lock, "backfill of lists"), refused(OtherWriter, "backfill of lists", "process", where=lock):
        made(copied, product)
    holder = "import time; from pathlib import Path; from contracts.lock import locked\nwith locked(Path({!r}), 'x'): "
    process = subprocess.Popen(
        [sys.executable, "-c", holder.format(str(lock)) + "print('held', flush=True); time.sleep(60)"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    with refused(OtherWriter, f"process {process.pid}"):
        made(copied, product)
    process.kill()
    process.wait()
    assert made(copied, product).rows


def test_a_switch_while_another_version_is_being_written_touches_neither(copied: Workspace, product: Lists):
    folder = copied.root / "lists"
    (first,) = versions(folder)
    with locked(folder / running.RUNNING, "backfill of lists"):
        switch(folder, first.name)
    assert current(folder) == first
    with locked(folder / ".switching", "switch to another"), refused(OtherWriter, "switch to another"):
        switch(folder, first.name)


def test_a_full_disk_is_said_and_nothing_is_switched(copied: Workspace, product: Lists, monkeypatch):
    folder = copied.root / "lists"
    (first,) = versions(folder)
    switch(folder, first.name)
    write = pq.write_table

    def full(rows: object, path: Path, **how: object) -> None:
        if "part-00002" in path.name:
            path.write_bytes(b"PAR1 and no more")
            raise OSError(28, "No space left on device")
        write(rows, path, **how)

    at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    with monkeypatch.context() as patched:
        patched.setattr(pq, "write_table", full)
        with pytest.raises(NotWritten, match=r"No space left.*make room"):
            bring(copied, product, at)
    assert current(folder) == first
    plan = plan_of(copied, product, at)
    assert 0 < len(missing(folder / plan.version, plan)) < plan.buckets
    bring(copied, product)
    assert current(folder) == folder / plan.version


def test_verify_finds_a_changed_byte_a_missing_part_and_a_list_that_is_made_otherwise(
    copied: Workspace, product: Lists, monkeypatch
):
    folder = copied.root / "lists"
    (version,) = versions(folder)
    assert verify(copied, product, version.name) == []
    first, second, *_ = parts(version)
    before = first.read_bytes()
    first.write_bytes(before[:-20] + b"x" + before[-19:])
    second.unlink()
    problems = verify(copied, product, version.name)
    assert any(first.name in problem for problem in problems) and any(second.name in problem for problem in problems)
    with refused(NotReady, second.name, where=version.name):
        switch(folder, version.name)

    first.write_bytes(before)
    second.unlink(missing_ok=True)
    shutil.rmtree(version)
    manifest = made(copied, product)
    monkeypatch.setattr(
        "backfill.lists.RecommendRequest", lambda member_id, k: RecommendRequest(member_id=member_id, k=3)
    )
    assert all("made again it is another" in problem for problem in verify(copied, product, manifest.plan.version))


def test_what_was_not_verified_or_did_not_hold_is_never_switched_to(copied: Workspace, product: Lists, monkeypatch):
    folder = copied.root / "lists"
    (first,) = versions(folder)
    switch(folder, first.name)
    with monkeypatch.context() as patched:
        patched.setattr(running, "damage", lambda *_: ["part-00000.parquet: not there"])
        with refused(NotVerified, "not there", where=folder):
            bring(copied, product, NOW + timedelta(minutes=1))
    second = newest(folder)
    assert second != first and any("not verified" in line for line in listing(copied, product))
    with refused(NotVerified, second.name, "rolecall backfill verify", where=second):
        switch(folder, second.name)
    assert current(folder) == first
    third = bring(copied, product, NOW + timedelta(minutes=2), keep=2).plan.version
    assert [path.name for path in versions(folder)] == [first.name, third], "what did not hold counts for none to keep"
    assert roll_back(folder) == first.name


def test_lists_without_a_job_for_anybody_are_not_switched_to(copied: Workspace, product: Lists, monkeypatch):
    folder = copied.root / "lists"
    (first,) = versions(folder)
    switch(folder, first.name)
    with monkeypatch.context() as patched:
        patched.setattr("backfill.lists._rows", lambda *_: iter(()))
        with refused(NotVerified, "no row", where=folder):
            bring(copied, product, NOW + timedelta(minutes=1))
    assert current(folder) == first


def test_a_run_goes_on_only_with_what_is_of_its_time(copied: Workspace, product: Lists):
    folder = copied.root / "lists"
    now = datetime.now(UTC).replace(microsecond=0)
    shutil.rmtree(folder)
    begun = plan_of(copied, product, now - timedelta(hours=2))
    write_plan(folder, begun)
    assert plan_of(copied, product) == begun
    assert plan_of(copied, product, begun.time) == begun
    assert plan_of(copied, product, now).time == now, "a time that is named is the lists' time"
    made(copied, product, now)
    assert plan_of(copied, product).time >= now, "what is finished since is not followed by older lists"
    shutil.rmtree(folder)
    write_plan(folder, plan_of(copied, product, now - timedelta(days=1, seconds=1)))
    assert plan_of(copied, product).time >= now, "a day later another night's lists are wanted"


def test_a_run_makes_what_was_planned_or_nothing(copied: Workspace, product: Lists, tmp_path: Path):
    bundle, index = tmp_path / "latest", tmp_path / "newest"
    shutil.copytree(copied.bundle, bundle)
    shutil.copytree(copied.index, index)
    plan = plan_of(copied, Lists(ServeConfig(bundle=bundle, index=index), k=5))
    assert plan.inputs["bundle"] == copied.bundle.name and plan.inputs["index"] == copied.index.name, "by content"
    plan = plan_of(copied, product)
    copied.rules.write_text("rules: []\n")
    with refused(NotReady, "rules changed", plan.version, "begins a new version"):
        product.open(copied, plan, None)


def test_a_part_that_a_power_cut_left_empty_is_made_again(copied: Workspace, product: Lists):
    (version,) = versions(copied.root / "lists")
    before = contents(version)
    (version / MANIFEST).unlink()
    parts(version)[1].write_bytes(b"")
    made(copied, product)
    assert contents(version) == before


def test_readers_say_so_where_the_version_in_use_lacks_a_part(copied: Workspace, member_ids, tmp_path: Path):
    (version,) = versions(copied.root / "lists")
    switch(version.parent, version.name)
    gone, *_ = parts(version)
    gone.unlink()
    with refused(NotReady, gone.name, where=version):
        export_jsonl(copied, tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()
    with refused(NotReady, gone.name, where=version):
        lists_of(copied, member_ids[0])
    with refused(NotReady, gone.name, where=version):
        load_online(copied, 1e9)
    with patient_rows(copied) as rows:
        assert rows.lists(member_ids[0])[0] == ""


def test_a_member_who_is_erased_while_lists_are_made_is_in_none_and_ends_no_night(
    copied: Workspace, product: Lists, member_ids, monkeypatch
):
    answer = Answerer.answer

    def erases(self: Answerer, *asked: object, **how: object) -> object:
        note_erased(copied, member_ids[:1], datetime.now(UTC))
        return answer(self, *asked, **how)  # type: ignore[arg-type]

    at = NOW - timedelta(minutes=1)
    with monkeypatch.context() as patched:
        patched.setattr(Answerer, "answer", erases)
        version = bring(copied, product, at).plan.version
    assert current(copied.root / "lists") == copied.root / "lists" / version
    ids = set(read_table(copied.root / "lists" / version)["member_id"].to_pylist())
    assert ids == set(member_ids[1:])


def test_rollback_goes_to_the_version_before_and_old_ones_go(copied: Workspace, product: Lists, monkeypatch):
    folder = copied.root / "lists"
    (first,) = versions(folder)
    second = bring(copied, product, NOW + timedelta(minutes=1), keep=2).plan.version
    assert current(folder) == folder / second == newest(folder)
    assert roll_back(folder) == first.name
    assert current(folder) == first
    with refused(NotReady, "no earlier version", where=folder):
        roll_back(folder)

    def held(path: Path) -> None:
        raise OSError(16, "Device or resource busy", str(path))

    with monkeypatch.context() as patched:
        patched.setattr("backfill.prune.shutil", SimpleNamespace(rmtree=held))
        third = bring(copied, product, NOW + timedelta(minutes=2), keep=2).plan.version
    assert current(folder) == folder / third, "a version that cannot be removed holds nothing up"
    assert not is_finished(first)
    shutil.rmtree(first)
    assert [path.name for path in versions(folder)] == [second, third]
    for asked in (lambda: switch(folder, "never"), lambda: verify(copied, product, "never")):
        with refused(BadInput, "never", third, where=folder):
            asked()


def test_readers_read_one_version_and_say_it_and_no_erased_member(copied: Workspace, member_ids, tmp_path: Path):
    with refused(NotReady, "rolecall lists make"):
        lists_of(copied, member_ids[0])
    folder = copied.root / "lists"
    (version,) = versions(folder)
    switch(folder, version.name)
    (one,) = lists_of(copied, member_ids[0])
    assert one["version"] == version.name and one["surface"] == "recommendation"
    assert [job["position"] for job in one["jobs"]] == [1, 2, 3, 4, 5]
    assert lists_of(copied, "nobody") == []
    note_erased(copied, [member_ids[0]], NOW)
    with refused(BadInput, "erased", where="member"):
        lists_of(copied, member_ids[0])
    assert export_jsonl(copied, tmp_path / "out.jsonl") == (version.name, len(member_ids) - 1)
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert {line["member_id"] for line in lines} == set(member_ids[1:])
    assert {line["version"] for line in lines} == {version.name}
    assert all(0 <= p <= 1 for line in lines for job in line["jobs"] for p in job["probabilities"].values())


def test_a_plan_says_rows_and_time_and_writes_nothing(market: Workspace, product: Lists, member_ids):
    found = estimate(market, product, plan_of(market, product, NOW))
    assert found.plan.keys == len(member_ids) and found.rows == 5 * len(member_ids)
    assert found.seconds > 0 and found.parts_left == found.plan.buckets
    assert not (market.root / "lists").exists()
    with refused(BadInput, "nowhere", "recommendation", where="surface"):
        plan_of(market, Lists(ServeConfig(), ["nowhere"]), NOW)
    with refused(BadInput, "0", where="k"):
        Lists(ServeConfig(), k=0)
