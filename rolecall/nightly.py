"""What one schedules: what is new goes in, what hangs on it is made again, and what is served moves on, or stays.

The stages are those of the recipe that train nothing, in one process: their libraries are loaded once. The models are
trained only where a stated trigger says so. Where a stage fails, bundle, index and lists in use are those of before.
"""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from contracts.errors import NotWritten, RolecallError, TooFewHires
from contracts.features import PRODUCTS
from contracts.lock import RECIPE, locked
from contracts.tables import in_use, parts
from contracts.validation import first_line
from contracts.values import FrozenModel
from contracts.versions import current, set_current, unset_current, write_text
from contracts.workspace import Workspace
from rolecall import interrupt
from rolecall.params import Params

log = logging.getLogger("rolecall")

NOTE = "nightly.json"
INDEX_HOURS = 20
"""Past this age an index is built anew in any case: how popular a job was of late is as of its build."""


class Nightly(FrozenModel):
    """What one night does beside bringing everything up to date.

    Attributes:
        data: Raw data, as `ingest` takes it; None: the service's log alone.
        ingest: Further flags of `ingest`.
        runner: Beam's flags.
        profile: The online store's; None: as it is.
        links_days: Age in days from which links are learned again; None: never.
        lists: Whether every member's lists are made.
        retrain_days: Age in days of the bundle from which models are trained again; None: age is no reason.
        retrain_grades: Grades taken in since the bundle from which they are; None: grades are no reason.
        retrain_drift: Whether a problem that `rolecall drift` finds is a reason.
        gate: Share of what the bundle of before reaches that a new one may lose in no slice, at most 0, shown by a
            replay of the log's held-out requests; None: every bundle that was exported is served.
    """

    data: str | None = None
    ingest: tuple[str, ...] = ()
    runner: tuple[str, ...] = ()
    profile: str | None = None
    links_days: float | None = 7
    lists: bool = True
    retrain_days: float | None = None
    retrain_grades: int | None = None
    retrain_drift: bool = False
    gate: float | None = Field(None, ge=-1, le=0)


class Outcome(NamedTuple):
    """One stage: what it did or why it failed, how long it took, and the exit code of its error, 0 for none."""

    stage: str
    said: str
    seconds: float
    code: int = 0


