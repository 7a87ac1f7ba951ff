"""What a worker of a run has: sight of the workspace, which each proves before it reads or writes, and its cores.

A worker on another machine that lacks the workspace, or has another folder under its path, would read nothing or write
elsewhere, and the run would count it as done. So a run leaves a mark in the workspace, and every stage of its pipeline
begins with a look for it: after each source and after each grouping, where a runner may move to another worker.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, PortableOptions, StandardOptions

from contracts.errors import NotWritten, WorkspaceNotSeen
from contracts.machine import cores
from contracts.workspace import Workspace

T = TypeVar("T")

IN_PROCESS = {"direct", "directrunner", "switchingdirectrunner"}


class Mark(NamedTuple):
    """A file that a run made in its workspace and removes at its end."""

    path: Path

    def checked(self, element: T) -> T:
        """The element as it is, from a worker that sees the workspace: a step right after a source or a grouping.

        Raises:
            WorkspaceNotSeen: This worker does not.
        """
        if not self.path.exists():
            raise WorkspaceNotSeen(
                "a worker does not see the workspace of the run under its path",
                where=str(self.path.parent),
                cure="mount the same folder there on every worker, then run again",
            )
        return element


@contextmanager
def marked(workspace: Workspace) -> Iterator[Mark]:
    """The mark of one run, as long as the block lasts.

    Raises:
        NotWritten: The workspace takes no file, as on a full disk or without leave to write.
    """
    mark = Mark(workspace.root / f".run-{uuid.uuid4().hex}")
    try:
        workspace.root.mkdir(parents=True, exist_ok=True)
        mark.path.touch()
    except OSError as error:
        what = f"no run can begin here: {error.strerror}"
        cure = "make room, or give leave to write, then run again"
        raise NotWritten(what, where=str(workspace.root), cure=cure) from error
    try:
        yield mark
    finally:
        mark.path.unlink(missing_ok=True)


def is_in_process(options: PipelineOptions) -> bool:
    """Whether the options name Beam's runner in this process, or none."""
    runner = options.view_as(StandardOptions).runner
    return runner is None or runner.lower() in IN_PROCESS


def processes(options: PipelineOptions) -> int:
    """How many worker processes the options ask for on this machine; 1 for a runner that has its own machines."""
    direct = options.view_as(DirectOptions)
    if not is_in_process(options) or direct.direct_running_mode != "multi_processing":
        return 1
    return direct.direct_num_workers or cores()


class Share(NamedTuple):
    """The part of a machine's cores that one of its workers takes. workers: how many it runs; 0: one a core."""

    workers: int

    @classmethod
    def of(cls, options: PipelineOptions) -> Share:
        """That of each worker of a run, wherever it runs."""
        if is_in_process(options):
            return cls(processes(options))
        return cls(int(options.view_as(PortableOptions).sdk_worker_parallelism))

    def threads(self) -> int | None:
        """Threads that a model may use in this process, so that all workers of this machine together take its cores;
        None: all. Called in the worker: its machine may have other cores than that which began the run."""
        return None if self.workers == 1 else max(1, cores() // (self.workers or cores()))
