"""A run of scores in a process of its own that ends itself as `kill -9` would: `... killed_scores`."""

from __future__ import annotations

import os
import signal
import sys
from datetime import datetime
from pathlib import Path

from apache_beam.options.pipeline_options import PipelineOptions

from backfill import run
from backfill.scores import Scores
from contracts.workspace import Workspace


def main(root: str, time: str) -> None:
    """Ends in the midst of the second part."""
    write, begun = run.write_part, 0

    def write_part(folder: Path, rows: object, name: str) -> None:
        nonlocal begun
        begun += 1
        if begun == 2:
            (folder / f"part-{name}.parquet.staged").write_bytes(b"PAR1 and no more")
            os.kill(os.getpid(), signal.SIGKILL)
        write(folder, rows, name)

    run.write_part = write_part  # type: ignore[assignment]
    Scores.part_rows = 150
    workspace, product = Workspace(Path(root)), Scores("policy")
    run.run(workspace, product, run.plan_of(workspace, product, datetime.fromisoformat(time)), PipelineOptions([]))


if __name__ == "__main__":
    main(*sys.argv[1:])
