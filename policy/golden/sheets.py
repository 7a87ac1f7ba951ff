"""Golden grades on paper: CSV files that people open in a spreadsheet, fill in and save again.

`sheet-<grader>.csv` holds one person's grades, `adjudicated.csv` the grade that counts for each pair, `accepted.csv`
the policy versions under which these grades still hold. What is written can be opened without harm: a cell that a
spreadsheet would run as a formula gets an apostrophe before it (OWASP, CSV Injection). What is read may have been saved
with commas, semicolons or tabs, with or without a byte order mark.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from contracts.cells import bare, guard
from contracts.errors import BadInput, MissingColumn, NotReady
from contracts.records import Job, Member
from contracts.text.verbalizer import job_title
from contracts.versions import write_text
from policy.golden.pairs import GoldenPair
from policy.types import DIMENSIONS, GRADES

ADJUDICATED, ACCEPTED = "adjudicated.csv", "accepted.csv"
FINISHED, UNFINISHED = "sheet-", "unfinished-"
"""How the names of sheets begin; one that a grader is still filling in pair by pair does not count yet."""
EVERY_VERSION = "*"
"""In `accepted.csv`: the grades hold whatever the policy says. The simulator writes it: its graders read the truth."""
AGREED, MEDIAN = "agreed", "median"
"""`decided_by` of a row that needed no person: equal grades, and the lower median of grades that differ little."""
CHANGED = "changed by hand"
"""`decided_by` of a row in which a person replaced such a grade and gave no name."""
READABLE = ("who", "query", "job")
SHEET_COLUMNS = ("pair_id", "policy_version", *READABLE, *DIMENSIONS, "grade", "note")
ADJUDICATED_COLUMNS = ("pair_id", "policy_version", *READABLE, "grades", "grade", "decided_by", "note")
ACCEPTED_COLUMNS = ("policy_version", "accepted_by", "time")
NO_SCORE = -1
MAX_CHARS = 600
"""Of a description in a cell."""

_GRADER = re.compile(r"[\w-]{1,60}", re.ASCII)
_WORD = re.compile(r"\S{0,20}")


class Sheet(NamedTuple):
    """One grader's sheet.

    Attributes:
        grader: The name.
        policy_version: What was graded by.
        grades: (pairs,) int8, 0 to 4, in the order of the pairs.
        scores: (pairs, dimensions) int8 in the order of `DIMENSIONS`; NO_SCORE where not given.
    """

    grader: str
    policy_version: str
    grades: np.ndarray
    scores: np.ndarray


class Mark(NamedTuple):
    """What one grader says of one pair.

    Attributes:
        grade: 0 to 4.
        scores: Dimension -> 0 to 4, of those that the grader scored.
        note: In their words; may be empty.
    """

    grade: int
    scores: Mapping[str, int] = {}
    note: str = ""


class Decision(NamedTuple):
    """A row of `adjudicated.csv`. grade None: a person has yet to decide; grades: what it was decided upon."""

    pair_id: str
    policy_version: str
    grades: str
    grade: int | None
    decided_by: str
    note: str = ""


def sheet_path(folder: Path, grader: str) -> Path:
    """The file of a grader's sheet. Raises BadInput for a name that is no file's."""
    if not _GRADER.fullmatch(grader):
        raise BadInput(f"grader {grader!r}", cure="use a name of letters, digits, - and _")
    return folder / f"{FINISHED}{grader}.csv"


def write_sheet(
    folder: Path,
    grader: str,
    pairs: Sequence[GoldenPair],
    policy_version: str,
    answers: Sequence[Mapping[str, object]] = (),
) -> Path:
    """A grader's sheet, empty where no answers are given: (pairs,) of columns of dimensions, grade and note."""
    path = sheet_path(folder, grader)
    given = answers or [{}] * len(pairs)
    rows = (
        {"pair_id": pair.pair_id, "policy_version": policy_version, **_readable(pair), **answer}
        for pair, answer in zip(pairs, given, strict=True)
    )
    _write(path, SHEET_COLUMNS, rows)
    return path


def write_marks(path: Path, pairs: Sequence[GoldenPair], policy_version: str, marks: Mapping[str, Mark]) -> None:
    """A sheet with the marks that there are: pair id -> mark; the cells of other pairs stay empty."""
    rows = (
        {"pair_id": pair.pair_id, "policy_version": policy_version, **_readable(pair)}
        | ({"grade": mark.grade, "note": mark.note, **mark.scores} if (mark := marks.get(pair.pair_id)) else {})
        for pair in pairs
    )
    _write(path, SHEET_COLUMNS, rows)


