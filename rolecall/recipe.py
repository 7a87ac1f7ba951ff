"""The recipe: every stage, what it reads and writes, in one list. `rolecall run` runs it, `dvc.yaml` shows it.

A stage is a `rolecall` command in a process of its own, so that its memory is given back and its cost can be seen.
Each stage skips what is already done. Under DVC a stage whose inputs changed starts from nothing instead, so that no
row of a former input stays; only what is named by its content is kept.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.documents import to_yaml
from contracts.errors import BadInput, NotReady, RolecallError
from contracts.workspace import RAW, Workspace
from models.registry import DEFAULT_TEACHERS, TEACHERS, teacher_config
from rolecall.costs import read_costs, write_costs
from rolecall.interrupt import OF_RUN
from rolecall.params import Params

log = logging.getLogger("rolecall")

DVC_WORKSPACE = "artifacts/demo"
BEAM = ("ingest", "verbalize", "activity", "embed", "label")
"""Commands that run on Beam, and take the flags of its runner."""
POLICY, FORM = "${label.policy}", "${verbalize.form}"
"""DVC puts the knob's value there."""
_STOP_SECONDS = 5.0
"""How long a stage may clean up when its run is stopped."""
TEXTS = ("features/member_text", "features/job_text")


class StageFailed(RolecallError):
    """A stage ended with an error, which its own process has printed."""

    reason = "stage_failed"


@dataclass(frozen=True)
class Stage:
    """One step of the recipe.

    Attributes:
        name: As DVC and `--from` name it.
        command: The `rolecall` command that does it, without `--workspace`.
        reads: Paths below the workspace.
        writes: Paths below the workspace.
        params: Sections of params.yaml, or knobs of one.
        metrics: Files of figures, written beside, by which DVC compares runs.
        files: Paths from the working directory that are read too, or knobs that hold one.
        grows: The outputs hold versions beside each other, which DVC must not clear before it runs the stage again.
    """

    name: str
    command: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    params: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    grows: bool = False


def stages(teachers: Sequence[str] = DEFAULT_TEACHERS) -> tuple[Stage, ...]:
    """All stages in order, with one for each teacher that is on, trained as `TEACHERS` orders them."""
    teachers = [name for name in TEACHERS.names() if name in teachers]
    taught = (*_below("teachers", teachers), *_below("scores", teachers))
    return (
        Stage("simulate", "simulate {data}", (), (RAW,), ("seed", "simulate")),
        Stage("ingest", "ingest --data {data}", (RAW,), ("records", "quarantine"), ("ingest",)),
        Stage("golden", "golden import --data {data}", (RAW,), ("golden",), files=(POLICY,)),
        Stage("verbalize", "verbalize", ("records",), (*TEXTS, "percentiles.json"), ("verbalize",), files=(FORM,)),
        Stage("activity", "activity", ("records",), ("features/member_activity", "features/job_stats")),
        Stage("links", "links learn --or-none", ("records",), ("links",), ("links",), grows=True),
        Stage(
            "encoder",
            "train encoder",
            ("records", *TEXTS, "features/member_activity"),
            ("encoder", "towers"),
            ("seed", "backbone", "encoder"),
        ),
        Stage(
            "embed",
            "embed",
            ("encoder", *TEXTS, "features/member_activity"),
            ("features/member_vector", "features/job_vector", "features/member_encoding"),
        ),
        Stage(
            "label",
            "label",
            (
                "records",
                "golden",
                "encoder",
                "features/member_text",
                "features/job_vector",
                "features/member_activity",
                "links",
            ),
            ("examples", "grades"),
            ("seed", "label", "retrieval"),
            files=(POLICY,),
        ),
        Stage(
            "training_set",
            "features training-set",
            ("examples", "features/member_text", "features/job_text", "features/member_activity"),
            ("training",),
        ),
        *_teacher_stages(teachers),
        Stage(
            "student",
            "train student",
            ("training", *taught),
            ("student",),
            ("backbone", "teachers", "student"),
        ),
        Stage(
            "export",
            "export",
            ("student", "training", "records", "grades", *_below("teachers", teachers)),
            ("bundles",),
            ("export",),
            metrics=("metrics/export.json",),
            grows=True,
        ),
        Stage("items", "embed --what items", ("bundles", "features/job_text"), ("items",), grows=True),
        Stage(
            "index",
            "index",
            ("records", "features/job_vector", "items", "links"),
            ("indexes",),
            ("index", "retrieval", "money"),
            grows=True,
        ),
        Stage(
            "materialize",
            "features materialize",
            ("bundles", "features/member_text", "features/member_activity", "features/member_encoding"),
            ("feature_repo",),
        ),
        Stage(
            "replay",
            "replay",
            (
                *("bundles", "indexes", "items", "records", "features", "training", "grades"),
                *taught,
            ),
            ("replay", "report.html"),
            ("replay", "label.judge"),
            metrics=("metrics/replay.json",),
            files=(POLICY,),
        ),
    )


