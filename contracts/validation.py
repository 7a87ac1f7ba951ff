"""One way from another library's exception to a message or a typed error of ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from contracts.errors import RolecallError

E = TypeVar("E", bound=RolecallError)

SHOWN_CHARS = 80
"""Characters of a rejected value, and of the name of an unknown field, that a message repeats."""


def typed(
    error: ValidationError,
    kind: type[E],
    *,
    where: str = "",
    cure: str = "",
    root: str = "",
    show_value: bool = False,
) -> E:
    """The typed error of the first problem that pydantic names.

    Args:
        error: What pydantic raised.
        kind: The type to return.
        where: File, row or flag that holds the value.
        cure: What to do about it.
        root: Name of the whole value, for a problem that lies in no field of it; empty to leave it out.
        show_value: Repeat the rejected value. Never where it may be a secret or a member's text.

    Returns:
        The error, for `raise ... from error`. Its message names the path of the field.
    """
    problem = first_problem(error)
    field = field_path(problem["loc"])[:SHOWN_CHARS] or root
    message = f"{field}: {problem_text(problem)}" if field else problem_text(problem)
    if show_value and problem["type"] != "missing":
        message += f" (found {shown(problem['input'])})"
    return kind(message, where=where, cure=cure)


def first_problem(error: ValidationError) -> ErrorDetails:
    """The first problem of a validation error; its `input` is the rejected value."""
    return error.errors(include_url=False)[0]


def problem_text(problem: ErrorDetails) -> str:
    """What is wrong, without pydantic's prefix for errors that a validator raised."""
    return problem["msg"].removeprefix("Value error, ")


def field_path(loc: Sequence[int | str]) -> str:
    """The path of a field, as "positions.0.title"; empty for the whole value."""
    return ".".join(map(str, loc))


def shown(value: object) -> str:
    """A value for a message, in at most `SHOWN_CHARS` characters."""
    try:
        text = repr(value[:SHOWN_CHARS] if isinstance(value, str | bytes) else value)
    except RecursionError:
        text = f"a {type(value).__name__} nested too deep to be shown"
    except ValueError:  # of an integer of more than 4,300 digits
        text = f"{type(value).__name__} too long to be shown"
    return text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1] + "…"


def first_line(error: BaseException) -> str:
    """The first line of an exception's message; its type where it has none."""
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__
