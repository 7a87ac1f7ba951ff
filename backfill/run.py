"""Plan a product, make what lacks of it, verify it. A run that was ended at any point goes on where it was."""

from __future__ import annotations

import functools
import logging
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from apache_beam.options.pipeline_options import PipelineOptions

from backfill.deal import DealtRows, clear, deal, deal_pieces, groups_of, in_order
from backfill.product import Maker, Piece, Product
from backfill.prune import prune
from backfill.versions import (
    MANIFEST,
    RUNNING,
    Cell,
    Manifest,
    Plan,
    damage,
    finish,
    is_finished,
    is_verified,
    missing,
    note_verified,
    read_manifest,
    read_plan,
    require_version,
    roll_back,
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

SAMPLE_KEYS = 12


class Estimate(NamedTuple):
    """What a run would take. rows: known of a sample; seconds: on one worker process; parts_left: that lack."""

    plan: Plan
    rows: int
    seconds: float
    parts_left: int


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
    inputs = product.inputs(workspace)
    groups = groups_of(product, product.pieces(workspace, at), inputs)
    if not groups:
        what = f"{product.name}: there is nothing to make it from"
        raise NotReady(what, where=str(workspace.root), cure="ingest members and jobs first, and verbalize them")
    fresh = Plan(what=product.name, time=at, inputs=inputs, groups=groups)
    return unfinished(product.folder(workspace), fresh, time is not None) or fresh


def estimate(workspace: Workspace, product: Product, plan: Plan) -> Estimate:
    """Measure a sample of the rows of each table, on one process with all cores. Nothing is written."""
    make = product.open(workspace, plan, None)
    pieces = product.pieces(workspace, plan.time)
    left = missing(product.folder(workspace) / plan.version, plan)
    rows, seconds = 0.0, 0.0
    for table in product.key:
        if not (of_table := [piece for piece in pieces if piece.table == table]):
            continue
        sampled = next(product.read(workspace, random.Random(plan.version).choice(of_table)))
        drawn = random.Random(plan.version).sample(range(sampled.num_rows), min(product.sample, sampled.num_rows))
        sample = sampled.take(drawn)
        make(table, sample[:1])  # what is loaded at the first call is no cost of a row
        started = time.monotonic()
        made = sum(table.num_rows for table in make(table, sample))
        took = time.monotonic() - started
        groups = [group for group in plan.groups if group.table == table]
        share = sum(group.rows for group in groups) / sample.num_rows
        lacking = sum(cell.table == table for cell in left) / sum(group.buckets for group in groups)
        rows, seconds = rows + made * share, seconds + took * share * lacking
    return Estimate(plan, round(rows), seconds, len(left))


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
    with locked(folder / RUNNING, f"backfill of {product.name}"):
        version = write_plan(folder, plan)
        if is_finished(version):
            log.info("backfill: %s %s is done already", product.name, plan.version)
            return read_manifest(version)
        product.begin(workspace, plan, version)
        todo, counters = missing(version, plan), Counter[str]()
        log.info(
            "backfill: %s %s: %s keys, %s of %s parts to make",
            *(product.name, plan.version, f"{plan.keys:,}", len(todo), plan.buckets),
        )
        if todo:
            dealt = deal_pieces(workspace, product, plan, version, options)
            keys = plan.keys * len(todo) // plan.buckets
            progress = Progress("backfill", "keys", keys // min(processes(options), len(todo)))
            worker = MakeParts(workspace, product, plan, Share.of(options), progress)
            elements = [(cell, dealt.of(cell)) for cell in todo]

            def build(pipeline: beam.Pipeline, mark: Mark) -> None:
                (
                    pipeline
                    | "parts" >> beam.Create(elements)
                    | "spread" >> beam.Reshuffle()
                    | "on the workspace" >> beam.Map(mark.checked)
                    | "make" >> beam.ParDo(worker)
                )

            counters = run_pipeline(options, workspace, build)
        product.end(workspace, version, counters)
        manifest = finish(version, plan, time.monotonic() - started)
        clear(version)
        return manifest


class MakeParts(beam.DoFn):
    """(cell, its rows) -> a part of the version."""

    def __init__(self, workspace: Workspace, product: Product, plan: Plan, share: Share, progress: Progress) -> None:
        self._workspace, self._product, self._plan = workspace, product, plan
        self._share, self._progress = share, progress
        self._make: Maker | None = None
        self._names = plan.cells

    def process(self, element: tuple[Cell, DealtRows]) -> Iterator[Any]:
        cell, dealt = Cell(*element[0]), DealtRows(*element[1])
        if self._make is None:  # not in `setup`: a worker that does not see the workspace opens nothing
            self._make = self._product.open(self._workspace, self._plan, self._share.threads())
        self._progress.start()
        rows = in_order(dealt.read(), self._product)
        version = self._product.folder(self._workspace) / self._plan.version
        for name, table in zip(self._names[cell], self._make(cell.table, rows), strict=True):
            path = version / name
            write_part(path.parent, table, path.stem.removeprefix("part-"))
        count("keys", rows.num_rows)
        self._progress.add(rows.num_rows)
        yield from ()


def verify(workspace: Workspace, product: Product, version: str, sample: int = SAMPLE_KEYS) -> list[str]:
    """What is wrong with a finished version: counts, hashes, keys that lack, no row, and a sample that is made again.

    One in which nothing is wrong is noted as verified.

    Args:
        workspace: Whose product.
        product: What was made.
        version: Its name.
        sample: Rows that are made again and held against what stands there; where what is made of a row hangs on its
            part, a part of each table.

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
    product = product.as_made(folder, manifest.plan)
    grows = bool(product.in_place(workspace))
    if problems := list(damage(folder, manifest, grows)):
        return problems
    plan = manifest.plan
    if not manifest.rows:
        problems.append(f"no row for any of {plan.keys:,} keys")
    pieces = product.pieces(workspace, plan.time)
    erased = ErasedMembers(workspace).since(plan.time)
    now = sum(sum(piece.counts.values()) for piece in pieces)
    least = plan.keys - erased
    if not product.alone:
        least = 0 if erased else plan.keys  # a member has any number of rows
    if not least <= now <= plan.keys:
        problems.append(f"{plan.keys:,} keys were planned, the workspace has {now:,} as of then")
    if product.exact and not now <= manifest.rows <= plan.keys:
        problems.append(f"{plan.keys:,} rows were planned, {manifest.rows:,} are there")
    if names := [name for name, value in product.inputs(workspace).items() if plan.inputs.get(name) != value]:
        return [*problems, f"not made again, since another is in use now: {', '.join(names)}"]
    problems += _differing(workspace, product, plan, pieces, folder, sample)
    if not problems:
        note_verified(folder)
    return problems


def _differing(
    workspace: Workspace, product: Product, plan: Plan, pieces: Sequence[Piece], folder: Path, sample: int
) -> Iterator[str]:
    """Parts, or keys of them, that are otherwise when they are made again, a line each."""
    draw, names = random.Random(plan.version), plan.cells
    tables = {table: [cell for cell in names if cell.table == table] for table in product.key}
    number = sample if product.alone else 1
    drawn = {cell for cells in tables.values() for cell in draw.sample(cells, min(number, len(cells)))}
    found: dict[Cell, list[pa.Table]] = defaultdict(list)
    for piece in pieces:
        for rows in product.read(workspace, piece):
            for cell, of_cell in deal(rows, product, plan, piece.table):
                if cell in drawn:
                    found[cell].append(of_cell)
    make = product.open(workspace, plan, None)
    each = -(-sample // max(1, len(found)))
    for cell, of_cell in sorted(found.items()):
        rows, key = in_order(of_cell, product), product.key[cell.table]
        if not product.alone:
            made = make(cell.table, rows)
            for name, table in zip(names[cell], made, strict=True):
                if not _read(folder / name).equals(table):
                    yield f"{name}: made again it is another"
            continue
        (stored,) = (_read(folder / name) for name in names[cell])
        for row in draw.sample(range(rows.num_rows), min(each, rows.num_rows)):
            one = rows.slice(row, 1)
            there = stored.filter(pc.equal(stored[key], one[key][0]))
            if not there.equals(make(cell.table, one)[0]):
                yield f"{key} {one[key][0]}: made again it is another"


def _read(path: Path) -> pa.Table:
    with reading(path):
        return pq.read_table(path)


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
    switch_to(workspace, product, plan.version)
    for gone in prune(workspace, product, keep):
        log.info("backfill: %s %s is removed", product.name, gone)
    return manifest


def switch_to(workspace: Workspace, product: Product, version: str) -> Manifest:
    """Make a verified version of a product the one in use, with what others wrote to that of before.

    Raises what `backfill.versions.switch` raises.
    """
    folder = product.folder(workspace)
    require_version(folder, version)
    return switch(folder, version, functools.partial(product.carry, workspace))


def back(workspace: Workspace, product: Product) -> str:
    """Go back to the verified version of a product before the one in use, or to what its job wrote in place.

    Returns:
        What is in use now.

    Raises what `backfill.versions.roll_back` raises.
    """
    carry = functools.partial(product.carry, workspace)
    return roll_back(product.folder(workspace), product.in_place(workspace), carry)


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
