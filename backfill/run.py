"""Plan a product, make what lacks of it, verify it. A run that was ended at any point goes on where it was."""

from __future__ import annotations

import logging
import random
import time
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
import pyarrow.compute as pc
import pyarrow.parquet as pq
from apache_beam.options.pipeline_options import PipelineOptions

from backfill.product import Maker, Product
from backfill.versions import (
    MANIFEST,
    Manifest,
    Plan,
    damage,
    finish,
    is_finished,
    is_verified,
    missing,
    note_verified,
    part_name,
    prune,
    read_manifest,
    read_plan,
    require_version,
    switch,
    unfinished,
    versions,
    write_plan,
)
from beam_jobs.flags import check_runner
from beam_jobs.pipeline import count, run_pipeline
from beam_jobs.workers import Mark, Share, processes
from contracts.erased import ErasedMembers
from contracts.errors import NotReady, NotVerified
from contracts.lock import locked
from contracts.progress import Progress
from contracts.tables import reading, write_part
from contracts.versions import current
from contracts.workspace import Workspace

log = logging.getLogger("rolecall")

BUCKET_KEYS = 256
"""Keys a part, about: what a run that is killed loses of each worker's work at most."""
SAMPLE_KEYS = 12
LOCK = ".running"


class Estimate(NamedTuple):
    """What a run would take. rows: known of a sample; seconds: on one worker process; again: buckets that lack."""

    plan: Plan
    rows: int
    seconds: float
    buckets_left: int


