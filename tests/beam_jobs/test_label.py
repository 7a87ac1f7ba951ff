"""Labelled lists: what is in them, what is not known, and that nothing of the future is."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.compute as pc
import pytest

from beam_jobs import label
from beam_jobs.config import LabelConfig
from beam_jobs.labelling import lists, making
from contracts.activity import Activity
from contracts.arrow import to_records, to_table
from contracts.errors import BadInput, NotReady
from contracts.examples import EXAMPLES, PAIR_FEATURES
from contracts.match import COMPARISONS
from contracts.records import Event, Grade, Job, Member
from contracts.tables import latest, parts, read_table, write_part
from contracts.text.work import read_vocabulary
from contracts.workspace import Workspace
from history import as_of as asof
from policy import load_policy
from ranking.features import pair_features
from retrieval.filters.filters import Filter
from retrieval.index.job_index import CANDIDATES, JobIndex
from retrieval.request import build_request
from tests.make import refused

START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 20
FEW = ("--train-lists", "4", "--graded-lists", "2", "--valid-lists", "1", "--test-lists", "2")


@pytest.fixture(scope="module")
def rows(market: Workspace, examples: Callable) -> pl.DataFrame:
    return examples(market)


@pytest.fixture(scope="module")
def views(
    tmp_path_factory: pytest.TempPathFactory, encoder_folder: Path, labelled: Callable, prepare: Callable
) -> Workspace:
    """A log that holds views alone: ten members who open three or four of 40 jobs, and one who opens one."""
    raw = tmp_path_factory.mktemp("views")
    words = ["Nurse", "Cook", "Driver", "Teacher", "Welder"]
    tables = {
        "members": [{"id": f"m{i}", "headline": words[i % 5], "location": "Austin, TX"} for i in range(11)],
        "jobs": [{"id": f"j{i}", "title": f"{words[i % 5]} {i}", "location": "Austin, TX"} for i in range(40)],
        "events": [
            {
                "id": f"v{m}-{k}",
                "request_id": f"v{m}-{k}",
                "member_id": f"m{m}",
                "job_id": f"j{(m + 5 * k) % 40}",
                "action": "view",
                "time": (START + timedelta(days=1 + k, minutes=m)).isoformat(),
            }
            for m in range(11)
            for k in range(1 if m == 10 else 3 + m % 2)
        ],
    }
    for table, found in tables.items():
        (raw / table).mkdir()
        full = [row if table == "events" else {**row, "updated_at": START.isoformat()} for row in found]
        (raw / table / "a.jsonl").write_text("\n".join(map(json.dumps, full)))
    workspace = prepare(raw, tmp_path_factory.mktemp("views-labelled") / "w", encoder_folder)
    labelled(workspace, "--train-lists", "60", "--test-lists", "20")
    return workspace


# --- what a list holds -----------------------------------------------------------------------------------------------


def test_the_table_is_the_contract(market: Workspace) -> None:
    assert read_table(market.examples).schema.equals(EXAMPLES)


def test_a_job_is_in_a_list_once(rows: pl.DataFrame) -> None:
    assert rows.select("list_id", "job_id").is_unique().all()


def test_every_shown_job_of_a_drawn_request_is_in_its_list(market: Workspace, rows: pl.DataFrame) -> None:
    shown = pl.DataFrame(read_table(market.records / "events", ["request_id", "job_id", "action"]))
    shown = shown.filter(pl.col("action") == "impression", pl.col("request_id").is_in(rows["list_id"].implode()))
    logged = rows.filter(pl.col("stratum") == "logged")
    assert set(shown.select("request_id", "job_id").iter_rows()) == set(logged.select("list_id", "job_id").iter_rows())


def test_lists_have_the_sizes_asked_for(rows: pl.DataFrame) -> None:
    train = rows.filter(pl.col("split") == "train")
    assert set(train.group_by("list_id").len()["len"]) == {14}
    assert set(train["stratum"]) == {"logged", "retrieved", "random", "hard"}
    held_out = rows.filter(pl.col("split") != "train")
    assert set(held_out["stratum"]) == {"logged", "retrieved"}
    assert rows.group_by("split").agg(pl.col("list_id").n_unique()).sort("split").rows() == [
        ("test", 8),
        ("train", 30),
        ("valid", 4),
    ]


def test_splits_follow_each_other_in_time(rows: pl.DataFrame) -> None:
    times = {name: rows.filter(pl.col("split") == name)["event_timestamp"] for name in ("train", "valid", "test")}
    assert times["train"].max() < times["valid"].min()
    assert times["valid"].max() < times["test"].min()


def test_what_was_not_shown_has_no_engagement_label(rows: pl.DataFrame) -> None:
    unseen = rows.filter(pl.col("stratum") != "logged")
    for name in ("view", "apply", "dismiss", "hire", "position", "propensity"):
        assert unseen[name].null_count() == len(unseen)


def test_held_out_lists_know_the_order_of_retrieval_and_training_lists_do_not(rows: pl.DataFrame) -> None:
    assert rows.filter(pl.col("split") == "train")["retrieved"].null_count() == len(rows.filter(split="train"))
    held_out = rows.filter(pl.col("split") != "train")
    assert held_out.filter(stratum="retrieved")["retrieved"].null_count() == 0
    found = held_out.drop_nulls("retrieved")
    assert found.select("list_id", "retrieved").is_unique().all()
    assert found["retrieved"].min() == 1 and found["retrieved"].max() <= CANDIDATES


def test_what_was_shown_has_all_labels(rows: pl.DataFrame) -> None:
    shown = rows.filter(pl.col("stratum") == "logged")
    for name in ("view", "apply", "dismiss", "hire"):
        assert set(shown[name]) <= {0.0, 1.0}
    assert shown["view"].sum() > 0
    assert shown["position"].null_count() == shown["propensity"].null_count() == 0


def test_pair_features_are_finite_and_vary(rows: pl.DataFrame) -> None:
    for name in PAIR_FEATURES:
        assert rows[name].is_finite().all()
    assert rows["dense"].n_unique() > 50
    assert rows["terms"].max() == 1.0


@pytest.mark.parametrize(("random", "hard"), [(0.0, 1.0), (0.25, 0.5)])
def test_training_lists_are_filled_up_by_the_shares(
    market: Workspace, copy: Callable[[Workspace], Workspace], random: float, hard: float, labelled: Callable
) -> None:
    found = labelled(copy(market), *FEW, "--random-share", str(random), "--hard-share", str(hard))
    for (list_id,), rows in found.filter(pl.col("split") == "train").group_by("list_id"):
        counts = dict(rows.group_by("stratum").len().iter_rows())
        room = len(rows) - counts["logged"]
        assert (counts.get("random", 0), counts.get("hard", 0)) == (round(room * random), round(room * hard)), list_id


def test_hard_jobs_are_those_of_which_retrieval_and_a_plain_reading_differ_most(market: Workspace) -> None:
    folder = next(path for path in (market.root / "label_index" / "indexes").iterdir() if path.is_dir())
    index = JobIndex.load(folder)
    now = START + timedelta(days=DAYS)
    home = read_table(market.records / "jobs", ["location"])["location"][0].as_py()
    request = build_request("", Activity(), "nurse assistant", home, Filter(), now)
    pool = index.search(request, None, 40).ids
    chosen = lists._hardest(index, request, pool, 5)
    told = pair_features(index, index.activity, request, index.rows(pool))
    alike = told[:, PAIR_FEATURES.index("title_overlap")] + told[:, PAIR_FEATURES.index("same_region")]
    plain = sorted(range(len(pool)), key=lambda place: (-alike[place], place))
    apart = {pool[place]: abs(rank - place) for rank, place in enumerate(plain)}
    others = [job_id for job_id in pool if job_id not in chosen]
    assert len(chosen) == min(5, sum(map(bool, apart.values()))) > 1 and min(apart[one] for one in chosen) > 0
    assert min(apart[one] for one in chosen) >= max(apart[one] for one in others)


@pytest.mark.parametrize("flags", [("--hard-share", "0.9"), ("--random-share", "0.5", "--hard-share", "0.6")])
def test_shares_of_more_than_the_whole_are_refused(market: Workspace, flags: tuple[str, ...]) -> None:
    with refused(BadInput, *flags[1::2]):
        label.run(["--workspace", str(market.root), *flags])


# --- what retrieval returns ------------------------------------------------------------------------------------------

SERVED_FLAGS = ("--served-lists", "3", "--served-held-lists", "1", "--served-candidates", "25")


@pytest.fixture(scope="module")
def beside(market: Workspace, tmp_path_factory: pytest.TempPathFactory, labelled: Callable) -> pl.DataFrame:
    root = tmp_path_factory.mktemp("served") / "w"
    shutil.copytree(market.root, root, symlinks=True)
    return labelled(Workspace(root), *FEW, *SERVED_FLAGS)


@pytest.fixture(scope="module")
def alone(market: Workspace, tmp_path_factory: pytest.TempPathFactory, labelled: Callable) -> pl.DataFrame:
    root = tmp_path_factory.mktemp("alone") / "w"
    shutil.copytree(market.root, root, symlinks=True)
    return labelled(Workspace(root), *FEW)


def test_what_is_served_lies_beside_lists_that_stay_as_they_are(beside: pl.DataFrame, alone: pl.DataFrame) -> None:
    assert beside.filter(pl.col("stratum") != "served").equals(alone)
    assert beside.select("list_id", "job_id").is_unique().all()


def test_served_candidates_are_all_graded(beside: pl.DataFrame) -> None:
    every = beside.filter(pl.col("stratum") == "served")
    assert dict(every.group_by("split").agg(pl.col("list_id").n_unique()).iter_rows()) == {
        "train": 3,
        "valid": 1,
        "test": 1,
    }
    assert every["grade"].null_count() == 0
    served = every.filter(pl.col("split") == "train")
    listed = beside.filter(pl.col("stratum") != "served", pl.col("list_id").is_in(served["list_id"].implode()))
    assert listed.group_by("list_id").agg(pl.col("grade").is_null().all())["grade"].sum() == 1  # two of three lists are
    per_list = served.group_by("list_id").len()["len"]
    assert per_list.max() <= 25 and per_list.min() >= 25 - 14


def test_served_candidates_have_no_labels_but_those_of_the_log(beside: pl.DataFrame) -> None:
    served = beside.filter(pl.col("stratum") == "served")
    for name in ("view", "apply", "dismiss", "hire", "position"):
        assert served[name].null_count() == len(served)


def test_in_a_log_of_views_a_served_candidate_is_no_negative(
    views: Workspace, copy: Callable[[Workspace], Workspace], labelled: Callable
) -> None:
    found = labelled(copy(views), "--train-lists", "60", "--test-lists", "20", *SERVED_FLAGS)
    assert found.filter(pl.col("stratum") == "served")["view"].drop_nulls().to_list() in ([], [1.0])


def test_a_judge_that_costs_money_grades_no_served_candidates_unless_told() -> None:
    paid = {"kind": "llm", "model": "m", "base_url": "http://localhost:1/v1"}
    assert LabelConfig().graded_as_served == {"train": 600, "valid": 60, "test": 60}
    assert set(LabelConfig(judge=paid).graded_as_served.values()) == {0}
    assert LabelConfig(judge=paid, served_lists=5).graded_as_served == {"train": 5, "valid": 0, "test": 0}
    assert LabelConfig(served_held_lists=2).graded_as_served == {"train": 600, "valid": 2, "test": 2}


def test_rows_hold_the_match_as_it_is_when_served(market: Workspace, rows: pl.DataFrame) -> None:
    """Two comparisons by the records: a job's level, and whether it is remote."""
    bins = np.array(rows["match"].to_list())
    names = [comparison.name for comparison in COMPARISONS]
    jobs = {row["id"]: row for row in read_table(market.label_index.records / "jobs").to_pylist()}
    remote = np.array([jobs[job_id]["workplace"] == "remote" for job_id in rows["job_id"]])
    assert ((bins[:, names.index("place")] == 4) == remote).all()
    members = {row["id"]: row for row in read_table(market.records / "members").to_pylist()}
    known = [
        bool(jobs[job_id]["seniority"] and member_id and members[member_id]["seniority"])
        for job_id, member_id in rows.select("job_id", "member_id").iter_rows()
    ]
    assert (bins[np.array(known), names.index("level")] > 0).all()
    assert read_vocabulary(market.examples) == load_policy(LabelConfig().policy).vocabulary
    assert (bins[:, names.index("own_work")] > 0).any()


