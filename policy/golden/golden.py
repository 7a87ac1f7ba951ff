"""The golden set: pairs that people graded, how far they agree, and the gate that a judge has to pass before it labels.

It is a folder that people keep with their data: `pairs.jsonl` (`policy.golden.pairs`), and beside it the sheets, the
adjudicated grades and the accepted policy versions (`policy.golden.sheets`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from contracts.errors import BadInput, JudgeFailed, NotAgreed, NotReady, OtherPolicy
from contracts.versions import staged_folder
from policy.golden.agreement import Agreement, agreement
from policy.golden.pairs import PAIRS, GoldenPair, read_pairs
from policy.golden.sheets import (
    ACCEPTED,
    ADJUDICATED,
    AGREED,
    CHANGED,
    EVERY_VERSION,
    MEDIAN,
    NO_SCORE,
    Decision,
    Sheet,
    accept_policy,
    accepted_versions,
    read_adjudicated,
    read_sheets,
    short_cell,
    write_adjudicated,
)
from policy.judges.base import Judge, Judgement
from policy.types import DIMENSIONS

Of = Literal["all", "stratum", "kind", "dimension"]
SIMULATED = "simulated-"
"""The beginning of a simulated grader's name."""
LEAST_AGREEMENT = 0.8
"""Quadratic kappa from which graders count as one (LinkedIn asks so much weighted kappa of its own before their grades
count as truth: Reimagining search, engineering blog, January 2026)."""
LEAST_PAIRS = 30
"""Below it the interval of a kappa is too wide to let a judge pass."""
LEAST_IN_STRATUM = 10
"""Pairs from which a stratum is named as the worst."""
MOST_UNGRADED = 0.05
"""Share of the pairs that a judge may leave without a grade."""
REPORT = "agreement.json"
_FIELDS: tuple[Literal["stratum", "kind"], ...] = ("stratum", "kind")


@dataclass(frozen=True)
class Golden:
    """Graded pairs.

    Attributes:
        pairs: n pairs.
        sheets: One a grader, in the order of `pairs`.
        adjudicated: (n,) int8, the grade that counts.
        policy_version: What was graded by.
    """

    pairs: tuple[GoldenPair, ...]
    sheets: tuple[Sheet, ...]
    adjudicated: np.ndarray
    policy_version: str

    @property
    def simulated(self) -> bool:
        """Whether all graders are simulated."""
        return is_simulated([sheet.grader for sheet in self.sheets])


class Group(NamedTuple):
    """How far the two graders agree who agree least, of some of the pairs. of: what the pairs have in common."""

    of: Of
    name: str
    graders: tuple[str, str]
    agreement: Agreement


@dataclass(frozen=True)
class JudgeAgreement:
    """How far a judge agrees with the golden set.

    Attributes:
        pairs: Number of golden pairs.
        graders: Agreement of the two graders who agree least.
        judge: Agreement of the judge with the adjudicated grades.
        strata: The same by stratum.
        ungraded: Number of pairs without a grade of the judge; they do not count in its agreement.
        least: Quadratic kappa that had to be reached.
        simulated: Whether all graders are simulated.
    """

    pairs: int
    graders: Agreement
    judge: Agreement
    strata: Mapping[str, Agreement]
    ungraded: int
    least: float
    simulated: bool

    def as_dict(self) -> dict[str, Any]:
        """For JSON, without the confusions."""
        strata = {name: stratum.as_dict() for name, stratum in self.strata.items()}
        return vars(self) | {"graders": self.graders.as_dict(), "judge": self.judge.as_dict(), "strata": strata}

    def __str__(self) -> str:
        graders = "simulated graders" if self.simulated else "graders"
        kappas = (
            f"{graders} {self.graders.quadratic}, the judge against them {self.judge.quadratic}{_worst(self.strata)}"
        )
        missing = f", {self.ungraded} without a grade" if self.ungraded else ""
        return f"quadratic kappa of {self.pairs} golden pairs: {kappas}{missing}"


def is_simulated(graders: Iterable[str]) -> bool:
    """Whether all graders are simulated, by their names."""
    return all(grader.startswith(SIMULATED) for grader in graders)


def has_golden(folder: Path) -> bool:
    """Whether a workspace's golden folder holds pairs: data may come without a golden set."""
    return (folder / PAIRS).is_file()