def plan_of(workspace: Workspace, product: Product, time: datetime | None = None) -> Plan:
    """The plan of a new version, or that of an unfinished one with the same inputs, with which a run goes on.

    Args:
        workspace: Whose product.
        product: What is to be made.
        time: As of when, in UTC; None: now, or the time of the unfinished version, where that is less than a day old.

    Raises:
        NotReady: Something that it is made from is not there.
    """
    at = time or datetime.now(UTC).replace(microsecond=0)
    inputs, keys = product.inputs(workspace), product.keys(workspace, at)
    if not keys:
        raise NotReady(
            f"{product.name}: there is no key to make", where=str(workspace.root), cure="ingest members first"
        )
    fresh = Plan(what=product.name, time=at, inputs=inputs, buckets=-(-len(keys) // BUCKET_KEYS), keys=len(keys))
    return unfinished(product.folder(workspace), fresh, time is not None) or fresh


def estimate(workspace: Workspace, product: Product, plan: Plan) -> Estimate:
    """Measure a sample of the keys, on one process with all cores. Nothing is written."""
    keys = product.keys(workspace, plan.time)
    sample = random.Random(plan.version).sample(keys, min(SAMPLE_KEYS, len(keys)))
    make = product.open(workspace, plan, None)
    make(sample[:1])  # what is loaded at the first call is no cost of a key
    started = time.monotonic()
    rows = make(sample).num_rows
    seconds = time.monotonic() - started
    left = missing(product.folder(workspace) / plan.version, plan)
    share = len(keys) / len(sample)
    return Estimate(plan, round(rows * share), seconds * share * len(left) / plan.buckets, len(left))


def run(workspace: Workspace, product: Product, plan: Plan, options: PipelineOptions) -> Manifest:
    """Make the parts that lack, then the manifest. The version in use stays what it is.

    Args:
        workspace: Whose product.
        product: What is made.
        plan: Of `plan_of`.
        options: Beam's.

    Raises:
        OtherWriter: Another run of this product is at work.
        NotWritten: As on a full disk; parts that were written stay, and a further run goes on.
        WorkspaceNotSeen: A worker does not see the workspace.
    """
    folder = product.folder(workspace)
    started = time.monotonic()
    with locked(folder / LOCK, f"backfill of {product.name}"):
        version = write_plan(folder, plan)
        if is_finished(version):
            log.info("backfill: %s %s is done already", product.name, plan.version)
            return read_manifest(version)
        todo = missing(version, plan)
        dealt = deal(product.keys(workspace, plan.time), plan.buckets)
        log.info(
            "backfill: %s %s: %s keys, %s of %s parts to make",
            *(product.name, plan.version, f"{plan.keys:,}", len(todo), plan.buckets),
        )
        if todo:
            worker = MakeParts(workspace, product, plan, Share.of(options), _progress(dealt, todo, options))
            elements = [(bucket, dealt.get(bucket, [])) for bucket in todo]

            def build(pipeline: beam.Pipeline, mark: Mark) -> None:
                (
                    pipeline
                    | "buckets" >> beam.Create(elements)
                    | "spread" >> beam.Reshuffle()
                    | "on the workspace" >> beam.Map(mark.checked)
                    | "make" >> beam.ParDo(worker)
                )

            run_pipeline(options, workspace, build)
        return finish(version, plan, time.monotonic() - started)


def deal(keys: Sequence[str], buckets: int) -> dict[int, list[str]]:
    """The keys by a hash that is the same in every process, each bucket in the order of `keys`."""
    dealt: dict[int, list[str]] = defaultdict(list)
    for key in keys:
        dealt[zlib.crc32(key.encode()) % buckets].append(key)
    return dealt


class MakeParts(beam.DoFn):
    """(bucket, its keys) -> a part of the version."""

    def __init__(self, workspace: Workspace, product: Product, plan: Plan, share: Share, progress: Progress) -> None:
        self._workspace, self._product, self._plan = workspace, product, plan
        self._share, self._progress = share, progress
        self._make: Maker | None = None

    def process(self, element: tuple[int, list[str]]) -> Iterator[Any]:
        bucket, keys = element
        if self._make is None:  # not in `setup`: a worker that does not see the workspace opens nothing
            self._make = self._product.open(self._workspace, self._plan, self._share.threads())
        self._progress.start()
        rows = self._make(keys)
        version = self._product.folder(self._workspace) / self._plan.version
        write_part(version, rows, part_name(bucket))
        count("keys", len(keys))
        self._progress.add(len(keys))
        yield from ()


def _progress(dealt: dict[int, list[str]], todo: Sequence[int], options: PipelineOptions) -> Progress:
    keys = sum(len(dealt.get(bucket, ())) for bucket in todo)
    return Progress("backfill", "keys", keys // min(processes(options), len(todo)))


def verify(workspace: Workspace, product: Product, version: str, sample: int = SAMPLE_KEYS) -> list[str]:
    """What is wrong with a finished version: counts, hashes, keys that lack, no row, and a sample that is made again.

    One in which nothing is wrong is noted as verified.

    Args:
        workspace: Whose product.
        product: What was made.
        version: Its name.
        sample: Keys that are made again and held against what stands there.

    Returns:
        A line a problem; empty where there is none.

    Raises:
        BadInput: There is no such version.
        NotReady: It is unfinished.
        NotWritten: As on a full disk.
    """
    require_version(product.folder(workspace), version)
    folder = product.folder(workspace) / version
    manifest = read_manifest(folder)
    if problems := list(damage(folder, manifest)):
        return problems
    if not manifest.rows:
        problems.append(f"no row for any of {manifest.plan.keys:,} keys")
    plan = manifest.plan
    keys = product.keys(workspace, plan.time)
    if not plan.keys - ErasedMembers(workspace).since(plan.time) <= len(keys) <= plan.keys:
        problems.append(f"{plan.keys:,} keys were planned, the workspace has {len(keys):,} as of then")
    if names := [name for name, value in product.inputs(workspace).items() if plan.inputs.get(name) != value]:
        return [*problems, f"not made again, since another is in use now: {', '.join(names)}"]
    drawn = random.Random(version).sample(keys, min(sample, len(keys)))
    make = product.open(workspace, plan, None)
    for bucket, of_bucket in deal(drawn, plan.buckets).items():
        path = folder / f"part-{part_name(bucket)}.parquet"
        with reading(path):
            stored = pq.read_table(path)
        for key in of_bucket:
            there = stored.filter(pc.equal(stored[product.key], key))
            if not there.equals(make([key])):
                problems.append(f"{product.key} {key}: made again it is another")
    if not problems:
        note_verified(folder)
    return problems


def bring(
    workspace: Workspace,
    product: Product,
    time: datetime | None = None,
    runner: Sequence[str] = (),
    keep: int = 3,
) -> Manifest:
    """Plan, make, verify and switch in one call; versions but the newest `keep` and the one in use go.

    Args:
        workspace: Whose product.
        product: What is made.
        time: As of when, as `plan_of` takes it.
        runner: Beam's flags.
        keep: Verified versions that stay.

    Raises what `plan_of`, `run` and `switch` raise, and:
        NotVerified: What was made does not hold; nothing was switched.
    """
    options = PipelineOptions(check_runner(runner))
    plan = plan_of(workspace, product, time)
    manifest = run(workspace, product, plan, options)
    folder = product.folder(workspace)
    if problems := verify(workspace, product, plan.version):
        cure = "nothing was switched; run again, which begins a new version"
        raise NotVerified("; ".join(problems[:3]), where=str(folder / plan.version), cure=cure)
    switch(folder, plan.version)
    for gone in prune(folder, keep):
        log.info("backfill: %s %s is removed", product.name, gone)
    return manifest


def newest(folder: Path) -> Path:
    """The newest finished version. Raises NotReady where there is none."""
    finished = [version for version in versions(folder) if is_finished(version)]
    if not finished:
        raise NotReady("no finished version", where=str(folder), cure="run `rolecall backfill run` first")
    return finished[-1]


def listing(workspace: Workspace, product: Product) -> Iterator[str]:
    """A line a version, the oldest first."""
    folder = product.folder(workspace)
    now = current(folder)
    for version in versions(folder):
        plan = read_plan(version)
        state = f"unfinished, {len(missing(version, plan))} of {plan.buckets} parts lack"
        if (version / MANIFEST).is_file():
            state = f"{read_manifest(version).rows:,} rows{'' if is_verified(version) else ', not verified'}"
        yield f"{product.name} {version.name}: {state}{'  in use' if now == version else ''}"
