"""The judge against the truth that a simulated market knows and the judge never sees.

    python -m benchmarks.judge --workspace artifacts/demo

Weighted kappa over the pairs that `label` had graded, with 95% bootstrap intervals.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks import result_file
from contracts.tables import read_table
from contracts.workspace import Workspace
from policy.agreement import agreement
from simulator.truth import Truth


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=Path("artifacts/demo"), help="of a simulated market")
    options = parser.parse_args(argv)
    workspace = Workspace(options.workspace)
    grades = read_table(workspace.grades, ["member_id", "job_id", "query", "grade"])
    asked = (grades[name].to_pylist() for name in ("member_id", "job_id", "query"))
    found = agreement(grades["grade"].to_pylist(), Truth.load(options.workspace / "raw").fits(*asked).tolist())
    print(found)
    same = {"case": "the judge and the simulated truth", "system": "rubric judge"}
    rows = [
        same | {"metric": "pairs", "value": found.pairs},
        same | {"metric": "equal grades", "value": found.exact},
    ] + [
        same | {"metric": f"{kind} kappa", **interval._asdict()}
        for kind, interval in (("linear", found.linear), ("quadratic", found.quadratic))
    ]
    result_file.write("spine", "python -m benchmarks.judge", rows, simulated=True)


if __name__ == "__main__":
    main()