def read_marks(path: Path) -> tuple[str, dict[str, Mark]]:
    """The policy version of a sheet, finished or not, and its marks by pair id; rows without a grade are left out.

    Raises:
        BadInput: The file is no sheet, a grade is off the scale, or its rows are of several policy versions.
    """
    versions, marks = set(), {}
    for row, where in _read(path, ("pair_id", "policy_version", "grade")):
        versions.add(row["policy_version"])
        if (grade := _grade(row["grade"], where, "grade")) is not None:
            scores = {name: _grade(row.get(name, ""), where, name) for name in DIMENSIONS}
            known: dict[str, int] = {name: score for name, score in scores.items() if score is not None}
            marks[row["pair_id"]] = Mark(grade, known, row.get("note", ""))
    if len(versions) > 1:
        what = f"rows of several policy versions: {', '.join(map(short_cell, sorted(versions)))}"
        raise BadInput(what, where=str(path), cure="grade them all by one version of the policy")
    return next(iter(versions), ""), marks


def read_sheets(folder: Path, pairs: Sequence[GoldenPair]) -> list[Sheet]:
    """Read every grader's sheet, in the order of the names.

    Args:
        folder: The golden folder.
        pairs: The pairs that each sheet must hold once.

    Raises:
        NotReady: There is no sheet.
        BadInput: There is one grader only, the sheets are of several policy versions, or a sheet lacks grades, holds a
            grade off the scale, or a pair that is unknown, missing or there twice; file and row are named.
    """
    paths = sorted(folder.glob(f"{FINISHED}*.csv"))
    command = f"`rolecall golden sheet {folder} --grader NAME`"
    if not paths:
        raise NotReady(f"no grading sheet in {folder}", cure=f"run {command} for two people")
    for path in paths:
        if not _GRADER.fullmatch(grader := grader_of(path)):
            cure = "name it sheet-NAME.csv, NAME of letters, digits, - and _; a copy of a sheet is no second grader"
            raise BadInput(f"{grader!r} names no grader", where=str(path), cure=cure)
    sheets = [_read_sheet(path, pairs) for path in paths]
    if len(sheets) == 1:
        cure = f"let another person grade too: {command}"
        raise BadInput(f"one grader only, {sheets[0].grader!r}", where=str(folder), cure=cure)
    versions = {sheet.policy_version: sheet.grader for sheet in sheets}
    if len(versions) > 1:
        listed = ", ".join(f"{grader} by {short_cell(version)}" for version, grader in versions.items())
        what = f"sheets of several policy versions: {listed}"
        raise BadInput(what, where=str(folder), cure="grade the older one again")
    return sheets


def write_adjudicated(folder: Path, pairs: Sequence[GoldenPair], decisions: Sequence[Decision]) -> None:
    """Write the decisions, one a pair, beside what people read of the pairs."""
    rows = ({**decision._asdict(), **_readable(pair)} for pair, decision in zip(pairs, decisions, strict=True))
    _write(folder / ADJUDICATED, ADJUDICATED_COLUMNS, rows)


def read_adjudicated(folder: Path, pairs: Sequence[GoldenPair]) -> list[Decision]:
    """The decisions in the order of the pairs; empty where there is no file. Raises BadInput as `read_sheets` does."""
    path = folder / ADJUDICATED
    if not path.is_file():
        return []
    columns = ("pair_id", "policy_version", "grades", "grade")
    decisions = []
    for row, where in _rows_of(path, columns, pairs):
        cells = {name: row.get(name, "") for name in Decision._fields if name != "grade"}
        decisions.append(Decision(**cells, grade=_grade(row["grade"], where, "grade")))
    return decisions


def accept_policy(folder: Path, policy_version: str, accepted_by: str, time: datetime | None = None) -> None:
    """Note that somebody confirms the golden grades under this version of the policy; time: now where None."""
    when = (time or datetime.now(UTC)).isoformat(timespec="seconds")
    new = {"policy_version": policy_version, "accepted_by": accepted_by, "time": when}
    _write(folder / ACCEPTED, ACCEPTED_COLUMNS, [*_accepted(folder), new])


def accepted_versions(folder: Path) -> set[str]:
    """The policy versions under which somebody confirmed the golden grades."""
    return {row["policy_version"] for row in _accepted(folder)}


def _accepted(folder: Path) -> list[dict[str, str]]:
    path = folder / ACCEPTED
    return [row for row, _ in _read(path, ACCEPTED_COLUMNS)] if path.is_file() else []


def _read_sheet(path: Path, pairs: Sequence[GoldenPair]) -> Sheet:
    rows = _rows_of(path, ("pair_id", "policy_version", "grade"), pairs)
    grades = [_grade(row["grade"], where, "grade") for row, where in rows]
    lacking = [pair.pair_id for pair, grade in zip(pairs, grades, strict=True) if grade is None]
    if lacking:
        what = f"no grade for {len(lacking)} of {len(pairs)} pairs, the first {lacking[0]!r}"
        what = "no grade in it" if len(lacking) == len(pairs) else what
        raise BadInput(what, where=str(path), cure="fill in the column grade, 0 to 4")
    versions = sorted({row["policy_version"] for row, _ in rows})
    if len(versions) > 1:
        what = f"rows of several policy versions: {', '.join(map(short_cell, versions))}"
        raise BadInput(what, where=str(path), cure="grade them all by one version of the policy")
    scores = [[_grade(row.get(name, ""), where, name) for name in DIMENSIONS] for row, where in rows]
    scores = [[NO_SCORE if score is None else score for score in row] for row in scores]
    return Sheet(grader_of(path), versions[0], np.array(grades, np.int8), np.array(scores, np.int8))


