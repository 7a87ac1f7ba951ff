"""Versions of a product on disk: a plan, parts by a hash of their keys, and a manifest once all parts are there.

    <folder>/<version>/plan.json        what it is made from; written first
    <folder>/<version>/part-*.parquet   a bucket of keys each; there whole or not at all
    <folder>/<version>/manifest.json    rows and hash of each part; written last
    <folder>/CURRENT                    the version in use

So a version without a manifest is unfinished, and a run that goes on makes the parts that lack. Readers take CURRENT
once and read that version to the end.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from pydantic import ValidationError

from contracts.errors import BadInput, NotReady, NotWritten, UnreadableFile
from contracts.lock import locked
from contracts.tables import parts, reading
from contracts.validation import typed
from contracts.values import FrozenModel
from contracts.versions import current, file_hash, json_hash, set_current, sync, write_text

PLAN, MANIFEST = "plan.json", "manifest.json"
SWITCHING = ".switching"


class Plan(FrozenModel):
    """What a version is made from. The same plan makes the same bytes.

    Attributes:
        what: The product.
        time: As of when, in UTC: nothing that came to be known later is read.
        inputs: Name -> version or setting of all that decides the content.
        buckets: Into how many parts the keys are dealt.
        keys: How many keys there are.
    """

    what: str
    time: datetime
    inputs: Mapping[str, Any]
    buckets: int
    keys: int

    @property
    def version(self) -> str:
        """The name of what it makes: begins with its time, so that names sort by it."""
        return f"{self.time:%Y%m%dT%H%M%S}-{json_hash(self.model_dump(mode='json'), 8)}"


class Part(FrozenModel):
    """One part. rows: how many; sha256: of the file."""

    rows: int
    sha256: str


class Manifest(FrozenModel):
    """A finished version. parts: by file name; seconds: that the runs which made it took together."""

    plan: Plan
    parts: Mapping[str, Part]
    seconds: float

    @property
    def rows(self) -> int:
        """Of all parts."""
        return sum(part.rows for part in self.parts.values())


def part_name(bucket: int) -> str:
    """The name of a bucket's part, as `contracts.tables.write_part` takes it."""
    return f"{bucket:05d}"


def write_plan(folder: Path, plan: Plan) -> Path:
    """Begin a version. Gives its folder. Raises NotWritten as on a full disk."""
    version = folder / plan.version
    try:
        version.mkdir(parents=True, exist_ok=True)
        write_text(version / PLAN, plan.model_dump_json(indent=1))
    except OSError as error:
        raise NotWritten(f"no plan was written: {error}", where=str(version), cure="make room, try again") from error
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


def versions(folder: Path) -> list[Path]:
    """All versions of a product, finished or not, the oldest first."""
    return sorted(path.parent for path in folder.glob(f"*/{PLAN}"))


def unfinished(folder: Path, plan: Plan) -> Plan | None:
    """The plan of the newest unfinished version with the same inputs as `plan`; None where there is none."""
    for version in reversed(versions(folder)):
        begun = read_plan(version)
        if not is_finished(version) and begun.inputs == plan.inputs:
            return begun
    return None


def missing(version: Path, plan: Plan) -> list[int]:
    """The buckets whose parts are not there."""
    there = {path.stem.removeprefix("part-") for path in parts(version)}
    return [bucket for bucket in range(plan.buckets) if part_name(bucket) not in there]


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
    made = {path.name: _part(path) for path in parts(version)}
    manifest = Manifest(plan=plan, parts=made, seconds=round(seconds, 1))
    try:
        for path in parts(version):
            sync(path)
        write_text(version / MANIFEST, manifest.model_dump_json(indent=1))
        sync(version)
    except OSError as error:
        raise NotWritten(
            f"no manifest was written: {error}", where=str(version), cure="make room, run again"
        ) from error
    return manifest


def damage(version: Path, manifest: Manifest) -> Iterator[str]:
    """What differs between the parts on disk and the manifest, a line each."""
    there = {path.name: path for path in parts(version)}
    for name, noted in manifest.parts.items():
        if name not in there:
            yield f"{name}: not there"
        elif file_hash(there[name]) != noted.sha256:
            yield f"{name}: its content is another than when it was made"
        elif (rows := pq.read_metadata(there[name]).num_rows) != noted.rows:
            yield f"{name}: {rows:,} rows, {noted.rows:,} noted"
    for name in sorted(set(there) - set(manifest.parts)):
        yield f"{name}: no part of this version"


def switch(folder: Path, version: str) -> Manifest:
    """Make a finished version the one in use, at once: a reader has the old one or this one.

    Raises:
        BadInput: There is no such version.
        NotReady: It is unfinished.
        OtherWriter: Somebody switches at this moment.
        NotWritten: As on a full disk; the old version is still in use.
    """
    if not (folder / version / PLAN).is_file():
        known = ", ".join(path.name for path in versions(folder) if is_finished(path)) or "there is none"
        raise BadInput(f"no version {version!r}", where=str(folder), cure=f"one of {known}")
    with locked(folder / SWITCHING, f"switch to {version}"):
        manifest = read_manifest(folder / version)
        if problems := [name for name in manifest.parts if not (folder / version / name).is_file()]:
            what = f"version {version} lacks {len(problems)} of its {len(manifest.parts)} parts, such as {problems[0]}"
            raise NotReady(what, where=str(folder / version), cure="run the backfill again under a new time")
        set_current(folder, version)
    return manifest


def roll_back(folder: Path) -> Manifest:
    """Switch to the newest finished version before the one in use. Raises NotReady where there is none."""
    now = current(folder)
    earlier = [path for path in versions(folder) if is_finished(path) and now is not None and path.name < now.name]
    if not earlier:
        raise NotReady("no earlier version to go back to", where=str(folder), cure="see `rolecall backfill list`")
    return switch(folder, earlier[-1].name)


def prune(folder: Path, keep: int) -> list[str]:
    """Remove the finished versions but the newest `keep` and the one in use. Gives the names of those removed."""
    now = current(folder)
    finished = [path for path in versions(folder) if is_finished(path)]
    gone = [path for path in finished[: max(0, len(finished) - keep)] if now is None or path.name != now.name]
    for path in gone:
        (path / MANIFEST).unlink()  # first, so that a broken removal is no version
        shutil.rmtree(path)
    return [path.name for path in gone]


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
