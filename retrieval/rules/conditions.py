"""The conditions that rules are made of, each answered for all jobs of an index at once.

The set is closed: what cannot be read off the index's columns is no condition. What the request does not know (no
level, no home) or a job does not say never meets a condition.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import TYPE_CHECKING, Annotated, Literal, Protocol, Self, get_args

import numpy as np
from pydantic import Field, model_validator

from contracts.documents import wrong
from contracts.records import SENIORITY_LADDER, Reason, Workplace
from contracts.text.places import read_place
from contracts.time.open import has_expired
from contracts.values import FrozenModel
from retrieval.filters.attributes import AttributeTable
from retrieval.filters.places import named_places

if TYPE_CHECKING:
    from retrieval.request import Request
    from retrieval.words.titles import TitleWords

_DAY = 86_400.0
_NEAR = {"region": 1, "place": 2}
Count = Annotated[int, Field(ge=1, strict=True)]
TIMES = 100
"""The last times that a job was shown to a member that are kept: a rule can ask for no more."""
Days = Annotated[float, Field(gt=0, le=3_650)]


class Jobs(Protocol):
    """What conditions read of an index of n jobs; `retrieval.index.job_index.JobIndex` is one."""

    @property
    def attributes(self) -> AttributeTable: ...

    @property
    def titles(self) -> TitleWords: ...

    def __len__(self) -> int: ...

    def rows(self, job_ids: Iterable[str], ended: bool = False) -> np.ndarray: ...

    def known_rows(self, job_ids: Iterable[str]) -> np.ndarray: ...

    def nearness(self, request: Request) -> np.ndarray: ...


class TitleCondition(FrozenModel):
    """The title shares no word with the query or, without one, with what the member says and did of late.

    no_word_shared_but: words that tell no occupation; they do not count. Does not apply where none of the words asked
    for is in any title, nor to a title of such words alone.
    """

    no_word_shared_but: tuple[str, ...] = ()

    def met(self, jobs: Jobs, request: Request) -> np.ndarray | None:
        return jobs.titles.shares_none(request.words, self.no_word_shared_but)


class SkillsCondition(FrozenModel):
    """The job names skills, the member too, and they share none. Does not apply to a search: it says what is wanted."""

    none_shared: Literal[True]

    def met(self, jobs: Jobs, request: Request) -> np.ndarray | None:
        if request.query or not request.facts.skills:
            return None
        return jobs.attributes.has("skills") & ~jobs.attributes.holds_any("skills", request.facts.skills)


class SeniorityCondition(FrozenModel):
    """The job's level is further from the member's than so many rungs of the ladder."""

    more_rungs_than: Annotated[int, Field(ge=0, lt=len(SENIORITY_LADDER) - 1, strict=True)]

    def met(self, jobs: Jobs, request: Request) -> np.ndarray | None:
        if request.facts.seniority not in SENIORITY_LADDER:
            return None
        own = SENIORITY_LADDER.index(request.facts.seniority)
        far = (rung for i, rung in enumerate(SENIORITY_LADDER) if abs(i - own) > self.more_rungs_than)
        return jobs.attributes.holds_any("seniority", far)


class PlaceCondition(FrozenModel):
    """The job is not remote and not in the member's place or region: home, last jobs of interest, where they wish."""

    beyond: Literal["place", "region"]

    def met(self, jobs: Jobs, request: Request) -> np.ndarray | None:
        table, home = jobs.attributes, getattr(read_place(request.location, jobs.attributes.home), self.beyond)
        if not table.is_held(self.beyond, home):
            return None
        met = table.has("place") & (jobs.nearness(request) < _NEAR[self.beyond])
        met &= ~table.holds_any("workplace", ("remote",))
        for attribute, value in named_places(request.facts.places, table).places:
            met &= ~table.holds_any(attribute, (value,))
        return met


class WorkplaceCondition(FrozenModel):
    """The job says where it is worked (onsite, hybrid, remote), and the member wishes for other ways."""

    not_wished: Literal[True]

    def met(self, jobs: Jobs, request: Request) -> np.ndarray | None:
        wished = request.facts.workplace
        other = [way for way in get_args(Workplace) if way not in wished]
        return jobs.attributes.holds_any("workplace", other) if wished else None


