"""What each teacher adds to the student, on the lists as they are served, and what it costs.

    python -m benchmarks.teacher_sets --decoder artifacts/smollm2

One simulated market with planted effects; for each set of teachers the student that is distilled of it, exported and
served as the demo does it. Data, labels, retrieval and held-out requests are those of all sets. A set runs the recipe
from its teachers on in the same workspace, and the benchmark stops where more was done than what hangs on the teachers
that are new.

A task that several teachers answer is mixed by `SHARES`. The order that is served is what the release chose on
validation lists; figures are of test requests, with 95% intervals over members (`replay.clustered`).

Without `--decoder` (a folder as `rolecall models unpack smollm2 FOLDER` writes it) the sets with the decoder are left
out, and the result says so. A run that was broken off goes on.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks import result_file
from benchmarks.teacher_sets_served import MEASURES, Grades, Served, collect, graded, of_teachers
from contracts.bundle import read_manifest
from contracts.documents import read_yaml, to_yaml
from contracts.errors import NotReady
from contracts.lock import SWITCHING
from contracts.tables import parts
from contracts.versions import write_text
from contracts.workspace import Workspace
from models.registry import TEACHERS
from models.teachers.scores import current_scores
from models.training.rows import KEYS
from replay.clustered import clustered_mean
from rolecall.console import show_progress
from rolecall.costs import read_costs
from rolecall.params import load_params

log = logging.getLogger("rolecall")

NAME = "teacher_sets"
KNOBS = Path(__file__).with_suffix(".yaml")
SETS = (
    ("policy",),
    ("policy", "click"),
    ("policy", "click", "graph"),
    ("policy", "click", "decoder"),
    ("policy", "click", "graph", "decoder"),
)
"""Each is set beside the one that lacks its last teacher."""
SHARES = {"policy": 3.0, "click": 3.0, "graph": 3.0, "decoder": 1.0}
"""Of a task that several answer. The click teacher has none beside the graph teacher, whose logits hold its own; the
decoder is the weakest of them by its own benchmark."""
BRANCH = ("student", "bundles", "items", "indexes")
"""What hangs on the teachers, beside themselves."""
DATA = ("records", "features", "encoder", "links", "examples", "grades", "training")
"""What no set may touch."""


@dataclass(frozen=True)
class Taught:
    """A student of a set.

    Attributes:
        teachers: Of the set.
        served: The test requests with its scores.
        seconds: Stage -> seconds of the run in which it was done.
    """

    teachers: tuple[str, ...]
    served: Served
    seconds: Mapping[str, float]

    @property
    def name(self) -> str:
        """As the result file names it."""
        return f"student of {' + '.join(self.teachers)}"


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--out", type=Path, default=Path("artifacts/teacher_sets"), help="where the workspace is kept")
    parser.add_argument("--params", type=Path, default=KNOBS, help="the recipe's knobs at the benchmark's size")
    parser.add_argument("--decoder", type=Path, help="a folder of a decoder; without it two sets are left out")
    parser.add_argument("--requests", type=int, default=500, help="test requests (500)")
    parser.add_argument("--sample", type=int, default=50, help="requests that the teachers read themselves (50)")
    options = parser.parse_args(argv)
    show_progress(quiet=False)
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    workspace, base = Workspace(out / "workspace"), read_yaml(options.params.read_text(), str(options.params))
    if options.decoder:
        base["decoder_teacher"] = base.get("decoder_teacher", {}) | {"backbone": str(options.decoder.resolve())}
    run(workspace, written(out, "data", base, ("policy",), {}), end="training_set")
    students: list[Taught] = []
    for teachers in SETS:
        if options.decoder or "decoder" not in teachers:
            students.append(of_set(workspace, out, base, teachers, options.requests))
    grades = graded(workspace, load_params(options.params), students[0].served)
    rows = [
        *student_rows(students, grades),
        *teacher_rows(workspace, students, grades, options.sample),
        *cost_rows(students),
    ]
    if not options.decoder:
        rows.append({"case": "left out", "system": "decoder", "metric": "no --decoder was given", "value": 1.0})
    result_file.write(NAME, command(options.decoder), rows, simulated=True, publish=options.publish)


def command(decoder: Path | None) -> str:
    return "python -m benchmarks.teacher_sets" + " --decoder FOLDER" * bool(decoder)


# --- training ---------------------------------------------------------------------------------------------------------


def of_set(workspace: Workspace, out: Path, base: dict[str, Any], teachers: tuple[str, ...], requests: int) -> Taught:
    """The student of one set, with the teachers that are not there yet."""
    last = max(teachers, key=TEACHERS.names().index)
    stages = [f"{name}_teacher" for name in teachers]
    seconds = done(workspace, out, written(out, "teachers", base, teachers, {}), stages[0], f"{last}_teacher", stages)
    params = written(out, "_".join(teachers), base, teachers, shares(answered(workspace, teachers)))
    seconds |= done(workspace, out, params, "student", "index", ("student", "export", "items", "index"))
    log.info("%s: %s", params.stem, read_manifest(workspace.bundle).objectives["recommendation"].in_words)
    return Taught(teachers, collect(workspace, requests), seconds)


def written(out: Path, name: str, base: dict[str, Any], teachers: Sequence[str], mix: Mapping[str, Any]) -> Path:
    """The file of a set's knobs."""
    content = base | {"teachers": list(teachers), "student": base.get("student", {}) | {"mix": dict(mix)}}
    path = out / f"{name}.yaml"
    write_text(path, to_yaml(content))
    load_params(path)
    return path


