"""A run of text in a process of its own that ends itself as `kill -9` would: `python -m tests.backfill.killed_text`."""

from __future__ import annotations

import os
import signal
import sys
from datetime import datetime
from pathlib import Path

from apache_beam.options.pipeline_options import PipelineOptions

from backfill import deal, run
from backfill.text import Text
from contracts.workspace import Workspace


def main(root: str, time: str, point: str) -> None:
    """point: "dealing", a piece half dealt; "part 2", in the midst of the second part that this run makes."""
    write, begun = run.write_part, 0

    def killed(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def write_part(folder: Path, rows: object, name: str) -> None:
        nonlocal begun
        begun += 1
        if point == f"part {begun}":
            (folder / f"part-{name}.parquet.staged").write_bytes(b"PAR1 and no more")
            killed()
        write(folder, rows, name)

    run.write_part = write_part  # type: ignore[assignment]
    if point == "dealing":
        deal.staged_file = killed  # type: ignore[assignment]
    Text.part_rows = 40
    workspace = Workspace(Path(root))
    run.run(workspace, Text(), run.plan_of(workspace, Text(), datetime.fromisoformat(time)), PipelineOptions([]))


if __name__ == "__main__":
    main(*sys.argv[1:])
