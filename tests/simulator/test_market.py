"""A market is reproducible, streams to parts, and is made of records that fit."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import numpy as np
import polars as pl
import pytest

from contracts.errors import BadInput
from contracts.records import Job, Reason
from contracts.tables import read_table
from contracts.text.verbalizer import Verbalizer
from simulator import market, simulate
from simulator.effects import Effects, Moments, planted
from simulator.truth import Truth
from sources.validate import validate
from tests.make import refused

START = datetime(2025, 1, 6, tzinfo=UTC)
NOW = START + timedelta(days=60)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        simulate(tmp_path / name, members=20, jobs=60, events=600, seed=seed, start=START, days=5)
    a, b, c = (_bytes(tmp_path / name) for name in "abc")
    assert a == b
    assert a["events/part-00000.parquet"] != c["events/part-00000.parquet"]


def test_another_start_shifts_times_and_changes_nothing_else(tmp_path: Path) -> None:
    for name, start in (("a", START), ("b", START + timedelta(days=100))):
        simulate(tmp_path / name, members=20, jobs=60, events=600, start=start, days=5)
    a, b = (pl.read_parquet(tmp_path / name / "events" / "*.parquet") for name in "ab")
    assert a.with_columns(pl.col("time") + timedelta(days=100)).equals(b)


def test_events_stream_to_parts_of_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulate(tmp_path / "whole", members=20, jobs=60, events=1_000, start=START, days=5)
    monkeypatch.setattr(market, "PART_ROWS", 140)
    monkeypatch.setattr(market, "RECORD_ROWS", 10)
    simulate(tmp_path / "parts", members=20, jobs=60, events=1_000, start=START, days=5)
    paths = sorted((tmp_path / "parts" / "events").iterdir())
    sizes = [pl.scan_parquet(path).select(pl.len()).collect().item() for path in paths]
    assert len(sizes) > 5
    assert set(sizes[:-1]) == {140}
    whole, parts = (pl.read_parquet(tmp_path / name / "events" / "*.parquet") for name in ("whole", "parts"))
    assert parts.equals(whole)


def test_the_whole_market_validates(small_market: Path) -> None:
    report = validate(small_market, NOW)
    assert report.ok and list(report.tables) == ["members", "jobs", "events"]


def test_everything_says_simulated(small_market: Path, events: pl.DataFrame) -> None:
    assert json.loads((small_market / "truth" / "params.json").read_text())["simulated"] is True
    assert "Simulated" in (small_market / "truth" / "README").read_text()
    assert events["logged_by"].unique().to_list() == ["simulator/logging"]


def test_events_are_in_order_of_time_within_the_market(events: pl.DataFrame) -> None:
    assert events["time"].is_sorted()
    assert events["time"].min() >= START  # type: ignore[operator]
    assert events["time"].max() < NOW  # type: ignore[operator]


def test_the_number_of_events_is_about_what_was_asked(events: pl.DataFrame) -> None:
    assert 0.85 * 40_000 < len(events) < 1.15 * 40_000


def test_only_live_jobs_are_shown(small_market: Path, events: pl.DataFrame) -> None:
    jobs = pl.read_parquet(small_market / "jobs" / "*.parquet").unique("id", keep="first")
    shown = events.filter(action="impression").join(jobs, left_on="job_id", right_on="id")
    assert (shown["posted_at"] <= shown["time"]).all()
    assert (shown["expires_at"].is_null() | (shown["expires_at"] > shown["time"])).all()
    assert not shown["hidden"].any()


def test_members_and_jobs_are_known_before_their_first_event(small_market: Path, events: pl.DataFrame) -> None:
    first = events.group_by("member_id").agg(pl.col("time").min())
    members = pl.read_parquet(small_market / "members" / "*.parquet").group_by("id").agg(pl.col("updated_at").min())
    joined = first.join(members, left_on="member_id", right_on="id", how="left")
    assert (joined["updated_at"] < joined["time"]).all()


def test_some_members_and_jobs_have_a_later_version(small_market: Path) -> None:
    for table, low, high in (("members", 0.1, 0.3), ("jobs", 0.04, 0.15)):
        rows = pl.read_parquet(small_market / table / "*.parquet")
        again = len(rows) / rows["id"].n_unique() - 1
        assert low < again < high


def test_nobody_applies_to_a_job_twice(events: pl.DataFrame) -> None:
    applies = events.filter(action="apply")
    assert not applies.select("member_id", "job_id").is_duplicated().any()


def test_an_action_follows_its_impression(events: pl.DataFrame) -> None:
    keys = ["request_id", "job_id"]
    shown = events.filter(action="impression").select(*keys, shown="time")
    done = events.filter(pl.col("action") != "impression").join(shown, on=keys, how="left")
    assert (done["shown"] < done["time"]).all()
    views = events.filter(action="view").select(keys)
    assert len(events.filter(action="apply").join(views, on=keys, how="anti")) == 0


def test_a_search_has_a_query_and_a_recommendation_has_none(events: pl.DataFrame) -> None:
    assert ((events["surface"] == "search") == (events["query"] != "")).all()
    share = (events.unique("request_id")["surface"] == "search").mean()
    assert 0.25 < share < 0.35  # type: ignore[operator]


def test_a_description_reads_like_an_advert(small_market: Path) -> None:
    jobs = pl.read_parquet(small_market / "jobs" / "*.parquet")
    words = jobs["description"].str.split(" ").list.len()
    assert words.quantile(0.05) >= 60  # type: ignore[operator]
    assert words.max() <= 170  # type: ignore[operator]
    row = jobs.row(0, named=True)
    assert row["company"] in Verbalizer().job(Job.model_validate(row))


def test_a_new_market_replaces_the_old_one_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market, "PART_ROWS", 100)
    simulate(tmp_path, members=20, jobs=60, events=600, start=START, days=5)
    simulate(tmp_path, members=20, jobs=60, events=80, start=START, days=5)
    assert validate(tmp_path, NOW).ok


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with refused(BadInput, tmp_path):
        simulate(tmp_path, members=1, jobs=1, events=1)


def test_a_market_of_nobody_is_refused(tmp_path: Path) -> None:
    with refused(BadInput, "members", 0):
        simulate(tmp_path, members=0, jobs=1, events=1)


def test_without_a_start_the_market_ends_today(tmp_path: Path) -> None:
    params = simulate(tmp_path, members=20, jobs=100, events=300, days=5)
    assert (
        timedelta(0)
        <= datetime.now(UTC) - datetime.fromisoformat(params["start"]) - timedelta(days=5)
        < timedelta(days=2)
    )


def test_one_member_and_one_job_are_a_market(tmp_path: Path) -> None:
    simulate(tmp_path, members=1, jobs=1, events=50, start=START)
    assert validate(tmp_path, NOW).tables["jobs"].accepted >= 1


def test_about_half_of_those_who_dismiss_a_job_say_why(events: pl.DataFrame) -> None:
    said = events.filter(pl.col("reason").is_not_null())
    assert said["action"].unique().to_list() == ["dismiss"]
    assert set(said["reason"]) <= set(get_args(Reason))
    assert 0.35 < len(said) / len(events.filter(action="dismiss")) < 0.6


def test_planted_effects_are_read_off_the_log_and_without_them_the_bytes_are_as_before(tmp_path: Path) -> None:
    sizes: dict[str, Any] = {"members": 40, "jobs": 60, "events": 6_000, "seed": 3, "days": 12, "start": START}
    for name, more in (("plain", {}), ("off", {"effects": False}), ("on", {"effects": True})):
        simulate(tmp_path / name, **sizes, **more)
    plain, off, on = (_bytes(tmp_path / name) for name in ("plain", "off", "on"))
    assert plain == off != on and "effects" not in json.loads(plain["truth/params.json"])
    truth = Truth.load(tmp_path / "on")
    events = pl.DataFrame(read_table(tmp_path / "on" / "events"))
    number = [pl.col(name).str.slice(1).cast(pl.Int64).alias(name) for name in ("member_id", "job_id")]
    days = (pl.col("time").dt.epoch("d")).alias("day")
    shown, opened = (
        Moments(*(column.to_numpy() for column in events.filter(pl.col("action") == action).select(*number, days)))
        for action in ("impression", "view")
    )
    found = planted(len(truth.members), truth.jobs.company, opened, shown)
    assert 0.05 < found.company.mean() < 0.9 and 0.05 < found.together.mean() < 0.9
    keys = {(m, j, d) for m, j, d in zip(*opened, strict=True)}
    viewed = np.array([key in keys for key in zip(*shown, strict=True)])
    for effect in found:
        assert viewed[effect > 0].mean() > 1.2 * viewed[effect == 0].mean()


def test_the_effects_count_what_others_opened_alone() -> None:
    effects = Effects(3, np.array([0, 0, 1, 2]))
    effects.add(np.array([0, 0, 1, 1, 2]), np.array([0, 2, 2, 3, 3]))
    found = effects.of(np.array([0, 0, 0, 2]), np.array([1, 3, 2, 2]))
    assert found.company.tolist() == [1, 0, 1, 0]  # by what the member opened alone
    assert found.together.tolist() == [0, 0.25, 0, 0.25]  # 0 -job 2- 1 -job 3; nobody else leads 0 to job 2
