"""Past requests -> lists of (request, job) pairs with labels, grades and pair features, as of the request's time.

    python -m beam_jobs.label --workspace W --judge rubric --train-lists 300 --test-lists 80

A list holds what the log tells of (stratum `logged`), jobs that retrieval finds for the request as it was then
(`retrieved`), and, for training, some of any job (`random`). A test or valid list holds its best retrieved jobs; of a
log without impressions, what the member opened is in it only where retrieval found it. Labels of jobs that the log says
nothing of are null; in a log without impressions they are 0, for the member opened another one.

Nothing from the future: the member's text and activity are those known at the request's time, job statistics count what
came before it, each job stands with its first version (see `beam_jobs.asof`), and the judge reads the versions of then.

A batch of lists is made again only where something that it is made from has changed, and a run that was broken off goes
on where it was; only a complete set of lists replaces the former one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import shutil
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import polars as pl
import pyarrow as pa

from beam_jobs.asof import first_versions, values_as_of
from beam_jobs.pipeline import Counts, command, count, flags, parse, processes, run_pipeline, threads_each
from beam_jobs.progress import Progress
from beam_jobs.sampling import EVENT_COLUMNS, PastRequest, Shown, past_requests
from contracts.activity import Activity
from contracts.arrow import to_table
from contracts.errors import NotReady
from contracts.examples import EXAMPLES, PAIR_FEATURES, SPLITS
from contracts.features import CREATED_TIME, EVENT_TIME, MEMBER_ACTIVITY, MEMBER_KEY, MEMBER_TEXT
from contracts.records import Grade, Job, Member
from contracts.tables import latest, parts, read_table, write_part
from contracts.text import content_hash
from contracts.workspace import Workspace
from policy import Judge, Policy, RubricJudge, load_policy
from ranking.features import pair_features
from retrieval.encoder import TextEncoder
from retrieval.filters import Filter
from retrieval.index import build_index
from retrieval.job_index import JobIndex
from retrieval.request import Request, build_request

log = logging.getLogger("rolecall")

FORMAT = 1
"""Raise it with any change that alters a row that is made from the same input."""
JUDGES = ("rubric",)
BATCH_LISTS = 64
HARD_POOL = 100
"""Of a training list the retrieved jobs are drawn from this many best ones."""
RANDOM_SHARE = 0.25
"""Of the jobs that a training list is filled up with."""
_GRADES = "label-"


class Ask(NamedTuple):
    """A past request as retrieval and the judge are asked. member: the record of then, None where not known."""

    past: PastRequest
    request: Request
    member: dict[str, Any] | None
    graded: bool


class Batch(NamedTuple):
    """name: digest of all that its rows are made from."""

    name: str
    asks: list[Ask]


class Sizes(NamedTuple):
    """Jobs of a list: of all its jobs in train, of its retrieved ones in valid and test."""

    train: int
    valid: int
    test: int


def run(argv: Sequence[str] | None = None) -> Counts:
    """Bring `examples` up to the records, the features and the policy; the counts are of lists.

    Raises NotReady where events, jobs, vectors or the encoder are missing or no request is found, BadInput for a policy
    that does not hold together.
    """
    own, options = parse(_parser(), argv)
    workspace: Workspace = own.workspace
    started = time.monotonic()
    policy = load_policy(own.policy)
    index_folder = _build_index(workspace)
    sizes = Sizes(own.train_candidates, own.valid_candidates, own.test_candidates)
    asks = _asks(workspace, own)
    made_from = _digest(FORMAT, index_folder.name, own.judge, policy.version, sizes, own.seed, _job_rows(workspace))
    batches = [
        Batch(_digest(made_from, *map(_ask_key, asks[start : start + BATCH_LISTS])), asks[start : start + BATCH_LISTS])
        for start in range(0, len(asks), BATCH_LISTS)
    ]
    staging = workspace.root / "examples.staged"
    done = {path.stem for folder in (workspace.examples, staging / "examples") for path in parts(folder)}
    todo = [batch for batch in batches if f"part-{batch.name}" not in done]
    if todo:
        lists = sum(len(batch.asks) for batch in todo)
        progress = Progress("label", "lists", lists // min(processes(options), len(todo)))
        work = LabelLists(
            workspace, index_folder, policy, own.judge, sizes, own.seed, threads_each(options), staging, progress
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
    log.info("label: policy %s, index %s; lists: %s", policy.version, index_folder.name, counts)
    return counts


def _parser() -> argparse.ArgumentParser:
    parser = flags("label", __doc__)
    number = {"type": int, "metavar": "N"}
    parser.add_argument("--judge", choices=JUDGES, default="rubric", help="who grades (rubric)")
    parser.add_argument("--policy", type=Path, metavar="FILE", help="the product policy (the built-in one)")
    parser.add_argument("--train-lists", default=3_000, help="requests to learn from (3000)", **number)
    parser.add_argument("--valid-lists", default=300, help="requests to calibrate and blend by (300)", **number)
    parser.add_argument("--test-lists", default=300, help="requests to measure by (300)", **number)
    parser.add_argument("--graded-lists", default=1_000, help="training lists that the judge grades (1000)", **number)
    parser.add_argument("--train-candidates", default=16, help="jobs of a training list (16)", **number)
    parser.add_argument("--valid-candidates", default=60, help="retrieved jobs of a valid list (60)", **number)
    parser.add_argument("--test-candidates", default=50, help="retrieved jobs of a test list (50)", **number)
    parser.add_argument("--seed", default=0, help="of the draw (0)", **number)
    return parser


def _build_index(workspace: Workspace) -> Path:
    """The index that past requests are answered with; it lies apart from those that are served."""
    place = Workspace(workspace.root / "label_index")
    first_versions(workspace, place)
    folder = build_index(place)
    for other in place.indexes.iterdir():
        if other.is_dir() and other != folder:
            shutil.rmtree(other)
    return folder


def _asks(workspace: Workspace, own: argparse.Namespace) -> list[Ask]:
    if not parts(workspace.records / "events"):
        cure = f"run `rolecall ingest --data FOLDER --workspace {workspace.root}` first"
        raise NotReady(f"no events in {workspace.records}", cure=cure)
    events = pl.DataFrame(latest(read_table(workspace.records / "events", EVENT_COLUMNS), "id", "time"))
    past = past_requests(events, {split: getattr(own, f"{split}_lists") for split in SPLITS}, own.seed)
    if not past:
        raise NotReady("no request in the events: neither an impression nor a view", cure="ingest a log of either")
    asked = [(request.member_id, request.time) for request in past]
    known = (EVENT_TIME, CREATED_TIME)
    texts = values_as_of(workspace.features / MEMBER_TEXT, MEMBER_KEY, asked, ["text", "location"], known)
    done = values_as_of(workspace.features / MEMBER_ACTIVITY, MEMBER_KEY, asked, ["activity"], known)
    fields = list(Member.model_fields)
    members = values_as_of(workspace.records / "members", "id", asked, fields, ["updated_at"])
    asks, to_grade = [], own.graded_lists
    for request, text, activity, member in zip(past, texts, done, members, strict=True):
        graded = request.split != "train" or to_grade > 0
        to_grade -= request.split == "train"
        made = build_request(
            member_text=text["text"] if text else "",
            activity=Activity.from_json(activity["activity"] if activity else None),
            query=request.query,
            location=(text["location"] or "") if text else "",
            filter=Filter(),
            time=request.time,
            exclude=request.viewed,
        )
        asks.append(Ask(request, made, member, graded))
    return asks


def _ask_key(ask: Ask) -> str:
    """What a list is made from beside the index and the policy."""
    request = ask.request
    sets = (ask.past.other_views, request.exclude)
    texts = (request.request_text, request.words, request.titles, request.location, request.recent)
    shown = ask.past._replace(viewed=frozenset(), other_views=frozenset())
    return _digest(shown._asdict() | {"viewed": None, "other_views": None}, texts, *map(sorted, sets), ask.member,
                   ask.graded)  # fmt: skip


def _digest(*values: Any) -> str:
    return hashlib.blake2b(json.dumps(values, default=str, sort_keys=True).encode(), digest_size=12).hexdigest()


def _job_rows(workspace: Workspace) -> str:
    return _digest(sorted(read_table(workspace.records / "jobs", ["row_hash"])["row_hash"].to_pylist()))


class LabelLists(beam.DoFn):
    """Batch -> one part of examples and one of grades, in the staging folder."""

    def __init__(
        self,
        workspace: Workspace,
        index_folder: Path,
        policy: Policy,
        judge: str,
        sizes: Sizes,
        seed: int,
        threads: int | None,
        staging: Path,
        progress: Progress,
    ) -> None:
        self._workspace, self._index_folder, self._policy, self._judge_name = workspace, index_folder, policy, judge
        self._sizes, self._seed, self._threads = sizes, seed, threads
        self._staging, self._progress = staging, progress

    def setup(self) -> None:
        self._index = JobIndex.load(self._index_folder)
        self._encoder = TextEncoder(self._workspace.encoder, threads=self._threads)
        self._judge: Judge = RubricJudge(self._policy, TitleVectors(self._encoder).cosine)
        self._jobs = JobVersions(self._workspace)

    def process(self, batch: Batch) -> Iterator[None]:
        self._progress.start()
        vectors = self._encoder.encode([ask.request.request_text for ask in batch.asks])
        examples, grades = [], []
        for ask, vector in zip(batch.asks, vectors, strict=True):
            pairs = choose_pairs(self._index, ask, vector, self._sizes, self._seed)
            count(
                "left_out", sum(one.job_id not in pairs.job_ids for one in ask.past.shown) if ask.past.complete else 0
            )
            found = self._grade(ask, pairs.job_ids)
            features = pair_features(self._index, self._index.activity, ask.request, pairs.rows, vector)
            examples.append(_rows(ask, pairs, found, features))
            grades += [grade for grade in found if grade]
            self._progress.add(1)
        if grades:
            write_part(self._staging / "grades", _grade_table(grades), f"{_GRADES}{batch.name}")
        write_part(self._staging / "examples", pa.concat_tables(examples).combine_chunks(), batch.name)
        yield from ()

    def _grade(self, ask: Ask, job_ids: Sequence[str]) -> list[Grade | None]:
        if not ask.graded or (ask.member is None and not ask.past.query):
            return [None] * len(job_ids)
        member = Member.model_validate(ask.member) if ask.member else None
        found: list[Grade | None] = []
        for job_id in job_ids:
            judged = self._judge.grade(member, self._jobs.as_of(job_id, ask.past.time), ask.past.query)
            found.append(
                Grade(
                    member_id=ask.past.member_id,
                    query=ask.past.query,
                    job_id=job_id,
                    grade=judged.grade,
                    rationale=judged.rationale,
                    grader=self._judge.name,
                    policy_version=self._policy.version,
                    time=ask.past.time,
                )
            )
        return found


class Pairs(NamedTuple):
    """Jobs of a list: rows (n,) int32 of the index, ids, strata, and what the log tells of each (None: nothing)."""

    rows: np.ndarray
    job_ids: list[str]
    strata: list[str]
    shown: list[Shown | None]


def choose_pairs(index: JobIndex, ask: Ask, vector: np.ndarray, sizes: Sizes, seed: int) -> Pairs:
    """The jobs of a list, see the head of this module. The draw is the list's own, whatever else is in its batch."""
    past, request = ask.past, ask.request
    train = past.split == "train"
    size = getattr(sizes, past.split)
    told = {one.job_id: one for one in past.shown}
    candidates = index.search(request, vector, HARD_POOL if train else size)
    if past.complete or train:
        logged = sorted(past.shown, key=lambda one: (not one.view, one.position or 0)) if train else past.shown
    else:
        logged = [one for one in past.shown if one.job_id in set(candidates.ids)]
    known = [one.job_id for one in logged if index.rows([one.job_id])[0] >= 0]
    chosen = dict.fromkeys(known[:size] if train else known, "logged")
    found = [job_id for job_id in candidates.ids if job_id not in told]
    if train:
        rng = np.random.default_rng(int(_digest(seed, past.list_id)[:16], 16))
        room = max(0, size - len(chosen))
        anything = round(room * RANDOM_SHARE)
        found = [found[i] for i in rng.permutation(len(found))[: room - anything]]
        chosen |= dict.fromkeys(found, "retrieved")
        alive = index.mask(request)
        alive[index.known_rows([*chosen, *told])] = False
        free = np.flatnonzero(alive)
        drawn = rng.choice(free, min(size - len(chosen), len(free)), replace=False) if len(free) else ()
        chosen |= {index.ids[row]: "random" for row in drawn}
    else:
        chosen |= dict.fromkeys(found, "retrieved")
    job_ids = list(chosen)
    return Pairs(index.rows(job_ids), job_ids, list(chosen.values()), [told.get(job_id) for job_id in job_ids])


