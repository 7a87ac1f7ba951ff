"""Served candidates of a tiny market: which are judged, by whom, and what the tables say of each system."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from contracts.bundle import Calibration, Objective
from contracts.tables import read_table
from contracts.versions import set_current
from contracts.workspace import Workspace
from models.training.rows import Rows
from policy import Judgement, Pair, Ungraded, load_policy
from policy.judges.base import JudgeConfig
from policy.judges.registry import JUDGES
from policy.judges.rubric import RubricConfig
from ranking.rank import Ranked, rank
from ranking.scorer import BundleScorer
from replay.config import ServedConfig
from replay.fits import UNGRADED, ordered
from replay.graded import ListGrades
from replay.holdout import held_out, requests_as_of
from replay.report.page import render
from replay.results import BEST, BEST_OF_ALL, BM25, JUDGE, RETRIEVAL, SERVED, Results, Table
from replay.run import replay
from replay.served import ServedList, sampled, served_list
from replay.served_tables import GradedLists, fits
from replay.systems import as_shown
from replay.taught import answering_relevance, taught
from retrieval.encoder import TextEncoder
from retrieval.index.job_index import JobIndex

POLICY = load_policy()
ORDERS = ("student, relevance", "student, view", "student, apply", SERVED, RETRIEVAL, BM25)


def truth(members: Sequence[str], jobs: Sequence[str], queries: Sequence[str]) -> np.ndarray:
    """j3 and j4 fit, j1 and j2 do so in part, the others not at all."""
    grades = {"j3": 4, "j4": 3, "j1": 2, "j2": 2}
    return np.array([grades.get(job, 0) for job in jobs])


@pytest.fixture(scope="module")
def market(shown: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(Path(shutil.copytree(shown.root, tmp_path_factory.mktemp("served") / "copy")))


@pytest.fixture(scope="module")
def judged(market: Workspace) -> Results:
    return replay(market, resamples=100, truth=truth, judge=RubricConfig(), policy=POLICY)


def table(results: Results, name: str) -> Table:
    found = results.table(name)
    assert found is not None
    return found


def test_every_system_orders_the_served_candidates(judged: Results) -> None:
    assert table(judged, "served_truth").systems == (BEST, BEST_OF_ALL, JUDGE, *ORDERS)
    assert table(judged, "served_judge").systems == (BEST, *ORDERS)


def test_the_best_possible_order_is_a_ceiling_and_all_of_what_is_possible(judged: Results) -> None:
    for name in ("served_truth", "served_judge"):
        found = table(judged, name)
        for system in found.systems:
            for metric in ("good_fits@10", "ndcg@10_graded"):
                assert (
                    found.cell(system, metric).value <= found.cell(BEST, metric).value + 1e-12 or system == BEST_OF_ALL
                )
        assert found.cell(BEST, "share_of_possible").value == pytest.approx(1)


def test_a_table_equals_what_the_files_of_the_run_say(market: Workspace, judged: Results) -> None:
    """Fewer than ten candidates: the whole system's run holds all that is shown."""
    import ir_measures

    run = ir_measures.read_trec_run(str(market.replay / "runs" / "end_to_end.whole-system.run"))
    jobs = [line.doc_id for line in run]
    good = sum(grade >= 3 for grade in truth([""] * len(jobs), jobs, [""] * len(jobs)))
    assert table(judged, "served_truth").cell(SERVED, "good_fits@10").value == pytest.approx(good / 10 / 2)


def test_a_job_that_may_not_be_returned_counts_for_no_ceiling(market: Workspace) -> None:
    """m1 applied to j1 before r3, so that only r4 can be answered with it."""
    results = replay(
        market, resamples=100, truth=lambda members, jobs, queries: np.array([4 * (j == "j1") for j in jobs])
    )
    assert table(results, "served_truth").cell(BEST_OF_ALL, "good_fits@10").value == pytest.approx(0.1 / 2)


def test_the_chain_goes_from_the_truth_to_the_served_order(judged: Results) -> None:
    found = table(judged, "served_chain")
    assert [tuple(name.split(" \N{RIGHTWARDS ARROW} ")) for name in found.systems] == [
        ("truth", "judge"),
        ("judge", "student, relevance"),
        ("student, relevance", SERVED),
        ("truth", "student, relevance"),
        ("truth", SERVED),
    ]
    assert all(-1 <= cell.value <= 1 for cell in found.cells)


