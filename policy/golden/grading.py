"""Grades given one at a time: a pair, a grader, a mark, and it stands in the golden set; safe for several at once.

A folder that is graded so is a golden folder like any other. A sheet is `unfinished-<grader>.csv` until its last pair
is graded, so that half a sheet keeps nobody from labelling; then it is `sheet-<grader>.csv`. Pairs that somebody picked
because of what was recommended stand in the folder `picked`, a golden folder of its own: how far graders or a judge
agree is estimated from pairs that were drawn, and picked ones, which are picked because they look wrong, would bias it.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from contracts.errors import BadInput, OtherPolicy
from contracts.records import Job, Member
from contracts.versions import row_hash, staged_folder
from policy.golden.golden import adjudicate
from policy.golden.pairs import PAIRS, GoldenPair, read_pairs, write_pairs
from policy.golden.sheets import (
    AGREED,
    CHANGED,
    EVERY_VERSION,
    FINISHED,
    MEDIAN,
    NO_SCORE,
    UNFINISHED,
    Decision,
    Mark,
    Sheet,
    accepted_versions,
    grader_of,
    read_adjudicated,
    read_marks,
    sheet_path,
    short_cell,
    write_adjudicated,
    write_marks,
)
from policy.types import DIMENSIONS, GRADES

PICKED = "picked"
MOST_NOTE = 500
"""Characters of a note."""
Marks = Mapping[str, Mark]
"""Pair id -> what one grader says of it."""


class Graded(NamedTuple):
    """A golden folder as far as it is graded.

    Attributes:
        pairs: In their order; none where nothing is to be graded yet.
        marks: Grader -> marks, by name.
        policy_version: What was graded by; empty where nobody began.
    """

    pairs: tuple[GoldenPair, ...]
    marks: Mapping[str, Marks]
    policy_version: str

    def sheets(self) -> list[Sheet]:
        """The marks as sheets, in the order of the pairs; NO_SCORE where a grader has not graded yet."""
        return [Sheet(grader, self.policy_version, *self._columns(marks)) for grader, marks in self.marks.items()]

    def _columns(self, marks: Marks) -> tuple[np.ndarray, np.ndarray]:
        of_pair = [marks.get(pair.pair_id) for pair in self.pairs]
        grades = [mark.grade if mark else NO_SCORE for mark in of_pair]
        scores = [[(mark.scores if mark else {}).get(name, NO_SCORE) for name in DIMENSIONS] for mark in of_pair]
        return np.array(grades, np.int8), np.array(scores, np.int8).reshape(len(of_pair), len(DIMENSIONS))


def begin(folder: Path, source: Path) -> None:
    """Make the folder that is graded, as a copy of a golden set if there is one; nothing where it is there already."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.parent):
        if folder.is_dir():
            return
        with staged_folder(folder) as staged:
            if (source / PAIRS).is_file():
                shutil.copytree(source, staged, dirs_exist_ok=True)


def read_graded(folder: Path) -> Graded:
    """What is graded so far, finished or not.

    Raises:
        BadInput: A pair or a sheet does not fit, or the sheets are of several policy versions.
    """
    pairs = read_pairs(folder) if (folder / PAIRS).is_file() else ()
    found = {grader_of(path): read_marks(path) for path in _paths(folder)}
    versions = {version for version, _ in found.values() if version}
    if len(versions) > 1:
        what = f"sheets of several policy versions: {', '.join(sorted(versions))}"
        raise BadInput(what, where=str(folder), cure="grade the older ones again")
    marks = {grader: marks for grader, (_, marks) in sorted(found.items())}
    return Graded(pairs, marks, next(iter(versions), ""))


def give_mark(folder: Path, grader: str, pair_id: str, mark: Mark, policy_version: str) -> None:
    """Write one mark into the grader's sheet; an earlier one of the same pair is replaced.

    Where that finishes the sheet it counts from now on, and the grades that all agree on are adjudicated anew.

    Raises:
        BadInput: The name, the pair or the grade is none.
        OtherPolicy: The set is graded by another version of the policy, and nobody accepted this one.
    """
    sheet_path(folder, grader)  # refuses a name that is no file's
    for given in (mark.grade, *mark.scores.values()):
        if given not in GRADES:
            raise BadInput(f"grade {given} is not on the scale", cure="grades are 0 to 4")
    with _alone(folder):
        graded = read_graded(folder)
        if pair_id not in {pair.pair_id for pair in graded.pairs}:
            raise BadInput(f"no golden pair {pair_id[:40]!r}", cure="take one of the set's own")
        version = graded.policy_version or policy_version
        if version != policy_version and not accepted_versions(folder) & {policy_version, EVERY_VERSION}:
            raise OtherPolicy(
                f"this set is graded by policy {short_cell(version)}, and the policy in force is {policy_version}",
                cure="serve with the policy that it is graded by, or begin another golden set",
            )
        marks = {**graded.marks.get(grader, {}), pair_id: mark._replace(note=mark.note[:MOST_NOTE])}
        _save(folder, grader, graded.pairs, version, marks)
        if _path(folder, grader, True).is_file() and len([*folder.glob(f"{FINISHED}*.csv")]) > 1:
            adjudicate(folder)


