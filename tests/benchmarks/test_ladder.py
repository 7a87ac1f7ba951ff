"""The ladder's data and figures; its models are trained by the benchmark alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from beam_jobs.config import LabelConfig
from benchmarks import ladder_data, plots
from benchmarks.branch import CASE as BRANCH
from benchmarks.branch import FULL, PARTIAL
from benchmarks.compression import PRECISIONS
from benchmarks.ladder import COMPARED, RUNGS
from benchmarks.ladder_data import SIMULATED, SPEED, WARM, prepare, states_key
from benchmarks.ladder_quality import (
    RESAMPLES,
    Held,
    both_objectives,
    kappa_rows,
    measure,
    over_seeds,
    quality_rows,
    student_logits,
    taught_logits,
)
from benchmarks.ladder_speed import shapes
from benchmarks.onet_pairs import write_pairs
from benchmarks.pages import ladder_tables
from benchmarks.teachers import teacher_logits
from contracts.tables import read_table
from contracts.workspace import Workspace
from models.config import StudentConfig
from models.layers.backbone import Backbone
from models.student.distil import float_logits, load_student, save_student
from models.student.student import Student
from models.teachers.scores import current_scores, read_scores
from models.training.rows import Rows, read_rows
from models.training.states import TextStates
from policy.golden.agreement import agreement
from rolecall.params import Params

OCCUPATIONS = 30


@pytest.fixture(scope="module")
def onet_rows(tmp_path_factory) -> Rows:
    """Thirty occupations, each related to the next three, by one tier each, as the former alone says.

    People report the titles that the jobs of an occupation have, each of which is there twice.
    """
    folder, tiers = tmp_path_factory.mktemp("onet"), ("Primary-Short", "Primary-Long", "Supplemental")
    codes = range(OCCUPATIONS)
    files = {
        "Occupation Data.txt": ["Title\tDescription", *(f"Work {i}\tDoes {i}." for i in codes)],
        "Task Statements.txt": ["Task", *(f"Do {i}." for i in codes)],
        "Technology Skills.txt": ["Example\tHot Technology", *(f"Tool {i}\tN" for i in codes)],
        "Sample of Reported Titles.txt": ["Reported Job Title", *(f"title {i} {i % 6}" for i in codes)],
    }
    for name, (head, *lines) in files.items():
        text = "\n".join([f"O*NET-SOC Code\t{head}", *(f"{i}\t{line}" for i, line in enumerate(lines))])
        (folder / name).write_text(text + "\n")
    titles = [f"{i}\t{word} {i} {k}" for i in codes for k in range(6) for word in ("Title", "TITLE")]
    (folder / "Alternate Titles.txt").write_text("\n".join(["O*NET-SOC Code\tAlternate Title", *titles]) + "\n")
    related = [f"{i}\t{(i + k + 1) % OCCUPATIONS}\t{tier}\t{k}" for i in codes for k, tier in enumerate(tiers)]
    head = "O*NET-SOC Code\tRelated O*NET-SOC Code\tRelatedness Tier\tIndex"
    (folder / "Related Occupations.txt").write_text("\n".join([head, *related]) + "\n")
    workspace = Workspace(tmp_path_factory.mktemp("pairs"))
    assert write_pairs(folder, workspace, seed=0) == len(read_table(workspace.training))
    return read_rows(workspace.training)


def test_grades_are_the_experts_tiers_from_both_ends(onet_rows: Rows) -> None:
    for request, job_id, target in zip(
        onet_rows.list_ids, onet_rows.job_ids, onet_rows.target("relevance"), strict=True
    ):
        away = (int(job_id.split("/")[0]) - int(request)) % OCCUPATIONS
        assert target * 4 == {0: 4, 1: 3, 2: 2, 3: 1}.get(min(away, OCCUPATIONS - away), 0)


def test_no_pair_of_a_held_out_occupation_is_seen_in_training_from_either_end(onet_rows: Rows) -> None:
    offers = [job_id.split("/")[0] for job_id in onet_rows.job_ids]
    order = ("train", "valid", "test")
    asks = dict(zip(onet_rows.list_ids, onet_rows.splits, strict=True))
    for split, offered in zip(onet_rows.splits, offers, strict=True):
        assert order.index(asks.get(offered, "train")) <= order.index(split)


def test_no_list_has_a_title_twice_nor_that_of_its_request(onet_rows: Rows) -> None:
    for of_list in onet_rows.lists(np.arange(len(onet_rows))):
        titles = [onet_rows.jobs[job].split(" | ")[0].casefold() for job in onet_rows.job[of_list]]
        assert len(titles) == len(set(titles))
        asked = onet_rows.requests[onet_rows.request[of_list[0]]].casefold()
        assert not any(f"{title.removeprefix('title: ')} |" in f"{asked} |" for title in titles), titles


def test_an_occupation_asks_in_one_split_and_its_titles_differ_between_training_and_test(onet_rows: Rows) -> None:
    splits = {(asks, split) for asks, split in zip(onet_rows.list_ids, onet_rows.splits, strict=True)}
    assert len(splits) == len({asks for asks, _ in splits}) == OCCUPATIONS
    titles = {
        split: {onet_rows.jobs[j].split(" | ")[0] for j in onet_rows.job[onet_rows.splits == split]}
        for split in ("train", "test")
    }
    assert titles["train"] and titles["test"] and not titles["train"] & titles["test"]


def test_scores_in_the_order_of_the_grades_are_perfect_and_others_are_not(onet_rows: Rows) -> None:
    held = Held.of(onet_rows)
    best = measure(held, ["relevance"], onet_rows.target("relevance")[:, None])
    noise = measure(held, ["relevance"], np.random.default_rng(0).normal(size=(len(onet_rows), 1)))
    assert best["ndcg@10"].shape == (1 + RESAMPLES,) and (best["ndcg@10"] == 1).all()
    assert noise["ndcg@10"][0] < 0.8 and best["relevance_ece"][0] < noise["relevance_ece"][0] + 0.1


def test_seeds_that_differ_widen_the_interval() -> None:
    lists = np.random.default_rng(0).normal(0, 0.01, 1 + RESAMPLES)
    alike, apart = (over_seeds(np.stack([lists - shift, lists, lists + shift])) for shift in (0.0, 0.5))
    assert alike[0] == pytest.approx(lists[0]) == apart[0]
    assert apart[1:].std() > 10 * alike[1:].std()


def test_the_sum_of_objectives_counts_grades_once_and_what_people_did_once(labelled) -> None:
    held = Held.of(read_rows(labelled(12).training))
    tasks = ("relevance", "view", "apply")
    perfect = np.stack([held.rows.target(task) for task in tasks], axis=1)
    assert both_objectives(held, tasks, perfect)[0] == pytest.approx(2.0)
    assert both_objectives(held, tasks, perfect * [1, 1, -1])[0] == pytest.approx(1.5)
    assert both_objectives(held, tasks, perfect * [-1, 1, 1])[0] < 1.9


def test_compared_students_differ_in_their_teachers_alone() -> None:
    compared = [rung for rung in RUNGS if rung.name in COMPARED]
    assert [rung.name for rung in compared] == list(COMPARED)
    assert len({tuple(sorted(rung.knobs.keys() - {"distil"})) for rung in compared}) == 1
    assert not any(rung.base for rung in compared)


def test_teachers_have_a_calibration_error_on_the_lists_that_students_have_one_on(
    distilled: Workspace, tmp_path
) -> None:
    workspace = Workspace(shutil.copytree(distilled.root, tmp_path / "w"))
    rows = read_rows(workspace.training)
    tasks, logits = taught_logits(workspace, ("policy", "click"), rows)
    known = np.isin(rows.splits, ("valid", "test"))
    assert np.isfinite(logits[known]).all()
    assert {"relevance_ece", "view_ece"} <= measure(Held.of(rows), tasks, logits).keys()
    _, stored = read_scores(current_scores(workspace, "policy"), rows, np.flatnonzero(rows.splits == "test"))
    test = np.flatnonzero(rows.splits == "test")
    by_it = teacher_logits(workspace.teachers / "policy" / current_scores(workspace, "policy").stem, rows, test)
    np.testing.assert_allclose(by_it, stored[test], atol=0.05)


def test_a_student_of_any_version_is_scored_in_float32(distilled: Workspace, tmp_path) -> None:
    workspace = Workspace(shutil.copytree(distilled.root, tmp_path / "w"))
    rows = read_rows(workspace.training)
    folder = workspace.student / (workspace.student / "CURRENT").read_text().strip()
    tasks, logits = student_logits(folder, rows)
    test = np.flatnonzero(rows.splits == "test")
    assert tasks[0] == "relevance" and np.isnan(logits[rows.splits == "train"]).all()
    np.testing.assert_allclose(logits[test], float_logits(folder, rows, test), atol=1e-5)


def test_states_are_shared_only_where_weights_embeddings_and_arithmetic_are_the_same(tiny: Path) -> None:
    def key(precision: str = "float32", changed: str = "") -> tuple:
        backbone = Backbone(tiny)
        with torch.no_grad():
            for name, weight in backbone.named_parameters():
                if changed and changed in name:
                    weight.copy_(weight.flip(0))
        return states_key(TextStates(backbone, [[5, 6]], 1, 1, precision))

    assert key() == key() == key(changed="layers.2")
    assert len({key(), key("bfloat16"), key(changed="word_embeddings"), key(changed="layers.0")}) == 4


def test_a_changed_knob_makes_another_workspace_and_those_of_the_models_do_not(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(ladder_data.subprocess, "run", lambda *_, **__: None)
    knobs = Params()

    def root(**changed) -> Path:
        return prepare(tmp_path, tmp_path / "p.yaml", knobs.model_copy(update=changed), None, None)[0].workspace.root

    assert root() == root(student=StudentConfig(epochs=1))
    assert len({root(), root(seed=1), root(label=LabelConfig(train_lists=7))}) == 3


def test_rungs_of_one_shape_are_measured_as_the_warm_one_or_as_the_first(
    distilled: Workspace, tiny: Path, tmp_path
) -> None:
    same = workspace_student(distilled)
    _, about = load_student(same)
    other = tmp_path / "other"
    about["config"]["item_tokens"] = 4
    more = Student(tiny, tuple(about["tasks"]), 4, about["config"]["score_layers"])
    save_student(other, more, about, tiny)
    students = {"labels alone": same, WARM: same, "T = 4": other, "T = 2": same, "T = 4 again": other}
    assert shapes(students) == {
        "labels alone": WARM,
        WARM: WARM,
        "T = 4": "T = 4",
        "T = 2": WARM,
        "T = 4 again": "T = 4",
    }


def workspace_student(workspace: Workspace) -> Path:
    return workspace.student / (workspace.student / "CURRENT").read_text().strip()


def test_the_interval_of_a_kappa_is_over_lists_and_a_difference_of_graders_is_paired(labelled, monkeypatch) -> None:
    """Of each list both graders get all pairs right or none: twelve facts and not seventy-two."""
    workspace = labelled(60)
    held = Held.of(read_rows(workspace.training))
    grades = np.nan_to_num(4 * held.rows.target("relevance")).astype(int)
    wrong = np.isin(np.arange(len(grades)), np.concatenate(held.lists[::2]))
    truth = np.where(wrong, 4 - grades, grades)
    monkeypatch.setattr("benchmarks.ladder_quality._truth", lambda _, __, chosen: truth[chosen])
    logits = np.where(grades == 4, 20.0, -20.0)
    found = {row["metric"] + row["system"]: row for row in kappa_rows("c", workspace, held, logits)}
    judge = found["quadratic kappa with the truthrubric judge"]
    test = np.concatenate(held.lists)
    by_pairs = agreement(grades[test].tolist(), truth[test].tolist()).quadratic
    assert judge["value"] == pytest.approx(by_pairs.value)
    assert judge["high"] - judge["low"] > 1.5 * (by_pairs.high - by_pairs.low)
    above = found["quadratic kappa with the truth, above the judge'spolicy teacher"]
    assert above["value"] == above["low"] == above["high"] == 0


def test_every_rung_is_a_student_that_can_be_configured() -> None:
    for rung in RUNGS:
        StudentConfig.model_validate(dict(rung.knobs))
        assert not rung.base or rung.base == WARM


def test_the_page_shows_every_system_of_the_result(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    metrics = ("ndcg@10", "view_auc", "apply_auc", "view_ece", "apply_ece")
    samples = {metric: rng.random(1 + RESAMPLES) for metric in metrics}
    case = f"{SIMULATED}, 3 held-out lists"
    rows = quality_rows(case, "teachers", [samples], {}) + quality_rows(case, WARM, [samples], samples)
    rows += quality_rows(case, f"{WARM}, INT8", [samples], samples)
    costs = {"pairs_per_s": 5_000.0, "bytes": 123_456, "operations_a_pair": 2e6, "bytes_a_pair": 1e4}
    speed = {"case": f"{SPEED}200 candidates a request, 2 threads", "system": f"{WARM}, INT8"}
    rows += [speed | {"metric": metric, "value": value} for metric, value in costs.items()]
    rows += [
        speed | {"system": "products, int8", "metric": "operations_per_s", "value": 1e11},
        speed | {"system": "memory", "metric": "bytes_per_s", "value": 1e9},
        {"case": case, "system": WARM, "metric": "bytes", "value": 123_456},
        {
            "case": f"{PRECISIONS}200 candidates a request, 2 threads",
            "system": "of another program",
            "metric": "pairs_per_s",
            "value": 1.0,
        },
    ]
    rows += [
        {"case": BRANCH, "system": system, "metric": "seconds", "value": value}
        for system, value in {FULL: 30.0, f"{FULL}, label": 20.0, PARTIAL: 10.0}.items()
    ]
    run = {"command": "python -m benchmarks.ladder", "date": "2026-01-01", "machine": "m"}
    text = "\n".join(ladder_tables([row | run for row in rows]).values())
    assert f"| {WARM} |" in text and "| teachers |" in text and "5,000" in text and "123,456" in text
    for head in ("NDCG@10", "AUC view", "AUC apply", "ECE view", "ECE apply", "pairs a second", "bytes on disk"):
        assert f"| {head} |" in text, head
    assert f"| {WARM}, INT8 | 2,000,000 | 10,000 | 50,000 | 100,000 | 10% |" in text
    assert "of another program" not in text
    assert "| the whole recipe | 30.0 | 10.0 |" in text and "| label | 20.0 |  |" in text
    plots.draw("ladder", tmp_path / "plot.svg", rows)
    assert "<svg" in (tmp_path / "plot.svg").read_text()