def _rows(ask: Ask, pairs: Pairs, grades: Sequence[Grade | None], features: np.ndarray) -> pa.Table:
    past, n = ask.past, len(pairs.job_ids)
    same = {"list_id": past.list_id, "member_id": past.member_id, "query": past.query, "split": past.split,
            EVENT_TIME: past.time}  # fmt: skip
    columns: dict[str, Any] = {name: [value] * n for name, value in same.items()}
    columns |= {"job_id": pairs.job_ids, "stratum": pairs.strata}
    for name in ("position", "propensity", "view", "apply", "dismiss", "hire"):
        columns[name] = [getattr(one, name) if one else None for one in pairs.shown]
    if not past.complete:
        columns["view"] = [
            1 if one else None if job_id in past.other_views else 0
            for job_id, one in zip(pairs.job_ids, pairs.shown, strict=True)
        ]
    columns["grade"] = [grade.grade if grade else None for grade in grades]
    columns |= {name: features[:, i] for i, name in enumerate(PAIR_FEATURES)}
    return pa.table({field.name: pa.array(columns[field.name], field.type) for field in EXAMPLES}, schema=EXAMPLES)


def _grade_table(grades: Sequence[Grade]) -> pa.Table:
    hashes = [content_hash(grade.model_dump_json()) for grade in grades]
    return to_table(grades, Grade).append_column("row_hash", pa.array(hashes, pa.string()))