def run(workspace: Workspace, params: Path, start: str | None = None, end: str | None = None) -> None:
    """Some stages of the recipe; nothing where they end in a training set that is there."""
    if end == "training_set" and parts(workspace.training):
        return
    asked = [*(["--from", start] if start else []), *(["--to", end] if end else [])]
    command = ["-m", "rolecall", "--params", str(params), "run", "--workspace", str(workspace.root), *asked]
    subprocess.run([sys.executable, *command], check=True)


def done(
    workspace: Workspace, out: Path, params: Path, start: str, end: str, stages: Sequence[str]
) -> dict[str, float]:
    """Run some stages and say what those took that did something; of the others, what they took when they did.

    Raises:
        NotReady: Something was written that hangs on none of the teachers that are new.
    """
    before = snapshot(workspace)
    run(workspace, params, start, end)
    check_branch(before, after := snapshot(workspace))
    known = out / "seconds.json"
    seconds: dict[str, float] = json.loads(known.read_text()) if known.is_file() else {}
    took = {cost["name"]: cost["seconds"] for cost in read_costs(workspace)}
    place = {"student": "student", "export": "bundles", "items": "items", "index": "indexes"}
    found = {}
    for stage in stages:
        folder = place.get(stage, f"teachers/{stage.removesuffix('_teacher')}")
        name = f"{params.stem}: {stage}" if stage in place else stage
        if name not in seconds or any(path.startswith(f"{folder}/") for path in after - before):
            seconds[name] = took[stage]
        found[stage] = seconds[name]
    write_text(known, json.dumps(seconds, indent=1))
    return found


def snapshot(workspace: Workspace) -> set[str]:
    """Every file of data and teachers by path and time of change, and what hangs on them by path."""
    root, found = workspace.root, set()
    for folder in (*DATA, "teachers", "scores", *BRANCH):
        for path in (root / folder).rglob("*"):
            if path.is_file() and path.name not in ("CURRENT", SWITCHING):
                own = f"{path.relative_to(root)}"
                found.add(own if folder in BRANCH else f"{own} {path.stat().st_mtime_ns}")
    return found


def check_branch(before: set[str], after: set[str]) -> None:
    """Raise NotReady where data or a teacher that was there was made again, or what another set had written is gone."""
    cure = "give another --out, and run nothing else in its workspace"
    if gone := sorted(before - after):
        raise NotReady(f"{len(gone)} files of former sets are gone or changed, the first is {gone[0]}", cure=cure)
    there = {*DATA, *(_owner(path) for path in before)} - set(BRANCH)
    if fresh := sorted(path for path in after - before if _owner(path) in there):
        raise NotReady(f"{len(fresh)} files are new of what was there already, the first is {fresh[0]}", cure=cure)


def _owner(path: str) -> str:
    """The folder of the workspace, or of the teacher, that a file is of."""
    top, of = path.split("/")[:2]
    return f"teachers/{of.split('.')[0]}" if top in ("teachers", "scores") else top


