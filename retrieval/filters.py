"""Filters in conjunctive normal form: every clause must hold; a clause is one condition or one of several.

A filter is a value with one JSON form, the same in the API, in logs and in the index:

    {"all": [{"attribute": "skills", "any_of": ["python", "sql"]},
             {"attribute": "company", "any_of": ["Acme"], "not": true},
             {"attribute": "salary_max", "at_least": 90000},
             {"either": [{"attribute": "workplace", "any_of": ["remote"]},
                         {"attribute": "city", "any_of": ["Austin"]}]}]}

What the edges mean: a filter without clauses passes every job; an `any_of` without values, an `either` without
conditions and a range whose ends have crossed pass none; a job that lacks the attribute fails the condition, and so
passes its negation. Values are compared without regard to case.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import reduce
from typing import Annotated, Any, Protocol, Self

import numpy as np
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    ValidationError,
    model_validator,
)

from contracts.errors import BadInput

MAX_CLAUSES = 100
MAX_VALUES = 10_000
"""Values in one condition. The cost of a condition is linear in them; the limits keep a hostile request bounded."""


class Columns(Protocol):
    """What a filter needs of an attribute table: a bool (n,) column for a condition. Raises UnknownAttribute."""

    def __len__(self) -> int: ...

    def holds_any(self, attribute: str, values: Iterable[str]) -> np.ndarray: ...

    def within(self, attribute: str, at_least: float | None, at_most: float | None) -> np.ndarray: ...


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_json(self) -> str:
        return self.model_dump_json(by_alias=True, exclude_defaults=True)


class AnyOf(_Value):
    """Holds for a job that has at least one of the values."""

    attribute: str
    any_of: Annotated[tuple[str, ...], FailFast(), Field(max_length=MAX_VALUES)]
    negated: bool = Field(default=False, validation_alias=AliasChoices("not", "negated"), serialization_alias="not")

    def mask(self, table: Columns) -> np.ndarray:
        return table.holds_any(self.attribute, self.any_of) ^ self.negated


def _aware(value: datetime | None) -> datetime | None:
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


Time = Annotated[datetime, AfterValidator(_aware)]
Number = Annotated[float, Field(allow_inf_nan=False, strict=True)]


class Range(_Value):
    """Holds for a job whose number or time lies between the ends, both included; at least one end is given."""

    attribute: str
    at_least: Number | Time | None = None
    at_most: Number | Time | None = None
    negated: bool = Field(default=False, validation_alias=AliasChoices("not", "negated"), serialization_alias="not")

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError("a range needs at_least or at_most")
        return self

    def mask(self, table: Columns) -> np.ndarray:
        return table.within(self.attribute, _number(self.at_least), _number(self.at_most)) ^ self.negated


class Either(_Value):
    """Holds where at least one of its conditions holds."""

    either: Annotated[tuple[AnyOf | Range, ...], FailFast(), Field(max_length=MAX_CLAUSES)]

    def mask(self, table: Columns) -> np.ndarray:
        return reduce(np.logical_or, (c.mask(table) for c in self.either), np.zeros(len(table), dtype=bool))


Clause = AnyOf | Range | Either


class Filter(_Value):
    """All clauses must hold."""

    clauses: Annotated[tuple[Clause, ...], FailFast(), Field(max_length=MAX_CLAUSES)] = Field(
        default=(), validation_alias=AliasChoices("all", "clauses"), serialization_alias="all"
    )

    def mask(self, table: Columns) -> np.ndarray:
        """(n,) bool, True for the rows of `table` that pass. Raises UnknownAttribute, BadInput for a wrong kind."""
        return reduce(np.logical_and, (c.mask(table) for c in self.clauses), np.ones(len(table), dtype=bool))

    def __and__(self, other: Filter) -> Filter:
        return Filter(clauses=(*self.clauses, *other.clauses))

    def __bool__(self) -> bool:
        return bool(self.clauses)


def any_of(attribute: str, *values: str) -> Filter:
    return Filter(clauses=(AnyOf(attribute=attribute, any_of=values),))


def none_of(attribute: str, *values: str) -> Filter:
    return Filter(clauses=(AnyOf(attribute=attribute, any_of=values, negated=True),))


def between(
    attribute: str, at_least: float | datetime | None = None, at_most: float | datetime | None = None
) -> Filter:
    return Filter(clauses=(Range(attribute=attribute, at_least=_plain(at_least), at_most=_plain(at_most)),))


def either(*filters: Filter) -> Filter:
    """The filter that passes what one of `filters` passes; each must hold a single condition."""
    conditions = [clause for found in filters for clause in found.clauses]
    if len(conditions) != len(filters) or any(isinstance(c, Either) for c in conditions):
        raise BadInput("either() takes filters of one condition each", cure="combine larger filters with &")
    return Filter(clauses=(Either.model_validate({"either": conditions}),))


def parse_filter(value: Any) -> Filter:
    """A filter from its JSON form: text, bytes, or the parsed value. Raises BadInput naming the field."""
    try:
        if isinstance(value, str | bytes):
            return Filter.model_validate_json(value)
        return Filter.model_validate(value)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in problem["loc"]) or "all"
        raise BadInput(
            problem["msg"],
            where=f"filter.{place}",
            cure='a clause looks like {"attribute": "skills", "any_of": ["python"]}',
        ) from error


def _number(value: float | datetime | None) -> float | None:
    return value.timestamp() if isinstance(value, datetime) else value


def _plain(value: float | datetime | None) -> float | datetime | None:
    return value if value is None or isinstance(value, datetime) else float(value)
