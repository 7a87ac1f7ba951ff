"""What a query was understood to say, one chip a condition, and what that means for the search."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import Field

from contracts.values import FrozenModel
from retrieval.filters.filters import Clause, Either, Filter

ChipField = Literal["place", "company", "workplace", "employment", "seniority", "pay", "recency", "words", "spelling"]
ChipKind = Literal["filter", "demotion", "exclusion", "spelling"]
ASKED = "asked_"
"""Before the field, the name of a demotion that a query asks for."""
RELAXED_FIRST = ("recency", "pay", "employment", "workplace", "company", "place")
"""Which filter gives way first where too few jobs pass them all: when and how much before what, what before where."""


class Chip(FrozenModel):
    """One condition that was read in a query. It is turned off by its id in the request's `ignore`."""

    id: str = Field(description="Put it into the request's `ignore` to have these words taken as typed.")
    text: str = Field(description="The words of the query that say it.")
    field: ChipField = Field(description="What it is about; `words`: words that must not be in the title.")
    kind: ChipKind = Field(
        description="`filter`: other jobs are left out; `demotion`: they come after all that fit; `exclusion`: what "
        "fits is left out; `spelling`: a word that no job has was read as one that jobs have."
    )
    value: str
    label: str = Field(description="What it means, in words.")
    relaxed: bool = Field(False, description="It was a filter that few jobs of the words pass: it demotes instead.")


@dataclass(frozen=True)
class Understood:
    """A chip and what it asks of jobs. not_titled: words of which no title may hold all; empty: none."""

    chip: Chip
    filter: Filter = field(default_factory=Filter)
    not_titled: str = ""

    def relaxed(self) -> Understood:
        """The same as a demotion."""
        return replace(self, chip=self.chip.model_copy(update={"kind": "demotion", "relaxed": True}))


@dataclass(frozen=True)
class Reading:
    """How a query was read.

    Attributes:
        typed: The query as it was typed.
        query: What the models read: without what says nothing of the work (pay, time, exclusions), spelling mended.
        words: What the inverted index looks for: also without what became a filter.
        understood: The chips, in the order of the query.
    """

    typed: str
    query: str
    words: str
    understood: tuple[Understood, ...] = ()

    @property
    def chips(self) -> tuple[Chip, ...]:
        return tuple(one.chip for one in self.understood)

    @property
    def filter(self) -> Filter:
        """What jobs must pass: of several filters on one field one, and none of the exclusions."""
        excluded = [clause for one in self.understood if one.chip.kind == "exclusion" for clause in one.filter.clauses]
        return Filter(clauses=(*_clauses(self._of("filter")), *excluded))

    @property
    def demotions(self) -> Mapping[str, Filter]:
        """Name -> what jobs must pass not to stand after those that do."""
        soft = self._of("demotion")
        fields = dict.fromkeys(one.chip.field for one in soft)
        return {
            f"{ASKED}{name}": Filter(clauses=_clauses(one for one in soft if one.chip.field == name)) for name in fields
        }

    @property
    def place(self) -> str:
        """The one place that jobs are asked for in; empty where there is none or several."""
        places = [chip.value for chip in self.chips if chip.field == "place" and chip.kind != "exclusion"]
        return places[0] if len(places) == 1 and ";" not in places[0] else ""

    @property
    def not_titled(self) -> tuple[str, ...]:
        """Texts of whose words no title may hold all."""
        return tuple(one.not_titled for one in self.understood if one.not_titled)

    @property
    def filters(self) -> tuple[Understood, ...]:
        """What may give way, that which gives way first before."""
        return tuple(sorted(self._of("filter"), key=lambda one: RELAXED_FIRST.index(one.chip.field)))

    def relaxed(self, given_up: Iterable[str]) -> Reading:
        """This reading with the filters on some fields as demotions."""
        fields = frozenset(given_up)
        understood = tuple(
            one.relaxed() if one.chip.kind == "filter" and one.chip.field in fields else one for one in self.understood
        )
        return replace(self, understood=understood)

    def _of(self, kind: ChipKind) -> list[Understood]:
        return [one for one in self.understood if one.chip.kind == kind]


def _clauses(parts: Iterable[Understood]) -> tuple[Clause, ...]:
    """Clauses of several conditions: those on one field are ways to pass one clause, where each is a single clause."""
    by_field: dict[str, list[Understood]] = {}
    for one in parts:
        by_field.setdefault(one.chip.field, []).append(one)
    clauses: list[Clause] = []
    for ones in by_field.values():
        found = [clause for one in ones for clause in one.filter.clauses]
        if len(ones) > 1 and len(found) == len(ones):
            each = tuple(
                part for clause in found for part in (clause.either if isinstance(clause, Either) else (clause,))
            )
            found = [Either(either=each)]
        clauses += found
    return tuple(clauses)
