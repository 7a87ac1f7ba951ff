"""The names in the decoder benchmark's result file, and the tables of its page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.markdown import Rows, made_by, markdown_table, with_interval

NAME = "decoder_teacher"
T1, T2 = "trained tasks", "tasks never trained on"
COLD, HISTORY, DRIFT = "by past actions", "by shots in the prompt", "by time after training"
PARTS, DEDICATED, SHARE = "decoder, five tasks", "dedicated MiniLM", "share of dedicated"
BUCKETS = ((0, 4), (5, 14), (15, 30))
"""Past actions of a member, from and to."""

Row = Mapping[str, Any]


def decoder_tables(rows: Rows) -> dict[str, str]:
    """The page's tables by name."""
    named: Mapping[tuple[str, str, str], Row] = {(row["case"], row["system"], row["metric"]): row for row in rows}

    def cell(case: str, system: str, metric: str = "auc") -> str:
        row = named.get((case, system, metric))
        return with_interval(row) if row else ""

    def tasks(kind: str) -> list[str]:
        return list(dict.fromkeys(case for case, _, _ in named if case.startswith(f"{kind}, ")))

    trained = [
        [
            case.split(", ")[1],
            cell(case, PARTS),
            cell(case, "dedicated MiniLM"),
            cell(case, PARTS, "share of dedicated"),
        ]
        for case in tasks(T1)
    ]
    systems = list(dict.fromkeys(system for case, system, _ in named if case.startswith(f"{T2}, ")))
    never = [
        [case.split(", ")[1], *(cell(case, system) for system in systems), cell(case, systems[0], "labels saved")]
        for case in tasks(T2)
    ]
    size = [[metric, with_interval(row)] for (case, _, metric), row in named.items() if case == T1]
    curves = [
        f"{case[0].upper()}{case[1:]}:\n\n"
        + markdown_table([case, "AUC"], [[system, cell(case, system)] for of, system, _ in named if of == case])
        for case in (COLD, HISTORY, DRIFT)
    ]
    return {
        "size": markdown_table(["the run", "value"], size),
        "trained": markdown_table(["task", "decoder, one model", "dedicated MiniLM", "share"], trained),
        "never": markdown_table(["task", *systems, "labels saved"], never),
        "curves": "\n".join(curves),
        "made": made_by(rows),
    }