# --- grades ----------------------------------------------------------------------------------------------------------


def test_held_out_lists_and_the_asked_share_of_train_are_graded_whole(rows: pl.DataFrame) -> None:
    by_list = rows.group_by("list_id", "split").agg(pl.col("grade").is_not_null().mean().alias("share"))
    assert set(by_list["share"]) == {0.0, 1.0}
    assert by_list.filter(pl.col("share") == 1).group_by("split").len().sort("split").rows() == [
        ("test", 8),
        ("train", 12),
        ("valid", 4),
    ]


def test_grades_are_kept_with_who_gave_them_by_what(market: Workspace, rows: pl.DataFrame) -> None:
    grades = list(to_records(read_table(market.grades), Grade))
    assert len(grades) == len(rows) - rows["grade"].null_count()
    assert {(grade.grader, grade.policy_version) for grade in grades} == {("rubric", load_policy().version)}


# --- a log of views alone --------------------------------------------------------------------------------------------


def test_last_views_are_held_out(views: Workspace, examples: Callable) -> None:
    test = examples(views).filter(pl.col("split") == "test")
    assert set(test["list_id"]) == {f"v{m}-{2 + m % 2}" for m in range(10)}


def test_a_training_list_holds_its_positive_and_no_other_view_as_negative(views: Workspace, examples: Callable) -> None:
    found = examples(views)
    train = found.filter(pl.col("split") == "train")
    seen = {(f"m{m}", f"j{(m + 5 * k) % 40}") for m in range(10) for k in range(2 + m % 2)}
    for (list_id,), rows in train.group_by("list_id"):
        assert rows.filter(pl.col("view") == 1)["stratum"].to_list() == ["logged"], list_id
    negatives = train.filter(pl.col("view") == 0)
    assert len(negatives) > 100
    assert not seen & set(negatives.select("member_id", "job_id").iter_rows())


