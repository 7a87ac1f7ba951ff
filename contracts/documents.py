"""YAML that people edit as typed values: what is wrong is told with its line and its cure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from contracts.errors import BadInput, NotReady
from contracts.values import FrozenModel

Lines = Mapping[tuple, int]
"""Path of keys and places in a list -> its line, from 1."""


M = TypeVar("M", bound=FrozenModel)


def wrong(what: str, cure: str) -> PydanticCustomError:
    """An error for a validator to raise, with the cure that `parse` tells."""
    return PydanticCustomError("document", "{what}", {"what": what, "cure": cure})


def read_text(path: Path) -> str:
    """Raises NotReady where there is no file, BadInput where it is no text."""
    try:
        return path.read_text("utf-8")
    except FileNotFoundError as error:
        raise NotReady(f"no file {path}", cure="give the path of a YAML file") from error
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}", where=str(path), cure="give a YAML file") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"not UTF-8: {error.reason}", where=str(path), cure="save it as UTF-8") from error


def parse(text: str, model: type[M], where: str) -> tuple[M, Lines]:
    """The value in a YAML text, and the line of each of its parts.

    Raises BadInput naming line, field and cure.
    """
    lines: dict[tuple, int] = {}
    try:
        _note(yaml.compose(text, yaml.SafeLoader), (), lines, where)
        content = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        cure = "mind the indentation, and quote text with ':'"
        raise BadInput(f"line {line} is no YAML: {error.problem}", where=where, cure=cure) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadInput("it is no YAML", where=where, cure="save it as plain text") from error
    if not isinstance(content, dict):
        cure = f"it begins with {next(iter(model.model_fields))}:"
        raise BadInput(f"it holds {type(content).__name__}, not fields", where=where, cure=cure)
    try:
        return model.model_validate(content), lines
    except ValidationError as error:
        problem = error.errors()[0]
        value = problem["input"]
        found = f" (found {value!r})" if isinstance(value, str | int | float) and problem["type"] != "document" else ""
        as_text = "quote it: to YAML it is no text" if problem["type"] == "string_type" and found else "mend it"
        cure = str(problem.get("ctx", {}).get("cure", as_text))
        raise at(lines, problem["loc"], problem["msg"] + found, where, cure) from error


def at(lines: Lines, path: tuple, what: str, where: str, cure: str) -> BadInput:
    """The error of a part of a document, with the line of the part or of the nearest one around it."""
    known = next((lines[path[:size]] for size in range(len(path), 0, -1) if path[:size] in lines), 1)
    field = ".".join(map(str, path))
    return BadInput(f"line {known}: {field}: {what}", where=where, cure=cure)


def _note(node: yaml.Node | None, path: tuple, lines: dict[tuple, int], where: str) -> None:
    """Fills `lines`. A field that stands twice is an error: YAML would drop the first."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value))
            line = key.start_mark.line + 1
            if here in lines:
                raise BadInput(f"line {line}: {'.'.join(map(str, here))} stands twice", where=where, cure="keep one")
            lines[here] = line
            _note(value, here, lines, where)
    elif isinstance(node, yaml.SequenceNode):
        for place, value in enumerate(node.value):
            lines[(*path, place)] = value.start_mark.line + 1
            _note(value, (*path, place), lines, where)
