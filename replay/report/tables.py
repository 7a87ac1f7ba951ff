"""The tables of a replay: runs and labels in, systems side by side with intervals out; the TREC files on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from contracts.tasks import GAINS
from replay.graded import TrueGrades
from replay.holdout import HeldOut
from replay.measures import auc_by_list, auc_estimates, mean_estimates, per_request
from replay.results import BM25, Cell, Table
from replay.systems import ScoredPairs
from replay.trec import Qrels, RankedList, Run, order_against, slug, strictly_falling, write_qrels, write_run

GOOD_GRADE = 3
FIT_DEPTH = 10
TASKS = {"view": "opened or not", "apply": "applied or not"}

EndToEnd = Literal["open", "known", "all"]
CANDIDATES: Mapping[EndToEnd, tuple[str, str]] = {
    "open": ("End to end, all jobs", "Each system chooses among all jobs that were open."),
    "known": (
        "End to end, jobs known by then",
        "Each system chooses among the jobs that say they were open, or that somebody had viewed before the request.",
    ),
    "all": (
        "End to end, all jobs",
        "Each system chooses among all jobs of the log, also those that nobody had viewed yet and that may be of the "
        "future: who reads views knows more here than on a board.",
    ),
}
"""What the candidates are -> title and first sentence of the table."""


@dataclass(frozen=True)
class Comparison:
    """Compares systems table by table.

    Attributes:
        folder: Where the TREC files go.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.
    """

    folder: Path
    resamples: int
    seed: int

    def compare(
        self, name: str, title: str, about: str, measures: Sequence[str], qrels: Qrels, runs: Mapping[str, Run]
    ) -> Table:
        """Write qrels and runs, measure each run on every request of the qrels, all against BM25."""
        path = self.folder / "qrels" / f"{name}.qrels"
        write_qrels(path, qrels)
        requests, columns = list(qrels), []
        for system, run in runs.items():
            run_path = self.folder / "runs" / f"{name}.{slug(system)}.run"
            write_run(run_path, run, slug(system))
            by_measure = per_request(path, run_path, measures, requests)
            columns.append(np.stack([by_measure[measure] for measure in measures], axis=1))
        values = np.stack(columns, axis=1)  # (requests, systems, measures)
        differences = values - values[:, [list(runs).index(BM25)]]
        both = np.concatenate([values, differences], axis=1).reshape(len(requests), -1)
        estimates = iter(mean_estimates(both, self.seed, self.resamples))
        keys = [(system, measure) for system in runs for measure in measures]
        means = dict(zip(keys, estimates, strict=False))
        from_bm25 = dict(zip(keys, estimates, strict=True))
        cells = [
            Cell.of(system, measure, means[system, measure], None if system == BM25 else from_bm25[system, measure])
            for system, measure in keys
        ]
        return Table(
            name=name,
            title=title,
            about=about,
            requests=len(requests),
            systems=tuple(runs),
            metrics=tuple(measures),
            reference=BM25,
            cells=tuple(cells),
        )

    def end_to_end(
        self, held: Sequence[HeldOut], runs: Mapping[str, Run], kind: EndToEnd = "open", name: str = "end_to_end"
    ) -> Table:
        """Every system over the jobs that are candidates, judged by what people did.

        Args:
            held: The held-out requests.
            runs: System -> its run.
            kind: What the candidates are, a key of `CANDIDATES`.
            name: Of the table.
        """
        qrels = {request.request_id: request.gains for request in held}
        title, about = CANDIDATES[kind]
        about = f"{about} What counts is where a system puts those that the person went on to."
        return self.compare(name, title, about, ("nDCG@10", "R@10", "R@100", "RR"), qrels, runs)

    def true_fit(self, held: Sequence[HeldOut], runs: Mapping[str, Run], truth: TrueGrades) -> Table:
        """Every system over all jobs, judged by the true fit of its first ten."""
        pooled = {
            request.request_id: sorted({job for run in runs.values() for job in run[request.request_id][0][:FIT_DEPTH]})
            for request in held
        }
        pairs = [(request, job) for request in held for job in pooled[request.request_id]]
        grades = truth([r.member_id for r, _ in pairs], [job for _, job in pairs], [r.query for r, _ in pairs])
        qrels: dict[str, dict[str, int]] = {request.request_id: {} for request in held}
        for (request, job), grade in zip(pairs, grades.tolist(), strict=True):
            qrels[request.request_id][job] = grade
        good = f"grade {GOOD_GRADE} or 4 of 4"
        about = f"Share of the first ten jobs that truly fit ({good}), whatever the person was shown."
        qrels = {name: gains for name, gains in qrels.items() if gains}
        return self.compare("fit", "End to end, true fit", about, (f"P(rel={GOOD_GRADE})@{FIT_DEPTH}",), qrels, runs)

    def reranked(self, pairs: ScoredPairs, truth: TrueGrades | None) -> list[Table]:
        """Every system on the same labelled candidates: by what people did, by the judge's grades, by the truth."""
        by_action = np.stack([pairs.labels[action] * gain for action, gain in GAINS.items()])
        engaged = np.where(np.isnan(by_action).all(axis=0), np.nan, np.nan_to_num(by_action).max(axis=0))
        kinds = [
            (
                "rerank_engagement",
                "Same candidates, what people did",
                ("nDCG@10", "RR"),
                engaged,
                "Each system orders the same candidates, those whose outcome is known.",
            ),
            (
                "rerank_grades",
                "Same candidates, the policy's grades",
                ("nDCG@10",),
                pairs.grades,
                "Each system orders the same graded candidates; the judge's grades, 0 to 4, are the gains.",
            ),
        ]
        if truth is not None:
            grades = truth(pairs.members, pairs.jobs.tolist(), pairs.queries).astype(np.float64)
            about = "Each system orders all candidates of a list; the gain is the true fit, 0 to 4, that no system saw."
            kinds.append(("rerank_truth", "Same candidates, true fit", ("nDCG@10",), grades, about))
        tables = []
        for name, title, measures, gains, about in kinds:
            qrels, runs = _orders(pairs, gains)
            if qrels:
                tables.append(self.compare(name, title, about, measures, qrels, runs))
        return tables

    def auc(self, pairs: ScoredPairs) -> Table | None:
        """How well each system separates what people opened, and applied to, from what they did not."""
        systems, requests = tuple(pairs.events), 0
        cells: list[Cell] = []
        drawn: list[str] = []
        titles: list[str] = []
        answered = [task for task in TASKS if all(task in by_task for by_task in pairs.events.values())]
        for task in answered:  # a task without a label in the log has no teacher: there is nothing to set side by side
            known = ~np.isnan(pairs.labels[task])
            scores = np.stack([pairs.events[system][task][known] for system in systems], axis=1)
            labels, lists = pairs.labels[task][known] > 0.5, pairs.lists[known]
            estimates = auc_estimates(scores, labels, lists, self.seed, self.resamples)
            if not np.isnan(estimates[0].value):
                within = mean_estimates(auc_by_list(scores, labels, lists), self.seed, self.resamples)
                for metric, of_metric in ((f"AUC {task}", estimates), (f"AUC {task} by request", within)):
                    cells += [Cell.of(name, metric, one) for name, one in zip(systems, of_metric, strict=True)]
                    drawn.append(metric)
                titles, requests = [*titles, TASKS[task]], estimates[0].n
        if not cells:
            return None
        title = ", ".join(titles).capitalize()
        about = (
            "Area under the ROC curve over the candidates whose outcome is known, of all requests together and as the "
            "mean of the requests that have both outcomes: 0.5 is a coin, 1 is perfect."
        )
        return Table(
            name="told_apart",
            title=title,
            about=about,
            requests=requests,
            systems=systems,
            metrics=tuple(drawn),
            reference="",
            cells=tuple(cells),
        )


def _orders(pairs: ScoredPairs, gains: np.ndarray) -> tuple[Qrels, Mapping[str, Run]]:
    """Qrels of the lists with a gain above zero and two known pairs, and each system's order of those pairs.

    gains: (n,) float, NaN where not known.
    """
    known = np.flatnonzero(~np.isnan(gains))
    order = known[np.argsort(pairs.lists[known], kind="stable")]
    names = pairs.lists[order]
    groups = np.split(order, np.flatnonzero(names[1:] != names[:-1]) + 1) if len(order) else []
    qrels: dict[str, Mapping[str, int]] = {}
    runs: dict[str, dict[str, RankedList]] = {system: {} for system in pairs.scores}
    for rows in groups:
        if len(rows) < 2 or not gains[rows].any():
            continue
        request = str(pairs.lists[rows[0]])
        qrels[request] = dict(zip(pairs.jobs[rows].tolist(), gains[rows].astype(int).tolist(), strict=True))
        for system, scores in pairs.scores.items():
            best = rows[order_against(scores[rows], gains[rows])]
            runs[system][request] = (pairs.jobs[best].tolist(), strictly_falling(scores[best]))
    return qrels, runs