def test_nothing_but_views_is_claimed_to_be_known(views: Workspace, examples: Callable) -> None:
    found = examples(views)
    for name in ("apply", "dismiss", "hire"):
        assert found[name].null_count() == len(found)


def test_a_job_viewed_before_is_no_candidate(views: Workspace, examples: Callable) -> None:
    test = examples(views).filter(pl.col("split") == "test")
    before = {(f"m{m}", f"j{(m + 5 * k) % 40}") for m in range(10) for k in range(2 + m % 2)}
    assert not before & set(test.select("member_id", "job_id").iter_rows())


def test_a_held_out_positive_is_there_only_where_retrieval_found_it(
    views: Workspace, copy: Callable[[Workspace], Workspace], labelled: Callable
) -> None:
    found = labelled(copy(views), "--test-lists", "20", "--test-candidates", "1").filter(pl.col("split") == "test")
    assert set(found.group_by("list_id").len()["len"]) == {1}
    assert 0 < found["view"].sum() < 10


# --- nothing from the future -----------------------------------------------------------------------------------------


def test_planted_future_events_and_texts_change_no_earlier_row(
    raw_market: Path, rows: pl.DataFrame, tmp_path: Path, encoder_folder: Path, labelled: Callable, prepare: Callable
) -> None:
    """Views, a new text of every member and an edit of every job at one moment: lists before it stay, others do not.

    Applications that name a list before it, sent when others are held out, are no labels of it.
    """
    raw = tmp_path / "raw"
    shutil.copytree(raw_market, raw)
    moment = START + timedelta(days=0.55 * DAYS)
    jobs = list(to_records(latest(read_table(raw / "jobs"), "id", "updated_at"), Job))
    members = list(to_records(latest(read_table(raw / "members"), "id", "updated_at"), Member))
    # Without pay: the percentile tags of all texts are fitted on the pay of the first load.
    changes = {"title": "Astronaut", "hidden": True, "salary_min": None, "salary_max": None, "updated_at": moment}
    edits = [
        job.model_copy(update=changes)
        for job in jobs
        if job.posted_at and job.posted_at < moment and job.updated_at < moment
    ]
    moved = [
        member.model_copy(update={"headline": "Astronaut", "location": "Moon", "updated_at": moment})
        for member in members
        if member.updated_at < moment
    ]
    last = rows.sort("event_timestamp")["list_id"][-1]  # they name a later list, or they were requests of their own
    clicks = [
        Event(
            id=f"planted{i}",
            time=moment,
            request_id=last,
            member_id=member.id,
            job_id=jobs[i % 20].id,
            action="view",
        )
        for i, member in enumerate(members)
    ]
    late = START + timedelta(days=0.9 * DAYS)
    asked = rows.filter(pl.col("event_timestamp") <= moment).unique("list_id").iter_rows(named=True)
    clicks += [
        Event(
            id=f"late{i}",
            time=late,
            request_id=row["list_id"],
            member_id=row["member_id"],
            job_id=row["job_id"],
            action="apply",
        )
        for i, row in enumerate(asked)
    ]
    for table, records, model in (("jobs", edits, Job), ("members", moved, Member), ("events", clicks, Event)):
        assert records
        write_part(raw / table, to_table(records, model), "planted")
    planted = labelled(prepare(raw, tmp_path / "w", encoder_folder))
    keys = ["list_id", "job_id"]
    before = pl.col("event_timestamp") <= moment
    exact = [name for name in rows.columns if name not in PAIR_FEATURES]
    assert planted.filter(before).select(exact).equals(rows.filter(before).select(exact))
    for name in PAIR_FEATURES:  # vectors differ in the last digits with what shares a batch
        difference = planted.filter(before)[name] - rows.filter(before)[name]
        assert difference.abs().max() < 1e-5, name  # type: ignore[operator]
    after = rows.filter(~before).join(planted.filter(~before), on=keys, how="left", suffix="_planted")
    assert (after["views_7d"] != after["views_7d_planted"]).any()
    assert (after["grade"] != after["grade_planted"]).any()


