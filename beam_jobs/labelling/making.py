"""The lists of some requests with labels and grades: what `label` makes in a run, and a backfill of grades anew."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from beam_jobs.config import LabelFlags
from beam_jobs.labelling.grading import grade_lists, judge_setting
from beam_jobs.labelling.lists import NO_JOBS, ListedJobs, ListRequest, choose_jobs, list_rows, served_jobs
from beam_jobs.labelling.match_trees import MatchTrees
from beam_jobs.pipeline import count
from contracts.errors import JudgeFailed
from contracts.records import Grade
from contracts.text.work import WorkReader
from contracts.workspace import Workspace
from history.as_of import JobVersions
from policy import Policy, Ungraded
from policy.judges.base import BLAMELESS
from policy.judges.registry import open_judge
from ranking.features import pair_features
from ranking.match import RequestTitles, encode_all_titles, match_bins
from retrieval.encoder import TextEncoder
from retrieval.index.job_index import JobIndex

T = TypeVar("T")

LISTS_PER_CALL = 8
"""Lists whose pairs a judge gets in one call."""
SPENT, UNGRADED = "spent: ", "ungraded: "
"""Prefixes of counters: what the judge spent by name, and pairs without a grade by cause."""


class ListBatch(NamedTuple):
    """Requests whose lists are made together. The name is a digest of everything that the lists are made from."""

    name: str
    requests: list[ListRequest]


class _Chosen(NamedTuple):
    """Jobs of a request: its list, or what is graded beside it. vector, titles: of the request, encoded."""

    request: ListRequest
    vector: np.ndarray
    titles: RequestTitles
    jobs: ListedJobs


class ListMaker:
    """Opens index, encoder and judge once, and makes the lists of batches."""

    def __init__(
        self, workspace: Workspace, index_folder: Path, policy: Policy, config: LabelFlags, threads: int | None
    ) -> None:
        """Open them. threads: that a model may use; None: all cores."""
        self._policy, self._config = policy, config
        self._index = JobIndex.load(index_folder)
        self._encoder = TextEncoder(workspace.encoder, threads=threads)
        self._judge = open_judge(config.judge, judge_setting(policy, workspace, threads))
        self._jobs = JobVersions(workspace)
        self._guide = MatchTrees.read(config.guide) if config.guide else None
        self._work = WorkReader(policy.vocabulary)

    def make(
        self, requests: Sequence[ListRequest], done: Callable[[int], None] = lambda lists: None
    ) -> tuple[pa.Table, list[Grade]]:
        """The rows of the lists of some requests by the schema `EXAMPLES`, and their grades with the reasons.

        Args:
            requests: A batch: numbers of a quantised encoder hang a little on what is encoded with them.
            done: Called with the number of lists that were made since.

        Raises:
            JudgeFailed: The judge leaves more than `most_ungraded` of the pairs out.
        """
        vectors = self._encoder.encode([to_label.request.request_text for to_label in requests], "request")
        titles = encode_all_titles(self._encoder, [to_label.request for to_label in requests])
        examples: list[pa.Table] = []
        outcomes: list[Grade | Ungraded | None] = []
        for chunk in chunks(list(zip(requests, vectors, titles, strict=True)), LISTS_PER_CALL):
            lists: list[_Chosen] = []
            for request, vector, of_request in chunk:
                jobs = NO_JOBS
                if request.listed:
                    jobs = choose_jobs(self._index, request, vector, self._config)
                    lists.append(_Chosen(request, vector, of_request, jobs))
                if request.served:
                    served = served_jobs(
                        self._index, request, vector, jobs, self._config, self._estimate(request, of_request)
                    )
                    lists.append(_Chosen(request._replace(graded=True), vector, of_request, served))
                count("left_out", int((self._index.rows(shown.job_id for shown in request.past.shown) < 0).sum()))
            graded = self._grade([one.request for one in lists], [one.jobs.job_ids for one in lists])
            for one, of_list in zip(lists, graded, strict=True):
                asked, rows = one.request.request, one.jobs.rows
                features = pair_features(self._index, self._index.activity, asked, rows, one.vector)
                match = match_bins(self._index, asked, rows, one.titles, self._work)
                examples.append(list_rows(one.request, one.jobs, list(map(_grade_or_none, of_list)), features, match))
                outcomes += of_list
            done(len(chunk))
        self._check_ungraded(outcomes)
        grades = [grade for grade in map(_grade_or_none, outcomes) if grade]
        count("graded", len(grades))
        return pa.concat_tables(examples).combine_chunks(), grades

    def _estimate(self, one: ListRequest, titles: RequestTitles) -> Callable[[np.ndarray], np.ndarray] | None:
        """What the guide says of rows of the index for a request; None without a guide."""
        if (guide := self._guide) is None:
            return None
        return lambda rows: guide.predict(match_bins(self._index, one.request, rows, titles, self._work))

    def _grade(
        self, requests: Sequence[ListRequest], job_ids: Sequence[Sequence[str]]
    ) -> list[list[Grade | Ungraded | None]]:
        before, started = Counter(self._judge.spent), time.monotonic()
        outcomes = grade_lists(self._judge, self._policy.version, self._jobs, requests, job_ids)
        count("grading_us", round(1e6 * (time.monotonic() - started)))
        for name, number in (self._judge.spent - before).items():
            count(f"{SPENT}{name}", number)
        return outcomes

    def _check_ungraded(self, outcomes: Sequence[Grade | Ungraded | None]) -> None:
        causes: Counter[str] = Counter(outcome.cause for outcome in outcomes if isinstance(outcome, Ungraded))
        pairs = sum(outcome is not None for outcome in outcomes)
        for cause, number in causes.items():
            count(f"{UNGRADED}{cause}", number)
        failed = sum(number for cause, number in causes.items() if cause not in BLAMELESS)
        if failed > self._config.most_ungraded * pairs:
            what = f"{failed} of {pairs} pairs of a batch without a grade: {listed(causes)}"
            cure = "mend the judge and run again, which goes on here; or raise --most-ungraded"
            raise JudgeFailed(what, where=self._judge.name, cure=cure)


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Items in their order, `size` at a time."""
    return (items[start : start + size] for start in range(0, len(items), size))


def _grade_or_none(outcome: Grade | Ungraded | None) -> Grade | None:
    return outcome if isinstance(outcome, Grade) else None


def listed(causes: Counter[str]) -> str:
    """Causes with their numbers, for a message."""
    return ", ".join(f"{cause} {number:,}" for cause, number in causes.most_common())
