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
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import apache_beam as beam
import polars as pl
from apache_beam.options.pipeline_options import PipelineOptions

from beam_jobs.config import LabelFlags
from beam_jobs.flags import read_flags
from beam_jobs.labelling.grading import cost_line, grading_cost, judge_setting, measure_judge, write_report
from beam_jobs.labelling.lists import digest, request_digest, requests_to_label
from beam_jobs.labelling.making import SPENT, UNGRADED, ListBatch, ListMaker, chunks, listed
from beam_jobs.labelling.match_trees import MatchTrees
from beam_jobs.pipeline import Counts, command, ingested, run_pipeline
from beam_jobs.workers import Mark, Share, processes
from contracts.arrow import to_table
from contracts.errors import JudgeFailed, NotReady
from contracts.examples import SERVED, SPLITS
from contracts.match import MATCH_VERSION
from contracts.progress import Progress
from contracts.records import Grade
from contracts.tables import adding, parts, read_table, write_part
from contracts.text.work import VOCABULARY
from contracts.versions import current, file_hash, staged_file, unset_current, write_text
from contracts.workspace import Workspace
from history.as_of import first_versions
from history.made import is_made, made_requests
from history.requests import EVENT_COLUMNS, PastRequest, past_requests
from policy import Judge, Policy, load_policy
from policy.golden.golden import JudgeAgreement
from policy.judges.base import JudgeConfig
from policy.judges.registry import open_judge
from retrieval.config import RetrievalConfig
from retrieval.index.build import build_index
from retrieval.links.store import current_links

log = logging.getLogger("rolecall")

FORMAT = 7
"""Version of the rows: raise it when the same input makes another row."""
LIST_KNOBS = ("train_candidates", "valid_candidates", "test_candidates", "random_share", "hard_share", "floor_share")
"""Knobs that change the jobs of a list."""
BATCH_LISTS = 64
LEAST_OF_STRATUM = 20
"""Pairs of a stratum from which it is a failure that the judge graded none."""


class Work(NamedTuple):
    """What is to be labelled, by what and by whom. A worker gets it without its batches.

    Attributes:
        policy: To grade by.
        index_folder: Of the index of first versions.
        batches: All requests of which lists are made.
    """

    policy: Policy
    index_folder: Path
    batches: Sequence[ListBatch]