def grader_of(path: Path) -> str:
    """The name in a sheet's, finished or not."""
    return path.stem.removeprefix(UNFINISHED).removeprefix(FINISHED)


def _rows_of(path: Path, columns: Sequence[str], pairs: Sequence[GoldenPair]) -> list[tuple[dict[str, str], str]]:
    """A file's rows in the order of the pairs, each with where it stands."""
    pair_ids = {pair.pair_id for pair in pairs}
    rows: dict[str, tuple[dict[str, str], str]] = {}
    for row, where in _read(path, columns):
        name = row["pair_id"]
        if name not in pair_ids:
            cure = "remove the row, or give the pairs.jsonl that the sheet was made from"
            raise BadInput(f"unknown pair {short_cell(name)} in column pair_id", where=where, cure=cure)
        if name in rows:
            raise BadInput(f"pair {name!r} stands twice", where=where, cure="keep one of the rows")
        rows[name] = row, where
    missing = [pair.pair_id for pair in pairs if pair.pair_id not in rows]
    if missing:
        what = f"no row for {len(missing)} of {len(pairs)} pairs, the first {missing[0]!r}"
        raise BadInput(what, where=str(path), cure="put the rows back, or write the sheet again")
    return [rows[pair.pair_id] for pair in pairs]


def _grade(cell: str, where: str, column: str) -> int | None:
    """A cell as a grade; a spreadsheet may have written 3 as 3.0."""
    if not cell.strip():
        return None
    try:
        value = float(cell.strip().replace(",", "."))
    except ValueError:
        value = -1
    if value not in GRADES:
        what = f"{column} {short_cell(cell.strip())} is not on the scale"
        raise BadInput(what, where=where, cure="grades are 0 to 4")
    return int(value)


def short_cell(cell: str) -> str:
    """A cell for an error: a short word as it is. Where columns slipped, anything longer may be what a member wrote."""
    return repr(cell) if _WORD.fullmatch(cell) else f"a text of {len(cell)} characters"


def _write(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """With a byte order mark: without it spreadsheets take UTF-8 for the machine's old code page."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows({name: guard(row.get(name)) for name in columns} for row in rows)
    write_text(path, text.getvalue(), "utf-8-sig", newline="")


def _read(path: Path, columns: Sequence[str]) -> list[tuple[dict[str, str], str]]:
    """The rows below the header, each with where a spreadsheet shows it; blank ones are left out."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"not UTF-8 text: {error.reason}", where=str(path), cure="save it as CSV UTF-8") from error
    head = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count), restval="")
    missing = [name for name in columns if name not in (reader.fieldnames or ())]
    if missing:
        cure = "keep the header of the sheet that was exported"
        raise MissingColumn(f"no column {', '.join(missing)}", where=str(path), cure=cure)
    rows = []
    try:
        for number, row in enumerate(reader, start=2):
            cells = {name: bare(value) for name, value in row.items() if name is not None}
            if any(cells.values()):
                rows.append((cells, f"{path}, row {number}"))
    except csv.Error as error:
        raise BadInput(f"not CSV: {error}", where=str(path), cure="save it as CSV again") from error
    return rows


def _readable(pair: GoldenPair) -> dict[str, str]:
    return {"who": _member_text(pair.member), "query": pair.query, "job": _job_text(pair.job)}


def _member_text(member: Member | None) -> str:
    if member is None:
        return "anonymous"
    wishes = member.preferences
    positions = (
        f"{position.title} ({position.industry})" if position.industry else position.title
        for position in member.positions
    )
    return _labelled(
        ("", member.headline),
        ("level", member.seniority),
        ("lives in", member.location),
        ("held", ", ".join(positions)),
        ("skills", ", ".join(member.skills)),
        ("wishes for", ", ".join(wishes.titles)),
        ("would work in", ", ".join(wishes.locations)),
        ("ways of working", ", ".join(wishes.workplace)),
        ("asks a year", wishes.salary_min and f"{wishes.salary_min:,.0f}"),
    )


def _job_text(job: Job) -> str:
    low, high = job.salary_min, job.salary_max
    pay = " to ".join(f"{amount:,.0f}" for amount in (low, high) if amount is not None)
    return _labelled(
        ("", job_title(job)),
        ("at", job.company),
        ("in", job.location),
        ("way of working", job.workplace),
        ("level", job.seniority),
        ("industry", job.industry),
        ("skills", ", ".join(job.skills)),
        (f"pays {'an' if job.salary_period == 'hour' else 'a'} {job.salary_period}", pay and f"{pay} {job.currency}"),
        ("text", job.description[:MAX_CHARS]),
    )


def _labelled(*parts: tuple[str, str | float | None]) -> str:
    return "; ".join(f"{name} {value}".strip() for name, value in parts if value)
