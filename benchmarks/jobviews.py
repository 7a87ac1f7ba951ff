"""The whole recipe on the public job-views data, by the protocol that the data's README states.

`python -m benchmarks.jobviews --data FOLDER` runs `rolecall run` on the folder and copies the replay's rows, every
system with its interval, into `results/spine.json`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import result_file


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds Job_Views.csv")
    parser.add_argument("--workspace", type=Path, default=Path("artifacts/jobviews"))
    parser.add_argument("--reuse", action="store_true", help="take the summary of an earlier run in the workspace")
    options = parser.parse_args(argv)
    summary = options.workspace / "summary.json"
    if not (options.reuse and summary.is_file()):
        command = ["rolecall", "run", "--data", str(options.data), "--workspace", str(options.workspace)]
        subprocess.run([sys.executable, "-m", *command], check=True)
    rows = [row | {"case": f"job views: {row['case']}"} for row in json.loads(summary.read_text())["rows"]]
    result_file.write("spine", "python -m benchmarks.jobviews --data FOLDER", rows, simulated=False)


if __name__ == "__main__":
    main()