def lay_out(workspace: Workspace, config: LabelFlags, policy: Policy, judge: str) -> Work:
    """The lists that a workspace has now by some knobs, none of them made yet.

    Raises:
        NotReady: Events, jobs, vectors or the encoder are missing, or the events hold no request.
    """
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
    versions = FORMAT, MATCH_VERSION, index_folder.name, judge, policy.version
    if config.guide:
        MatchTrees.read(config.guide)  # so that a wrong one is an error before any work
        knobs.append(file_hash(config.guide))
    inputs = digest(*versions, knobs, config.seed, job_rows)
    batches = [
        ListBatch(digest(inputs, *map(request_digest, chunk)), list(chunk)) for chunk in chunks(requests, BATCH_LISTS)
    ]
    return Work(policy, index_folder, batches)


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
        OtherWriter: Somebody switches to another version of the grades at this moment.
    """
    workspace, config, options = read_flags("label", __doc__, LabelFlags, argv)
    with adding(workspace.grades, "label"):
        return _label(workspace, config, options)


def _label(workspace: Workspace, config: LabelFlags, options: PipelineOptions) -> Counts:
    started = time.monotonic()
    policy = load_policy(config.policy)
    judge = open_judge(config.judge, judge_setting(policy, workspace))
    measured = measure_judge(judge, policy, workspace, config.least_kappa, config.require_golden)
    work = lay_out(workspace, config, policy, judge.name)
    staging = workspace.examples_staged
    done = {batch_of(path) for folder in (workspace.examples, staging / "examples") for path in parts(folder)}
    todo = [batch for batch in work.batches if batch.name not in done]
    lists = sum(len(batch.requests) for batch in todo)
    counters: Counter[str] = Counter()
    if todo:
        progress = Progress("label", "lists", lists // min(processes(options), len(todo)))
        worker = LabelLists(workspace, work, config, Share.of(options), progress)

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
    publish(workspace, {batch.name for batch in work.batches}, policy)
    requests = sum(len(batch.requests) for batch in work.batches)
    counts = Counts(read=requests, written=lists, skipped=requests - lists, seconds=time.monotonic() - started)
    _log_splits(workspace)
    check_strata(workspace.examples, judge.name)
    report_grading(workspace.examples, workspace.judge_report.parent, config.judge, judge, policy, measured, counters)
    log.info("label: policy %s, index %s; lists: %s", policy.version, work.index_folder.name, counts)
    return counts


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


class LabelLists(beam.DoFn):
    """ListBatch -> one part of examples and one of grades, in the staging folder; neither where the judge failed."""

    def __init__(self, workspace: Workspace, work: Work, config: LabelFlags, share: Share, progress: Progress) -> None:
        self._workspace, self._work = workspace, work._replace(batches=())
        self._config, self._share, self._progress = config, share, progress

    def setup(self) -> None:
        self._maker = ListMaker(
            self._workspace, self._work.index_folder, self._work.policy, self._config, self._share.threads()
        )

    def process(self, batch: ListBatch) -> Iterator[None]:
        self._progress.start()
        examples, grades = self._maker.make(batch.requests, self._progress.add)
        staging = self._workspace.examples_staged
        if grades:
            write_part(staging / "grades", to_table(grades, Grade), batch.name)
        write_part(staging / "examples", examples, batch.name)
        yield from ()


def batch_of(part: Path) -> str:
    """The name of the batch that a part is of, as this job names it, or a backfill of grades."""
    return part.stem.removeprefix("part-").partition("-")[0]


def publish(workspace: Workspace, names: set[str], policy: Policy) -> None:
    """Let the lists of some batches, of those in use and those that were made since, be the ones in use.

    A version that a backfill made stays as it is: where it is in use and others are needed, these are put together in
    place, and then used instead of it.
    """
    staging, version = workspace.examples_staged, current(workspace.grades)
    if version is not None and {batch_of(path) for path in parts(workspace.examples)} == names:
        return shutil.rmtree(staging, ignore_errors=True)
    for folder in (workspace.grades, workspace.examples):  # so that no graded example lacks its grade
        folder.mkdir(parents=True, exist_ok=True)
        if version is not None:
            for path in parts(folder):
                if batch_of(path) in names:
                    with staged_file(folder / f"part-{batch_of(path)}.parquet") as staged:
                        shutil.copyfile(path, staged)
        for path in parts(staging / folder.name):
            path.replace(folder / path.name)
        for path in folder.glob("part-*.parquet"):
            if batch_of(path) not in names:
                path.unlink()
    keep_vocabulary(workspace.examples, policy)
    unset_current(workspace.grades)
    shutil.rmtree(staging, ignore_errors=True)


def keep_vocabulary(examples: Path, policy: Policy) -> None:
    """Write the table of work beside the lists whose match was read by it."""
    write_text(examples / VOCABULARY, policy.vocabulary.model_dump_json())


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


def check_strata(examples: Path, judge: str) -> None:
    """Raise JudgeFailed where the judge graded no pair of a stratum in the lists that it graded.

    A stratum of few pairs passes under `most_ungraded`, and then nothing is learned of such candidates.
    """
    table = pl.DataFrame(read_table(examples, ["list_id", "stratum", "grade"]))
    served = pl.col("stratum") == SERVED  # which are graded whether or not their list is
    graded = table.filter(~served & pl.col("grade").is_not_null())["list_id"].unique()
    asked = table.filter(served | pl.col("list_id").is_in(graded.implode()))
    strata = asked.group_by("stratum").agg(pl.len(), pl.col("grade").count())
    for stratum, pairs, grades in strata.sort("stratum").iter_rows():
        if pairs >= LEAST_OF_STRATUM and not grades:
            what = f"none of {pairs:,} pairs of the stratum {stratum!r} has a grade, though their lists were graded"
            cure = "mend the judge, remove the workspace's `examples` and `grades`, and label again"
            raise JudgeFailed(what, where=judge, cure=cure)


def report_grading(
    examples: Path,
    folder: Path,
    config: JudgeConfig,
    judge: Judge,
    policy: Policy,
    measured: JudgeAgreement | None,
    counters: Counter[str],
) -> None:
    """Write to the folder of grades who gave those of the examples, and what they cost.

    Args:
        examples: Folder of the lists.
        folder: Of their grades.
        config: The judge's knobs.
        judge: Who graded.
        policy: By what.
        measured: Its agreement with the golden set, if there is one.
        counters: Of the run that graded.
    """
    spent, ungraded = Counter(judge.spent) + _with_prefix(counters, SPENT), _with_prefix(counters, UNGRADED)
    cost = grading_cost(config, counters["graded"], counters["grading_us"] / 1e6, spent, ungraded)
    write_report(examples, folder, judge.name, policy, measured, cost)
    if cost:
        log.info("label: %s", cost_line(judge.name, cost))
    if ungraded:
        log.warning("label: %s pairs left without a grade: %s", f"{ungraded.total():,}", listed(ungraded))


def _with_prefix(counters: Counter[str], prefix: str) -> Counter[str]:
    return Counter({name.removeprefix(prefix): n for name, n in counters.items() if name.startswith(prefix)})


if __name__ == "__main__":  # by its module name, so that workers import what runs here instead of unpickling it
    from beam_jobs import label

    command(label.run)