def answered(workspace: Workspace, teachers: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Teacher -> the tasks that it answers."""
    stores = {name: pq.read_schema(current_scores(workspace, name)) for name in teachers}
    return {name: tuple(task for task in schema.names if task not in KEYS) for name, schema in stores.items()}


def shares(tasks: Mapping[str, Sequence[str]]) -> dict[str, dict[str, float]]:
    """The mix by `SHARES` of each task that several teachers answer."""
    mix: dict[str, dict[str, float]] = {}
    for task in dict.fromkeys(task for of_teacher in tasks.values() for task in of_teacher):
        names = [name for name in tasks if task in tasks[name]]
        if len(names) > 1:
            mix[task] = {name: 0.0 if name == "click" and "graph" in names else SHARES[name] for name in names}
    return mix


# --- figures ----------------------------------------------------------------------------------------------------------


def student_rows(students: Sequence[Taught], grades: Sequence[Grades]) -> Iterator[dict[str, Any]]:
    """Figures of each student on all test requests, beside judge, best order and baselines; and what each set adds."""
    first = students[0].served
    case = f"{len(first.lists)} test requests, all candidates"
    members, values = first.members, first.beside(grades)
    for student in students:
        student.served.same_candidates(first)
        values |= {f"{student.name}{kind}": found for kind, found in student.served.measured(grades).items()}
    for system, found in values.items():
        yield from mean_rows(case, system, found, members)
    for student, before in compared(students):
        for kind in first.measured(grades):
            added = values[f"{student.name}{kind}"] - values[f"{before.name}{kind}"]
            yield from mean_rows(case, f"{student.name}{kind}", added, members, f" minus {before.name}")


def compared(students: Sequence[Taught]) -> Iterator[tuple[Taught, Taught]]:
    """Each student with that of the set that lacks its last teacher."""
    of = {student.teachers: student for student in students}
    for student in students:
        if before := of.get(student.teachers[:-1]):
            yield student, before


def teacher_rows(
    workspace: Workspace, students: Sequence[Taught], grades: Sequence[Grades], sample: int
) -> Iterator[dict[str, Any]]:
    """Figures of the teachers themselves on the first candidates of some requests, with the others beside them."""
    names = tuple(dict.fromkeys(name for student in students for name in student.teachers))
    served, places = students[0].served.sampled(sample)
    cut = [grades[i].first(len(of.jobs)) for i, of in zip(places, served.lists, strict=True)]
    case = f"{len(served.lists)} test requests, the first {max(len(of.jobs) for of in served.lists)} candidates"
    values = served.beside(cut)
    scored, rates = of_teachers(workspace, served, names)
    values |= scored.measured_teachers(cut)
    for student in students:
        own, _ = student.served.sampled(sample)
        values |= {f"{student.name}{kind}": found for kind, found in own.measured(cut).items()}
    for system, found in values.items():
        yield from mean_rows(case, system, found, served.members)
    for name, rate in rates.items():
        yield {"case": "costs", "system": f"{name} teacher", "metric": "scored pairs", "value": rate, "unit": "pairs/s"}


def mean_rows(
    case: str, system: str, values: np.ndarray, members: Sequence[str], against: str = ""
) -> Iterator[dict[str, Any]]:
    """A row a measure of values (requests, measures), NaN where a request tells nothing; interval over members."""
    for column, metric in enumerate(MEASURES):
        mean = clustered_mean(values[:, column], members)
        if mean is not None:
            row = {"case": case, "system": system, "metric": f"{metric}{against}", "value": mean.value}
            yield row | ({} if mean.low is None else {"low": mean.low, "high": mean.high})


def cost_rows(students: Sequence[Taught]) -> Iterator[dict[str, Any]]:
    """What each teacher and each student took, and how many requests a second were answered."""
    for student in students:
        for stage, value in student.seconds.items():
            system = stage.replace("_", " ") if stage.endswith("_teacher") else student.name
            metric = "training and scoring" if stage.endswith("_teacher") else stage
            yield {"case": "costs", "system": system, "metric": metric, "value": value, "unit": "s"}
        row = {"case": "costs", "system": student.name, "metric": "a request, retrieved and scored"}
        yield row | {"value": 1_000 * student.served.seconds / len(student.served.held), "unit": "ms"}


if __name__ == "__main__":
    main()
