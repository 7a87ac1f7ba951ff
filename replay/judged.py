"""The part of a replay that judges served candidates: lists are collected, graded, and measured."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from contracts.workspace import Workspace
from history.as_of import JobVersions
from policy.judges.base import JudgeConfig
from policy.types import Policy
from ranking.match import encode_titles, match_bins
from ranking.rank import Ranked
from replay.cohorts import cohort_results, cohorts
from replay.config import ServedConfig
from replay.graded import ListGrades, TrueGrades, judge_grades, open_served_judge, true_grades
from replay.holdout import HeldOut
from replay.results import BY_JUDGE, BY_TRUTH, Cell, Cohort, Table
from replay.served import ServedList, sampled, served_list
from replay.served_tables import Fits, GradedLists, chain_table, fits, fits_table, kappa_table, links_table
from replay.systems import Ranker
from replay.taught import answering_relevance, taught
from retrieval.candidates import Candidates
from retrieval.request import Request


@dataclass(frozen=True)
class Judging:
    """Who grades served candidates, and how many.

    Attributes:
        config: Sizes, and whether a judge that costs money is asked.
        truth: True grades of a simulated market; None where there are none.
        judge: The judge's knobs; None: no judge is asked.
        policy: What it grades by.
        teachers: Those that are on, of which some read what is served too; None: all that are there.
    """

    config: ServedConfig
    truth: TrueGrades | None = None
    judge: JudgeConfig | None = None
    policy: Policy | None = None
    teachers: Collection[str] | None = None

    @property
    def asks(self) -> bool:
        """Whether anybody grades."""
        return self.config.requests > 0 and (self.truth is not None or self.asks_judge)

    @property
    def asks_judge(self) -> bool:
        """Whether the judge is asked."""
        if self.judge is None or self.policy is None or self.config.judge == "never":
            return False
        return self.config.judge == "always" or self.judge.free


class Collector:
    """Collects served lists while the requests are answered: `add` is what `end_to_end_runs` calls."""

    def __init__(self, judging: Judging, ranker: Ranker, requests: Sequence[Request]) -> None:
        """Draw the requests. requests: all of them, in the order of the held-out ones."""
        self._ranker, self._requests = ranker, requests
        self._drawn = set(sampled(len(requests), judging.config.requests).tolist() if judging.asks else ())
        self._exhaustive = len(ranker.index) <= judging.config.exhaustive_jobs
        self._with_match = judging.config.teacher_requests > 0
        self.lists: list[ServedList] = []

    def add(self, place: int, mask: np.ndarray, candidates: Candidates, ranked: Ranked) -> None:
        """Keep the list of one request, if it was drawn and has candidates; see `replay.systems.Observe`."""
        if place in self._drawn and len(candidates):
            eligible = np.flatnonzero(mask) if self._exhaustive else None
            index, scorer, request, match = self._ranker.index, self._ranker.scorer, self._requests[place], None
            if self._with_match:
                titles = encode_titles(self._ranker.encoder, request)
                match = match_bins(index, request, candidates.rows, titles, scorer.work)
            self.lists.append(served_list(place, index, scorer, request, candidates, ranked, eligible, match))


class Judged(NamedTuple):
    """Tables of served candidates, the first by the truth if there is one; cohorts by that table; who graded."""

    tables: tuple[Table, ...]
    cohorts: tuple[Cohort, ...]
    judged_by: str


def judge_served(
    workspace: Workspace,
    judging: Judging,
    ranker: Ranker,
    held: Sequence[HeldOut],
    requests: Sequence[Request],
    lists: Sequence[ServedList],
    seed: int,
    resamples: int,
) -> Judged:
    """Grade the collected lists and measure every system on them.

    Args:
        workspace: Holds records and log.
        judging: Who grades.
        ranker: Its encoder compares titles for the judge.
        held: The held-out requests.
        requests: What retrieval was asked, in the order of `held`.
        lists: Of a `Collector`.
        seed: Of the bootstrap.
        resamples: Of the bootstrap.

    Raises:
        JudgeFailed: The judge cannot be reached at all.
    """
    if not lists:
        return Judged((), (), _judged_by(judging))
    truth = None if judging.truth is None else true_grades(judging.truth, held, lists)
    judge, name = None, ""
    if judging.asks_judge:
        assert judging.judge is not None and judging.policy is not None
        grader = open_served_judge(workspace, judging.judge, judging.policy, ranker.encoder)
        judge, name = judge_grades(grader, JobVersions(workspace), held, requests, lists, truth is None), grader.name
    graded = GradedLists(lists, truth, judge)
    found = _fits(graded)
    people = _people(workspace, name, judging.policy.version) if judging.policy else None
    tables = list(_tables(graded, found, (), people, seed, resamples))
    if judging.config.teacher_requests:
        trained = ranker.scorer.manifest.lineage.get("student")
        sample = _taught(workspace, judging, requests, graded, workspace.student / trained if trained else None)
        names = answering_relevance(workspace, judging.teachers)
        tables += _tables(sample, _fits(sample), names, people, seed, resamples)
    first = next(iter(found.values()), None)
    kinds = cohorts(workspace, held, requests, judging.policy)
    shown = () if first is None else cohort_results(first, kinds, seed, resamples)
    return Judged(tuple(tables), shown, _judged_by(judging, name))


def _fits(graded: GradedLists) -> dict[str, Fits]:
    """The measures by each of those who graded, the truth first."""
    graders = [by for by, grades in ((BY_TRUTH, graded.truth), (BY_JUDGE, graded.judge)) if grades]
    found = {by: fits(graded, by) for by in graders}
    return {by: of for by, of in found.items() if len(of.places)}


def _tables(
    graded: GradedLists,
    found: Mapping[str, Fits],
    teachers: Sequence[str],
    people: Cell | None,
    seed: int,
    resamples: int,
) -> Iterator[Table]:
    """teachers: those that scored the lists and answer relevance."""
    for by, of in found.items():
        yield fits_table(of, by, graded.sample, seed, resamples)
    if found:
        by, of = next(iter(found.items()))
        yield links_table(of, by, teachers, graded.sample, seed, resamples)
    chain = chain_table(graded, teachers, seed, resamples)
    for table in (chain, kappa_table(graded, teachers, seed, resamples, people)):
        if table is not None:
            yield table


def _people(workspace: Workspace, judge: str, policy: str) -> Cell | None:
    """The judge's quadratic kappa with the adjudicated golden pairs, as it was measured when it last graded."""
    if not workspace.judge_report.is_file():
        return None
    report = json.loads(workspace.judge_report.read_text())
    if not report["golden"] or (report["grader"], report["policy_version"]) != (judge, policy):
        return None
    who = "simulated graders" if report["golden"]["simulated"] else "people"
    return Cell(system=f"{who}, golden pairs", metric="kappa_with_judge", **report["golden"]["judge"]["quadratic"])