def pick(folder: Path, member: Member | None, query: str, job: Job) -> GoldenPair:
    """Put what was recommended, and for whom, among the picked pairs; the same content is the same pair.

    Raises:
        BadInput: Neither a member nor a query asks for the job.
    """
    if member is None and not query:
        raise BadInput("neither a member nor a query asks for the job", cure="grade a job of an answer")
    key = "\x00".join((member.model_dump_json() if member else "", query, job.model_dump_json()))
    pair = GoldenPair(
        pair_id="p" + row_hash(key, 5),
        stratum=PICKED,
        kind="existing",
        source="retrieved",
        member=member,
        query=query,
        job=job,
    )
    place = folder / PICKED
    place.mkdir(parents=True, exist_ok=True)
    with _alone(place):
        graded = read_graded(place)
        if pair.pair_id not in {known.pair_id for known in graded.pairs}:
            pairs = (*graded.pairs, pair)
            write_pairs(place, pairs)
            for grader, marks in graded.marks.items():
                _save(place, grader, pairs, graded.policy_version, marks)
    return pair


def open_decisions(folder: Path, pairs: Sequence[GoldenPair]) -> list[Decision]:
    """The rows of `adjudicated.csv` that a person has yet to decide; none before two sheets are finished."""
    return [row for row in read_adjudicated(folder, pairs) if row.grade is None]


def settle(folder: Path, pair_id: str, grades: str, grade: int, decided_by: str, note: str = "") -> None:
    """Decide which grade counts for a pair that graders see apart.

    Args:
        folder: The golden folder.
        pair_id: Of an open row.
        grades: Upon which it is decided, as the row has them.
        grade: 0 to 4.
        decided_by: Somebody who graded none of its sheets.
        note: Why.

    Raises:
        BadInput: The name or the grade is none, the row is not open, was decided upon other grades, or they are a
            grader of the set.
    """
    sheet_path(folder, decided_by)  # refuses what is no name
    if decided_by in (AGREED, MEDIAN, CHANGED):
        raise BadInput(f"{decided_by!r} says how a pair was decided", cure="use your own name")
    if grade not in GRADES:
        raise BadInput(f"grade {grade} is not on the scale", cure="grades are 0 to 4")
    with _alone(folder):
        graded = read_graded(folder)
        if decided_by in graded.marks:
            raise BadInput(f"{decided_by} graded this set", cure="let a third person decide")
        decisions = read_adjudicated(folder, graded.pairs)
        at = next((i for i, row in enumerate(decisions) if row.pair_id == pair_id), None)
        if at is None or decisions[at].grade is not None:
            raise BadInput(f"pair {pair_id[:40]!r} is not open", cure="take one that the page lists")
        if decisions[at].grades != grades:
            raise BadInput(f"pair {pair_id!r} was graded anew meanwhile", cure="look at its grades, then decide")
        decisions[at] = decisions[at]._replace(grade=grade, decided_by=decided_by, note=note[:MOST_NOTE])
        write_adjudicated(folder, graded.pairs, decisions)


def next_pair(graded: Graded, grader: str, judged: Mapping[str, int]) -> GoldenPair | None:
    """The pair that this grader should grade next: on which the others, or they and the judge, differ most.

    A pair on which all agree tells little; one that two graders see apart tells where the policy has to be sharpened.

    Args:
        graded: The set.
        grader: Who asks.
        judged: Pair id -> the judge's grade, of the pairs that it can grade.

    Returns:
        The pair; None where they have graded all.
    """
    own = graded.marks.get(grader, {})
    waiting = [pair for pair in graded.pairs if pair.pair_id not in own]

    def disagreement(pair: GoldenPair) -> float:
        others = [marks[pair.pair_id].grade for marks in graded.marks.values() if pair.pair_id in marks]
        if not others:
            return 0.0
        judge = judged.get(pair.pair_id)
        apart = abs(judge - float(np.mean(others))) if judge is not None else 0.0
        return max(others) - min(others) + apart

    return max(waiting, key=disagreement, default=None)


def _save(
    folder: Path, grader: str, pairs: Sequence[GoldenPair], policy_version: str, marks: Mapping[str, Mark]
) -> None:
    """Write a sheet under the name that says whether it is finished, and remove the other."""
    finished = all(pair.pair_id in marks for pair in pairs)
    write_marks(_path(folder, grader, finished), pairs, policy_version, marks)
    _path(folder, grader, not finished).unlink(missing_ok=True)


def _path(folder: Path, grader: str, finished: bool) -> Path:
    path = sheet_path(folder, grader)
    return path if finished else path.with_name(path.name.replace(FINISHED, UNFINISHED, 1))


def _paths(folder: Path) -> list[Path]:
    return sorted([*folder.glob(f"{FINISHED}*.csv"), *folder.glob(f"{UNFINISHED}*.csv")])


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else, of this process or another, writes to the folder meanwhile."""
    with (folder / ".grading.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield  # closing the file gives the lock back
