"""Past requests -> lists of (request, job) pairs with labels, grades and pair features, as of the request's time.

    python -m beam_jobs.label --workspace W --train-lists 300 --test-lists 80
    python -m beam_jobs.label --workspace W --judge '{kind: llm, model: M, base_url: http://localhost:8000/v1}'

A list holds what the log tells of (stratum `logged`), jobs that retrieval finds for the request as it was then
(`retrieved`), and, for training, some of which retrieval and a plain reading think differently (`hard`) and some of any
job (`random`). A test or valid list holds its best retrieved jobs; of a
log without impressions, what the member opened is in it only where retrieval found it. Labels of jobs that the log says
nothing of are null; in a log without impressions they are 0, for the member opened another one.

Nothing from the future: the member's text and activity are those known at the request's time, job statistics count what
came before it, each job stands with its first version (see `history.as_of`), and the judge reads the versions of then.

The judge grades where it agrees with the golden set, if the workspace has one. A pair that it leaves without a grade is
counted with its cause, and too many of them stop the job.

A batch of lists is made again only where something that it is made from has changed, and a run that was broken off goes
on where it was; only a complete set of lists replaces the former one.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import apache_beam as beam
import polars as pl
import pyarrow as pa

from beam_jobs.config import LabelFlags
from beam_jobs.flags import read_flags
from beam_jobs.labelling.grading import (
    Chosen,
    grade_lists,
    grading_cost,
    judge_setting,
    measure_judge,
    say_cost,
    write_report,
)
from beam_jobs.labelling.lists import Ask, Sizes, ask_key, asks_as_of, choose_pairs, digest, list_rows
from beam_jobs.pipeline import Counts, command, count, processes, run_pipeline, threads_each
from contracts.arrow import to_table
from contracts.errors import JudgeFailed, NotReady
from contracts.examples import SPLITS
from contracts.progress import Progress
from contracts.records import Grade
from contracts.tables import parts, read_table, write_part
from contracts.workspace import Workspace
from history.as_of import JobVersions, first_versions
from history.requests import EVENT_COLUMNS, PastRequest, past_requests
from policy import Judge, Policy, Ungraded, load_policy
from policy.golden.golden import Measured
from policy.judges.base import JudgeConfig
from policy.judges.registry import open_judge
from ranking.features import pair_features
from retrieval.config import RetrievalConfig
from retrieval.encoder import TextEncoder
from retrieval.index.build import build_index
from retrieval.index.job_index import JobIndex
from retrieval.links.store import current_links

log = logging.getLogger("rolecall")

FORMAT = 3
"""Raise it with any change that alters a row that is made from the same input."""
BATCH_LISTS = 64
ASKED_AT_ONCE = 8
"""Lists whose pairs a judge is given together."""

SPENT, UNGRADED = "spent: ", "ungraded: "
"""What the names of counters begin with that tell what the judge took, and why it left pairs out."""


class Batch(NamedTuple):
    """name: digest of all that its rows are made from."""

    name: str
    asks: list[Ask]


def run(argv: Sequence[str] | None = None) -> Counts:
    """Bring `examples` up to the records, the features and the policy; the counts are of lists.

    Raises NotReady where events, jobs, vectors or the encoder are missing or no request is found, BadInput for a policy
    that does not hold together, NotAgreed for a judge that the golden set speaks against, JudgeFailed for one that
    leaves too many pairs without a grade.
    """
    workspace, config, options = read_flags("label", __doc__, LabelFlags, argv)
    started = time.monotonic()
    policy, kind = load_policy(config.policy), config.judge
    judge = open_judge(kind, judge_setting(policy, workspace))
    measured = measure_judge(judge, policy, workspace, config.least_kappa, config.require_golden)
    index_folder = _build_index(workspace, config.retrieval)
    sizes = Sizes(
        config.train_candidates, config.valid_candidates, config.test_candidates, config.random_share, config.hard_share
    )
    asks = asks_as_of(workspace, _past(workspace, config), config.graded_lists)
    made_from = digest(FORMAT, index_folder.name, judge.name, policy.version, sizes, config.seed, _job_rows(workspace))
    batches = [
        Batch(digest(made_from, *map(ask_key, asks[start : start + BATCH_LISTS])), asks[start : start + BATCH_LISTS])
        for start in range(0, len(asks), BATCH_LISTS)
    ]
    staging = workspace.examples_staged
    done = {path.stem for folder in (workspace.examples, staging / "examples") for path in parts(folder)}
    todo = [batch for batch in batches if f"part-{batch.name}" not in done]
    found: Counter[str] = Counter()
    if todo:
        lists = sum(len(batch.asks) for batch in todo)
        progress = Progress("label", "lists", lists // min(processes(options), len(todo)))
        work = LabelLists(
            workspace,
            index_folder,
            policy,
            kind,
            sizes,
            config.seed,
            config.most_ungraded,
            threads_each(options),
            staging,
            progress,
        )
        found = run_pipeline(
            options,
            lambda pipeline: pipeline | "requests" >> beam.Create(todo) | "label" >> beam.ParDo(work),
        )
        if found["left_out"]:
            log.warning("label: %s shown jobs left out: they have no vector", f"{found['left_out']:,}")
    _publish(workspace, staging, {batch.name for batch in batches})
    new = sum(len(batch.asks) for batch in todo)
    counts = Counts(read=len(asks), written=new, skipped=len(asks) - new, seconds=time.monotonic() - started)
    _report(workspace)
    _report_grading(workspace, kind, judge, policy, measured, found)
    log.info("label: policy %s, index %s; lists: %s", policy.version, index_folder.name, counts)
    return counts


def _build_index(workspace: Workspace, retrieval: RetrievalConfig) -> Path:
    """The index that past requests are answered with; it lies apart from those that are served."""
    place = workspace.label_index
    first_versions(workspace, place)
    asked = retrieval.model_copy(update={"duplicates": None, "diversity": None})  # pairs are drawn, and no list shown
    folder = build_index(place, retrieval=asked, links=current_links(workspace) if "links" in asked.sources else None)
    for other in place.indexes.iterdir():
        if other.is_dir() and other != folder:
            shutil.rmtree(other)
    return folder


def _past(workspace: Workspace, config: LabelFlags) -> list[PastRequest]:
    if not parts(workspace.records / "events"):
        cure = f"run `rolecall ingest --data FOLDER --workspace {workspace.root}` first"
        raise NotReady(f"no events in {workspace.records}", cure=cure)
    events = pl.DataFrame(read_table(workspace.records / "events", EVENT_COLUMNS)).unique("id")
    past = past_requests(events, {split: getattr(config, f"{split}_lists") for split in SPLITS}, config.seed)
    if not past:
        raise NotReady("no request in the events: neither an impression nor a view", cure="ingest a log of either")
    return past


def _job_rows(workspace: Workspace) -> str:
    return digest(sorted(read_table(workspace.records / "jobs", ["row_hash"])["row_hash"].to_pylist()))


class LabelLists(beam.DoFn):
    """Batch -> one part of examples and one of grades, in the staging folder.

    Raises JudgeFailed, and writes neither, where the judge leaves more than `most_ungraded` of a batch's pairs out.
    """

    def __init__(
        self,
        workspace: Workspace,
        index_folder: Path,
        policy: Policy,
        judge: JudgeConfig,
        sizes: Sizes,
        seed: int,
        most_ungraded: float,
        threads: int | None,
        staging: Path,
        progress: Progress,
    ) -> None:
        self._workspace, self._index_folder, self._policy, self._judge_kind = workspace, index_folder, policy, judge
        self._sizes, self._seed, self._most_ungraded, self._threads = sizes, seed, most_ungraded, threads
        self._staging, self._progress = staging, progress

    def setup(self) -> None:
        self._index = JobIndex.load(self._index_folder)
        self._encoder = TextEncoder(self._workspace.encoder, threads=self._threads)
        self._judge = open_judge(self._judge_kind, judge_setting(self._policy, self._workspace, self._threads))
        self._jobs = JobVersions(self._workspace)

    def process(self, batch: Batch) -> Iterator[None]:
        self._progress.start()
        vectors = self._encoder.encode([ask.request.request_text for ask in batch.asks])
        examples: list[pa.Table] = []
        outcomes: list[Grade | Ungraded | None] = []
        for start in range(0, len(batch.asks), ASKED_AT_ONCE):
            asks, near = (of_all[start : start + ASKED_AT_ONCE] for of_all in (batch.asks, vectors))
            chosen = [
                choose_pairs(self._index, ask, vector, self._sizes, self._seed)
                for ask, vector in zip(asks, near, strict=True)
            ]
            judged = self._grade([Chosen(ask, pairs.job_ids) for ask, pairs in zip(asks, chosen, strict=True)])
            for ask, vector, pairs, said in zip(asks, near, chosen, judged, strict=True):
                count("left_out", int((self._index.rows(one.job_id for one in ask.past.shown) < 0).sum()))
                features = pair_features(self._index, self._index.activity, ask.request, pairs.rows, vector)
                examples.append(list_rows(ask, pairs, list(map(_graded, said)), features))
                outcomes += said
            self._progress.add(len(asks))
        self._check_ungraded(outcomes)
        grades = [grade for grade in map(_graded, outcomes) if grade]
        count("graded", len(grades))
        if grades:
            write_part(self._staging / "grades", to_table(grades, Grade), batch.name)
        write_part(self._staging / "examples", pa.concat_tables(examples).combine_chunks(), batch.name)
        yield from ()

    def _grade(self, chosen: Sequence[Chosen]) -> list[list[Grade | Ungraded | None]]:
        before, started = Counter(self._judge.spent), time.monotonic()
        found = grade_lists(self._judge, self._policy.version, self._jobs, chosen)
        count("grading_us", round(1e6 * (time.monotonic() - started)))
        for name, number in (self._judge.spent - before).items():
            count(f"{SPENT}{name}", number)
        return found

    def _check_ungraded(self, outcomes: Sequence[Grade | Ungraded | None]) -> None:
        causes: Counter[str] = Counter(one.cause for one in outcomes if isinstance(one, Ungraded))
        asked = sum(one is not None for one in outcomes)
        for cause, number in causes.items():
            count(f"{UNGRADED}{cause}", number)
        failed = causes.total() - causes["nothing known"]  # that is no fault of the judge's
        if failed > self._most_ungraded * asked:
            what = f"{failed} of {asked} pairs of a batch without a grade: {_told(causes)}"
            cure = "mend the judge and run again, which goes on here; or raise --most-ungraded"
            raise JudgeFailed(what, where=self._judge.name, cure=cure)


def _graded(outcome: Grade | Ungraded | None) -> Grade | None:
    return outcome if isinstance(outcome, Grade) else None


def _publish(workspace: Workspace, staging: Path, wanted: set[str]) -> None:
    """Let the finished parts take the place of the former ones; grades first, so that no graded example lacks its."""
    for folder in (workspace.grades, workspace.examples):
        for path in parts(staging / folder.name):
            folder.mkdir(parents=True, exist_ok=True)
            path.replace(folder / path.name)
        for path in parts(folder):
            if path.stem.removeprefix("part-") not in wanted:
                path.unlink()
    shutil.rmtree(staging, ignore_errors=True)


def _report(workspace: Workspace) -> None:
    table = pl.DataFrame(read_table(workspace.examples, ["list_id", "split", "grade", "view"]))
    for split in SPLITS:
        rows = table.filter(pl.col("split") == split)
        lists, pairs = rows["list_id"].n_unique(), len(rows)
        graded, viewed = pairs - rows["grade"].null_count(), int(rows["view"].sum() or 0)
        log.info(
            "%s: %s lists, %s pairs, %s graded, %s viewed", split, *(f"{n:,}" for n in (lists, pairs, graded, viewed))
        )


def _report_grading(
    workspace: Workspace,
    kind: JudgeConfig,
    judge: Judge,
    policy: Policy,
    measured: Measured | None,
    found: Counter[str],
) -> None:
    """found: the pipeline's counters."""
    spent = Counter(judge.spent) + _named(found, SPENT)
    cost = grading_cost(kind, found["graded"], found["grading_us"] / 1e6, spent)
    write_report(workspace, judge.name, policy, measured, cost)
    if cost:
        log.info("label: %s", say_cost(judge.name, cost))
    ungraded = _named(found, UNGRADED)
    if ungraded:
        log.warning("label: %s pairs left without a grade: %s", f"{ungraded.total():,}", _told(ungraded))


def _named(found: Counter[str], prefix: str) -> Counter[str]:
    return Counter({name.removeprefix(prefix): number for name, number in found.items() if name.startswith(prefix)})


def _told(causes: Counter[str]) -> str:
    return ", ".join(f"{cause} {number:,}" for cause, number in causes.most_common())


if __name__ == "__main__":  # by its module name, so that workers import what runs here instead of unpickling it
    from beam_jobs import label

    command(label.run)
