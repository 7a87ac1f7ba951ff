"""A policy file -> a checked Policy. Errors name the line, the field and the cure."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from contracts.documents import Lines, at, read_fields, read_text
from contracts.errors import BadInput
from contracts.validation import first_problem
from contracts.versions import content_hash
from policy.document.contradictions import contradictions
from policy.document.languages import language_text, with_languages
from policy.types import DIMENSIONS, Policy

REMEMBERED = 8
"""Texts whose policy is kept: YAML is read for a third of a second, and a page of the console asks for it again."""


def load_policy(path: Path | None = None) -> Policy:
    """Read a policy and check that it does not contradict itself.

    Args:
        path: A YAML file; None for Rolecall's own policy.

    Raises:
        NotReady: There is no such file.
        BadInput: The file is no policy, two places of it contradict each other, or a language of it is not known.
    """
    if path is None:
        where, text = "policy.yaml", resources.files("policy").joinpath("policy.yaml").read_text("utf-8")
    else:
        where, text = str(path), read_text(path, "give --policy FILE, or none for the built-in policy")
    policy = _checked(text, where)
    if not policy.languages:
        return policy
    return _with_languages(text, where, tuple(language_text(name, path and path.parent) for name in policy.languages))


@lru_cache(maxsize=REMEMBERED)
def _checked(text: str, where: str) -> Policy:
    """The policy of a text, without the words of its languages. Raises as `load_policy`."""
    content, lines = read_fields(text, where, "copy the built-in policy")
    if ("version",) in lines:
        cure = "remove it; give the policy another name instead"
        raise at(lines, ("version",), "it is made of the file's content", where, cure)
    try:
        policy = Policy.model_validate({"version": content_hash(text), **content})
    except ValidationError as error:
        raise _first_error(first_problem(error), lines, where) from error
    for part, what, cure in contradictions(policy):
        raise at(lines, part, what, where, cure)
    return policy


@lru_cache(maxsize=REMEMBERED)
def _with_languages(text: str, where: str, languages: tuple[tuple[str, str], ...]) -> Policy:
    """The policy of a text with the words of its languages, from `language_text`. Raises as `load_policy`."""
    version = content_hash([text, *(of_language for _, of_language in languages)])
    return with_languages(_checked(text, where).model_copy(update={"version": version}), languages)


def _first_error(problem: ErrorDetails, lines: Lines, where: str) -> BadInput:
    path = tuple(part for part in problem["loc"] if part != "[key]")
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
    return at(lines, path, what, where, cure)
