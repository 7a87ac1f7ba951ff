"""Filters in conjunctive normal form: every clause must hold; a clause is one condition or one of several.

A filter is a value with one JSON form, the same in the API, in logs and in the index:

    {"all": [{"attribute": "skills", "any_of": ["python", "sql"]},
             {"attribute": "company", "any_of": ["Acme"], "not": true},
             {"attribute": "salary_max", "at_least": 90000},
             {"within": {"place": "Houston, TX", "km": 50}},
             {"either": [{"attribute": "workplace", "any_of": ["remote"]},
                         {"attribute": "city", "any_of": ["Austin"]}]}]}

What the edges mean: a filter without clauses passes every job; an `any_of` without values, an `either` without
conditions and a range whose ends have crossed pass none; a job that lacks the attribute fails the condition, and so
passes its negation. Values are compared without regard to case.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from functools import reduce
from numbers import Number
from typing import Annotated, Any, Protocol, Self

import numpy as np
from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Discriminator,
    FailFast,
    Field,
    Tag,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from contracts.errors import BadInput
from contracts.reading.pay import currency_code
from contracts.validation import shown
from contracts.values import FrozenModel
from retrieval.filters.distance import KM_OF_MILE, locate

MAX_CLAUSES = 100
MAX_VALUES = 10_000
"""Values in one condition. The cost of a condition is linear in them; the limits keep a hostile request bounded."""
SHOWN = 80
"""An error repeats a value that does not fit up to this many characters."""


class Columns(Protocol):
    """What a filter needs of an attribute table: a bool (n,) column for a condition. Raises UnknownAttribute."""

    def __len__(self) -> int: ...

    def check_text(self, attribute: str) -> None: ...

    def check_number(self, attribute: str, currency: str | None = None) -> None: ...

    def holds_any(self, attribute: str, values: Iterable[str]) -> np.ndarray: ...

    def within(
        self, attribute: str, at_least: float | None, at_most: float | None, currency: str | None = None
    ) -> np.ndarray: ...

    def distances(self, latitude: float, longitude: float) -> np.ndarray: ...

    @property
    def home(self) -> str: ...


class _Value(FrozenModel):
    def to_json(self) -> str:
        return self.model_dump_json(by_alias=True, exclude_defaults=True)


class AnyOf(_Value):
    """Holds for a job that has at least one of the values."""

    attribute: str
    any_of: Annotated[tuple[str, ...], FailFast(), Field(max_length=MAX_VALUES)]
    negated: bool = Field(default=False, validation_alias=AliasChoices("not", "negated"), serialization_alias="not")

    def mask(self, table: Columns) -> np.ndarray:
        return table.holds_any(self.attribute, self.any_of) ^ self.negated

    def check(self, table: Columns) -> None:
        """Raise what `mask` would, at no cost."""
        table.check_text(self.attribute)


def _aware(value: float | datetime) -> float | datetime:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


def _end(value: Any) -> float | datetime:
    """A number as text is a slip, and would be read as the seconds since 1970."""
    if isinstance(value, datetime):
        return value
    number = _finite(value)
    if number is not None and not isinstance(value, str):
        return number
    if number is not None:
        raise PydanticCustomError("number_as_text", "a number as text: write it without quotes")
    if isinstance(value, str | date):
        with suppress(ValidationError):
            return _TIME.validate_python(value)
    raise PydanticCustomError("no_end", "neither a finite number nor a time such as 2026-03-01T12:00:00Z")


def _finite(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, Number | str):
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


_TIME: TypeAdapter[datetime] = TypeAdapter(datetime)
End = Annotated[float | datetime, BeforeValidator(_end), AfterValidator(_aware)]


class Range(_Value):
    """Holds for a job whose number or time lies between the ends, both included; at least one end is given.

    Pay is compared in one currency, that of most jobs where none is given.
    """

    attribute: str
    at_least: End | None = None
    at_most: End | None = None
    currency: Annotated[str, AfterValidator(currency_code)] | None = None
    negated: bool = Field(default=False, validation_alias=AliasChoices("not", "negated"), serialization_alias="not")

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise PydanticCustomError("no_end", "a range needs at_least or at_most")
        return self

    def mask(self, table: Columns) -> np.ndarray:
        ends = _number(self.at_least), _number(self.at_most)
        return table.within(self.attribute, *ends, self.currency) ^ self.negated

    def check(self, table: Columns) -> None:
        """Raise what `mask` would, at no cost."""
        table.check_number(self.attribute, self.currency)


class Circle(_Value):
    """All that lies within a distance of a town, or of a point in degrees: one of the two, and `km` or `miles`."""

    place: str | None = None
    latitude: float | None = Field(default=None, ge=-90, le=90, allow_inf_nan=False)
    longitude: float | None = Field(default=None, ge=-180, le=180, allow_inf_nan=False)
    km: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    miles: float | None = Field(default=None, ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        point = (self.latitude is not None, self.longitude is not None)
        if (self.place is None) == (not any(point)) or any(point) != all(point):
            raise PydanticCustomError("no_center", "a circle needs a place, or latitude and longitude")
        if (self.km is None) == (self.miles is None):
            raise PydanticCustomError("no_radius", "a circle needs km or miles")
        return self

    @property
    def radius_km(self) -> float:
        return self.km if self.km is not None else (self.miles or 0.0) * KM_OF_MILE

    def distances(self, table: Columns) -> np.ndarray:
        """(n,) kilometres from the center, NaN where it is not known. Raises BadInput for a place of no one town."""
        return table.distances(*self.center(table))

    def center(self, table: Columns) -> tuple[float, float]:
        """Latitude and longitude. Raises BadInput for a place of no one town."""
        if self.latitude is not None and self.longitude is not None:
            return self.latitude, self.longitude
        return locate(self.place or "", table.home)


class Within(_Value):
    """Holds for a job that has a place in a circle; where a job is that names no town that is known, is not known."""

    within: Circle
    negated: bool = Field(default=False, validation_alias=AliasChoices("not", "negated"), serialization_alias="not")

    def mask(self, table: Columns) -> np.ndarray:
        return (self.within.distances(table) <= self.within.radius_km) ^ self.negated

    def check(self, table: Columns) -> None:
        """Raise what `mask` would, at no cost."""
        self.within.center(table)


def _kind(value: Any) -> str | None:
    """The tag of what a condition or clause must be, by what it says or is. None: neither."""
    if isinstance(value, Mapping):
        return next((tag for key, tag in _KINDS.items() if key in value), None)
    kinds: dict[type, str] = {AnyOf: _TEXT, Range: _RANGE, Within: _WITHIN, Either: _EITHER}
    return kinds.get(type(value))


# Brackets: no part of a field's name, see `field_name`.
_TEXT, _RANGE, _WITHIN, _EITHER = "[any_of]", "[range]", "[within]", "[either]"
_KINDS = {"either": _EITHER, "any_of": _TEXT, "at_least": _RANGE, "at_most": _RANGE, "within": _WITHIN}
_Condition = Annotated[AnyOf, Tag(_TEXT)] | Annotated[Range, Tag(_RANGE)] | Annotated[Within, Tag(_WITHIN)]
Condition = Annotated[
    _Condition,
    Discriminator(_kind, "no_condition", "a condition says any_of, at_least, at_most or within"),
]


class Either(_Value):
    """Holds where at least one of its conditions holds."""

    either: Annotated[tuple[Condition, ...], FailFast(), Field(max_length=MAX_CLAUSES)]

    def mask(self, table: Columns) -> np.ndarray:
        return reduce(np.logical_or, (c.mask(table) for c in self.either), np.zeros(len(table), dtype=bool))


Clause = AnyOf | Range | Within | Either
_Clause = Annotated[
    _Condition | Annotated[Either, Tag(_EITHER)],
    Discriminator(_kind, "no_clause", "a clause says any_of, at_least, at_most, within or either"),
]


class Filter(_Value):
    """All clauses must hold."""

    clauses: Annotated[tuple[_Clause, ...], FailFast(), Field(max_length=MAX_CLAUSES)] = Field(
        default=(), validation_alias=AliasChoices("all", "clauses"), serialization_alias="all"
    )

    @model_validator(mode="before")
    @classmethod
    def _no_lone_clause(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and _kind(value):
            raise PydanticCustomError("lone_clause", 'a clause alone: write {"all": [...]} around it')
        return value

    def mask(self, table: Columns) -> np.ndarray:
        """(n,) bool, True for the rows of `table` that pass. Raises UnknownAttribute, BadInput for a wrong kind."""
        return reduce(np.logical_and, (c.mask(table) for c in self.clauses), np.ones(len(table), dtype=bool))

    def conditions(self) -> Iterator[AnyOf | Range | Within]:
        """The conditions of all clauses."""
        for clause in self.clauses:
            yield from clause.either if isinstance(clause, Either) else (clause,)

    def check(self, table: Columns) -> None:
        """Raise what `mask` would, before anything could mistake it for a fault, at no cost."""
        for condition in self.conditions():
            condition.check(table)

    def __and__(self, other: Filter) -> Filter:
        with _typed():
            return Filter(clauses=(*self.clauses, *other.clauses))

    def __bool__(self) -> bool:
        return bool(self.clauses)


def any_of(attribute: str, *values: str) -> Filter:
    _check_texts(attribute, values)
    with _typed():
        return Filter(clauses=(AnyOf(attribute=attribute, any_of=values),))


def none_of(attribute: str, *values: str) -> Filter:
    _check_texts(attribute, values)
    with _typed():
        return Filter(clauses=(AnyOf(attribute=attribute, any_of=values, negated=True),))


def between(
    attribute: str, at_least: float | datetime | None = None, at_most: float | datetime | None = None
) -> Filter:
    ends = {"at_least": _number_or_time(attribute, at_least), "at_most": _number_or_time(attribute, at_most)}
    with _typed():
        return Filter(clauses=(Range(attribute=attribute, **ends),))


def either(*filters: Filter) -> Filter:
    """The filter that passes what one of `filters` passes; each must hold a single condition."""
    conditions = [clause for filter in filters for clause in filter.clauses]
    if len(conditions) != len(filters) or any(isinstance(c, Either) for c in conditions):
        raise BadInput("either() takes filters of one condition each", cure="combine larger filters with &")
    with _typed():
        return Filter(clauses=(Either.model_validate({"either": conditions}),))


def parse_filter(value: Any) -> Filter:
    """A filter from its JSON form: text, bytes, or the parsed value. Raises BadInput naming the field."""
    with _typed():
        if isinstance(value, str | bytes):
            return Filter.model_validate_json(value)
        return Filter.model_validate(value)


def field_name(loc: Iterable[str | int]) -> str:
    """Where in a filter a pydantic error lies, without the names of kinds and validators."""
    return ".".join(part for part in map(str, loc) if "[" not in part)


def _check_texts(attribute: str, values: tuple[Any, ...]) -> None:
    wrong = [value for value in values if not isinstance(value, str)]
    if wrong:
        cure = f'any_of("{attribute}", "one", "other") or none_of(...), and between() for numbers and times'
        raise BadInput(f"{attribute}: {repr(wrong[0])[:SHOWN]} is no text", where="filter", cure=cure)


@contextmanager
def _typed() -> Iterator[None]:
    """What a value that does not fit raises, is BadInput naming the field."""
    try:
        yield
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        value = repr(problem["input"])
        raise BadInput(
            problem["msg"] + (f" (found {value})" if len(value) <= SHOWN else ""),
            where=f"filter.{field_name(problem['loc']) or 'all'}",
            cure='a filter looks like {"all": [{"attribute": "skills", "any_of": ["python"]}]}',
        ) from error
    except (TypeError, ValueError, OverflowError) as error:
        raise BadInput(f"no number: {error}", where="filter", cure="a finite number or a time") from error


def _number(value: float | datetime | None) -> float | None:
    return value.timestamp() if isinstance(value, datetime) else value


def _number_or_time(attribute: str, value: float | datetime | None) -> float | datetime | None:
    try:
        return value if value is None or isinstance(value, datetime) else float(value)
    except (TypeError, ValueError, OverflowError) as error:
        problem = f"{attribute}: {shown(value)} is no number"
        raise BadInput(problem, where="filter", cure="give a finite number or a time") from error