class PayCondition(FrozenModel):
    """The most that the job pays is below the least that the member wishes for, as far as its percentile tag tells.

    currency: in which members say what they wish for; jobs that pay in another are left alone.
    """

    below_wished: Literal[True]
    currency: Annotated[str, Field(min_length=1)] = "USD"

    def met(self, jobs: Jobs, request: Request) -> np.ndarray | None:
        wished, table = request.facts.salary_min, jobs.attributes
        if wished is None:
            return None
        return table.within("salary_max", None, wished, self.currency)


class SeenCondition(FrozenModel):
    """The member was shown the job at least so many times in the last days, and has not opened it since."""

    times: Annotated[int, Field(ge=1, le=TIMES, strict=True)]
    days: Days

    def met(self, jobs: Jobs, request: Request) -> np.ndarray | None:
        now = request.time.timestamp()
        often = [
            job_id
            for job_id, times in request.facts.unclicked.items()
            if sum(now - self.days * _DAY <= time < now for time in times) >= self.times
        ]
        return _at(jobs, often) if often else None


class ClosedCondition(FrozenModel):
    """The job has expired; with `after_days`, also one that says no end and was posted so long before the newest one.

    The newest that was posted by the time of the request, and not that time itself, so that an export of last year is
    not taken for a board on which everything has closed.
    """

    after_days: Days | None = None

    def met(self, jobs: Jobs, request: Request) -> np.ndarray | None:
        now, expires = request.time.timestamp(), jobs.attributes.number("expires_at")
        met = has_expired(expires, now)
        if self.after_days is not None:
            posted = jobs.attributes.number("posted_at")
            newest = jobs.attributes.greatest("posted_at", now)
            met |= np.isnan(expires) & (posted < newest - self.after_days * _DAY)
        return met


class CompanyCondition(FrozenModel):
    """The member dismissed so many of the company's jobs, for one of these reasons or, where none is given, any."""

    dismissed_for: tuple[Reason, ...]
    times: Count = 1

    def met(self, jobs: Jobs, request: Request) -> np.ndarray | None:
        reasons, codes = self.dismissed_for, jobs.attributes.codes("company")
        dismissed = {job_id for job_id, reason in request.facts.dismissed if not reasons or reason in reasons}
        rows = jobs.rows(dismissed, ended=True)  # that the job was deleted says nothing for its company
        companies, counts = np.unique(codes[rows[rows >= 0]], return_counts=True)
        companies = companies[(counts >= self.times) & (companies >= 0)]
        return np.isin(codes, companies) if len(companies) else None


class When(FrozenModel):
    """Conditions, of which at least one is given; all that are given must be met."""

    title: TitleCondition | None = None
    skills: SkillsCondition | None = None
    seniority: SeniorityCondition | None = None
    place: PlaceCondition | None = None
    workplace: WorkplaceCondition | None = None
    pay: PayCondition | None = None
    seen: SeenCondition | None = None
    closed: ClosedCondition | None = None
    company: CompanyCondition | None = None

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.given():
            raise wrong("no condition", f"give at least one of {', '.join(type(self).model_fields)}")
        return self

    def given(self) -> list[Condition]:
        return [condition for name in type(self).model_fields if (condition := getattr(self, name)) is not None]

    def met(self, jobs: Jobs, request: Request) -> np.ndarray | None:
        """(n,) bool; None where the request does not know what a condition asks for."""
        masks = []
        for condition in self.given():
            met = condition.met(jobs, request)
            if met is None:
                return None
            masks.append(met)
        return reduce(np.logical_and, masks)


Condition = (
    TitleCondition
    | SkillsCondition
    | SeniorityCondition
    | PlaceCondition
    | WorkplaceCondition
    | PayCondition
    | SeenCondition
    | ClosedCondition
    | CompanyCondition
)


def _at(jobs: Jobs, job_ids: Iterable[str]) -> np.ndarray:
    met = np.zeros(len(jobs), dtype=bool)
    met[jobs.known_rows(job_ids)] = True
    return met
