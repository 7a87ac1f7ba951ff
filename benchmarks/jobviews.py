"""The whole recipe on the public job-views data, by the protocol that the data's README states.

`python -m benchmarks.jobviews --data FOLDER` runs `rolecall run` on the folder and copies the replay's rows, every
system with its interval, into `results/spine.json`, and those of the served candidates into `results/affinity.json`.

The protocol's candidates are all jobs of the file, so also those that nobody had looked at when the request was made.
What others looked at before the request would tell these apart; the export finds such features and leaves them out.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import result_file
from benchmarks.affinity import served_rows
from benchmarks.summary import summary_rows
from contracts.workspace import Workspace
from replay.summary import read_results

NAME, COMMAND = "job views", "python -m benchmarks.jobviews --data FOLDER"


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds Job_Views.csv")
    parser.add_argument("--workspace", type=Path, default=Path("artifacts/jobviews"))
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--reuse", action="store_true", help="take the summary of an earlier run in the workspace")
    options = parser.parse_args(argv)
    if not (options.reuse and (options.workspace / "summary.json").is_file()):
        command = ["rolecall", "--params", str(options.params), "run", "--data", str(options.data)]
        subprocess.run([sys.executable, "-m", *command, "--workspace", str(options.workspace)], check=True)
    rows = summary_rows(options.workspace, NAME)
    result_file.write("spine", COMMAND, rows, simulated=False, publish=options.publish)
    served = served_rows(read_results(Workspace(options.workspace)), NAME)
    result_file.write("affinity", COMMAND, served, simulated=False, publish=options.publish)


if __name__ == "__main__":
    main()
