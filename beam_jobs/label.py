"""Past requests -> lists of (request, job) pairs with labels, grades and pair features, as of the request's time.

    python -m beam_jobs.label --workspace W --train-lists 300 --test-lists 80
    python -m beam_jobs.label --workspace W --judge '{kind: llm, model: M, base_url: http://localhost:8000/v1}'

A training list holds jobs that the log shows for the request (stratum `logged`), jobs that retrieval finds for it as it
was then (`retrieved`), some of those on which retrieval and a plain reading differ most (`hard`), and some of any job
(`random`). A valid or test list holds its best retrieved jobs beside the logged ones; in a log without impressions the
opened job is in the list only where retrieval found it. A job that the log does not show has null labels; in a log
without impressions its label `view` is 0, since the member opened another job.

Of the first requests of each split the judge also grades what retrieval returns, top, middle and tail (stratum
`served`): rows beside the list, whose draw does not know them, with the labels that the log tells and no other. Those
of valid and test requests are there to measure by, never to learn from. With a budget (`served_pairs`) it grades some
of them, see `beam_jobs.labelling.draw`; `inclusion` is the probability with which a pair was drawn.

Nothing comes from the future: text and activity of the member are those known at the request's time, job statistics
count what came before it, each job stands with its first version (see `history.as_of`), and the judge reads the
versions of that time.

A board without a log has no past requests. Then requests are made as members would make them today: each member's own,
or, where there are none, queries and profiles of titles and skills of the adverts. Nobody knows what followed, so such
lists have grades and no labels.

Where the workspace has a golden set, the judge labels only if it agrees with it. Pairs without a grade are counted by
their cause, and too many of them stop the job.

A batch of lists is made again only where its inputs changed, and a run that was broken off is continued. The former
lists stay until all new ones are there.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import apache_beam as beam
import numpy as np
import polars as pl
import pyarrow as pa

from beam_jobs.config import LabelFlags
from beam_jobs.flags import read_flags
from beam_jobs.labelling.grading import (
    cost_line,
    grade_lists,
    grading_cost,
    judge_setting,
    measure_judge,
    write_report,
)
from beam_jobs.labelling.lists import (
    NO_JOBS,
    ListedJobs,
    ListRequest,
    choose_jobs,
    digest,
    list_rows,
    request_digest,
    requests_to_label,
    served_jobs,
)
from beam_jobs.labelling.match_trees import MatchTrees
from beam_jobs.pipeline import Counts, command, count, ingested, run_pipeline
from beam_jobs.workers import Mark, Share, processes
from contracts.arrow import to_table
from contracts.errors import JudgeFailed, NotReady
from contracts.examples import SERVED, SPLITS
from contracts.match import MATCH_VERSION
from contracts.progress import Progress
from contracts.records import Grade
from contracts.tables import parts, read_table, write_part
from contracts.text.work import VOCABULARY, WorkReader
from contracts.versions import file_hash, staged_file
from contracts.workspace import Workspace
from history.as_of import JobVersions, first_versions
from history.made import is_made, made_requests
from history.requests import EVENT_COLUMNS, PastRequest, past_requests
from policy import Judge, Policy, Ungraded, load_policy
from policy.golden.golden import JudgeAgreement
from policy.judges.base import BLAMELESS, JudgeConfig
from policy.judges.registry import open_judge
from ranking.features import pair_features
from ranking.match import RequestTitles, encode_all_titles, match_bins
from retrieval.config import RetrievalConfig
from retrieval.encoder import TextEncoder
from retrieval.index.build import build_index
from retrieval.index.job_index import JobIndex
from retrieval.links.store import current_links

log = logging.getLogger("rolecall")

T = TypeVar("T")

FORMAT = 7
"""Version of the rows: raise it when the same input makes another row."""
LIST_KNOBS = ("train_candidates", "valid_candidates", "test_candidates", "random_share", "hard_share", "floor_share")
"""Knobs that change the jobs of a list."""
BATCH_LISTS = 64
LEAST_OF_STRATUM = 20
"""Pairs of a stratum from which it is a failure that the judge graded none."""
LISTS_PER_CALL = 8
"""Lists whose pairs a judge gets in one call."""
SPENT, UNGRADED = "spent: ", "ungraded: "
"""Prefixes of counters: what the judge spent by name, and pairs without a grade by cause."""


class ListBatch(NamedTuple):
    """Requests whose lists are made together. The name is a digest of everything that the lists are made from."""

    name: str
    requests: list[ListRequest]


def run(argv: Sequence[str] | None = None) -> Counts:
    """Bring the workspace's `examples` and `grades` up to its records, features and policy.

    Args:
        argv: The job's and Beam's flags, see `beam_jobs.config.LabelFlags`; None for those of the process.

    Returns:
        Counts of lists.

    Raises:
        NotReady: Events, jobs, vectors or the encoder are missing, or the events hold no request.
        BadInput: The policy contradicts itself, or a flag does not fit.
        NotAgreed: The judge does not agree with the golden set.
        JudgeFailed: The judge left too many pairs without a grade, or all those of a stratum.
    """
    workspace, config, options = read_flags("label", __doc__, LabelFlags, argv)
    started = time.monotonic()
    policy = load_policy(config.policy)
    judge = open_judge(config.judge, judge_setting(policy, workspace))
    measured = measure_judge(judge, policy, workspace, config.least_kappa, config.require_golden)
    index_folder = _build_index(workspace, config.retrieval)
    requests = requests_to_label(
        workspace,
        _past_requests(workspace, config),
        config.lists,
        config.graded_lists,
        config.graded_as_served,
        config.served_candidates,
        config.served_pairs,
    )
    job_rows = digest(sorted(read_table(workspace.records / "jobs", ["row_hash"])["row_hash"].to_pylist()))
    knobs = [getattr(config, name) for name in LIST_KNOBS]
    versions = FORMAT, MATCH_VERSION, index_folder.name, judge.name, policy.version
    if config.guide:
        MatchTrees.read(config.guide)  # so that a wrong one is an error before any work
        knobs.append(file_hash(config.guide))
    inputs = digest(*versions, knobs, config.seed, job_rows)
    batches = [
        ListBatch(digest(inputs, *map(request_digest, chunk)), list(chunk)) for chunk in _chunks(requests, BATCH_LISTS)
    ]
    staging = workspace.examples_staged
    done = {path.stem for folder in (workspace.examples, staging / "examples") for path in parts(folder)}
    todo = [batch for batch in batches if f"part-{batch.name}" not in done]
    lists = sum(len(batch.requests) for batch in todo)
    counters: Counter[str] = Counter()
    if todo:
        progress = Progress("label", "lists", lists // min(processes(options), len(todo)))
        worker = LabelLists(workspace, index_folder, policy, config, Share.of(options), progress)

        def build(pipeline: beam.Pipeline, mark: Mark) -> None:
            (
                pipeline
                | "requests" >> beam.Create(todo)
                | "on the workspace" >> beam.Map(mark.checked)
                | "label" >> beam.ParDo(worker)
            )

        counters = run_pipeline(options, workspace, build)
        if counters["left_out"]:
            log.warning("label: %s shown jobs left out: they have no vector", f"{counters['left_out']:,}")
    _publish(workspace, staging, {batch.name for batch in batches})
    with staged_file(workspace.examples / VOCABULARY) as staged:
        staged.write_text(policy.vocabulary.model_dump_json(), "utf-8")
    counts = Counts(
        read=len(requests), written=lists, skipped=len(requests) - lists, seconds=time.monotonic() - started
    )
    _log_splits(workspace)
    _check_strata(workspace, judge)
    _report_grading(workspace, config.judge, judge, policy, measured, counters)
    log.info("label: policy %s, index %s; lists: %s", policy.version, index_folder.name, counts)
    return counts


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _build_index(workspace: Workspace, retrieval: RetrievalConfig) -> Path:
    """The index of first versions that answers past requests, apart from the indexes that are served."""
    place = workspace.label_index
    first_versions(workspace, place)
    config = retrieval.model_copy(update={"duplicates": None, "diversity": None})  # rules for lists that are shown
    folder = build_index(place, retrieval=config, links=current_links(workspace) if "links" in config.sources else None)
    for other in place.indexes.iterdir():
        if other.is_dir() and other != folder:
            shutil.rmtree(other)
    return folder


def _past_requests(workspace: Workspace, config: LabelFlags) -> list[PastRequest]:
    ingested(workspace, "jobs")
    past: list[PastRequest] = []
    drawn = {split: max(lists, config.graded_as_served[split]) for split, lists in config.lists.items()}
    if parts(workspace.records / "events"):
        events = pl.DataFrame(read_table(workspace.records / "events", EVENT_COLUMNS)).unique("id")
        past = past_requests(events, drawn, config.seed)
    logged = sum(request.split == "train" for request in past)
    if logged < config.made_below:
        made = made_requests(workspace, config.seed)
        made = [one for split in SPLITS for one in [r for r in made if r.split == split][: drawn[split]]]
        log.warning(
            "label: the log has %s requests to learn from; %s are made of members and adverts, which nobody answered",
            f"{logged:,}",
            f"{len(made):,}",
        )
        past += made
    if not past:
        problem = f"no request in {workspace.records / 'events'}: nobody was shown, opened or applied to anything"
        raise NotReady(problem, cure="ingest a log of that, or set made_below above 0")
    return past


class _Chosen(NamedTuple):
    """Jobs of a request: its list, or what is graded beside it. vector, titles: of the request, encoded."""

    request: ListRequest
    vector: np.ndarray
    titles: RequestTitles
    jobs: ListedJobs


class LabelLists(beam.DoFn):
    """ListBatch -> one part of examples and one of grades, in the staging folder.

    Raises JudgeFailed, and writes neither, where the judge leaves more than `most_ungraded` of a batch's pairs out.
    """

    def __init__(
        self,
        workspace: Workspace,
        index_folder: Path,
        policy: Policy,
        config: LabelFlags,
        share: Share,
        progress: Progress,
    ) -> None:
        self._workspace, self._index_folder, self._policy = workspace, index_folder, policy
        self._config, self._share, self._progress = config, share, progress

    def setup(self) -> None:
        self._index = JobIndex.load(self._index_folder)
        threads = self._share.threads()
        self._encoder = TextEncoder(self._workspace.encoder, threads=threads)
        self._judge = open_judge(self._config.judge, judge_setting(self._policy, self._workspace, threads))
        self._jobs = JobVersions(self._workspace)
        self._guide = MatchTrees.read(self._config.guide) if self._config.guide else None
        self._work = WorkReader(self._policy.vocabulary)

    def process(self, batch: ListBatch) -> Iterator[None]:
        self._progress.start()
        vectors = self._encoder.encode([to_label.request.request_text for to_label in batch.requests], "request")
        titles = encode_all_titles(self._encoder, [to_label.request for to_label in batch.requests])
        examples: list[pa.Table] = []
        outcomes: list[Grade | Ungraded | None] = []
        for chunk in _chunks(list(zip(batch.requests, vectors, titles, strict=True)), LISTS_PER_CALL):
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
            self._progress.add(len(chunk))
        self._check_ungraded(outcomes)
        grades = [grade for grade in map(_grade_or_none, outcomes) if grade]
        count("graded", len(grades))
        staging = self._workspace.examples_staged
        if grades:
            write_part(staging / "grades", to_table(grades, Grade), batch.name)
        write_part(staging / "examples", pa.concat_tables(examples).combine_chunks(), batch.name)
        yield from ()

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
            what = f"{failed} of {pairs} pairs of a batch without a grade: {_listed(causes)}"
            cure = "mend the judge and run again, which goes on here; or raise --most-ungraded"
            raise JudgeFailed(what, where=self._judge.name, cure=cure)


def _grade_or_none(outcome: Grade | Ungraded | None) -> Grade | None:
    return outcome if isinstance(outcome, Grade) else None


def _publish(workspace: Workspace, staging: Path, names: set[str]) -> None:
    """Replace the former parts by the finished ones; grades first, so that no graded example lacks its grade."""
    for folder in (workspace.grades, workspace.examples):
        for path in parts(staging / folder.name):
            folder.mkdir(parents=True, exist_ok=True)
            path.replace(folder / path.name)
        for path in parts(folder):
            if path.stem.removeprefix("part-") not in names:
                path.unlink()
    shutil.rmtree(staging, ignore_errors=True)


def _log_splits(workspace: Workspace) -> None:
    table = pl.DataFrame(read_table(workspace.examples, ["list_id", "split", "stratum", "grade", "view"]))
    served, made = pl.col("stratum") == SERVED, is_made(pl.col("list_id"))
    kinds = {split: (pl.col("split") == split) & ~served & ~made for split in SPLITS}
    kinds |= {"made": made & ~served, SERVED: served}
    for split, of_kind in kinds.items():
        rows = table.filter(of_kind)
        if split == "made" and rows.is_empty():
            continue
        lists, pairs = rows["list_id"].n_unique(), len(rows)
        graded, viewed = pairs - rows["grade"].null_count(), int(rows["view"].sum() or 0)
        log.info(
            "%s: %s lists, %s pairs, %s graded, %s viewed", split, *(f"{n:,}" for n in (lists, pairs, graded, viewed))
        )


def _check_strata(workspace: Workspace, judge: Judge) -> None:
    """Raise JudgeFailed where the judge graded no pair of a stratum in the lists that it graded.

    A stratum of few pairs passes under `most_ungraded`, and then nothing is learned of such candidates.
    """
    table = pl.DataFrame(read_table(workspace.examples, ["list_id", "stratum", "grade"]))
    served = pl.col("stratum") == SERVED  # which are graded whether or not their list is
    graded = table.filter(~served & pl.col("grade").is_not_null())["list_id"].unique()
    asked = table.filter(served | pl.col("list_id").is_in(graded.implode()))
    strata = asked.group_by("stratum").agg(pl.len(), pl.col("grade").count())
    for stratum, pairs, grades in strata.sort("stratum").iter_rows():
        if pairs >= LEAST_OF_STRATUM and not grades:
            what = f"none of {pairs:,} pairs of the stratum {stratum!r} has a grade, though their lists were graded"
            cure = "mend the judge, remove the workspace's `examples` and `grades`, and label again"
            raise JudgeFailed(what, where=judge.name, cure=cure)


def _report_grading(
    workspace: Workspace,
    config: JudgeConfig,
    judge: Judge,
    policy: Policy,
    measured: JudgeAgreement | None,
    counters: Counter[str],
) -> None:
    spent, ungraded = Counter(judge.spent) + _with_prefix(counters, SPENT), _with_prefix(counters, UNGRADED)
    cost = grading_cost(config, counters["graded"], counters["grading_us"] / 1e6, spent, ungraded)
    write_report(workspace, judge.name, policy, measured, cost)
    if cost:
        log.info("label: %s", cost_line(judge.name, cost))
    if ungraded:
        log.warning("label: %s pairs left without a grade: %s", f"{ungraded.total():,}", _listed(ungraded))


def _with_prefix(counters: Counter[str], prefix: str) -> Counter[str]:
    return Counter({name.removeprefix(prefix): n for name, n in counters.items() if name.startswith(prefix)})


def _listed(causes: Counter[str]) -> str:
    return ", ".join(f"{cause} {number:,}" for cause, number in causes.most_common())


if __name__ == "__main__":  # by its module name, so that workers import what runs here instead of unpickling it
    from beam_jobs import label

    command(label.run)