def test_a_request_does_not_see_its_own_events(market: Workspace, rows: pl.DataFrame) -> None:
    """A job that nobody opened before is unseen in the list from which it was opened first."""
    events = read_table(market.records / "events", ["time", "job_id", "request_id", "action"])
    opened = pl.DataFrame(events.filter(pc.equal(events["action"], "view"))).sort("time").unique("job_id", keep="first")
    first = opened.join(rows, left_on=["request_id", "job_id"], right_on=["list_id", "job_id"])
    assert len(first) > 10
    assert (first["unseen"] == 1).all()


def test_a_copied_workspace_reads_nothing_of_the_one_it_was_copied_from(
    market: Workspace, copy: Callable[[Workspace], Workspace]
) -> None:
    workspace = copy(market)
    place = workspace.root / "label_index"
    (place / "records" / "events").unlink()
    (place / "records" / "events").mkdir()  # as a copy that follows links leaves it
    asof.first_versions(workspace, Workspace(place))
    assert (place / "encoder").resolve() == workspace.encoder.resolve()
    assert (place / "records" / "events").resolve() == (workspace.records / "events").resolve()


# --- runs ------------------------------------------------------------------------------------------------------------


def test_a_second_run_skips_everything(
    market: Workspace, copy: Callable[[Workspace], Workspace], small_lists: tuple[str, ...]
) -> None:
    workspace = copy(market)
    before = {path.name: path.stat().st_mtime_ns for path in parts(workspace.examples)}
    counts = label.run(["--workspace", str(workspace.root), *small_lists])
    assert (counts.read, counts.written, counts.skipped) == (42, 0, 42)
    assert {path.name: path.stat().st_mtime_ns for path in parts(workspace.examples)} == before