class Night:
    """One night in a workspace."""

    def __init__(self, workspace: Workspace, knobs: Params, params: Path | None, asked: Nightly) -> None:
        """Prepare it. knobs: in force; params: their file, for stages that train in processes of their own."""
        self._workspace, self._knobs, self._params, self._asked = workspace, knobs, params, asked
        self._place = ["--workspace", str(workspace.root)]
        self.outcomes: list[Outcome] = []

    def run(self) -> int:
        """Run all stages. Gives the exit code: 0, or that of the first stage that failed.

        Raises:
            OtherWriter: Another night, or a run of the recipe, is at work in this workspace.
            NotReady: The workspace has no bundle yet, or no index.
            NotWritten: As on a full disk; what the night did is not noted.
        """
        _ = self._workspace.bundle, self._workspace.index  # a first run is `rolecall run`
        with locked(self._workspace.root / RECIPE, "rolecall nightly"):
            began, started = datetime.now(UTC), time.monotonic()
            before, done = self._in_use(), False
            try:
                done = self._all()
            except BaseException:  # Ctrl-C, or SIGTERM
                self.outcomes.append(Outcome("stopped", "before its end", 0.0, interrupt.EXIT_CODE))
                raise
            finally:
                if not done:
                    self._put_back(before)
                code = self._note(began, time.monotonic() - started)
            return code

    def _note(self, began: datetime, seconds: float) -> int:
        """Write what the night did. Gives its exit code."""
        code = next((outcome.code for outcome in self.outcomes if outcome.code), 0)
        note = {
            "began": began.isoformat(timespec="seconds"),
            "seconds": round(seconds, 1),
            "exit_code": code,
            "stages": [outcome._asdict() for outcome in self.outcomes],
        }
        write_text(self._workspace.root / NOTE, json.dumps(note, indent=1))
        return code

    def _all(self) -> bool:
        """Whether every stage but that which trains came to its end; after one that did not none is begun."""
        done = all(self._stage(name, step) for name, step in (*self._taking_in(), ("links", self._links)))
        done = done and self._stage("embed", self._embed)
        if done:
            self._stage("train", self._train)  # where it fails the bundle of before is brought up to date
        return done and all(self._stage(name, step) for name, step in self._serving())

    def _taking_in(self) -> list[tuple[str, Callable[[], str]]]:
        from beam_jobs import activity, verbalize
        from beam_jobs.flags import as_flags

        runner, knobs = self._asked.runner, as_flags(self._knobs.verbalize)
        return [
            ("ingest", self._ingest),
            ("ingest the log", self._ingest_log),
            ("verbalize", lambda: str(verbalize.run([*self._place, *knobs, *runner]))),
            ("activity", lambda: str(activity.run([*self._place, *runner]))),
        ]

    def _serving(self) -> list[tuple[str, Callable[[], str]]]:
        from beam_jobs import embed

        runner = self._asked.runner
        return [
            ("items", lambda: str(embed.run([*self._place, "--what", "items", *runner]))),
            ("index", self._index),
            ("materialize", self._materialize),
            ("lists", self._lists),
        ]

    def _stage(self, name: str, step: Callable[[], str]) -> bool:
        log.info("nightly: %s", name)
        started = time.monotonic()
        try:
            said, code = step(), 0
        except RolecallError as error:
            said, code = f"failed: {error}", error.exit_code
        except (
            Exception
        ) as error:  # a store that is down, a bug: its trace stays, and the night ends as after any other
            if interrupt.was_asked():
                raise
            log.error("%s", traceback.format_exc().rstrip())
            said, code = f"failed: {type(error).__name__}: {first_line(error)}", RolecallError.exit_code
        self.outcomes.append(Outcome(name, said, round(time.monotonic() - started, 1), code))
        return not code

    def _ingest(self) -> str:
        from beam_jobs import ingest
        from beam_jobs.flags import as_flags

        asked = self._asked
        if asked.data is None:
            return "no data was named"
        flags = ["--source", asked.data, *as_flags(self._knobs.ingest), *asked.ingest]
        return str(ingest.run([*self._place, *flags, *asked.runner]))

    def _ingest_log(self) -> str:
        from beam_jobs import ingest

        logs = self._workspace.logs
        if not any(path.suffix == ".jsonl" for path in logs.rglob("*")):
            return "the service has logged nothing"
        return str(ingest.run([*self._place, "--source", str(logs), *self._asked.runner]))

    def _links(self) -> str:
        import polars as pl

        from contracts.tables import read_table
        from history.hires import hire_cut
        from history.requests import EVENT_COLUMNS
        from retrieval.links.learn import build_links

        due, now = self._asked.links_days, current(self._workspace.links)
        if due is None:
            return "not asked for"
        if now is not None and (age := _days(now)) < due:
            return f"{age:.1f} days old, learned again from {due:g} days on"
        events = self._workspace.records / "events"
        if not parts(events):
            return "no events to learn from"
        cut = hire_cut(pl.DataFrame(read_table(events, EVENT_COLUMNS)).unique("id"))
        try:
            return f"learned: {build_links(self._workspace, self._knobs.links, *(cut or ())).name}"
        except TooFewHires as error:
            return f"as they were: {error}"

    def _embed(self) -> str:
        from beam_jobs import embed

        return str(embed.run([*self._place, *self._asked.runner]))

    def _train(self) -> str:
        stays = self._judged()
        reason, why_not = self._reason_to_train()
        if reason:
            begins = f"trained since {reason}"
        elif stays == self._workspace.bundle.name:
            return f"not trained: {why_not}"
        else:
            begins = f"bundle {self._workspace.bundle.name} was trained before and not judged"
        log.info("nightly: %s", f"training, since {reason}" if reason else begins)
        try:
            if reason:
                from rolecall.recipe import run_recipe

                run_recipe(
                    self._workspace,
                    None,
                    params=self._params,
                    knobs=self._knobs,
                    start="label",
                    end="export",
                    runner=self._asked.runner,
                )
            after, gated = self._workspace.bundle.name, ""
            if self._asked.gate is not None and after != stays:
                from rolecall.bundle_gate import require_no_worse

                gated = f"; {require_no_worse(self._workspace, stays, after, self._asked.gate, self._asked.runner)}"
        except Exception as error:
            set_current(self._workspace.bundles, stays)
            if not isinstance(error, RolecallError):
                raise
            what = f"{begins}, and bundle {stays} stays: {error.what}"
            raise type(error)(what, where=error.where, cure=error.cure) from error
        return f"{f'since {reason}' if reason else begins}: bundle {stays} -> {after}{gated}"

    def _judged(self) -> str:
        """The bundle that stays where a new one is refused: the current one; where a gate is named that which is
        served, since a night that was broken off may have left another that no replay judged.
        """
        from retrieval.index.manifest import read_index_manifest

        place = self._workspace
        served = read_index_manifest(place.index).bundle_version
        return served if self._asked.gate is not None and (place.bundles / served).is_dir() else place.bundle.name

    def _reason_to_train(self) -> tuple[str, str]:
        """Why models are to be trained; or "" and why they are not."""
        asked, why_not = self._asked, []
        age = _days(self._workspace.bundle)
        if asked.retrain_days is not None:
            if age >= asked.retrain_days:
                return f"the bundle is {age:.1f} days old, {asked.retrain_days:g} are the limit", ""
            why_not.append(f"the bundle is {age:.1f} days old of {asked.retrain_days:g}")
        if asked.retrain_grades is not None:
            grades = self._grades_since(datetime.now(UTC) - timedelta(days=age))
            if grades >= asked.retrain_grades:
                return f"{grades:,} grades came in since, {asked.retrain_grades:,} are enough", ""
            why_not.append(f"{grades:,} new grades of {asked.retrain_grades:,}")
        if asked.retrain_drift:
            found = self._drift()
            if found:
                return f"of drift: {found[0]}", ""
            why_not.append("no drift is found" if found == [] else "no answer is sampled to see drift by")
        return "", ", ".join(why_not) or "no trigger was named"

    def _grades_since(self, time: datetime) -> int:
        from beam_jobs.loads import read_loads

        return sum(load.written.get("grades", 0) for load in read_loads(self._workspace) if load.time > time)

    def _drift(self) -> list[str] | None:
        """What `rolecall drift` finds; None where nothing is sampled. Raises what `measure` does otherwise."""
        from serving.drift import DAYS, Limits, measure
        from serving.drift_sample import read_sample

        now = datetime.now(UTC)
        if all(one.time > now for one in read_sample(self._workspace, now - timedelta(days=DAYS))):
            return None
        return list(measure(self._workspace, self._knobs.serve, Limits(), now=now).problems)

    def _index(self) -> str:
        from retrieval.index.build import build_index
        from retrieval.index.manifest import built_at, read_index_manifest
        from retrieval.links.store import current_links

        place, knobs = self._workspace, self._knobs
        bundle, before = place.bundle, place.index
        manifest = read_index_manifest(before)
        made_from = (
            *(place.records / table for table in ("jobs", "events")),
            *(place.features / view for view in ("job_text", "job_vector", "job_stats")),
            *(place.items / manifest.bundle_version, place.links),
        )
        fresh = datetime.now(UTC) - built_at(before) < timedelta(hours=INDEX_HOURS)
        if fresh and manifest.bundle_version == bundle.name and _changed(*made_from) <= _written(before / "index.json"):
            return f"{before.name} holds all there is"
        built = build_index(
            place,
            bundle,
            knobs.index.engine,
            faiss=knobs.index.faiss,
            terms=knobs.index.terms,
            retrieval=knobs.retrieval,
            links=current_links(place),
            rates=knobs.money.rates,
        )
        return f"{before.name} -> {built.name}, {read_index_manifest(built).jobs:,} jobs"

    def _materialize(self) -> str:
        from feature_repo.store import apply, materialize, materialized_until, profile_of

        place = self._workspace
        until = materialized_until(place)
        views = [place.features / view for view in ("member_text", "member_activity", "member_encoding")]
        as_asked = self._asked.profile in (None, profile_of(place))
        if as_asked and until is not None and until.timestamp() > max(_changed(*views), _written(place.bundle)):
            return f"nothing is newer than {until.isoformat(timespec='seconds')}"
        apply(place, profile=self._asked.profile)
        materialize(place)
        return "the online store holds the newest rows"

    def _lists(self) -> str:
        if not self._asked.lists:
            return "not asked for"
        from backfill.lists import Lists
        from backfill.run import bring

        config = self._knobs.serve
        if config.rules is None:
            config = config.model_copy(update={"rules": self._knobs.rules.file})
        made = bring(self._workspace, Lists(config), runner=self._asked.runner)
        return f"{made.plan.version}, {made.rows:,} rows for {made.plan.keys:,} members"

    def _in_use(self) -> dict[Path, str | None]:
        """Folder of versions -> the one in use; None: none."""
        place = self._workspace
        folders = (place.bundles, place.indexes, place.links, place.root / "lists")
        return {folder: _name_in_use(folder) for folder in folders}

    def _put_back(self, before: Mapping[Path, str | None]) -> None:
        """Let what was in use be in use again. Where it was swapped in meanwhile a service swaps it out again."""
        for folder, version in before.items():
            if _name_in_use(folder) == version:
                continue
            try:
                if version is None:
                    unset_current(folder)
                else:
                    set_current(folder, version)
                said, code = f"{version or 'none'} is in use again", 0
            except (RolecallError, OSError) as error:  # the others are put back all the same
                said, code = f"{_name_in_use(folder)} is in use, not {version}: {error}", NotWritten.exit_code
            self.outcomes.append(Outcome(folder.name, said, 0.0, code))


def lines(outcomes: Sequence[Outcome]) -> list[str]:
    """A line a stage, for people."""
    return [f"{outcome.stage:<15} {outcome.seconds:>7.1f} s  {outcome.said}" for outcome in outcomes]


def _name_in_use(folder: Path) -> str | None:
    now = current(folder)
    return None if now is None else now.name


def _days(path: Path) -> float:
    """Age in days of a folder of a version."""
    return (time.time() - _written(path)) / 86_400


def _written(path: Path) -> float:
    """When a file, or the names in a folder, were last written, in seconds since 1970."""
    return path.stat().st_mtime


def _changed(*folders: Path) -> float:
    """When something in some folders was last written, or another version of them switched to; 0 where there is none.

    What a backfill made is older than its switch, so that the folder of its pointer counts too.
    """
    pointers = (folder.parent / PRODUCTS.get(folder.name, folder.name) for folder in folders)
    there = [path for folder in map(in_use, folders) for path in (folder, *parts(folder))]
    return max((_written(path) for path in (*pointers, *there) if path.exists()), default=0)
