"""The judge against the truth that a simulated market knows and the judge never sees.

    python -m benchmarks.judge --workspace artifacts/demo

Weighted kappa over the pairs that `label` had graded, with 95% bootstrap intervals over requests: a judge that misreads
a request misgrades its whole list, so pairs of one list are not independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import result_file
from contracts.tables import read_table
from contracts.workspace import Workspace
from policy.golden.agreement import agreement
from simulator.truth import Truth

RESAMPLES = 1_000


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--workspace", type=Path, default=Path("artifacts/demo"), help="of a simulated market")
    options = parser.parse_args(argv)
    grades = read_table(Workspace(options.workspace).grades, ["member_id", "job_id", "query", "grade"])
    members, jobs, queries = (grades[name].to_pylist() for name in ("member_id", "job_id", "query"))
    truth = np.array(Truth.load(options.workspace / "raw").fits(members, jobs, queries).tolist(), np.int64)
    requests = np.array([f"{member}\n{query}" for member, query in zip(members, queries, strict=True)])
    rows = judge_rows(grades["grade"].to_numpy().astype(np.int64), truth, requests)
    result_file.write("spine", "python -m benchmarks.judge", rows, simulated=True, publish=options.publish)


def judge_rows(judge: np.ndarray, truth: np.ndarray, requests: np.ndarray) -> list[dict[str, Any]]:
    """Rows of the result.

    Args:
        judge: (n,) int64 grades.
        truth: (n,) int64 grades of the same pairs.
        requests: (n,) names of the pairs' requests, which are resampled whole.
    """
    _, request = np.unique(requests, return_inverse=True)
    lists = np.split(np.argsort(request, kind="stable"), np.cumsum(np.bincount(request))[:-1])
    drawn = np.random.default_rng(0).integers(0, len(lists), (RESAMPLES, len(lists)))
    samples = [np.arange(len(judge)), *(np.concatenate([lists[i] for i in draw]) for draw in drawn)]
    same = {"case": "the judge and the simulated truth", "system": "rubric judge"}
    rows: list[dict[str, Any]] = [
        same | {"metric": "pairs", "value": len(judge)},
        same | {"metric": "equal grades", "value": float(np.mean(judge == truth))},
    ]
    for kind, values in kappas(judge, truth, samples).items():
        low, high = np.quantile(values[1:], [0.025, 0.975])
        rows.append(same | {"metric": f"{kind} kappa", "value": values[0], "low": float(low), "high": float(high)})
    return rows


def kappas(first: np.ndarray, second: np.ndarray, draws: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Linear and quadratic kappa of two graders' grades (n,) int64 on each draw (m,) of their row numbers: (draws,)."""
    drawn = [agreement(first[draw].tolist(), second[draw].tolist(), rounds=1) for draw in draws]
    return {kind: np.array([getattr(sample, kind).value for sample in drawn]) for kind in ("linear", "quadratic")}


if __name__ == "__main__":
    main()