def test_another_policy_grades_again_and_leaves_no_old_grade(
    market: Workspace, copy: Callable[[Workspace], Workspace], tmp_path: Path, labelled: Callable, examples: Callable
) -> None:
    workspace = copy(market)
    text = Path(label.__file__).parent.parent.joinpath("policy", "policy.yaml").read_text()
    strict = tmp_path / "strict.yaml"
    strict.write_text(text.replace("cuts: [1.2, 1.9, 2.5, 3.2]", "cuts: [3.6, 3.7, 3.8, 3.9]"))
    found = labelled(workspace, "--policy", str(strict))
    assert found["grade"].mean() < examples(market)["grade"].mean()  # type: ignore[operator]
    versions = set(read_table(workspace.grades, ["policy_version"])["policy_version"].to_pylist())
    assert versions == {load_policy(strict).version}


def test_a_broken_off_run_leaves_the_former_examples_and_is_taken_up(
    market: Workspace,
    copy: Callable[[Workspace], Workspace],
    monkeypatch: pytest.MonkeyPatch,
    examples: Callable,
    small_lists: tuple[str, ...],
) -> None:
    workspace = copy(market)
    before = examples(workspace)
    made = making.choose_jobs
    monkeypatch.setattr(label, "BATCH_LISTS", 20)
    calls = 0

    def breaks_off(*arguments):
        nonlocal calls
        calls += 1
        if calls > 25:
            raise NotReady("the power is out")
        return made(*arguments)

    again = ["--workspace", str(workspace.root), *small_lists, "--seed", "7"]
    monkeypatch.setattr(making, "choose_jobs", breaks_off)
    with pytest.raises(NotReady, match="the power is out"):
        label.run(again)
    assert examples(workspace).equals(before)
    monkeypatch.setattr(making, "choose_jobs", made)
    counts = label.run(again)
    assert (counts.written, counts.skipped) == (22, 20)
    assert examples(workspace).select("list_id", "job_id").is_unique().all()


