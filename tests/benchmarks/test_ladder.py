"""The ladder's data and figures; its models are trained by the benchmark alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import ladder_page
from benchmarks.ladder import RUNGS, WARM
from benchmarks.ladder_data import SIMULATED
from benchmarks.ladder_quality import RESAMPLES, Held, both_objectives, measure, over_seeds, quality_rows
from benchmarks.onet_pairs import write_pairs
from contracts.tables import read_table
from contracts.workspace import Workspace
from models.config import StudentConfig
from models.rows import Rows, read_rows

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


def test_a_student_of_one_teacher_answers_for_the_other_objective_with_what_it_has(labelled) -> None:
    rows = read_rows(labelled(12).training)
    held = Held.of(rows)
    tasks = ("relevance", "view")
    perfect = np.stack([rows.target(task) for task in tasks], axis=1)
    assert both_objectives(held, tasks, perfect, {})[0] == pytest.approx(2.0)
    upside_down = perfect * np.array([-1, 1])
    by_views = both_objectives(held, tasks, upside_down, {"relevance": "view"})
    assert both_objectives(held, tasks, upside_down, {})[0] < by_views[0]


def test_every_rung_is_a_student_that_can_be_configured() -> None:
    for rung in RUNGS:
        StudentConfig.model_validate(dict(rung.knobs))
        assert not rung.base or rung.base == WARM


def test_the_page_shows_every_system_of_the_result(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    samples = {metric: rng.random(1 + RESAMPLES) for metric in ("ndcg@10", "view_auc", "apply_auc", "view_ece")}
    case = f"{SIMULATED}, 3 held-out lists"
    rows = quality_rows(case, "teachers", [samples], {}) + quality_rows(case, WARM, [samples], samples)
    rows += [{"case": "200 candidates a request, 2 threads", "system": f"{WARM}, INT8", "metric": "pairs_per_s",
              "value": 5_000.0}]  # fmt: skip
    text = ladder_page.page({"rows": rows, "command": "python -m benchmarks.ladder", "machine": {}})
    assert f"| {WARM} |" in text and "| teachers |" in text and "5,000" in text
    ladder_page.plot(rows, tmp_path / "plot.svg")
    assert "<svg" in (tmp_path / "plot.svg").read_text()