def _taught(
    workspace: Workspace, judging: Judging, requests: Sequence[Request], graded: GradedLists, student: Path | None
) -> GradedLists:
    """The first candidates of some of the lists, with the scores of the teachers and of the student as it was trained.

    student: its folder; None where the bundle does not name it.
    """
    config = judging.config
    chosen, k = sampled(len(graded.lists), config.teacher_requests).tolist(), config.teacher_candidates

    def first(grades: Sequence[ListGrades] | None) -> list[ListGrades] | None:
        return None if grades is None else [ListGrades(grades[i].candidates[:k]) for i in chosen]

    lists = taught(workspace, requests, [graded.lists[i].first(k) for i in chosen], student, judging.teachers)
    what = f", the first {k} of {len(lists)} requests that the teachers read"
    return GradedLists(lists, first(graded.truth), first(graded.judge), what)


def _judged_by(judging: Judging, judge: str = "") -> str:
    """A sentence for the report."""
    policy = judging.policy.version if judging.policy else ""
    if judge:
        return f"The judge of the served candidates is {judge} by policy {policy}."
    if (
        judging.judge is None
        or judging.policy is None
        or judging.config.judge == "never"
        or not judging.config.requests
    ):
        return "No judge was asked to grade the served candidates."
    if judging.asks_judge:
        return "There was no candidate to grade."
    return (
        f"The judge ({judging.judge.kind}) calls a model and was not asked to grade the served candidates; "
        "`replay.served.judge: always` asks it."
    )
