"""The policy as code reads it: the typed content of a YAML file, whose errors name the line and the cure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from contracts.errors import BadInput, NotReady
from contracts.records import SENIORITY_LADDER, Job, Member

GRADES = (0, 1, 2, 3, 4)
Dimension = Literal["function", "skills", "seniority", "place", "industry", "pay", "intent"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
Score = Annotated[int, Field(ge=0, le=4)]
Rung = Literal["intern", "entry", "mid", "senior", "lead", "director", "executive"]
_SOME_TIME = datetime(2000, 1, 1, tzinfo=UTC)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _wrong(what: str, cure: str) -> PydanticCustomError:
    return PydanticCustomError("policy", "{what}", {"what": what, "cure": cure})


def _complete(texts: Mapping[int, str], what: str) -> None:
    missing = [str(grade) for grade in GRADES if not texts.get(grade, "").strip()]
    if missing:
        raise _wrong(f"no {what} for {', '.join(missing)}", f"write a sentence for each {what}, 0 to 4")
    if len(texts) > len(GRADES):
        extra = ", ".join(str(grade) for grade in texts if grade not in GRADES)
        raise _wrong(f"{what} {extra} is not on the scale", "the scale is 0 to 4")
    told: dict[str, int] = {}
    for grade in GRADES:
        same = told.setdefault(texts[grade].strip().casefold(), grade)
        if same != grade:
            raise _wrong(f"{what}s {same} and {grade} say the same", "say what tells them apart")


class Example(_Part):
    """A worked example: parts of a member and a job, a query, and the score that the dimension gets."""

    because: str
    member: Member | None = None
    job: Job
    query: str = ""
    score: Score

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, raw: Any) -> Any:
        """Ids and times, which an example does not need."""
        if not isinstance(raw, dict):
            return raw
        given = {"id": "example", "updated_at": _SOME_TIME}
        return {
            name: {**given, **value} if name in ("member", "job") and isinstance(value, dict) else value
            for name, value in raw.items()
        }


class _Dimension(_Part):
    weight: Annotated[float, Field(ge=0, le=100)]
    question: str
    anchors: Mapping[int, str]
    examples: Annotated[tuple[Example, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _anchored(self) -> Self:
        _complete(self.anchors, "anchor")
        return self


class Stepped(_Dimension):
    """A measure in [0, 1] becomes score k at the k-th step."""

    steps: tuple[float, float, float, float]

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if not all(a < b for a, b in pairwise(self.steps)):
            raise _wrong(f"steps {list(self.steps)} do not ascend", "give four rising numbers, for scores 1, 2, 3, 4")
        return self


class Function(Stepped):
    positions: Annotated[int, Field(ge=1)]


class Seniority(_Dimension):
    by_distance: tuple[Score, Score, Score, Score]
    words: Mapping[Rung, tuple[str, ...]]
    unmarked: Annotated[tuple[Rung, ...], Field(min_length=1)]

    @cached_property
    def unmarked_rungs(self) -> tuple[int, ...]:
        return tuple(SENIORITY_LADDER.index(rung) for rung in self.unmarked)


class PlaceScores(_Part):
    same_city: Score
    remote: Score
    same_region: Score
    elsewhere: Score
    workplace_not_wished: Score


class Place(_Dimension):
    scores: PlaceScores


class IndustryScores(_Part):
    same: Score
    in_part: Score
    other: Score


class Industry(_Dimension):
    scores: IndustryScores


class Pay(Stepped):
    """currency: in which members say what they ask for; jobs that pay in another are not compared."""

    currency: Annotated[str, Field(min_length=1)] = Job.model_fields["currency"].default


class DimensionSet(_Part):
    """Every dimension, in the order in which they are explained; one with weight 0 counts in rules alone."""

    function: Function
    skills: Stepped
    seniority: Seniority
    place: Place
    industry: Industry
    pay: Pay
    intent: Stepped

    @model_validator(mode="after")
    def _weighed(self) -> Self:
        total = sum(getattr(self, name).weight for name in DIMENSIONS)
        if abs(total - 100) > 1e-6:
            raise _wrong(f"the weights add up to {total:g}", "make them 100 together")
        return self


class Limit(_Part):
    at_most: Score


class Rule(_Part):
    """Where every named dimension is known and scores at most so much, so does the grade."""

    when: Annotated[Mapping[Dimension, Limit], Field(min_length=1)]
    grade_at_most: Score
    because: str


class Policy(_Part):
    """policy.yaml, see its comments. `version`: twelve hex digits of the file's content."""

    version: str
    name: str
    grades: Mapping[int, str]
    cuts: tuple[float, float, float, float]
    dimensions: DimensionSet
    rules: tuple[Rule, ...]
    generic: tuple[str, ...]
    work: Mapping[str, Mapping[str, Annotated[tuple[str, ...], Field(min_length=1)]]]
    related: tuple[tuple[str, str], ...]

    @field_validator("grades")
    @classmethod
    def _described(cls, grades: Mapping[int, str]) -> Mapping[int, str]:
        _complete(grades, "grade")
        return grades

    @field_validator("cuts")
    @classmethod
    def _rising(cls, cuts: tuple[float, ...]) -> tuple[float, ...]:
        if not all(a < b for a, b in pairwise((0, *cuts, 4.0001))):
            raise _wrong(f"cuts {list(cuts)} do not rise from above 0 to 4", "give the lowest mean of each grade")
        return cuts

    @field_validator("related")
    @classmethod
    def _named(cls, related: tuple[tuple[str, str], ...], info: ValidationInfo) -> tuple[tuple[str, str], ...]:
        known = {kind for kinds in info.data.get("work", {}).values() for kind in kinds}
        unknown = [kind for pair in related for kind in pair if known and kind not in known]
        if unknown:
            raise _wrong(f"{unknown[0]!r}, which is no kind of work", "name kinds that stand under work")
        return related


def load_policy(path: Path | None = None) -> Policy:
    """The policy in a file; Rolecall's own where None.

    Raises NotReady where there is no file, BadInput with the line, the field and the cure where it is no policy or
    contradicts itself.
    """
    from policy.document.contradictions import contradictions  # it reads the examples as a judge does, by a policy

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
    for found in contradictions(policy):
        raise BadInput(f"{_line(found.path, lines)}{_dotted(found.path)}: {found.what}", where=where, cure=found.cure)
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
