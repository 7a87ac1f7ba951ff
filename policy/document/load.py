"""A policy file -> a checked Policy. Errors name the line, the field and the cure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from contracts.errors import BadInput, NotReady
from policy.document.contradictions import contradictions
from policy.types import DIMENSIONS, Policy


def load_policy(path: Path | None = None) -> Policy:
    """Read a policy and check that it does not contradict itself.

    Args:
        path: A YAML file; None for Rolecall's own policy.

    Raises:
        NotReady: There is no such file.
        BadInput: The file is no policy, or two places of it contradict each other.
    """
    if path is None:
        where, text = "policy.yaml", resources.files("policy").joinpath("policy.yaml").read_text("utf-8")
    else:
        where = str(path)
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError as error:
            raise NotReady(f"no policy file {path}", cure="give --policy FILE, or none for the built-in one") from error
        except OSError as error:
            raise BadInput(f"cannot be read: {error.strerror}", where=where, cure="give a policy file") from error
        except UnicodeDecodeError as error:
            raise BadInput(f"not UTF-8 text: {error.reason}", where=where, cure="save it as UTF-8") from error
    content, lines = _read_yaml(text, where)
    if ("version",) in lines:
        what = f"line {lines[('version',)]}: version: it is made of the file's content"
        raise BadInput(what, where=where, cure="remove it; give the policy another name instead")
    version = hashlib.sha256(text.encode()).hexdigest()[:12]
    try:
        policy = Policy.model_validate({"version": version, **content})
    except ValidationError as error:
        raise _first_error(error.errors()[0], lines, where) from error
    for path_, what, cure in contradictions(policy):
        raise BadInput(f"{_line(path_, lines)}{_dotted(path_)}: {what}", where=where, cure=cure)
    return policy


def _read_yaml(text: str, where: str) -> tuple[dict[Any, Any], dict[tuple, int]]:
    """A YAML mapping and the line of every path in it. A key given twice is an error: YAML would drop the first."""
    try:
        root = yaml.compose(text, yaml.SafeLoader)
        lines: dict[tuple, int] = {}
        _note_lines(root, (), lines, where)
        content = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadInput(
            f"line {line} is no YAML: {error.problem}",
            where=where,
            cure="mind the indentation, and quote text with ':'",
        ) from error
    except yaml.YAMLError as error:
        raise BadInput(str(error).splitlines()[0], where=where, cure="save it as plain text") from error
    except RecursionError as error:
        raise BadInput("it nests too deep", where=where, cure="write it without YAML's & and *") from error
    except ValueError as error:  # of a value that YAML takes for a date or a number
        raise BadInput(f"no YAML: {error}", where=where, cure="quote the text that looks like it") from error
    if not isinstance(content, dict):
        raise BadInput(f"it holds {type(content).__name__}, not fields", where=where, cure="copy the built-in policy")
    return content, lines


def _note_lines(node: yaml.Node | None, path: tuple, lines: dict[tuple, int], where: str) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                what = f"line {line}: a field's name is a {key.id}"
                raise BadInput(what, where=where, cure="give it a word, and quote text with '{' or '['")
            name = yaml.safe_load(yaml.serialize(key))
            if (*path, name) in lines:
                raise BadInput(
                    f"line {line}: {_dotted((*path, name))} stands twice", where=where, cure="keep one of them"
                )
            lines[(*path, name)] = line
            _note_lines(value, (*path, name), lines, where)
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            lines[(*path, i)] = value.start_mark.line + 1
            _note_lines(value, (*path, i), lines, where)


def _first_error(problem: ErrorDetails, lines: Mapping[tuple, int], where: str) -> BadInput:
    path = tuple(part for part in problem["loc"] if part != "[key]")
    line = _line(path, lines)
    context = problem.get("ctx", {})
    if problem["type"] == "extra_forbidden":
        what, cure = f"unknown field {path[-1]!r}", "see the built-in policy for the fields that there are"
        if path[:-1] == ("dimensions",):
            what, cure = f"unknown dimension {path[-1]!r}", f"the dimensions are {', '.join(DIMENSIONS)}"
    elif problem["type"] == "literal_error" and len(path) > 1 and path[-2] == "when":
        what, cure = f"unknown dimension {path[-1]!r}", f"the dimensions are {', '.join(DIMENSIONS)}"
    elif problem["type"] == "missing":
        what, cure = f"{path[-1]!r} is missing", "add it"
        if path[:-1] == ("dimensions",):
            what, cure = f"dimension {path[-1]!r} is missing", "add it; with weight 0 it does not count"
    else:
        what = problem["msg"]
        cure = str(context.get("cure", f"found {problem['input']!r}; correct it"))[:200]
    return BadInput(f"{line}{_dotted(path)}: {what}", where=where, cure=cure)


def _line(path: tuple, lines: Mapping[tuple, int]) -> str:
    """Of a field, or of what it stands in where it has no line of its own."""
    while path and path not in lines:
        path = path[:-1]
    return f"line {lines[path]}: " if path else ""


def _dotted(path: tuple) -> str:
    return ".".join(map(str, path)) or "policy"
