"""The ladder: what each step of the recipe adds, on pairs that nothing was trained on.

    python -m benchmarks.ladder --onet ../shared/data/onet --jobviews ../shared/data/jobviews

Three sets of pairs: a simulated market (grades and engagement), O*NET's occupations (graded by its experts' judgement
of relatedness, occupations held out) and the job views (engagement; graded by the rubric). On each the teachers are
trained once and every rung's student under several seeds; intervals are 95% over seeds and held-out lists together. A
model that is there is not trained again, so a run that was broken off goes on. Speed is measured last, in turns.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import result_file
from benchmarks.ladder_data import JOB_VIEWS, ONET, SIMULATED, WARM, Pairs, prepare, share_states
from benchmarks.ladder_quality import (
    HELD_OUT,
    Held,
    Samples,
    both_objectives,
    kappa_rows,
    measure,
    over_seeds,
    quality_rows,
    row,
    student_logits,
    taught_logits,
    top_rows,
)
from benchmarks.ladder_speed import Exported, speed_rows
from models.config import StudentConfig
from models.student.distil import train_student
from models.teachers.train import train_teacher
from models.training.rows import Rows, read_rows
from release.held_out import held_out_logits
from rolecall.console import show_progress
from rolecall.params import Params, load_params

NAME = "recipe_ladder"
KNOBS = Path(__file__).parent / "ladder.yaml"
THREADS = 2

EVERYWHERE = (SIMULATED, ONET, JOB_VIEWS)
COLD: Mapping[str, Any] = {"warm_start": False}


@dataclass(frozen=True)
class Rung:
    """knobs: what differs from the student of `ladder.yaml`; on: the sets of pairs that it is trained on; base: the
    rung whose student it starts from."""

    name: str
    knobs: Mapping[str, Any]
    on: tuple[str, ...] = (SIMULATED,)
    base: str = ""


def _pruned(neurons: float, epochs: int) -> Mapping[str, Any]:
    """A trained student made smaller in one step, with so many epochs of distillation after it.

    Of all its layers, so on half of the pairs: what is fixed otherwise was pruned as well.
    """
    return {"epochs": 0, "max_pairs": 4_800, "prune": {"neurons": neurons, "steps": 1, "epochs": epochs}}


RUNGS = (
    Rung("labels alone", {**COLD, "distil": ()}, EVERYWHERE),
    Rung("+ policy teacher", {**COLD, "distil": ("policy",)}),
    Rung("+ click teacher", COLD),
    Rung(WARM, {}, EVERYWHERE),
    Rung("policy teacher alone", {"distil": ("policy",)}),
    Rung("click teacher alone", {"distil": ("click",)}),
    Rung("+ stepwise through T = 8", {"via": (8,)}),
    Rung("T = 1", {"item_tokens": 1}),
    Rung("T = 2", {}),
    Rung("T = 4", {"item_tokens": 4}),
    Rung("T = 8", {"item_tokens": 8}),
    Rung("neurons 25% less", _pruned(0.25, epochs=0), base=WARM),
    Rung("neurons 25% less, distilled again", _pruned(0.25, epochs=1), base=WARM),
    Rung("neurons 50% less", _pruned(0.5, epochs=0), base=WARM),
    Rung("neurons 50% less, distilled again", _pruned(0.5, epochs=1), base=WARM),
)


COMPARED = {WARM: "both teachers", "policy teacher alone": "policy teacher", "click teacher alone": "click teacher"}
"""Rungs that differ in their teachers alone, and what those are. Each starts as the mean of its teachers, and learns a
task that none of them answers from the labels."""


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--out", type=Path, default=Path("artifacts/ladder"), help="where models are kept")
    parser.add_argument("--onet", type=Path, help="a folder of O*NET tables, where you have it")
    parser.add_argument("--jobviews", type=Path, help="the public job-views folder, where you have it")
    parser.add_argument("--params", type=Path, default=KNOBS, help="the recipe's knobs at the ladder's size")
    parser.add_argument("--seeds", type=int, default=3, help="students of each rung (3)")
    options = parser.parse_args(argv)
    show_progress(quiet=False)
    torch.set_num_threads(THREADS)
    knobs = load_params(options.params)
    share_states()
    made: list[dict[str, Any]] = []
    for pairs in prepare(options.out, options.params, knobs, options.onet, options.jobviews):
        simulated = pairs.name == SIMULATED
        made += [found | {"simulated": simulated} for found in _climb(pairs, knobs, options.seeds)]
        print(result_file.as_table(made), flush=True)
    result_file.write(
        NAME, result_file.command_line("benchmarks.ladder"), made, simulated=False, publish=options.publish
    )


def _climb(pairs: Pairs, knobs: Params, seeds: int) -> list[dict[str, Any]]:
    """Every rung of one set of pairs."""
    workspace = pairs.workspace
    for kind in pairs.teachers:
        train_teacher(workspace, kind, knobs.teacher(kind))
    rows = read_rows(workspace.training)
    held = Held.of(rows)
    tasks, taught = taught_logits(workspace, pairs.teachers, rows)
    teacher = measure(held, tasks, taught)
    case = f"{pairs.name}, {len(held.lists)} held-out lists"
    made = quality_rows(case, "teachers", [teacher], {})
    folders: dict[str, list[Path]] = {}
    sums: dict[str, list[np.ndarray]] = {}
    for rung in (rung for rung in RUNGS if pairs.name in rung.on):
        folders[rung.name] = [_student(pairs, knobs, rung, seed, folders) for seed in range(seeds)]
        scored = [student_logits(folder, rows) for folder in folders[rung.name]]
        made += quality_rows(case, rung.name, [measure(held, *logits) for logits in scored], teacher)
        if rung.name in COMPARED:
            sums[rung.name] = [both_objectives(held, *logits) for logits in scored]
        print(result_file.as_table(made[-8:]), flush=True)
    made += _quantised(case, rows, held, folders[WARM], teacher)
    if pairs.name == SIMULATED:
        made += _mixing(case, sums)
        made += kappa_rows(case, workspace, held, taught[:, tasks.index("relevance")])
        made += speed_rows(case, workspace, rows, {name: paths[0] for name, paths in folders.items()}, THREADS)
    return made


def _student(pairs: Pairs, knobs: Params, rung: Rung, seed: int, folders: Mapping[str, list[Path]]) -> Path:
    changed = {"distil": pairs.teachers} | dict(rung.knobs) | {"seed": seed}
    if rung.base:
        changed["base"] = folders[rung.base][seed]
    config = StudentConfig.model_validate(knobs.student.model_dump() | changed)
    return train_student(pairs.workspace, config)


def _quantised(case: str, rows: Rows, held: Held, folders: list[Path], teacher: Samples) -> list[dict[str, Any]]:
    """Rows of the warm student of each seed as it is served, in INT8."""
    chosen = rows.of_splits(*HELD_OUT)
    samples, agreements = [], []
    for folder in folders:
        with tempfile.TemporaryDirectory() as scratch:
            served = Exported(folder, "int8", [], THREADS, Path(scratch))
            logits = held_out_logits(served.scorer, served.encoder, rows, chosen)
        tasks, whole = student_logits(folder, rows)
        samples.append(measure(held, tasks, logits))
        agreements.append(top_rows(held, tasks, logits, whole))
    system = f"{WARM}, INT8"
    agreed = row(case, system, "ndcg@1_agreement", over_seeds(np.stack(agreements)))
    return [*quality_rows(case, system, samples, teacher), agreed]


def _mixing(case: str, seeds: Mapping[str, list[np.ndarray]]) -> list[dict[str, Any]]:
    """Rows of the student of both teachers against that of either alone, on the sum of both objectives."""
    own = {COMPARED[name]: np.stack(samples) for name, samples in seeds.items()}
    made = [row(case, name, "sum of objectives", over_seeds(samples)) for name, samples in own.items()]
    mixed = own.pop(COMPARED[WARM])
    return made + [
        row(case, COMPARED[WARM], f"sum of objectives above {name}", over_seeds(mixed - samples))
        for name, samples in own.items()
    ]


if __name__ == "__main__":
    main()