def load_golden(folder: Path, policy_version: str) -> Golden:
    """Read a complete golden set and check it against the policy in force.

    Args:
        folder: With pairs, sheets and adjudicated grades.
        policy_version: Of the policy in force.

    Raises:
        NotReady: Pairs, sheets or decisions are missing.
        OtherPolicy: The grades are by another version of the policy, and nobody accepted this one.
        BadInput: As `read_sheets`, or a decision was taken upon other grades than the sheets hold.
    """
    pairs = read_pairs(folder)
    sheets = read_sheets(folder, pairs)
    version = sheets[0].policy_version
    if version != policy_version and not accepted_versions(folder) & {policy_version, EVERY_VERSION}:
        raise OtherPolicy(
            f"graded by policy {short_cell(version)}, and the policy in force is {policy_version}",
            where=str(folder),
            cure="grade new sheets, or, where the grades still hold, let a person confirm it: "
            "`rolecall golden import --data DATA --accept-policy NAME`",
        )
    decisions = read_adjudicated(folder, pairs)
    cure = f"run `rolecall golden adjudicate {folder}`"
    if not decisions:
        raise NotReady(f"no adjudicated grades in {folder}", cure=cure)
    undecided = [decision.pair_id for decision in decisions if decision.grade is None]
    if undecided:
        what = f"{len(undecided)} pairs wait for a decision, the first {undecided[0]!r}"
        raise NotReady(what, where=str(folder / ADJUDICATED), cure="fill in the column grade, 0 to 4")
    for decision, grades in zip(decisions, _grades_text(sheets), strict=True):
        if (decision.grades, decision.policy_version) != (grades, version):
            what = f"pair {decision.pair_id!r} was decided upon other grades than the sheets hold"
            raise BadInput(what, where=str(folder / ADJUDICATED), cure=cure)
    return Golden(pairs, tuple(sheets), np.array([decision.grade for decision in decisions], np.int8), version)


