"""What each comparison of the match adds: a light learner with all of them, and with each left out in turn.

    python -m benchmarks.match --workspace artifacts/demo

Boosted trees on the bins of pairs learn three tasks of training requests: relevance from the judge's grades of served
candidates, view and apply from the log. They are tested on valid and test requests, or on the last fifth of the
training ones where no served candidates of those were graded. What is lost without a comparison has a 95% interval over
the held-out requests, paired: both learners answer the same ones. Two comparisons that say nearly the same stand in for
each other, so each alone may seem worth little; such ones are left out together too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from beam_jobs.labelling.curve import grade_cuts, quadratic_kappas
from beam_jobs.labelling.match_trees import MatchTrees
from benchmarks import result_file
from benchmarks.markdown import markdown_table, with_interval
from contracts.examples import SERVED
from contracts.match import COMPARISONS, match_column
from contracts.tables import read_table
from contracts.workspace import Workspace
from models.training.metrics import auc, interval, mean_spearman, resamples
from policy.types import GRADES

NAME = "match"
MARKET = "simulated market"
ALL = "all comparisons"
KAPPA, SPEARMAN, AUC = "quadratic kappa", "Spearman in a request", "AUC in a request"
TASKS = {"relevance": (KAPPA, SPEARMAN), "view": (AUC,), "apply": (AUC,)}
TOGETHER = (
    ("skills", "skills_shared"),
    ("place", "query_place"),
    ("own_work", "wished_work"),
    ("own_title", "wished_title"),
)
"""Comparisons that say nearly the same, left out together too."""
HELD_SHARE = 0.2
COLUMNS = ["list_id", "event_timestamp", "split", "stratum", "grade", "view", "apply", "match"]

Samples = Mapping[str, np.ndarray]
"""Measure -> (1 + resamples,) float64: on all held-out requests, then on each draw of them."""


class Task(NamedTuple):
    """Pairs of one task.

    Attributes:
        name: The task's.
        bins: (n, C) uint8.
        targets: (n,) grades 0 to 4, or 0 and 1.
        train: Row numbers to learn from.
        held: Row numbers of each held-out request.
    """

    name: str
    bins: np.ndarray
    targets: np.ndarray
    train: np.ndarray
    held: list[np.ndarray]


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--workspace", type=Path, default=Path("artifacts/demo"), help="with labelled lists")
    parser.add_argument("--name", default=MARKET, help="what the data is: the cases begin with it")
    parser.add_argument("--real", action="store_true", help="the data is of real people, not simulated")
    options = parser.parse_args(argv)
    made: list[dict[str, Any]] = []
    for task in tasks_of(Workspace(options.workspace)):
        made += leave_one_out(options.name, task)
    command = result_file.command_line("benchmarks.match")
    result_file.write(NAME, command, made, simulated=not options.real, publish=options.publish)


def tasks_of(workspace: Workspace) -> list[Task]:
    """The tasks of a workspace whose labels tell held-out pairs apart."""
    table = pl.DataFrame(read_table(workspace.examples, COLUMNS)).sort("event_timestamp", "list_id")
    made = [_task(table, name) for name in TASKS]
    return [task for task in made if len(task.train) and task.held]


def _task(table: pl.DataFrame, name: str) -> Task:
    served, target = pl.col("stratum") == SERVED, "grade" if name == "relevance" else name
    of_task = table.filter(served if name == "relevance" else ~served).filter(pl.col(target).is_not_null())
    targets = of_task[target].to_numpy().astype(np.float64)
    splits, names = of_task["split"].to_numpy(), of_task["list_id"].to_numpy()
    starts = np.flatnonzero(np.r_[True, names[1:] != names[:-1]]) if len(names) else np.zeros(0, np.int64)
    lists = np.split(np.arange(len(names)), starts[1:]) if len(names) else []
    train = [rows for rows in lists if splits[rows[0]] == "train"]
    held = [rows for rows in lists if splits[rows[0]] != "train"]
    if name == "relevance" and not held:
        last = len(train) - round(HELD_SHARE * len(train))
        train, held = train[:last], train[last:]
    apart = [rows for rows in held if np.ptp(targets[rows])]
    learned = np.concatenate(train) if train else np.zeros(0, np.int64)
    return Task(name, match_column(of_task.select("match").to_arrow()), targets, learned, apart)


def leave_one_out(case: str, task: Task) -> list[dict[str, Any]]:
    """Rows of a task: the measures with all comparisons, and what is lost of them without each and without some."""
    case = f"{case}, {task.name}, {len(task.train):,} pairs, {len(task.held)} held-out requests"
    whole = measured(task, task.bins)
    made = [_row(case, ALL, measure, samples) for measure, samples in whole.items()]
    column = {comparison.name: place for place, comparison in enumerate(COMPARISONS)}
    for names in (*((name,) for name in column), *(names for names in TOGETHER if set(names) <= set(column))):
        bins = task.bins.copy()
        bins[:, [column[name] for name in names]] = 0
        for measure, samples in measured(task, bins).items():
            made.append(_row(case, " and ".join(names), f"{measure} lost", whole[measure] - samples))
    return made


def measured(task: Task, bins: np.ndarray) -> Samples:
    """The measures of the trees that learn from these bins (n, C)."""
    trees = MatchTrees().fit(bins[task.train], task.targets[task.train])
    scores = trees.predict(bins)
    draws = np.concatenate([np.ones((1, len(task.held)), np.float32), *resamples(len(task.held), seed=0)])
    if task.name != "relevance":
        return {AUC: _mean(draws, np.array([auc(scores[rows], task.targets[rows]) for rows in task.held]))}
    grades, same = task.targets.astype(np.int64), np.ones(len(task.train))
    cuts = grade_cuts(scores[task.train], grades[task.train], same)
    cells = np.searchsorted(cuts, scores, side="right") * len(GRADES) + grades
    tables = np.stack([np.bincount(cells[rows], minlength=len(GRADES) ** 2) for rows in task.held])
    spearmans = np.array([mean_spearman(scores, task.targets, [rows]) for rows in task.held])
    return {KAPPA: quadratic_kappas(draws @ tables), SPEARMAN: _mean(draws, np.nan_to_num(spearmans))}


def _mean(draws: np.ndarray, values: np.ndarray) -> np.ndarray:
    return draws @ values / draws.sum(axis=1)


def _row(case: str, system: str, metric: str, samples: np.ndarray) -> dict[str, Any]:
    low, high = interval(samples[1:, None])[:, 0]
    about = {"case": case, "system": system, "metric": metric}
    return about | {"value": float(samples[0]), "low": float(low), "high": float(high)}


def match_tables(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """For each set of data a table: comparisons down; what each task loses without them across."""
    tables = []
    for data in dict.fromkeys(row["case"].split(", ")[0] for row in rows):
        cases = list(dict.fromkeys(row["case"] for row in rows if row["case"].startswith(f"{data}, ")))
        named = {(row["case"], row["system"], row["metric"]): row for row in rows}
        shown = {case: TASKS[case.split(", ")[1]][0] for case in cases}
        lines = [["*with all*", *(with_interval(named[case, ALL, measure]) for case, measure in shown.items())]]
        for name in dict.fromkeys(system for case, system, _ in named if case in cases and system != ALL):
            cells = [named.get((case, name, f"{measure} lost")) for case, measure in shown.items()]
            lines.append([name, *(with_interval(cell) if cell else "" for cell in cells)])
        heads = [f"{case.split(', ')[1]}: {measure}" for case, measure in shown.items()]
        about = "; ".join(case.split(", ", 1)[1] for case in cases)
        tables.append(f"{data[0].upper()}{data[1:]} ({about}):\n\n{markdown_table(['without', *heads], lines)}")
    return {"match": "\n".join(tables)}


if __name__ == "__main__":
    main()
