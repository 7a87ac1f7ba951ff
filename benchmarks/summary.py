"""Copies what a recipe's run found (`summary.json`: every system's metrics, every stage's cost) into the result file.

python -m benchmarks.summary --workspace artifacts/demo --name "simulated market"
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import result_file


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--workspace", type=Path, default=Path("artifacts/demo"), help="where `rolecall run` was done")
    parser.add_argument("--name", default="simulated market", help="what the data is: the cases begin with it")
    options = parser.parse_args(argv)
    simulated = json.loads((options.workspace / "summary.json").read_text())["simulated"]
    command = f"rolecall run --workspace {options.workspace} && python -m benchmarks.summary"
    result_file.write(
        "spine", command, summary_rows(options.workspace, options.name), simulated, publish=options.publish
    )


def summary_rows(workspace: Path, name: str) -> list[dict[str, Any]]:
    """The rows of a workspace's `summary.json`, each case with the data's name before it."""
    rows = json.loads((workspace / "summary.json").read_text())["rows"]
    return [row | {"case": f"{name}: {row['case']}"} for row in rows]


if __name__ == "__main__":
    main()