def adjudicate(folder: Path, differ_by: int = 0) -> list[Decision]:
    """Write `adjudicated.csv`: the grade that counts for each pair, or an open row for a person.

    Equal grades are taken over; grades that differ by at most `differ_by` become their lower median. A person's
    decision, also one that replaced such a grade, stays as long as the sheets' grades of the pair.

    Args:
        folder: The golden folder.
        differ_by: The largest difference of grades that needs no person.

    Returns:
        The rows, in the order of the pairs.

    Raises:
        NotReady: As `read_sheets`; so is BadInput.
    """
    pairs = read_pairs(folder)
    sheets = read_sheets(folder, pairs)
    version = sheets[0].policy_version
    grades = np.stack([sheet.grades for sheet in sheets])
    spread = grades.max(axis=0) - grades.min(axis=0)
    median = np.sort(grades, axis=0)[(len(sheets) - 1) // 2]
    earlier = {row[:3]: row for row in read_adjudicated(folder, pairs) if row.grade is not None}
    decisions = []
    for i, text in enumerate(_grades_text(sheets)):
        key = (pairs[i].pair_id, version, text)
        before = earlier.get(key)
        if before and before.decided_by not in (AGREED, MEDIAN):
            decisions.append(before)
        elif before and before.grade != median[i]:
            decisions.append(before._replace(decided_by=CHANGED))
        elif spread[i] <= differ_by:
            decisions.append(Decision(*key, int(median[i]), MEDIAN if spread[i] else AGREED))
        else:
            decisions.append(Decision(*key, None, ""))
    write_adjudicated(folder, pairs, decisions)
    return decisions


def grader_agreement(pairs: Sequence[GoldenPair], sheets: Sequence[Sheet]) -> list[Group]:
    """The graders' agreement on all pairs, on each stratum and kind, and on the dimensions that two of them scored."""
    grades = {sheet.grader: sheet.grades for sheet in sheets}
    rows: dict[tuple[Of, str], np.ndarray] = {("all", ""): np.arange(len(pairs))}
    rows |= {(of, name): of_value for of in _FIELDS for name, of_value in _rows_by(pairs, of)}
    groups = [
        _least_agreement(*group, {grader: of_grader[at] for grader, of_grader in grades.items()})
        for group, at in rows.items()
    ]
    for i, dimension in enumerate(DIMENSIONS):
        groups.append(_least_agreement("dimension", dimension, {sheet.grader: sheet.scores[:, i] for sheet in sheets}))
    return [group for group in groups if group]


def require_agreement(golden: Golden, judge: Judge, least: float = LEAST_AGREEMENT) -> JudgeAgreement:
    """Measure a judge by the golden pairs and refuse one that may not label.

    Args:
        golden: The graded pairs.
        judge: Grades the same pairs.
        least: Quadratic kappa that each two graders, and the judge with the adjudicated grades, must reach.

    Raises:
        NotAgreed: A kappa is below `least`, or there are fewer than LEAST_PAIRS pairs.
        JudgeFailed: The judge left more than MOST_UNGRADED of the pairs without a grade.
    """
    if len(golden.pairs) < LEAST_PAIRS:
        raise NotAgreed(f"{len(golden.pairs)} golden pairs tell too little", cure=f"grade {LEAST_PAIRS} or more")
    people = grader_agreement(golden.pairs, golden.sheets)
    graders = people[0].agreement
    if graders.quadratic.value < least:
        strata = {group.name: group.agreement for group in people if group.of == "stratum"}
        raise NotAgreed(
            f"the graders {' and '.join(people[0].graders)} agree with quadratic kappa {graders.quadratic}, "
            f"which is under {least:g}{_worst(strata)}",
            cure="talk through the pairs that they grade apart, sharpen the policy's anchors, and grade again",
        )
    outcomes = judge.grade_many([pair.pair for pair in golden.pairs])
    graded = np.array([isinstance(outcome, Judgement) for outcome in outcomes])
    ungraded = int((~graded).sum())
    if ungraded > MOST_UNGRADED * len(outcomes):
        what = f"judge {judge.name!r} left {ungraded} of {len(outcomes)} golden pairs without a grade"
        raise JudgeFailed(what, cure="see whether it answers, and in the form that is asked for")
    grades = np.array([outcome.grade if isinstance(outcome, Judgement) else 0 for outcome in outcomes])
    overall = agreement(grades[graded], golden.adjudicated[graded])
    strata = {
        name: agreement(grades[rows], golden.adjudicated[rows])
        for name, of_stratum in _rows_by(golden.pairs, "stratum")
        if len(rows := of_stratum[graded[of_stratum]])
    }
    if overall.quadratic.value < least:
        raise NotAgreed(
            f"judge {judge.name!r} and the golden set agree with quadratic kappa {overall.quadratic}, "
            f"which is under {least:g}{_worst(strata)}",
            cure="mend the policy's criteria, or take another judge",
        )
    return JudgeAgreement(len(golden.pairs), graders, overall, strata, ungraded, least, golden.simulated)


def import_golden(data: Path, place: Path, policy_version: str, accepted_by: str = "") -> list[Group] | None:
    """Check a golden set and copy it with `agreement.json`.

    Args:
        data: The golden folder beside people's data; where it is absent, `place` is left without pairs.
        place: The workspace's golden folder.
        policy_version: Of the policy in force.
        accepted_by: Who confirms that the grades hold under this version; noted at `data`.

    Returns:
        The graders' agreement; None where there is no golden set.

    Raises:
        NotReady: As `load_golden`; so are OtherPolicy and BadInput.
    """
    groups: list[Group] | None = None
    report: dict[str, Any] = {"pairs": 0}
    files: list[Path] = []
    if data.is_dir():
        if accepted_by:
            accept_policy(data, policy_version, accepted_by)
        golden = load_golden(data, policy_version)
        groups = grader_agreement(golden.pairs, golden.sheets)
        report = agreement_report(golden.pairs, golden.sheets, groups)
        paths = (data / PAIRS, data / ADJUDICATED, data / ACCEPTED, *data.glob("sheet-*.csv"))
        files = [path for path in paths if path.is_file()]
    with staged_folder(place) as staged:
        for path in files:
            shutil.copyfile(path, staged / path.name)
        (staged / REPORT).write_text(json.dumps(report, indent=1) + "\n")
    return groups


def agreement_report(pairs: Sequence[GoldenPair], sheets: Sequence[Sheet], groups: Sequence[Group]) -> dict[str, Any]:
    """What `agreement.json` holds."""
    return {
        "pairs": len(pairs),
        "policy_version": sheets[0].policy_version,
        "graders": [sheet.grader for sheet in sheets],
        "simulated": is_simulated(sheet.grader for sheet in sheets),
        "groups": [
            {"of": group.of, "name": group.name, "graders": list(group.graders), **group.agreement.as_dict()}
            for group in groups
        ],
    }


def _least_agreement(of: Of, name: str, grades: Mapping[str, np.ndarray]) -> Group | None:
    """The two graders who agree least, of the pairs that both gave a score; None where there is no such pair."""
    groups = []
    for graders in combinations(grades, 2):
        first, second = (grades[grader] for grader in graders)
        both = (first != NO_SCORE) & (second != NO_SCORE)
        if both.any():
            groups.append(Group(of, name, graders, agreement(first[both], second[both])))
    return min(groups, key=lambda group: group.agreement.quadratic.value, default=None)


def _grades_text(sheets: Sequence[Sheet]) -> list[str]:
    """The graders' grades of each pair, as they stand in `adjudicated.csv`: "ann 3; bob 1"."""
    return [
        "; ".join(f"{sheet.grader} {grade}" for sheet, grade in zip(sheets, grades, strict=True))
        for grades in zip(*(sheet.grades.tolist() for sheet in sheets), strict=True)
    ]


def _rows_by(pairs: Sequence[GoldenPair], field: str) -> Iterator[tuple[str, np.ndarray]]:
    """Each value of a field with the rows of its pairs, by name."""
    values = np.array([getattr(pair, field) for pair in pairs])
    for name in sorted(set(values.tolist())):
        yield name, np.flatnonzero(values == name)


def _worst(strata: Mapping[str, Agreement]) -> str:
    large = {name: stratum for name, stratum in strata.items() if stratum.pairs >= LEAST_IN_STRATUM}
    if len(large) < 2:
        return ""
    name, least = min(large.items(), key=lambda item: item[1].quadratic.value)
    return f"; least in stratum {name!r}: {least.quadratic} of {least.pairs}"
