"""The served candidates of test requests for `benchmarks.teacher_sets`: collected, graded, ordered and measured.

A text teacher reads a pair as it does in training; of the graph teacher and the decoder the past of each request is
read as of its time, as it is for the pairs of a training set.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.graph_scores import graph_logits, tasks_and_config
from contracts.examples import PAIR_FEATURES
from contracts.features import EVENT_TIME, JOB_KEY, JOB_STATS, MEMBER_KEY
from contracts.tables import read_as_of
from contracts.tasks import GAINS
from contracts.text.fitted import open_verbalizer
from contracts.versions import require_current
from contracts.workspace import Workspace
from history.as_of import KNOWN, JobVersions
from history.graph.graph import micros
from models.config import DecoderConfig
from models.teachers.decoder import read_askers
from models.teachers.fit_text import open_teacher, score_pairs
from models.teachers.graph.market import Market
from models.teachers.graph.teacher import GraphTeacher
from models.teachers.packed_decoder import PackedDecoder, PackedPairs
from models.teachers.pairs import TeacherPairs, read_pairs
from models.training.rows import Rows, read_rows
from policy import load_policy
from ranking.scorer import BundleScorer, ItemEncoder
from replay.config import ServedConfig
from replay.fits import UNGRADED, good_fits, graded_ndcg, ordered, poor_fits
from replay.graded import judge_grades, open_served_judge, true_grades
from replay.holdout import HeldOut, held_out, requests_as_of
from replay.judged import Collector, Judging
from replay.past_index import past_index
from replay.results import BEST, BM25, JUDGE, RETRIEVAL, SERVED, student
from replay.served import ServedList, sampled
from replay.systems import Ranker, end_to_end_runs
from replay.taught import pairs_of
from retrieval.encoder import TextEncoder
from retrieval.request import Request
from rolecall.params import Params
from simulator.truth import Truth

MEASURES = ("good_fits@10", "poor_fits@10", "good_fits@10_judge", "poor_fits@10_judge", "NDCG@10")
"""Shares of the first ten places with a job of grade 3 or 4, or of 0 or 1, by the truth and by the judge; NDCG of what
members did, over requests of which a candidate was acted on."""
FIRST = 40
"""Candidates of a request that the teachers read, best first by retrieval."""


@dataclass(frozen=True)
class Grades:
    """What is known of a list's n candidates: (n,) grades by the truth and by the judge."""

    truth: np.ndarray
    judge: np.ndarray

    def first(self, k: int) -> Grades:
        return Grades(self.truth[:k], self.judge[:k])


@dataclass(frozen=True)
class Served:
    """Test requests with their candidates.

    Attributes:
        held: The requests, of which `lists` names the place.
        asked: What retrieval was asked, in their order.
        lists: Those that have candidates.
        seconds: What retrieving and scoring all of them took.
    """

    held: Sequence[HeldOut]
    asked: Sequence[Request]
    lists: Sequence[ServedList]
    seconds: float

    @property
    def members(self) -> list[str]:
        """Who asked, a list each."""
        return [self.held[of.place].member_id for of in self.lists]

    def same_candidates(self, other: Served) -> None:
        """Raise ValueError where the candidates are not those of another, in their order."""
        if [(of.place, list(of.jobs)) for of in self.lists] != [(of.place, list(of.jobs)) for of in other.lists]:
            raise ValueError("retrieval found other candidates for another student")

    def sampled(self, most: int) -> tuple[Served, list[int]]:
        """The first candidates of some of the requests, evenly over their time; and which of `lists` they are."""
        places = sampled(len(self.lists), most).tolist()
        return replace(self, lists=[self.lists[i].first(FIRST) for i in places]), places

    def beside(self, grades: Sequence[Grades]) -> dict[str, np.ndarray]:
        """System -> (lists, measures): the best order for each measure, the judge's and the baselines'."""
        gains = [_gains(self.held[of.place], of) for of in self.lists]
        best = np.stack(
            [
                [
                    *(measured(of.truth, of, gain)[:2]),
                    *(measured(of.judge, of, gain)[2:4]),
                    measured(gain, of, gain)[4],
                ]
                for of, gain in zip(grades, gains, strict=True)
            ]
        )
        judge = [measured(of.judge, of, gain) for of, gain in zip(grades, gains, strict=True)]
        return {
            BEST: best,
            JUDGE: np.stack(judge),
            BM25: self._of(BM25, grades),
            f"{RETRIEVAL}": self._of(RETRIEVAL, grades),
        }

    def measured(self, grades: Sequence[Grades]) -> dict[str, np.ndarray]:
        """What of the student orders -> (lists, measures): what is served, its relevance, what it says of actions."""
        orders = {"": SERVED, ", relevance alone": student("relevance")}
        found = {kind: self._of(system, grades) for kind, system in orders.items()}
        sums = [
            expected_gain({task: of.scores[student(task)] for task in GAINS if student(task) in of.scores})
            for of in self.lists
        ]
        acted = [
            measured(scores, grade, _gains(self.held[of.place], of))
            for scores, grade, of in zip(sums, grades, self.lists, strict=True)
        ]
        return {**found, ", actions alone": np.stack(acted)}

    def measured_teachers(self, grades: Sequence[Grades]) -> dict[str, np.ndarray]:
        """Teacher and what of it orders -> (lists, measures)."""
        names = [name for name in self.lists[0].scores if " teacher" in name]
        return {name: self._of(name, grades) for name in names}

    def _of(self, system: str, grades: Sequence[Grades]) -> np.ndarray:
        return np.stack(
            [
                measured(of.scores[system], grade, _gains(self.held[of.place], of))
                for grade, of in zip(grades, self.lists, strict=True)
            ]
        )


