"""Versions of a product on disk: a plan, parts by date range and hash of keys, and a manifest once all parts are there.

    <folder>/<version>/plan.json                 what it is made from; written first
    <folder>/<version>/[table/]part-*.parquet    a bucket of keys of one range; there whole or not at all
    <folder>/<version>/manifest.json             rows and hash of each part; written once all are there
    <folder>/<version>/verified                  that it was verified and held; without it nobody switches to it
    <folder>/CURRENT                             the version in use, of all its tables at once

So a version without a manifest is unfinished, and a run that goes on makes the parts that lack. Readers take CURRENT
once and read that version to the end (`contracts.tables.in_use`). What the incremental jobs add to a table in use
stands beside the parts of its manifest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from contracts.errors import BadInput, NotReady, NotVerified, UnreadableFile
from contracts.lock import SWITCH_WAIT, SWITCHING, locked
from contracts.tables import parts, reading
from contracts.validation import typed
from contracts.values import FrozenModel
from contracts.versions import current, file_hash, json_hash, set_current, sync, unset_current, write_text, writing

PLAN, MANIFEST, VERIFIED = "plan.json", "manifest.json", "verified"
RUNNING = ".running"
"""The lock of the run of a product."""
Carry = Callable[[Path | None, Path | None], None]
"""From what is in use to what will be, the version of each; None: in place."""
IN_PLACE = "the parts that the jobs wrote in place"
"""What is in use of a product before any version of it was switched to."""
GOES_ON = timedelta(days=1)
"""Age from which an unfinished version is gone on with only by a run that names its time: it is as of that time."""


class Cell(NamedTuple):
    """What becomes one part: the rows of one table and range whose keys have one hash."""

    table: str
    range: str
    bucket: int


class Group(FrozenModel):
    """One range of one table, such as a month.

    Attributes:
        table: Its name; empty: the version's only one.
        range: A month, such as "202609", or a name; empty: all.
        rows: How many rows it is made from.
        buckets: Into how many parts they are dealt by a hash of their keys.
        prefix: What the names of its parts begin with.
        beside: Other tables that have a part of the same name for each of its parts, made with it.
    """

    table: str = ""
    range: str = ""
    rows: int
    buckets: int
    prefix: str = ""
    beside: tuple[str, ...] = ()

    def part(self, bucket: int) -> str:
        """The name of a bucket's part, as `contracts.tables.write_part` takes it."""
        of_range = f"{self.range}-" if self.range else ""
        return f"{self.prefix}{of_range}{bucket:05d}"


class Plan(FrozenModel):
    """What a version is made from. The same plan makes the same bytes.

    Attributes:
        what: The product.
        time: As of when, in UTC: nothing that came to be known later is read.
        inputs: Name -> version or setting of all that decides the content.
        groups: The ranges of its tables.
    """

    what: str
    time: datetime
    inputs: Mapping[str, Any]
    groups: tuple[Group, ...]

    @property
    def keys(self) -> int:
        """How many rows it is made from."""
        return sum(group.rows for group in self.groups)

    @property
    def buckets(self) -> int:
        """How many parts it has."""
        return sum(group.buckets for group in self.groups)

    @property
    def cells(self) -> dict[Cell, tuple[str, ...]]:
        """Each part and where it stands in the version, then the parts that are made with it."""
        return {
            Cell(group.table, group.range, bucket): tuple(
                (Path(table) / f"part-{group.part(bucket)}.parquet").as_posix()
                for table in (group.table, *group.beside)
            )
            for group in self.groups
            for bucket in range(group.buckets)
        }

    @property
    def tables(self) -> list[str]:
        """The names of its tables."""
        return sorted({table for group in self.groups for table in (group.table, *group.beside)})

    @property
    def version(self) -> str:
        """The name of what it makes: begins with its time, so that names sort by it."""
        return f"{self.time:%Y%m%dT%H%M%S}-{json_hash(self.model_dump(mode='json'), 8)}"


class Part(FrozenModel):
    """One part. rows: how many; sha256: of the file."""

    rows: int
    sha256: str


