"""How much of the policy reaches the first ten jobs that people are served: the result file `affinity`, from a replay.

    rolecall run --workspace artifacts/demo
    python -m benchmarks.affinity --workspace artifacts/demo

The rows are those of the replay's tables of served candidates: good and poor fits in the first ten of every system with
the best possible order as the ceiling, by the truth of a simulated market and by the judge's grades; the agreement from
link to link; and the cohorts. The teachers and the unquantised student are among them where the replay had them read
some requests:

    ROLECALL_REPLAY__SERVED__TEACHER_REQUESTS=60 rolecall replay --workspace artifacts/demo

`python -m benchmarks.pages` draws the chain from them (`benchmarks.chain`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import result_file
from contracts.workspace import Workspace
from replay.results import Results
from replay.served_tables import LINKS
from replay.summary import read_results

SERVED = "Served candidates"


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--workspace", type=Path, default=Path("artifacts/demo"), help="where `rolecall run` was done")
    parser.add_argument("--name", default="demo", help="what the data is: the cases begin with it")
    parser.add_argument("--seed", type=int, help="the ROLECALL_SEED that it was done with, where it was another than 0")
    options = parser.parse_args(argv)
    results = read_results(Workspace(options.workspace))
    sample = results.table(f"{LINKS}_sample")
    asked = f"ROLECALL_REPLAY__SERVED__TEACHER_REQUESTS={sample.requests} " if sample else ""
    seed = f"ROLECALL_SEED={options.seed} " if options.seed else ""
    made = f"{seed}{asked}rolecall run --workspace {options.workspace}"
    command = f"{made} && python -m benchmarks.affinity --name '{options.name}'"
    rows = served_rows(results, options.name)
    result_file.write("affinity", command, rows, results.simulated, publish=options.publish)


def served_rows(results: Results, name: str) -> list[dict[str, Any]]:
    """The rows of served candidates, each case with the data's name before it: "demo, served candidates, true fit"."""
    rows = [row for row in results.rows() if row["case"].startswith(SERVED)]
    return [row | {"case": f"{name}, {row['case'][0].lower()}{row['case'][1:]}"} for row in rows]


if __name__ == "__main__":
    main()