def test_a_list_holds_the_students_logits_and_the_order_that_is_shown(market: Workspace) -> None:
    """The service scores three candidates alone, the list all of them."""
    index, scorer, encoder = JobIndex.load(market.index), BundleScorer(market.bundle), TextEncoder(market.encoder)
    (request, _) = requests_as_of(market, held_out(market, 10), {})
    vector = encoder.encode([request.request_text], "request")[0]
    candidates = index.search(request, vector)
    ranked = rank(index, scorer, request, candidates, vector, 3)
    made = served_list(0, index, scorer, request, candidates, ranked)
    assert ranked.rows.tolist() != candidates.rows.tolist()
    logits = scorer.logits(scorer.prefix(request.request_text), index.items(candidates.rows))
    for i, task in enumerate(scorer.tasks):
        np.testing.assert_allclose(made.scores[f"student, {task}"], logits[:, i], rtol=1e-5)
    shown, _ = as_shown(index, ranked)
    order = ordered(made.scores[SERVED])[: len(shown)]
    assert [made.jobs[place] for place in order] == [index.ids[row] for row in shown]
    assert ordered(made.scores[RETRIEVAL]).tolist() == list(range(len(candidates)))


def test_the_served_order_is_that_of_the_bundles_objective(market: Workspace) -> None:
    """By relevance, by retrieval, and by a floor that some of the candidates reach: in the answer and in the list."""
    index, encoder = JobIndex.load(market.index), TextEncoder(market.encoder)
    (request, _) = requests_as_of(market, held_out(market, 10), {})
    vector = encoder.encode([request.request_text], "request")[0]
    candidates = index.search(request, vector)

    def served(**fields: Any) -> tuple[Ranked, np.ndarray]:
        scorer = BundleScorer(market.bundle)
        stated = {"objectives": {request.surface: Objective(**fields)}, "good_match": LINE}
        scorer.manifest = scorer.manifest.model_copy(update=stated)
        ranked = rank(index, scorer, request, candidates, vector, 200)
        made = served_list(0, index, scorer, request, candidates, ranked)
        return ranked, made.scores["student, relevance"][ordered(made.scores[SERVED])][: len(ranked.rows)]

    ranked, relevance = served(order="relevance")
    assert relevance.tolist() == sorted(relevance, reverse=True)
    assert ranked.objective.order == "relevance"
    assert served(order="retrieval")[0].rows.tolist() == candidates.rows.tolist()
    middle = float(np.interp(np.median(relevance), LINE.logits, LINE.probabilities))
    for order in ("retrieval", "blend"):
        plain, _ = served(order=order)
        ranked, _ = served(order=order, floor=middle)
        good = np.array([ranked.good_match(i) for i in range(len(ranked.rows))])
        reached = good >= middle
        assert 0 < reached.sum() == ranked.passed < len(reached) and reached.tolist() == sorted(reached, reverse=True)
        for part in (True, False):
            chosen = set(ranked.rows[reached == part].tolist())
            assert [row for row in plain.rows.tolist() if row in chosen] == ranked.rows[reached == part].tolist()


LINE = Calibration(logits=(-100.0, 100.0), probabilities=(0.01, 0.99))


def test_the_judges_order_is_by_its_grades_and_then_by_retrieval() -> None:
    """Twenty candidates, the ten last ones of the highest grade by the judge; of these the first truly fits."""
    grades, of_judge = np.zeros(20, np.int8), np.repeat(np.array([1, 4], np.int8), 10)
    grades[[9, 10]] = 4
    served = ServedList(0, [f"j{i}" for i in range(20)], {BM25: -np.arange(20.0)})
    found = fits(GradedLists([served], [ListGrades(grades)], [ListGrades(of_judge)]), "served_truth")
    assert found.of(JUDGE, "good_fits@10").tolist() == [0.1]
    assert found.of(BEST, "good_fits@10").tolist() == [0.2]
    assert found.of(JUDGE, "ndcg@10_graded") == pytest.approx(1 / (1 + 1 / np.log2(3)))


def test_a_list_that_nobody_could_grade_is_left_out() -> None:
    lists = [ServedList(place, ["j1", "j2"], {BM25: np.array([1.0, 0.0])}) for place in (0, 1)]
    grades = [ListGrades(np.full(2, UNGRADED, np.int8)), ListGrades(np.array([0, 4], np.int8))]
    assert fits(GradedLists(lists, None, grades), "served_judge").places.tolist() == [1]