class Manifest(FrozenModel):
    """A finished version. parts: by their path in it; seconds: that the last run which made it took."""

    plan: Plan
    parts: Mapping[str, Part]
    seconds: float

    @property
    def rows(self) -> int:
        """Of all parts."""
        return sum(part.rows for part in self.parts.values())


def write_plan(folder: Path, plan: Plan) -> Path:
    """Begin a version. Gives its folder. Raises NotWritten as on a full disk."""
    version = folder / plan.version
    write_text(version / PLAN, plan.model_dump_json(indent=1))
    return version


def read_plan(version: Path) -> Plan:
    """The plan of a version. Raises UnreadableFile or NotReady."""
    return _read(version / PLAN, Plan)


def read_manifest(version: Path) -> Manifest:
    """The manifest of a finished version.

    Raises:
        NotReady: It is unfinished, or there is no such version.
        UnreadableFile: It is none.
    """
    return _read(version / MANIFEST, Manifest)


def is_finished(version: Path) -> bool:
    """Whether all parts of a version are there."""
    return (version / MANIFEST).is_file()


def note_verified(version: Path) -> None:
    """Note that a version was verified and held. Raises NotWritten as on a full disk."""
    write_text(version / VERIFIED, "")


def is_verified(version: Path) -> bool:
    """Whether a version is finished and was verified."""
    return is_finished(version) and (version / VERIFIED).is_file()


def versions(folder: Path) -> list[Path]:
    """All versions of a product, finished or not, the oldest first."""
    return sorted(path.parent for path in folder.glob(f"*/{PLAN}"))


def unfinished(folder: Path, plan: Plan, time_named: bool) -> Plan | None:
    """The plan of an unfinished version with the inputs of `plan`, with which a run goes on; None where there is none.

    Args:
        folder: The product's.
        plan: Of a new version.
        time_named: Somebody named its time: one of another time is not theirs. Else it is the newest one that is
            younger than `GOES_ON` and than each finished version.
    """
    for version in reversed(versions(folder)):
        if is_finished(version):
            if time_named:
                continue
            return None
        begun = read_plan(version)
        fits = begun.time == plan.time if time_named else plan.time - begun.time < GOES_ON
        if fits and begun.inputs == plan.inputs:
            return begun
    return None


def all_parts(version: Path, plan: Plan) -> dict[str, Path]:
    """The parts of all tables of a version that are there, by their path in it."""
    found = [path for table in plan.tables for path in parts(version / table)]
    return {path.relative_to(version).as_posix(): path for path in found}


def missing(version: Path, plan: Plan) -> list[Cell]:
    """The parts that are not there, or broken, as a machine may leave them that goes down."""
    there = {name for name, path in all_parts(version, plan).items() if _is_whole(path)}
    return [cell for cell, names in plan.cells.items() if not there.issuperset(names)]


def finished_parts(version: Path) -> list[Path]:
    """All parts of a finished version, by name.

    Raises:
        NotReady: It is unfinished, or a part lacks that its manifest names.
    """
    paths = [version / name for name in sorted(read_manifest(version).parts)]
    if lacking := [path.name for path in paths if not path.is_file()]:
        what = f"version {version.name} lacks {len(lacking)} of its {len(paths)} parts, such as {lacking[0]}"
        raise NotReady(what, where=str(version), cure="remove the version's folder, make it again or roll back")
    return paths


def finish(version: Path, plan: Plan, seconds: float) -> Manifest:
    """Note the rows and the hash of each part, which makes the version one that can be switched to.

    Raises:
        NotReady: A part lacks.
        UnreadableFile: A part is broken.
        NotWritten: As on a full disk.
    """
    if lacking := missing(version, plan):
        what = f"{len(lacking)} of {plan.buckets} parts are not there"
        raise NotReady(what, where=str(version), cure="run the backfill again, which makes them")
    there = all_parts(version, plan)
    manifest = Manifest(plan=plan, parts={name: _part(path) for name, path in there.items()}, seconds=round(seconds, 1))
    with writing(version, "the manifest"):
        for path in there.values():
            sync(path)
        write_text(version / MANIFEST, manifest.model_dump_json(indent=1))
        sync(version)
    return manifest


