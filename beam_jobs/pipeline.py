"""How every job is started: its flags, the runner, the counters that come back, and errors a person can read."""

from __future__ import annotations

import argparse
import logging
import re
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import (
    DirectOptions,
    PipelineOptions,
    StandardOptions,
    WorkerOptions,
    _BeamArgumentParser,
)
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner import fn_runner
from apache_beam.runners.portability.portable_runner import JobServiceHandle
from apache_beam.runners.runner import PipelineRunner, create_runner

from contracts import errors
from contracts.errors import BadInput, RolecallError
from contracts.machine import cores
from contracts.workspace import Workspace

log = logging.getLogger("rolecall")

BEAM_HELP = """
Every other flag is Beam's: --direct_running_mode=multi_processing --direct_num_workers=2 for two processes here,
--runner=FlinkRunner (or SparkRunner, DataflowRunner) with that runner's own flags for a cluster, whose workers must
see the workspace under the same path."""
_DIRECT = {"direct", "directrunner", "switchingdirectrunner"}


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


def flags(job: str, doc: str | None) -> argparse.ArgumentParser:
    """A parser for `python -m beam_jobs.<job>` with `--workspace`; the job adds its own flags."""
    parser = argparse.ArgumentParser(
        prog=f"python -m beam_jobs.{job}",
        description=doc,
        epilog=BEAM_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--workspace", type=lambda p: Workspace(Path(p).resolve()), required=True, metavar="FOLDER")
    return parser


def parse(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None = None
) -> tuple[argparse.Namespace, PipelineOptions]:
    """The job's own flags, and Beam's. Raises BadInput for a flag that neither knows, and for an unknown runner."""
    own, rest = parser.parse_known_args(sys.argv[1:] if argv is None else list(argv))
    beams = _BeamArgumentParser(allow_abbrev=False, add_help=False)
    for kind in dict.fromkeys(PipelineOptions.__subclasses__()):
        kind._add_argparse_args(beams)
    _, unknown = beams.parse_known_args(rest)
    if unknown:
        raise BadInput(f"unknown flag {' '.join(unknown)}", where=parser.prog, cure="see --help")
    options = PipelineOptions(rest)
    _runner(options)
    return own, options


def run_pipeline(options: PipelineOptions, build: Callable[[beam.Pipeline], object]) -> Counter[str]:
    """Build a pipeline, run it to its end and return its counters by name.

    A typed error raised in a worker, which Beam hands back as a printed trace, is raised again as itself.
    """
    pipeline = beam.Pipeline(runner=_runner(options), options=options)
    build(pipeline)
    _RUNNER_LOG.setLevel(logging.CRITICAL)  # it logs the trace of an error that it then raises
    try:
        result = pipeline.run()
        result.wait_until_finish()
    except Exception as error:
        typed = _typed_error(error)
        if typed is None:
            raise
        raise typed from None
    found: Counter[str] = Counter()
    for metric in result.metrics().query()["counters"]:
        if metric.key.metric.namespace == _NAMESPACE:
            found[metric.key.metric.name] += metric.result
    return found


def count(name: str, by: int = 1) -> None:
    """Add to a counter that `run_pipeline` returns; only inside a worker."""
    Metrics.counter(_NAMESPACE, name).inc(by)


def processes(options: PipelineOptions) -> int:
    """How many worker processes the options ask for on this machine; 1 where that is not ours to say."""
    direct = options.view_as(DirectOptions)
    if direct.direct_running_mode != "multi_processing":
        return 1
    return direct.direct_num_workers or cores()


def threads_each(options: PipelineOptions) -> int | None:
    """Threads that a model may use in each worker process, so that together they take the machine; None: all."""
    number = processes(options)
    return None if number == 1 else max(1, cores() // number)


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
_TYPED = re.compile(r"contracts\.errors\.(\w+): (.+)")


def _runner(options: PipelineOptions) -> PipelineRunner:
    """Beam's in-process runner unless another is named.

    "DirectRunner" is a switch that first tries Prism, which fetches a program from the network; never by default.
    """
    name = options.view_as(StandardOptions).runner
    if name is None or name.lower() in _DIRECT:
        workers = options.view_as(WorkerOptions)
        if options.view_as(DirectOptions).direct_running_mode == "multi_processing":
            workers.default_sdk_harness_log_level = workers.default_sdk_harness_log_level or "ERROR"
            workers.sdk_harness_log_level_overrides = workers.sdk_harness_log_level_overrides or {"rolecall": "INFO"}
        given = JobServiceHandle.encode_pipeline_options(options.get_all_options(drop_default=True))
        return fn_runner.FnApiRunner(
            provision_info=fn_runner.ExtendedProvisionInfo(beam_provision_api_pb2.ProvisionInfo(pipeline_options=given))
        )
    try:
        return create_runner(name)
    except (ValueError, ImportError, AttributeError) as error:
        known = ", ".join(StandardOptions.KNOWN_RUNNER_NAMES)
        lacks = f": {error}" if isinstance(error, ImportError) else ""
        raise BadInput(f"runner {name!r} is not there{lacks}", where="--runner", cure=f"one of {known}") from error


def _typed_error(error: Exception) -> RolecallError | None:
    """The typed error that a worker raised: Beam adds the step's name to it, or hands over its printed trace."""
    if isinstance(error, RolecallError):
        return type(error)(_STEP.sub("", str(error)))
    for name, message in reversed(_TYPED.findall(str(error))):
        kind = getattr(errors, name, None)
        if isinstance(kind, type) and issubclass(kind, RolecallError):
            return kind(_STEP.sub("", message))
    return None


def by_bucket(table: pa.Table, key: str, buckets: int) -> Iterator[tuple[int, pa.Table]]:
    """The rows by a hash of their key that is the same in every process; no bucket is empty."""
    if not table.num_rows:
        return
    coded = table[key].combine_chunks().dictionary_encode()
    of_value = np.array([zlib.crc32(value.encode()) % buckets for value in coded.dictionary.to_pylist()])
    of_row = of_value[coded.indices.to_numpy()]
    for bucket in np.unique(of_row):
        yield int(bucket), table.take(np.flatnonzero(of_row == bucket))