@pytest.mark.parametrize(("grader", "systems"), [("rubric", ("people, golden pairs",)), ("another", ())])
def test_people_stand_beside_the_models_where_this_judge_was_measured_by_them(
    market: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, grader: str, systems: tuple[str, ...]
) -> None:
    kappa = {"value": 0.9, "low": 0.8, "high": 0.95}
    report = {
        "grader": grader,
        "policy_version": POLICY.version,
        "golden": {"simulated": False, "judge": {"quadratic": kappa}},
    }
    monkeypatch.setattr(Workspace, "judge_report", tmp_path / "judge.json")
    market.judge_report.write_text(json.dumps(report))
    results = replay(market, resamples=100, truth=truth, judge=RubricConfig(), policy=POLICY)
    assert table(results, "served_kappa").systems == (*systems, "truth", "student, relevance")


class CountingConfig(JudgeConfig):
    """A judge whose config says that it calls a model."""

    kind: str = "counting"


class CountingJudge:
    """Grades each job by its title's length, and counts what it was asked."""

    Config: ClassVar[type[JudgeConfig]] = CountingConfig
    name = "counting"
    spent: ClassVar[Counter[str]] = Counter()
    asked: ClassVar[list[Pair]] = []

    @classmethod
    def open(cls, config: Any, setting: Any) -> CountingJudge:
        return cls()

    def grade_many(self, pairs: Sequence[Pair]) -> list[Judgement | Ungraded]:
        CountingJudge.asked += pairs
        return [Judgement(len(pair.job.title) % 5, "") for pair in pairs]


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> type[CountingJudge]:
    monkeypatch.setattr(CountingJudge, "asked", [])
    monkeypatch.setattr(JUDGES, "get", lambda kind: CountingJudge)
    return CountingJudge


def test_a_judge_that_costs_money_is_not_asked_unless_the_knob_says_so(market: Workspace, counting: Any) -> None:
    results = replay(market, resamples=100, truth=truth, judge=CountingConfig(), policy=POLICY)
    assert not counting.asked
    assert JUDGE not in table(results, "served_truth").systems
    assert "replay.served.judge: always" in results.judged_by
    always = ServedConfig(judge="always")
    asked = replay(market, resamples=100, truth=truth, judge=CountingConfig(), policy=POLICY, served=always)
    assert JUDGE in table(asked, "served_truth").systems
    assert "counting" in asked.judged_by


def test_the_judge_reads_the_records_of_the_requests_time(
    make_market: Callable, member: Callable, job: Callable, tmp_path: Path, counting: Any
) -> None:
    market = make_market("shown")
    market.members.append(member("m1", "developer", known=20))
    market.jobs.append(job("j2", "ward nurse", known=20))
    always = ServedConfig(judge="always")
    replay(market.write(tmp_path), resamples=100, judge=CountingConfig(), policy=POLICY, served=always)
    read = [(pair.member.headline, pair.job.title) for pair in counting.asked if pair.member and pair.job.id == "j2"]
    assert read
    assert set(read) <= {("truck driver", "driver"), ("ward nurse", "driver")}


def test_without_a_truth_every_eligible_job_is_judged_where_the_index_is_small(
    market: Workspace, counting: Any
) -> None:
    for jobs, systems in ((8, (BEST, BEST_OF_ALL, *ORDERS)), (7, (BEST, *ORDERS))):
        served = ServedConfig(judge="always", exhaustive_jobs=jobs)
        results = replay(market, resamples=100, judge=CountingConfig(), policy=POLICY, served=served)
        assert results.served is not None
        assert results.served.systems == systems


def test_without_truth_and_judge_there_is_no_table_and_the_report_says_so(shown: Workspace) -> None:
    results = replay(shown, resamples=100)
    assert results.served is None
    assert "No judge was asked" in results.judged_by