class TitleVectors:
    """Cosines of titles. Each is encoded alone: int8 vectors depend a little on what shares a batch."""

    def __init__(self, encoder: TextEncoder) -> None:
        self._vector = lru_cache(maxsize=100_000)(lambda title: encoder.encode([title])[0])

    def cosine(self, a: str, b: str) -> float:
        return float(self._vector(a) @ self._vector(b))


class JobVersions:
    """Job records by id and time, validated when first asked for."""

    def __init__(self, workspace: Workspace) -> None:
        table = read_table(workspace.records / "jobs").sort_by("updated_at")
        self._table = table.select(list(Job.model_fields)).combine_chunks()
        self._rows: dict[str, list[tuple[datetime, int]]] = {}
        for row, (job_id, known) in enumerate(
            zip(*map(pa.ChunkedArray.to_pylist, table.select(["id", "updated_at"]).columns), strict=True)
        ):
            self._rows.setdefault(job_id, []).append((known, row))
        self._record = lru_cache(maxsize=100_000)(self._read)

    def as_of(self, job_id: str, time: datetime) -> Job:
        """The newest version by then; the first one where it was shown before its record says that it was there."""
        versions = self._rows[job_id]
        return self._record(next((row for known, row in reversed(versions) if known <= time), versions[0][1]))

    def _read(self, row: int) -> Job:
        return Job.model_validate(self._table.slice(row, 1).to_pylist()[0])


def _publish(workspace: Workspace, staging: Path, wanted: set[str]) -> None:
    """Let the finished parts take the place of the former ones; grades first, so that no graded example lacks its."""
    for folder, staged, prefix in (
        (workspace.records / "grades", staging / "grades", f"part-{_GRADES}"),
        (workspace.examples, staging / "examples", "part-"),
    ):
        for path in parts(staged):
            folder.mkdir(parents=True, exist_ok=True)
            path.replace(folder / path.name)
        for path in parts(folder):
            if path.name.startswith(prefix) and path.stem.removeprefix(prefix) not in wanted:
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


if __name__ == "__main__":  # by its module name, so that workers import what runs here instead of unpickling it
    from beam_jobs import label

    command(label.run)
