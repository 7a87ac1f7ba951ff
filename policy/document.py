"""The policy document: read, checked, versioned. An error names the line and the cure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from contracts.errors import BadInput

DIMENSIONS = ("title", "skills", "seniority", "location", "industry", "pay", "intent")
GRADES = (0, 1, 2, 3, 4)
DEFAULT = Path(__file__).parent / "policy.yaml"

GradeValue = Annotated[int, Field(ge=0, le=4)]
P = TypeVar("P", bound="_Part")


class BadPolicy(BadInput):
    """The policy document does not say what a policy must say."""

    reason = "bad_policy"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Dimension(_Part):
    """One thing that a match is judged by. anchors: what each grade 0-4 means, in words."""

    question: str
    weight: Annotated[float, Field(gt=0, le=1)]
    anchors: dict[GradeValue, str]

    @model_validator(mode="after")
    def _every_grade_has_an_anchor(self) -> Self:
        return _complete(self, self.anchors, "anchor")


class HardRule(_Part):
    """Where a dimension is known and graded `at_most`, the whole grade is at most `cap`."""

    dimension: str
    at_most: GradeValue
    cap: GradeValue
    because: str


class Example(_Part):
    member: str
    job: str
    grade: GradeValue
    because: str


class Policy(_Part):
    """A checked policy. version: twelve hex digits of everything that decides a grade, comments left out."""

    name: str
    scale: dict[GradeValue, str]
    cuts: tuple[float, float, float, float]
    dimensions: dict[str, Dimension]
    hard_rules: tuple[HardRule, ...] = ()
    likeness: tuple[float, float, float, float]
    synonyms: tuple[tuple[str, ...], ...] = ()
    examples: tuple[Example, ...] = ()

    @property
    def version(self) -> str:
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        _complete(self, self.scale, "meaning")
        unknown = [name for name in self.dimensions if name not in DIMENSIONS]
        if unknown:
            raise ValueError(f"unknown dimension {unknown[0]!r}; known are {', '.join(DIMENSIONS)}")
        missing = [name for name in DIMENSIONS if name not in self.dimensions]
        if missing:
            raise ValueError(f"dimension {missing[0]!r} is missing")
        total = sum(dimension.weight for dimension in self.dimensions.values())
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the dimensions' weights sum to {total:g}, not to 1")
        for rule in self.hard_rules:
            if rule.dimension not in self.dimensions:
                raise ValueError(f"a hard rule names the unknown dimension {rule.dimension!r}")
        _contradictions(self.hard_rules)
        for name, steps in (("cuts", self.cuts), ("likeness", self.likeness)):
            if list(steps) != sorted(set(steps)):
                raise ValueError(f"{name} {list(steps)} do not ascend")
        return self


def load_policy(path: Path | None = None) -> Policy:
    """The policy in a YAML file; the one that comes with Rolecall where None.

    Raises BadPolicy naming file, line and cure.
    """
    path = path or DEFAULT
    try:
        text = path.read_text("utf-8")
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except OSError as error:
        raise BadPolicy(f"{path} cannot be read", cure="give the path of a policy file") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path} line {mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or "not YAML"
        raise BadPolicy(problem, where=place, cure="mend the YAML") from error
    try:
        return Policy.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        line = _line(tree, [str(part) for part in first["loc"]])
        problem = first["msg"].removeprefix("Value error, ")
        what = f"{field}: {problem}" if field else problem
        raise BadPolicy(what, where=f"{path} line {line}", cure="mend that part of the policy") from error


def _complete(part: P, found: dict[int, str], what: str) -> P:
    missing = [grade for grade in GRADES if not found.get(grade, "").strip()]
    if missing:
        raise ValueError(f"grade {missing[0]} has no {what}")
    return part


def _contradictions(rules: Sequence[HardRule]) -> None:
    seen: dict[tuple[str, int], int] = {}
    for rule in rules:
        known = seen.setdefault((rule.dimension, rule.at_most), rule.cap)
        if known != rule.cap:
            raise ValueError(
                f"two hard rules on {rule.dimension} at most {rule.at_most}: cap {known} and cap {rule.cap}"
            )


def _line(node: yaml.Node | None, path: Sequence[str]) -> int:
    """1-based line of the deepest part of `path` that the document holds."""
    line = 1 if node is None else node.start_mark.line + 1
    for part in path:
        if isinstance(node, yaml.MappingNode):
            entry = next((pair for pair in node.value if pair[0].value == part), None)
            if entry is None:
                return line
            line, node = entry[0].start_mark.line + 1, entry[1]
        elif isinstance(node, yaml.SequenceNode) and part.isdecimal() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line + 1
    return line