def measured(scores: np.ndarray, grades: Grades, gains: np.ndarray) -> np.ndarray:
    """(measures,) float64 of the order of scores (n,), equal ones as retrieval has them; gains: (n,) of what was done.

    NaN where nobody graded, or nothing was done with a candidate.
    """
    order, found = ordered(scores), []
    for of in (grades.truth, grades.judge):
        known = (of != UNGRADED).any()
        found += [good_fits(of[order]), poor_fits(of[order])] if known else [np.nan, np.nan]
    return np.array([*found, graded_ndcg(gains[order]) if gains.any() else np.nan])


def _gains(request: HeldOut, of: ServedList) -> np.ndarray:
    return np.array([request.gains.get(job, 0) for job in of.jobs])


def expected_gain(logits: Mapping[str, np.ndarray]) -> np.ndarray:
    """(n,) the expected gain of task -> logits (n,)."""
    return np.sum([1 / (1 + np.exp(-of.astype(np.float64))) for of in logits.values()], axis=0)


def collect(workspace: Workspace, requests: int) -> Served:
    """The candidates of held-out requests with the scores of the current bundle, as a replay collects them."""
    encoder, item_encoder = TextEncoder(workspace.encoder), ItemEncoder(workspace.bundle)
    held = held_out(workspace, requests)
    with past_index(workspace, held[0].time, item_encoder, encoder) as past:
        ranker = Ranker(past.index, encoder, BundleScorer(workspace.bundle), item_encoder)
        asked = requests_as_of(workspace, held, past.known_from, open_verbalizer(workspace).percentiles)
        # The teachers read the match, so it is kept; the rest of the market is not graded.
        config = ServedConfig(requests=requests, exhaustive_jobs=0, teacher_requests=requests)
        collector = Collector(Judging(config, truth=lambda *_: np.zeros(0, np.int8)), ranker, asked)
        started = time.perf_counter()
        end_to_end_runs(ranker, held, asked, observe=collector.add)
        seconds = time.perf_counter() - started
    return Served(held, asked, collector.lists, seconds)


def graded(workspace: Workspace, knobs: Params, served: Served) -> list[Grades]:
    """Every candidate by the truth of the market and by the judge."""
    truth = true_grades(Truth.load(workspace.root / "raw").fits, served.held, served.lists)
    policy = load_policy(knobs.label.policy)
    judge = open_served_judge(workspace, knobs.label.judge, policy, TextEncoder(workspace.encoder))
    judged = judge_grades(judge, JobVersions(workspace), served.held, served.asked, served.lists, False)
    return [Grades(of.candidates, by.candidates) for of, by in zip(truth, judged, strict=True)]


# --- teachers ---------------------------------------------------------------------------------------------------------


