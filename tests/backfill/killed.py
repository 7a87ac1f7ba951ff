"""A run of lists in a process of its own that ends itself as `kill -9` would: `python -m tests.backfill.killed ...`."""

from __future__ import annotations

import os
import signal
import sys
from datetime import datetime
from pathlib import Path

from apache_beam.options.pipeline_options import PipelineOptions

from backfill import run, versions
from backfill.lists import Lists
from contracts import tables
from contracts.workspace import Workspace
from serving.config import ServeConfig


def main(root: str, time: str, point: str) -> None:
    """point: "in part 2", half of its bytes written; "after part 2"; "before the manifest"."""
    write, finish = run.write_part, versions.finish

    def killed(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def write_part(folder: Path, rows: object, name: str) -> None:
        if point == f"in part {int(name)}":
            (folder / f"part-{name}.parquet.staged").write_bytes(b"PAR1 and no more")
            killed()
        write(folder, rows, name)
        if point == f"after part {int(name)}":
            killed()

    run.write_part = write_part  # type: ignore[assignment]
    run.finish = killed if point == "before the manifest" else finish  # type: ignore[assignment]
    Lists.part_rows = 16
    workspace, product = Workspace(Path(root)), Lists(ServeConfig(), k=5)
    assert tables.parts is versions.parts
    run.run(workspace, product, run.plan_of(workspace, product, datetime.fromisoformat(time)), PipelineOptions([]))


if __name__ == "__main__":
    main(*sys.argv[1:])