@pytest.fixture
def text_lengths(market: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Teachers that score a pair by the lengths of the two texts that they are given."""
    for name in ("policy", "click"):
        (market.teachers / name / "v1").mkdir(parents=True, exist_ok=True)
        set_current(market.teachers / name, "v1")

    def scores(folder: Path, rows: Rows) -> np.ndarray:
        assert rows.match.any() or len(rows) == 3  # three pairs of a list that was not compared
        asked, jobs = np.array([len(of) for of in rows.requests]), np.array([len(of) for of in rows.jobs])
        return 1_000.0 * asked[rows.request] + jobs[rows.job]

    monkeypatch.setattr("replay.taught._scores", scores)


def test_teachers_score_each_candidate_by_its_own_texts(market: Workspace, text_lengths: None) -> None:
    requests = requests_as_of(market, held_out(market, 10), {})
    lists = [ServedList(1, ["j1", "j6"], {BM25: np.zeros(2)}), ServedList(0, ["j7"], {BM25: np.zeros(1)})]
    texts = read_table(market.features / "job_text")
    lengths = {
        job: len(text) for job, text in zip(*(texts[name].to_pylist() for name in ("job_id", "text")), strict=True)
    }
    asked = [1_000 * len(request.request_text) for request in requests]
    found = [served.scores["policy teacher"].tolist() for served in taught(market, requests, lists)]
    assert found == [[asked[1] + lengths["j1"], asked[1] + lengths["j6"]], [asked[0] + lengths["j7"]]]


def test_a_teacher_that_is_turned_off_reads_nothing_though_it_is_there(market: Workspace, text_lengths: None) -> None:
    requests = requests_as_of(market, held_out(market, 10), {})
    lists = [ServedList(1, ["j1", "j6"], {BM25: np.zeros(2)}), ServedList(0, ["j7"], {BM25: np.zeros(1)})]
    assert "policy teacher" in taught(market, requests, lists)[0].scores
    for served in taught(market, requests, lists, teachers=("click",)):
        assert "policy teacher" not in served.scores and "click teacher" in served.scores
    assert answering_relevance(market) == ("policy teacher",)
    assert answering_relevance(market, ("click",)) == ()


def test_teachers_are_set_beside_the_others_on_the_requests_that_they_read(
    market: Workspace, text_lengths: None
) -> None:
    served = ServedConfig(teacher_requests=1, teacher_candidates=10)
    results = replay(market, resamples=100, truth=truth, judge=RubricConfig(), policy=POLICY, served=served)
    sample = table(results, "served_truth_sample")
    assert sample.requests == 1
    assert sample.systems == (BEST, JUDGE, "policy teacher", "click teacher", *ORDERS)
    chain = table(results, "served_chain_sample").systems
    assert "judge \N{RIGHTWARDS ARROW} policy teacher" in chain
    assert not [name for name in chain if "click" in name]
    assert "policy teacher" in table(results, "served_kappa_sample").systems
    links = table(results, "served_links_sample")
    assert links.systems == (BEST, JUDGE, "policy teacher", "student, relevance", SERVED)
    of_sample = {name: sample.cell(name, "share_of_possible").value for name in links.systems}
    assert {name: links.cell(name, "share_of_possible").value for name in links.systems} == pytest.approx(of_sample)
    for before, link in pairwise(links.systems):
        change = links.cell(link, "share_of_possible").difference
        assert change is not None and change[0] == pytest.approx(of_sample[link] - of_sample[before])
    assert links.cell(BEST, "share_of_possible").difference is None
    assert table(results, "served_truth").systems == (BEST, BEST_OF_ALL, JUDGE, *ORDERS)


def test_requests_are_drawn_evenly_over_their_time(market: Workspace) -> None:
    assert sampled(10, 3).tolist() == [0, 4, 9]
    assert sampled(3, 10).tolist() == [0, 1, 2]
    assert sampled(0, 3).tolist() == sampled(3, 0).tolist() == []
    one = replay(market, resamples=100, truth=truth, served=ServedConfig(requests=1))
    assert table(one, "served_truth").requests == 1


def test_cohorts_tell_requests_apart_by_query_history_and_surface(market: Workspace, monkeypatch: Any) -> None:
    monkeypatch.setattr("replay.cohorts.LEAST", 1)
    results = replay(market, resamples=100, truth=truth, judge=RubricConfig(), policy=POLICY)
    found = {(cohort.kind, cohort.name): cohort.requests for cohort in results.cohorts}
    assert found["query", "no query"] == 2
    assert found["history", "1 to 4 actions"] == 2
    assert found["surface", "recommendation"] == 2
    assert {name for kind, name in found if kind == "occupation"}
    page = render(results)
    assert all(f"{kind}: {name}" in page for kind, name in found)
    rows = {(row["case"], row["system"], row["metric"]) for row in results.rows()}
    assert ("Served candidates, true fit: query, no query", SERVED, "good_fits@10") in rows
    assert len(rows) == len(results.rows())