def of_teachers(workspace: Workspace, served: Served, names: Sequence[str]) -> tuple[Served, dict[str, float]]:
    """The lists with what each teacher orders by, and pairs a second that it scored.

    A teacher of relevance orders by it, one of actions by their expected gain; the decoder, which answers both, by
    either.
    """
    rows, trained = pairs_of(workspace, served.asked, served.lists), read_rows(workspace.training)
    features = _features(workspace, served)
    rows = replace(rows, list_ids=rows.list_ids.astype(str), text_version=trained.text_version, features=features)
    logits: dict[str, Mapping[str, np.ndarray]] = {}
    scores: dict[str, np.ndarray] = {}
    rates: dict[str, float] = {}
    for name in names:
        started = time.perf_counter()
        folder = require_current(workspace.teachers / name, f"{name} teacher", "run the benchmark again")
        if name == "graph":
            logits[name] = _by_graph(workspace, folder, served, rows, trained, logits["click"])
        else:
            logits[name] = _by_texts(workspace, folder, served, rows)
        rates[name] = len(rows) / (time.perf_counter() - started)
        of, acted = logits[name], {task: logits[name][task] for task in GAINS if task in logits[name]}
        both = "relevance" in of and acted
        if "relevance" in of:
            scores[f"{name} teacher" + ", relevance" * bool(both)] = of["relevance"]
        if acted:
            scores[f"{name} teacher" + ", actions" * bool(both)] = expected_gain(acted)
    ends = np.cumsum([len(of.jobs) for of in served.lists])[:-1]
    split = {name: np.split(of, ends) for name, of in scores.items()}
    lists = [of.scored_by({name: parts[i] for name, parts in split.items()}) for i, of in enumerate(served.lists)]
    return replace(served, lists=lists), rates


def _by_texts(workspace: Workspace, folder: Path, served: Served, rows: Rows) -> Mapping[str, np.ndarray]:
    model, config = open_teacher(folder)
    pairs: TeacherPairs
    if isinstance(model, PackedDecoder):
        assert isinstance(config, DecoderConfig)
        found = {str(of.place): served.held[of.place] for of in served.lists}
        asks = {
            name: {MEMBER_KEY: one.member_id, EVENT_TIME: one.time, "query": one.query} for name, one in found.items()
        }
        candidates = {str(of.place): set(of.jobs) for of in served.lists}
        askers = read_askers(workspace, rows, candidates, asks)
        pairs = PackedPairs(rows, model, folder, config, askers)
    else:
        pairs = read_pairs(rows, model, folder, config, len(model.layers()))
    scored = score_pairs(pairs, np.arange(len(rows)), config.precision, f"served, {folder.parent.name} teacher")
    return dict(zip(model.tasks, scored.T, strict=True))


def _by_graph(
    workspace: Workspace, folder: Path, served: Served, rows: Rows, trained: Rows, texts: Mapping[str, np.ndarray]
) -> Mapping[str, np.ndarray]:
    """What G0 or G1 says of served pairs. trained: the training set; texts: of the click teacher, by task."""
    tasks, config = tasks_and_config(folder)
    market = GraphTeacher(workspace, config).market(trained)
    lengths = [len(of.jobs) for of in served.lists]
    asked = [served.held[of.place] for of in served.lists]
    members = market.graph.nodes("member", np.repeat([one.member_id for one in asked], lengths).astype(str))
    moments = micros(pl.Series([one.time for one in asked]).dt.convert_time_zone("UTC"))
    jobs = market.graph.nodes("job", rows.job_ids.astype(str))
    here = Market(market.graph, market.vectors, market.known, members, jobs, np.repeat(moments, lengths))
    text = np.stack([texts[task] for task in tasks], axis=1).astype(np.float32)
    scored = graph_logits(folder, here, rows, text, np.arange(len(rows)))
    return dict(zip(tasks, scored.T, strict=True))


def _features(workspace: Workspace, served: Served) -> np.ndarray:
    """(n, pair features) float32: how often each job was opened in the week before; the others stay at zero."""
    moments = [(job, served.held[of.place].time) for of in served.lists for job in of.jobs]
    stats = read_as_of(workspace.features / JOB_STATS, JOB_KEY, moments, ["views_7d"], KNOWN)
    found = np.zeros((len(moments), len(PAIR_FEATURES)), np.float32)
    found[:, PAIR_FEATURES.index("views_7d")] = [one["views_7d"] if one else 0 for one in stats]
    return found
