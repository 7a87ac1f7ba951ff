"""How every job runs: the runner, the counters that come back, and typed errors from the workers."""

from __future__ import annotations

import logging
import re
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Self

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions, WorkerOptions
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner.fn_runner import ExtendedProvisionInfo, FnApiRunner
from apache_beam.runners.runner import PipelineRunner, create_runner
from google.protobuf.struct_pb2 import Struct

from beam_jobs.workers import Mark, is_in_process, marked
from contracts.errors import BadInput, NotReady, RolecallError
from contracts.tables import parts
from contracts.workspace import Workspace

log = logging.getLogger("rolecall")


@dataclass(frozen=True)
class Counts:
    """What a run did with the rows it looked at: read = written + skipped + duplicates + quarantined.

    skipped: what an earlier run did already; duplicates: what another row of the source says as well.
    """

    read: int = 0
    written: int = 0
    skipped: int = 0
    duplicates: int = 0
    quarantined: int = 0
    seconds: float = 0.0

    def __add__(self, other: Self) -> Self:
        return type(self)(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __str__(self) -> str:
        parts = [f"{self.read:,} read", f"{self.written:,} written", f"{self.skipped:,} unchanged and skipped"]
        parts += [f"{self.duplicates:,} duplicates"] if self.duplicates else []
        parts += [f"{self.quarantined:,} quarantined"] if self.quarantined else []
        return ", ".join(parts) + (f" in {self.seconds:.1f} s" if self.seconds else "")


def run_pipeline(
    options: PipelineOptions, workspace: Workspace, build: Callable[[beam.Pipeline, Mark], object]
) -> Counter[str]:
    """Build a pipeline and run it to its end.

    Args:
        options: Beam's options.
        workspace: What every worker has to see.
        build: Adds the steps to a pipeline; the mark's `checked` comes after each source and each grouping.

    Returns:
        The sums of the workers' counters by name.

    Raises:
        BadInput: There is no such runner.
        WorkspaceNotSeen: A worker does not see the workspace.
        RolecallError: A worker raised it; Beam hands it back as a printed trace.
    """
    runner = open_runner(options)
    pipeline = beam.Pipeline(runner=runner, options=options)
    _RUNNER_LOG.setLevel(logging.CRITICAL)  # it logs the trace of an error that it then raises
    with marked(workspace) as mark:
        build(pipeline, mark)
        try:
            result = pipeline.run()
            result.wait_until_finish()
        except Exception as error:
            typed = _typed_error(error)
            if typed is None:
                raise
            raise typed from None
    if not is_in_process(options):
        log.info(
            "counts are the runner's: rows of a bundle that it did again may count twice; the tables hold them once"
        )
    counters: Counter[str] = Counter()
    for metric in result.metrics().query()["counters"]:
        if metric.key.metric.namespace == _NAMESPACE:
            counters[metric.key.metric.name] += metric.result or 0  # a portable runner's zero reads as None
    return counters


def count(name: str, by: int = 1) -> None:
    """Add to a counter that `run_pipeline` returns; only inside a worker."""
    Metrics.counter(_NAMESPACE, name).inc(by)


def ingested(workspace: Workspace, table: str) -> list[Path]:
    """The parts of a table of records. Raises NotReady where there are none."""
    paths = parts(workspace.records / table)
    if not paths:
        cure = f"run `rolecall ingest --data FOLDER --workspace {workspace.root}` first"
        raise NotReady(f"no {table} in {workspace.records}", cure=cure)
    return paths


def finish(job: str, note: str, tables: Mapping[str, Counts], started: float) -> Counts:
    """Log what a job did to each table and to all.

    Args:
        job: The job's name.
        note: What the line about all tables says beside their counts.
        tables: Counts by table.
        started: When the job began, by `time.monotonic`.

    Returns:
        The sum of the counts, with the seconds that the job took.
    """
    for table, counts in tables.items():
        log.info("%s: %s", table, counts)
    total = sum(tables.values(), Counts())
    log.info("%s: %s; %s", job, note, total)
    return replace(total, seconds=time.monotonic() - started)


def run_id() -> str:
    """A name for this run that sorts by time: parts named after it stand in the order in which they were made."""
    return f"{time.time_ns() // 1_000_000:013d}"


def command(run: Callable[[], object]) -> None:
    """Run a job as a program: its lines to standard error, a typed error as one line and its exit code."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        run()
    except RolecallError as error:
        log.error("%s", error)
        sys.exit(error.exit_code)


_NAMESPACE = "rolecall"
_RUNNER_LOG = logging.getLogger("apache_beam.runners.common")
_STEP = re.compile(r" \[while running '[^']*'\]")


def open_runner(options: PipelineOptions) -> PipelineRunner:
    """Beam's in-process runner unless the options name another one.

    Beam's "DirectRunner" first tries Prism, which fetches a program from the network, so it is never opened.

    Raises:
        BadInput: There is no such runner, or a package that it needs is absent.
    """
    name = options.view_as(StandardOptions).runner
    if is_in_process(options):
        if options.view_as(DirectOptions).direct_running_mode == "multi_processing":
            workers = options.view_as(WorkerOptions)
            workers.default_sdk_harness_log_level = workers.default_sdk_harness_log_level or "ERROR"
            workers.sdk_harness_log_level_overrides = workers.sdk_harness_log_level_overrides or {"rolecall": "INFO"}
        for_workers = Struct()  # whose numbers are floats, which Beam's flags refuse
        for key, value in options.get_all_options(drop_default=True).items():
            for_workers[f"beam:option:{key}:v1"] = str(value) if type(value) is int else value
        provision = beam_provision_api_pb2.ProvisionInfo(pipeline_options=for_workers)
        return FnApiRunner(provision_info=ExtendedProvisionInfo(provision))
    try:
        return create_runner(name)
    except (ValueError, ImportError, AttributeError) as error:
        names = ", ".join(StandardOptions.KNOWN_RUNNER_NAMES)
        lacks = f": {error}" if isinstance(error, ImportError) else ""
        raise BadInput(f"runner {name!r} is not there{lacks}", where="--runner", cure=f"one of {names}") from error


def _typed_error(error: Exception) -> RolecallError | None:
    """The typed error that a worker raised: as itself with the step's name in it, or the last one in a printed trace.

    Beam keeps no object of an error that another thread or process raised, only its trace.
    """
    if isinstance(error, RolecallError):
        return type(error)(_STEP.sub("", str(error)))
    kinds = {f"{kind.__module__}.{kind.__qualname__}": kind for kind in _all_kinds(RolecallError)}
    for line in reversed(str(error).splitlines()):
        name, _, message = line.partition(": ")
        if name in kinds:
            return kinds[name](_STEP.sub("", message))
    return None


def _all_kinds(kind: type[RolecallError]) -> Iterator[type[RolecallError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _all_kinds(narrower)


def by_bucket(table: pa.Table, key: str, buckets: int) -> Iterator[tuple[int, pa.Table]]:
    """The rows by a hash of their key that is the same in every process; no bucket is empty."""
    if not table.num_rows:
        return
    coded = table[key].combine_chunks().dictionary_encode()
    of_value = np.array([zlib.crc32(value.encode()) % buckets for value in coded.dictionary.to_pylist()])
    of_row = of_value[coded.indices.to_numpy()]
    for bucket in np.unique(of_row):
        yield int(bucket), table.take(np.flatnonzero(of_row == bucket))
