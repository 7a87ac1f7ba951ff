"""A row without the cells that do not fit, where all of their fields are optional."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from contracts.cleaning import clean_text, without_files
from contracts.reading.pay import ENDS
from contracts.records import MAX_MARKUP_CHARS, MAX_TEXT_CHARS
from sources.findings import Finding, shape
from sources.reasons import reason_of

Path = tuple[int | str, ...]

STRICT = frozenset({"hidden"})
"""Optional fields whose wrong reading does harm: a job that may be hidden is not shown on a guess."""
DROPPED = "left empty"


class Repair(NamedTuple):
    """value: the row's fields, mended; findings: what was done to them."""

    value: dict[str, Any]
    findings: list[Finding]


def repaired(
    value: Mapping[str, Any], problems: Sequence[ErrorDetails], model: type[BaseModel]
) -> Repair | ErrorDetails:
    """A row's fields without what does not fit, or the first problem that costs the row: that of a required field.

    Args:
        value: The fields.
        problems: All that pydantic says of them.
        model: The record that they were to be.
    """
    changed: dict[Path, Any] = {}
    findings = []
    for problem in problems:
        reason = reason_of(problem)
        steps = _step(value, problem, reason, model) if problem["loc"] else _of_two_fields(value, reason)
        if steps is None:
            return problem
        for path, new, done in steps:
            changed[path] = new
            findings.append(Finding(_name(path), reason, shape(_at(value, path)), done))
    return Repair(_changed(dict(value), changed), findings)


_Steps = list[tuple[Path, Any, str]]
_GONE = object()


def _step(value: Mapping[str, Any], problem: ErrorDetails, reason: str, model: type[BaseModel]) -> _Steps | None:
    path = _optional(value, problem, model)
    if path is None:
        return None
    found = _at(value, path)
    if reason == "text_too_long" and isinstance(found, str):
        return [(path, clean_text(without_files(found)[:MAX_MARKUP_CHARS])[:MAX_TEXT_CHARS], "cut")]
    if reason == "too_many_values" and isinstance(found, list | tuple):
        return [(path, list(found[: problem["ctx"]["max_length"]]), "cut")]
    if path == ("salary_period",):  # whatever it is, the pay is not by the year
        return [(name, _GONE, DROPPED) for name in (path, *((end,) for end in ENDS)) if _has(value, name)]
    if path[-1] == "end":  # it has ended: with its start alone it would still be held
        return [(name, _GONE, DROPPED) for name in (path, (*path[:-1], "start")) if _has(value, name)]
    return [(path, _GONE, DROPPED)]


def _of_two_fields(value: Mapping[str, Any], reason: str) -> _Steps | None:
    """Of fields that contradict each other, what is done to which."""
    if reason == "salary_range":
        if _is_zero(value["salary_max"]):  # the other end was left at nothing
            return [(("salary_max",), _GONE, DROPPED)]
        low, high = value["salary_min"], value["salary_max"]
        return [(("salary_min",), high, "swapped"), (("salary_max",), low, "swapped")]
    if reason == "expiry_before_posting":  # the job stays closed
        return [(("posted_at",), _GONE, DROPPED)]
    if reason == "reason_without_dismissal":
        return [(("reason",), _GONE, DROPPED)]
    return None


def _is_zero(value: Any) -> bool:
    try:
        return float(value) == 0
    except (TypeError, ValueError):
        return False


def _optional(value: Mapping[str, Any], problem: ErrorDetails, model: type[BaseModel]) -> Path | None:
    """The path of the smallest part around a problem that may be missing: a cell, or an element of a list."""
    path: Path = ()
    smallest: Path | None = None
    kind: Any = model
    for step in problem["loc"]:
        path += (step,)
        if isinstance(step, int):
            smallest, kind = path, _inner(kind)
            continue
        field = _fields(kind).get(step)
        if field is None:
            return path if problem["type"] == "extra_forbidden" else smallest
        if not field.is_required() and step not in STRICT:
            smallest = path
        kind = field.annotation
    return smallest if smallest is not None and _has(value, smallest) else None


def _fields(kind: Any) -> Mapping[str, FieldInfo]:
    """The fields of the record that an annotation holds, in whatever it is wrapped."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind.model_fields
    return next((fields for part in get_args(kind) if (fields := _fields(part))), {})


def _inner(kind: Any) -> Any:
    return next(iter(get_args(kind)), kind)


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _has(value: Any, path: Path) -> bool:
    try:
        _at(value, path)
    except (KeyError, IndexError, TypeError):
        return False
    return True


def _name(path: Path) -> str:
    return ".".join(str(step) for step in path if isinstance(step, str))


def _changed(value: Any, changed: Mapping[Path, Any], at: Path = ()) -> Any:
    """A copy of nested fields with other values at some paths, and without what is `_GONE`."""
    if not any(path[: len(at)] == at for path in changed):
        return value

    def parts(items: Any) -> Iterator[tuple[Any, Any]]:
        for step, part in items:
            here = (*at, step)
            part = changed[here] if here in changed else _changed(part, changed, here)
            if part is not _GONE:
                yield step, part

    if isinstance(value, Mapping):
        return dict(parts(value.items()))
    if isinstance(value, list | tuple):
        return [part for _, part in parts(enumerate(value))]
    return value