def damage(version: Path, manifest: Manifest, grows: bool = False) -> Iterator[str]:
    """What differs between the parts on disk and the manifest, a line each. grows: whether jobs add parts to it."""
    there = all_parts(version, manifest.plan)
    for name, noted in manifest.parts.items():
        if name not in there:
            yield f"{name}: not there"
        elif file_hash(there[name]) != noted.sha256:
            yield f"{name}: its content is another than when it was made"
        elif (rows := pq.read_metadata(there[name]).num_rows) != noted.rows:
            yield f"{name}: {rows:,} rows, {noted.rows:,} noted"
    for name in [] if grows else sorted(set(there) - set(manifest.parts)):
        yield f"{name}: no part of this version"


def require_version(folder: Path, version: str) -> None:
    """Raise BadInput where there is no version of a name, finished or not."""
    if not (folder / version / PLAN).is_file():
        known = ", ".join(path.name for path in versions(folder) if is_finished(path)) or "there is none"
        raise BadInput(f"no version {version!r}", where=str(folder), cure=f"one of {known}")


def switch(folder: Path, version: str, carry: Carry = lambda now, then: None) -> Manifest:
    """Make a finished version the one in use, at once: a reader has the old one or this one.

    Args:
        folder: The product's.
        version: To switch to.
        carry: Takes over what is in use and no run makes: called right before the switch, and after it for what came
            meanwhile from those who take no lock, with what was in use before (None: in place) and the version.

    Raises:
        BadInput: There is no such version.
        NotReady: It is unfinished, or lacks a part.
        NotVerified: Nobody verified it, or it did not hold.
        OtherWriter: Somebody switches at this moment, or a job writes to the version in use.
        NotWritten: As on a full disk; the old version is still in use.
    """
    require_version(folder, version)
    with locked(folder / SWITCHING, f"switch to {version}", wait=SWITCH_WAIT):
        manifest = read_manifest(folder / version)
        finished_parts(folder / version)
        if not is_verified(folder / version):
            cure = f"run `rolecall backfill verify --version {version}`; where it does not hold, run the backfill again"
            raise NotVerified(f"version {version} was not verified", where=str(folder / version), cure=cure)
        before = current(folder)
        carry(before, folder / version)
        set_current(folder, version)
        carry(before, folder / version)
    return manifest


def roll_back(folder: Path, in_place: Sequence[Path] = (), carry: Carry = lambda now, then: None) -> str:
    """Switch to the newest verified version before the one in use.

    Args:
        folder: The product's.
        in_place: What was in use before there was any version: the folders of tables whose own parts are read then, or
            a file beside the versions that the pointer names.
        carry: As `switch` takes it.

    Returns:
        What is in use now: the version, or `IN_PLACE`.

    Raises:
        NotReady: There is none before it.
        OtherWriter: Somebody switches at this moment, or a job writes to the version in use.
        NotWritten: As on a full disk; what was in use still is.
    """
    now, known = current(folder), versions(folder)
    earlier = [path for path in known if now in known and is_verified(path) and path.name < now.name]
    if earlier:
        return switch(folder, earlier[-1].name, carry).plan.version
    file = next((path for path in in_place if path.is_file()), None)
    if now is None or now == file or not (file or any(list(table.glob("part-*.parquet")) for table in in_place)):
        raise NotReady("no earlier version to go back to", where=str(folder), cure="see `rolecall backfill list`")
    with locked(folder / SWITCHING, f"switch to {IN_PLACE}", wait=SWITCH_WAIT), writing(folder, "the pointer"):
        carry(now, None)
        if file is None:
            unset_current(folder)
        else:
            set_current(folder, file.name)
        carry(now, None)
    return IN_PLACE


def _is_whole(path: Path) -> bool:
    try:
        pq.read_metadata(path)
    except (pa.ArrowInvalid, OSError):
        return False
    return True


def _part(path: Path) -> Part:
    with reading(path):
        return Part(rows=pq.read_metadata(path).num_rows, sha256=file_hash(path))


def _read(path: Path, kind: type[Any]) -> Any:
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        what = f"version {path.parent.name} is not finished"
        raise NotReady(
            what, where=str(path.parent), cure="run `rolecall backfill run`, which goes on with it"
        ) from error
    except ValidationError as error:
        raise typed(error, UnreadableFile, where=str(path), cure="remove the version's folder, run again") from error
