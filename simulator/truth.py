"""Who truly fits what: the written fit function, 0 to 4, over the latent state of the market.

Five dimensions, each in [0, 1]:

- function: how related the job's occupation is to what the member does, or (times WISH) to what they look for; for a
  search, to what the query asks for.
- skills: share of the job's required skills that the member has.
- seniority: 1 on the same rung, less a rung apart, little two apart, 0 beyond.
- place: 1 in a city where the member would work or, where they accept it, remote; REGION in the same region; 0 else; a
  way of working that the member excludes takes a third off. A city named in a search stands in for the member's own.
- pay: 1 where the job can pay what the member asks, falling to 0 where it pays 30% less.

The weighted sum is cut into grades at CUTS. Then caps: a job of another field is at most 1 (0 where the skills are
foreign too); three rungs apart at most 1, two at most 2; out of reach at most 2; pay 30% short at most 3. A better
dimension never lowers a grade. The policy judge never sees any of this: it grades the public records.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import pyarrow.parquet as pq

from contracts.errors import BadInput, UnknownSource
from simulator.catalogue import Catalogue
from simulator.population import Jobs, Members

WEIGHTS = {"function": 0.42, "skills": 0.22, "seniority": 0.14, "place": 0.14, "pay": 0.08}
CUTS = (0.3, 0.46, 0.62, 0.8)
WISH = 0.9
REGION = 0.6
RUNGS = np.array([1.0, 0.7, 0.25, 0.0, 0.0, 0.0, 0.0])
SAME_FIELD = 0.35
"""Below this relatedness a job is of another field."""


class Dimensions(NamedTuple):
    """(pairs,) float64 each, in [0, 1]; rungs: (pairs,) int, distance on the seniority ladder."""

    function: np.ndarray
    skills: np.ndarray
    seniority: np.ndarray
    place: np.ndarray
    pay: np.ndarray
    rungs: np.ndarray

    def score(self) -> np.ndarray:
        """(pairs,) float64 in [0, 1]: the weighted sum, before cuts and caps."""
        return sum(weight * getattr(self, name) for name, weight in WEIGHTS.items())

    def grade(self) -> np.ndarray:
        """(pairs,) int8, 0 to 4."""
        grade = np.searchsorted(CUTS, self.score(), "right")
        other_field = self.function < SAME_FIELD
        grade = np.where(other_field, np.minimum(grade, np.where(self.skills < 0.3, 0, 1)), grade)
        grade = np.where(self.rungs >= 2, np.minimum(grade, np.where(self.rungs >= 3, 1, 2)), grade)
        grade = np.where(self.place <= 0, np.minimum(grade, 2), grade)
        grade = np.where(self.pay <= 0, np.minimum(grade, 3), grade)
        return grade.astype(np.int8)


def dimensions(
    members: Members,
    jobs: Jobs,
    m: np.ndarray,
    j: np.ndarray,
    catalogue: Catalogue,
    asked: np.ndarray | None = None,
    asked_city: np.ndarray | None = None,
) -> Dimensions:
    """The dimensions of pairs (m[i], j[i]).

    Args:
        members: of the market.
        jobs: of the market.
        m: (pairs,) int, rows of members.
        j: (pairs,) int, rows of jobs.
        catalogue: of the market.
        asked: (pairs,) float in [0, 1], relatedness of the job's occupation to the query; NaN without a query.
        asked_city: (pairs,) int, number of the city that the query names; -1 where it names none.
    """
    related, regions = catalogue.relatedness, catalogue.regions
    work = jobs.occupation[j]
    function = np.maximum(related[members.occupation[m], work], WISH * related[members.wish[m], work]).astype(
        np.float64
    )
    city, other = members.city[m], members.other_city[m]
    if asked is not None:
        function = np.where(np.isnan(asked), function, asked)
    if asked_city is not None:
        city = np.where(asked_city >= 0, asked_city, city)
        other = np.where(asked_city >= 0, -1, other)
    there, way = jobs.city[j], jobs.workplace[j]
    place = np.where(regions[city] == regions[there], REGION, 0.0)
    place[(city == there) | (other == there)] = 1.0
    wishes = members.workplace[m]
    place[(way == 2) & ((wishes == 0) | (wishes & 4 > 0))] = 1.0
    place = np.where((way == 2) & (place < 0.75), 0.75, place)
    excluded = (wishes > 0) & (wishes & np.left_shift(1, way) == 0)
    place = np.where(excluded, place * 2 / 3, place)
    asks = members.salary_min[m].astype(np.float64)
    short = (asks - jobs.salary_max[j]) / (0.3 * np.maximum(asks, 1.0))
    rungs = np.abs(members.level[m].astype(np.int64) - jobs.level[j])
    return Dimensions(
        function=function,
        skills=_overlap(members.skills[m], jobs.skills[j]),
        seniority=RUNGS[rungs],
        place=place,
        pay=np.clip(1.0 - short, 0.0, 1.0),
        rungs=rungs,
    )


def _overlap(have: np.ndarray, need: np.ndarray) -> np.ndarray:
    """Share of `need` (pairs, b) that is in `have` (pairs, a); both padded with -1; 1 where nothing is needed."""
    needed = need >= 0
    met = ((have[:, :, None] == need[:, None, :]) & needed[:, None, :]).any(axis=1)
    count = needed.sum(axis=1)
    return np.where(count > 0, met.sum(axis=1) / np.maximum(count, 1), 1.0)


@dataclass(frozen=True)
class Truth:
    """The latent state of a simulated market, as `simulate` left it in its `truth/` folder."""

    members: Members
    jobs: Jobs
    catalogue: Catalogue

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The truth in a market's folder, or in its `truth/`.

        Raises:
            UnknownSource: the folder holds none.
        """
        folder = folder / "truth" if (folder / "truth").is_dir() else folder
        if not (folder / "params.json").is_file():
            raise UnknownSource(f"{folder} is no truth of a simulated market", cure="run `rolecall simulate`")
        catalogue = Catalogue.from_json((folder / "catalogue.json").read_text("utf-8"))
        members = Members.from_table(pq.read_table(folder / "members.parquet"))
        return cls(members, Jobs.from_table(pq.read_table(folder / "jobs.parquet")), catalogue)

    def fit(self, member_id: str, job_id: str, query: str = "") -> int:
        """The true fit of one pair, 0 to 4; see `of_pairs`."""
        return int(self.fits([member_id], [job_id], [query])[0])

    def fits(
        self, member_ids: Sequence[str], job_ids: Sequence[str], queries: Sequence[str] | None = None
    ) -> np.ndarray:
        """(pairs,) int8, 0 to 4: the grades of `of_pairs`."""
        return self.of_pairs(member_ids, job_ids, queries).grade()

    def of_pairs(
        self, member_ids: Sequence[str], job_ids: Sequence[str], queries: Sequence[str] | None = None
    ) -> Dimensions:
        """The dimensions of each member and job, or of a search by that member.

        A search without a member is judged on function and place alone; the other dimensions count as met.

        Args:
            member_ids: ids, empty for an anonymous search.
            job_ids: ids.
            queries: empty for a recommendation; None: all are.

        Raises:
            BadInput: the market lacks an id, or a pair has neither member nor query.
        """
        asked_for = queries if queries is not None else [""] * len(job_ids)
        known = np.array([bool(member) for member in member_ids])
        if any(not member and not query for member, query in zip(member_ids, asked_for, strict=True)):
            raise BadInput("a pair has neither member nor query", cure="give one of them")
        m = np.array([_row(member, "m", len(self.members)) if member else 0 for member in member_ids], np.int64)
        j = np.array([_row(job, "j", len(self.jobs)) for job in job_ids], np.int64)
        intents = [self.catalogue.intent(query) if query else None for query in asked_for]
        work = self.jobs.occupation[j]
        asked = np.array([np.nan if i is None else i.relatedness[w] for i, w in zip(intents, work, strict=True)])
        city = np.array([-1 if i is None else i.city for i in intents], np.int64)
        fit = dimensions(self.members, self.jobs, m, j, self.catalogue, asked, city)
        if not known.all():
            fit = fit._replace(
                skills=np.where(known, fit.skills, 1.0),
                seniority=np.where(known, fit.seniority, 1.0),
                place=np.where(known | (city >= 0), fit.place, 1.0),
                pay=np.where(known, fit.pay, 1.0),
                rungs=np.where(known, fit.rungs, 0),
            )
        return fit


def member_id(row: int) -> str:
    """The id of the member in a row of `Members`."""
    return f"m{row:08d}"


def job_id(row: int) -> str:
    """The id of the job in a row of `Jobs`."""
    return f"j{row:08d}"


def _row(name: str, letter: str, size: int) -> int:
    row = int(name[1:]) if name[:1] == letter and name[1:].isdecimal() else -1
    if not 0 <= row < size:
        raise BadInput(f"id {name!r} is not of this market", cure="use the ids of the folder that `simulate` wrote")
    return row


def write_truth(folder: Path, members: Members, jobs: Jobs, catalogue: Catalogue, params: dict[str, object]) -> None:
    """Write the latent state for `Truth.load`. params: of `simulate`, as JSON holds them."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(members.to_table(), folder / "members.parquet")
    pq.write_table(jobs.to_table(), folder / "jobs.parquet")
    (folder / "catalogue.json").write_text(catalogue.to_json(), "utf-8")
    (folder / "params.json").write_text(json.dumps({"simulated": True, **params}, indent=1) + "\n", "utf-8")
