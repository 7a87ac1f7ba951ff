"""Rules that answer what members complain about: people edit them in YAML, and they are enforced as jobs are chosen.

A rule says on which jobs it is met and whether these are removed or demoted: put after all that no rule demotes. It is
evaluated for all jobs of an index at once. Reasons that members give are `contracts.records.Reason`.
Source: Learning to retrieve for job matching (LinkedIn, arXiv 2402.13435), where failures of embedding retrieval,
sorted by what members said, became rules on terms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field, field_validator

from contracts.documents import parse, read_text, wrong
from contracts.errors import BadInput
from contracts.records import Reason, Surface
from contracts.values import FrozenModel
from contracts.versions import content_hash
from contracts.workspace import Workspace
from retrieval.rules.conditions import Jobs, When

if TYPE_CHECKING:
    from retrieval.request import Request

Action = Literal["remove", "demote"]


class Rule(FrozenModel):
    """One rule. reason: the complaint that it answers; because: what it keeps away, in words."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
    reason: Reason
    action: Action
    enabled: Annotated[bool, Field(strict=True)]
    surfaces: Annotated[tuple[Surface, ...], Field(min_length=1)]
    when: When
    because: Annotated[str, Field(min_length=1)]

    def met(self, jobs: Jobs, request: Request) -> np.ndarray | None:
        """(n,) bool: the jobs that it removes or demotes; None where it does not apply to the request.

        It does not apply on another surface, nor where the request does not know what a condition asks for.
        """
        return self.when.met(jobs, request) if request.surface in self.surfaces else None


class RuleBook(FrozenModel):
    """rules.yaml, see its comments."""

    rules: tuple[Rule, ...]

    @field_validator("rules")
    @classmethod
    def _once(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        names = [rule.name for rule in rules]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise wrong(f"rule {twice[0]!r} stands twice", "give one of them another name")
        return rules

    @cached_property
    def version(self) -> str:
        """Twelve hex digits of what the rules say; comments do not change it."""
        return content_hash(self.model_dump_json())

    @property
    def enabled(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules if rule.enabled)

    def named(self, name: str) -> Rule:
        """Raises BadInput for a name that no rule has."""
        for rule in self.rules:
            if rule.name == name:
                return rule
        raise BadInput(f"no rule {name!r}", cure=f"one of {', '.join(rule.name for rule in self.rules) or 'none'}")


def load_rules(path: Path | None = None) -> RuleBook:
    """The rules in a file; Rolecall's own where None.

    Raises NotReady where there is no file, BadInput with line, value and cure where it does not hold rules.
    """
    if path is None:
        text = resources.files("retrieval.rules").joinpath("rules.yaml").read_text("utf-8")
        return parse(text, RuleBook, "rules.yaml")[0]
    return parse(read_text(path), RuleBook, str(path))[0]


def find_rules(workspace: Workspace, path: Path | None = None) -> RuleBook:
    """The rules in force: of the file that is given, else of the workspace's own, else the built-in ones."""
    return load_rules(path or (workspace.rules if workspace.rules.is_file() else None))


def removing(rules: Iterable[Rule], jobs: Jobs, request: Request) -> dict[str, np.ndarray]:
    """Rule -> (n,) bool: the jobs that it removes, in the order of the rules; those that do not apply are left out."""
    met = {rule.name: rule.met(jobs, request) for rule in rules if rule.action == "remove"}
    return {name: rows for name, rows in met.items() if rows is not None}


def without_removed(removing: Mapping[str, np.ndarray], mask: np.ndarray) -> tuple[np.ndarray, dict[str, int]]:
    """The jobs of `mask` ((n,) bool) that no rule removes, and how many each rule took. removing: of that function."""
    removed: dict[str, int] = {}
    for name, met in removing.items():
        if count := int((met & mask).sum()):
            removed[name] = count
            mask = mask & ~met
    return mask, removed


def demoted(rules: Iterable[Rule], jobs: Jobs, request: Request) -> dict[str, np.ndarray]:
    """Rule -> (n,) bool: the jobs that it demotes; rules that do not apply are left out.

    What a query asks for softly demotes as a rule does, under the name that the request gives it.
    """
    met = {rule.name: rule.met(jobs, request) for rule in rules if rule.action == "demote"}
    asked = {name: ~wanted.mask(jobs.attributes) for name, wanted in request.demotions.items()}
    return {name: rows for name, rows in met.items() if rows is not None} | asked


def demoted_by(down: Mapping[str, np.ndarray], rows: Sequence[int] | np.ndarray) -> dict[int, tuple[str, ...]]:
    """Row -> the rules that demote it, of those of `rows` that some rule demotes. down: what `demoted` gave."""
    names_of = {int(row): tuple(name for name, met in down.items() if met[row]) for row in rows} if down else {}
    return {row: names for row, names in names_of.items() if names}
