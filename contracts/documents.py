"""YAML that people edit: typed values out of it, and errors that name line, field and cure.

Read as YAML 1.1, in which `yes` and `on` are true. A field that stands twice is an error.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.error import MantissaNoDotYAML1_1Warning, MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from contracts.errors import BadInput, NotReady
from contracts.validation import field_path, first_line, first_problem, problem_text
from contracts.values import FrozenModel

M = TypeVar("M", bound=FrozenModel)
Lines = Mapping[tuple[str, ...], int]
"""Path of a part (keys and places in lists, as text) -> its line, from 1."""

MOST_PARTS = 1_000_000
"""Parts of a document, aliases followed; past it a small file was made to unfold without end."""


def wrong(what: str, cure: str) -> PydanticCustomError:
    """An error for a validator to raise, with the cure that `parse` passes on."""
    return PydanticCustomError("document", "{what}", {"what": what, "cure": cure})


def read_text(path: Path, cure: str = "give the path of a YAML file") -> str:
    """The text of a file.

    Raises:
        NotReady: There is no file.
        BadInput: It cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text("utf-8")
    except FileNotFoundError as error:
        raise NotReady(f"no file {path}", cure=cure) from error
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}", where=str(path), cure=cure) from error
    except UnicodeDecodeError as error:
        raise BadInput(f"not UTF-8: {error.reason}", where=str(path), cure="save it as UTF-8") from error


def read_yaml(text: str, where: str) -> Any:
    """The value in a YAML text: mappings, lists, text, numbers, dates. The error repeats no value of the text.

    Raises:
        BadInput: It is no YAML; the error names the line.
    """
    return _read(text, where)[0]


def read_fields(text: str, where: str, cure: str) -> tuple[dict[Any, Any], Lines]:
    """The mapping in a YAML text, and the line of each of its parts.

    Args:
        text: The document.
        where: Its file.
        cure: What to do where it holds no mapping.

    Raises:
        BadInput: It is no YAML, no mapping, or a field stands twice.
    """
    content, lines = _read(text, where)
    if not isinstance(content, dict):
        raise BadInput(f"it holds {type(content).__name__}, not fields", where=where, cure=cure)
    return content, lines


def parse(text: str, model: type[M], where: str) -> tuple[M, Lines]:
    """The typed value in a YAML text, and the line of each of its parts.

    Raises:
        BadInput: As `read_fields`, or a field does not fit; the error names line, field and cure.
    """
    content, lines = read_fields(text, where, f"it begins with {next(iter(model.model_fields))}:")
    try:
        return model.model_validate(content), lines
    except ValidationError as error:
        problem = first_problem(error)
        value, what = problem["input"], problem_text(problem)
        if isinstance(value, str | int | float) and problem["type"] != "document":
            what += f" (found {value!r})"
        is_scalar = problem["type"] == "string_type" and isinstance(value, int | float)
        default = "quote it: to YAML it is no text" if is_scalar else "mend it"
        cure = str(problem.get("ctx", {}).get("cure", default))
        raise at(lines, problem["loc"], what, where, cure) from error


def at(lines: Lines, path: Sequence[object], what: str, where: str, cure: str) -> BadInput:
    """The error of a part of a document, with the line of the part or of the nearest one around it."""
    names = tuple(map(str, path))
    line = next((lines[names[:size]] for size in range(len(names), 0, -1) if names[:size] in lines), 1)
    return BadInput(f"line {line}: {field_path(names) or 'file'}: {what}", where=where, cure=cure)


def to_yaml(value: Any) -> str:
    """A value of mappings, lists and scalars as YAML, keys in their order."""
    yaml = _yaml()
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 120
    out = StringIO()
    yaml.dump(value, out)
    return out.getvalue().removeprefix("%YAML 1.1\n---\n")


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 1)
    return yaml


def _read(text: str, where: str) -> tuple[Any, Lines]:
    lines: dict[tuple[str, ...], int] = {}
    try:
        yaml = _yaml()
        node = yaml.compose(text)
        _note(node, (), lines, where)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MantissaNoDotYAML1_1Warning)
            return None if node is None else yaml.constructor.construct_document(node), lines
    except MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}" if error.problem_mark else "it"
        cure = "mind the indentation, and quote text with ':'"
        raise BadInput(f"{line} is no YAML: {error.problem}", where=where, cure=cure) from None
    except YAMLError as error:
        raise BadInput(f"it is no YAML: {first_line(error)}", where=where, cure="save it as plain text") from None
    except RecursionError:
        raise BadInput("it nests too deep", where=where, cure="write it without YAML's & and *") from None
    except ValueError as error:  # of a value that YAML takes for a date or a number
        cure = "quote the text that looks like it"
        raise BadInput(f"it is no YAML: {first_line(error)}", where=where, cure=cure) from None


def _note(node: Node | None, path: tuple[str, ...], lines: dict[tuple[str, ...], int], where: str) -> None:
    """Fill `lines` with a node's parts. Raises BadInput for a field that stands twice or is no word."""
    if len(lines) > MOST_PARTS:
        raise RecursionError
    if isinstance(node, MappingNode):
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, ScalarNode):
                what = f"line {line}: a field's name is a {key.id}"
                raise BadInput(what, where=where, cure="give it a word, and quote text with '{' or '['")
            part = (*path, str(key.value))
            if part in lines:
                raise BadInput(f"line {line}: {field_path(part)} stands twice", where=where, cure="keep one of them")
            lines[part] = line
            _note(value, part, lines, where)
    elif isinstance(node, SequenceNode):
        for place, value in enumerate(node.value):
            part = (*path, str(place))
            lines[part] = value.start_mark.line + 1
            _note(value, part, lines, where)