def _below(folder: str, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{folder}/{name}" for name in names)


def _teacher_stages(names: Sequence[str]) -> tuple[Stage, ...]:
    """One a teacher; it reads the one that it builds on and no other, so that replacing one runs its branch alone."""
    return tuple(
        Stage(
            f"{name}_teacher",
            f"train {name} --or-none",
            ("training", "grades", *_built_on(name, names), *TEACHERS.get(name).reads),
            (f"teachers/{name}", f"scores/{name}"),
            (f"{name}_teacher", *(("backbone",) if "backbone" in teacher_config(name).model_fields else ())),
        )
        for name in names
    )


def _built_on(name: str, names: Sequence[str]) -> tuple[str, ...]:
    start = TEACHERS.get(name).starts_from
    return (f"teachers/{start}",) if start in names else ()


def run_recipe(
    workspace: Workspace,
    data: str | Path | None,
    *,
    params: Path | None,
    knobs: Params,
    start: str | None = None,
    end: str | None = None,
    profile: str | None = None,
    quiet: bool = False,
    ingest: Sequence[str] = (),
    runner: Sequence[str] = (),
) -> None:
    """Run the stages, then answer one request over HTTP and write `summary.json`, unless `end` stops before the last.

    Args:
        workspace: Where everything is written.
        data: Raw data; None for the folder that the workspace's records came from. Where it has no records yet, a
            market is simulated into it first.
        params: The params file, for the stages' processes.
        knobs: The knobs in force.
        start: The first stage to run; None for the first of all.
        end: The last stage to run; None for the last of all.
        profile: The online store, "embedded" or "redis"; None for the one that the repository has.
        quiet: Show warnings alone.
        ingest: Flags of the stage of that name, over its knobs.
        runner: Beam's flags, for every stage that runs on it.

    Raises:
        BadInput: There is no such stage, Beam knows no such flag or runner, another market was simulated into the
            workspace, or a folder of a model that the knobs name does not do.
        NotReady: The folder of the workspace's records is gone, and a stage reads it.
        StageFailed: A stage ended with an error.
    """
    from beam_jobs.loads import is_simulated, own_source  # the command line starts without what reads tables
    from rolecall.backbones import check_backbones

    simulates = data is None and is_simulated(workspace) is not False
    source = data or (workspace.root / RAW if simulates else own_source(workspace))
    to_run = [stage for stage in stages(knobs.teachers) if simulates or stage.name != "simulate"]
    names = [stage.name for stage in to_run]
    for name in (start, end):
        if name is not None and name not in names:
            raise BadInput(f"no stage {name!r}", cure=f"one of {', '.join(names)}")
    check_backbones(knobs)
    if runner:
        from beam_jobs.flags import check_runner

        check_runner(runner)
    workspace.root.mkdir(parents=True, exist_ok=True)
    costs = read_costs(workspace) if start else []
    for number, stage in enumerate(to_run, start=1):
        if (start and number <= names.index(start)) or (end and number > names.index(end) + 1):
            continue
        if stage.name == "simulate" and _simulated_before(workspace.root / RAW, knobs):
            log.info("[%d/%d] simulate: the market is there already", number, len(to_run))
            continue
        if "{data}" in stage.command and not (data or simulates):
            _require_own_data(workspace, own_source(workspace))
        log.info("[%d/%d] %s", number, len(to_run), stage.name)
        argv = [part.format(data=source) for part in stage.command.split()]
        argv += [*_place(stage, workspace, profile), *(ingest if stage.name == "ingest" else ())]
        argv += runner if argv[0] in BEAM else ()
        cost = _run(stage.name, argv, params, quiet)
        costs = [earlier for earlier in costs if earlier["name"] != stage.name] + [cost]
        write_costs(workspace, costs)
        log.info("[%d/%d] %s: %.1f s, %.0f MB", number, len(to_run), stage.name, cost["seconds"], cost["peak_mb"])
    if end not in (None, names[-1]):
        return
    from replay.report.page import possible_share
    from replay.summary import write_summary
    from rolecall.answer import serve_once

    answer = serve_once(workspace)
    results = write_summary(workspace, stages=costs, knobs=knobs.model_dump(mode="json"))
    log.info("")
    log.info("%s", answer)
    log.info("")
    log.info("Report: %s", workspace.report)
    log.info("Serve:  rolecall serve --workspace %s", workspace.root)
    log.info("Look:   http://localhost:8080/console")
    log.info('Ask:    curl -s localhost:8080/v1/search --json \'{"query": "nurse", "k": 5}\'')
    log.info("")
    log.info("%s", possible_share(results))


def as_dvc(teachers: Sequence[str] = DEFAULT_TEACHERS) -> str:
    """The recipe with the teachers that are on as the text of a `dvc.yaml` over the demo workspace."""
    document = {stage.name: _dvc_stage(stage) for stage in stages(teachers)}
    head = "# Printed by `rolecall recipe`; a test holds the two together. Edit rolecall/recipe.py, not this file.\n"
    return head + to_yaml({"stages": document})


def _dvc_stage(stage: Stage) -> dict:
    command = stage.command.format(data=f"{DVC_WORKSPACE}/{RAW}")
    place = "" if stage.name == "simulate" else f" --workspace {DVC_WORKSPACE}"
    outs = [{f"{DVC_WORKSPACE}/{path}": {"cache": False, "persist": stage.grows}} for path in stage.writes]
    entry: dict = {"cmd": f"rolecall {command}{place}"}
    if stage.reads or stage.files:
        entry["deps"] = [*(f"{DVC_WORKSPACE}/{path}" for path in stage.reads), *stage.files]
    if stage.params:
        entry["params"] = list(stage.params)
    metrics = [f"{DVC_WORKSPACE}/{path}" for path in stage.metrics]
    return entry | {"outs": outs} | ({"metrics": metrics} if metrics else {})


def _require_own_data(workspace: Workspace, source: Path | None) -> None:
    """Raise NotReady where the folder that the workspace's records came from is not known, not there, or a copy."""
    if source is None or not source.is_dir():
        came_from = "nobody noted where they came from" if source is None else f"they came from {source}, which is gone"
        raise NotReady(
            f"{workspace.root} holds real records, and {came_from}",
            cure="name the data with --data FOLDER, or go on with the records by --from verbalize",
        )

    if workspace.copies.resolve() in source.parents:
        what = f"the records of {workspace.root} came from elsewhere, and {source} is only the copy of then"
        raise NotReady(what, cure="name the place again with --data")


def _simulated_before(folder: Path, knobs: Params) -> bool:
    """Whether the market is there. Raises BadInput for another one: the records of both would be mixed."""
    from simulator.market import read_params

    there = read_params(folder)
    if there is None:
        return False
    there = {"language": "en"} | there | {"effects": bool(there.get("effects"))}  # of one from before there were others
    asked_for = knobs.simulate.model_dump() | {"seed": knobs.seed}
    asked_for["about_events"] = asked_for.pop("events")
    differing = [
        f"{name} {there.get(name)}, not {value}" for name, value in asked_for.items() if there.get(name) != value
    ]
    if differing:
        cure = "run in another --workspace, or delete this one"
        raise BadInput(f"another market was simulated here ({'; '.join(differing)})", where=str(folder), cure=cure)
    return True


def _place(stage: Stage, workspace: Workspace, profile: str | None) -> list[str]:
    if stage.name == "simulate":
        return []
    flags = ["--workspace", str(workspace.root)]
    return [*flags, "--profile", profile] if profile and stage.command.startswith("features") else flags


def _run(name: str, argv: Sequence[str], params: Path | None, quiet: bool) -> dict:
    options = [*(["--params", str(params)] if params else []), *(["--quiet"] if quiet else [])]
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "rolecall", *options, *argv], env=os.environ | {OF_RUN: "1"})
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:  # it must not go on alone, and switch; Ctrl-C has reached it too, SIGTERM not
        for end in (lambda: None, process.terminate, process.kill):
            end()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SECONDS)
                break
        raise
    code = os.waitstatus_to_exitcode(status)
    process.returncode = code
    if code != 0:
        raise StageFailed(f"exit code {code}", where=name, cure="its own message stands above")
    unit = 1 if sys.platform == "darwin" else 1024
    return {"name": name, "seconds": time.monotonic() - started, "peak_mb": usage.ru_maxrss * unit / 1e6}