def test_two_processes_make_the_same_rows(
    market: Workspace,
    copy: Callable[[Workspace], Workspace],
    monkeypatch: pytest.MonkeyPatch,
    labelled: Callable,
    examples: Callable,
) -> None:
    workspace = copy(market)
    monkeypatch.setattr(label, "BATCH_LISTS", 10)
    for path in parts(workspace.examples):
        path.unlink()
    made = labelled(workspace, "--direct_running_mode=multi_processing", "--direct_num_workers=2")
    assert made.drop("dense").equals(examples(market).drop("dense"))
    assert (made["dense"] - examples(market)["dense"]).abs().max() < 1e-5  # type: ignore[operator]


def test_the_served_index_is_left_alone(market: Workspace) -> None:
    assert not market.indexes.exists()


def test_no_text_of_a_member_is_logged(
    market: Workspace, copy: Callable[[Workspace], Workspace], caplog: pytest.LogCaptureFixture, labelled: Callable
) -> None:
    with caplog.at_level(logging.DEBUG, logger="rolecall"):
        labelled(copy(market), "--seed", "3")
    headlines = set(read_table(market.records / "members", ["headline"])["headline"].to_pylist())
    assert "lists" in caplog.text
    assert not [headline for headline in headlines if headline in caplog.text]


# --- what is missing -------------------------------------------------------------------------------------------------


def test_a_workspace_without_records_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(NotReady):
        label.run(["--workspace", str(tmp_path)])


def test_jobs_without_vectors_say_what_to_run(market: Workspace, copy: Callable[[Workspace], Workspace]) -> None:
    workspace = copy(market)
    shutil.rmtree(workspace.features / "job_vector")
    with refused(NotReady, "rolecall embed"):
        label.run(["--workspace", str(workspace.root)])


def test_a_log_without_requests_says_so(market: Workspace, copy: Callable[[Workspace], Workspace]) -> None:
    workspace = copy(market)
    events = read_table(workspace.records / "events")
    shutil.rmtree(workspace.records / "events")
    write_part(workspace.records / "events", events.filter(pc.equal(events["action"], "dismiss")))
    with refused(NotReady, workspace.records / "events", "made_below"):
        label.run(["--workspace", str(workspace.root), "--made-below", "0"])


def test_a_board_without_a_log_has_requests_made_of_its_members_and_adverts(
    market: Workspace, copy: Callable[[Workspace], Workspace], examples: Callable
) -> None:
    workspace = copy(market)
    for folder in (workspace.records / "events", workspace.features / "member_activity"):
        shutil.rmtree(folder)
    label.run(
        [
            "--workspace",
            str(workspace.root),
            "--train-lists",
            "60",
            "--train-candidates",
            "4",
            "--served-lists",
            "0",
            "--served-held-lists",
            "0",
            "--made-below",
            "20",
        ]
    )
    rows = examples(workspace)
    assert {name.split(":")[1] for name in rows["list_id"]} == {"member", "profile", "search"}
    assert set(rows["split"]) == {"train", "valid", "test"}
    assert rows["view"].null_count() == len(rows)
    assert rows.filter(pl.col("grade").is_null()).is_empty()
    profiles = rows.filter(pl.col("list_id").str.starts_with("made:profile:"))
    assert profiles["asker_text"].str.starts_with("headline:").all()
    made_of = rows["list_id"].str.split(":").list.last()
    assert not (made_of == rows["job_id"]).any()  # nobody is asked whether an advert fits itself


def test_a_policy_that_does_not_hold_together_stops_before_any_work(market: Workspace, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("name: mine\n")
    with refused(BadInput, where=tmp_path / "own.yaml"):
        label.run(["--workspace", str(market.root), "--policy", str(tmp_path / "own.yaml")])
