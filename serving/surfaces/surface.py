"""A surface: where the request's text comes from, what finds jobs, what orders them, and how the list is cut.

A file a surface. Those of this package are there always; `surfaces/*.yaml` of a workspace adds to them, and one of the
same name takes the place of the package's.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from contracts import records
from contracts.bundle import Manifest, Objective, OrderName
from contracts.documents import at, parse, read_text, wrong
from contracts.errors import BadInput
from contracts.values import FrozenModel
from contracts.workspace import Workspace
from ranking.objective import Wish, objective_of
from ranking.rank import RANKED
from retrieval.config import Shares
from retrieval.index.job_index import CANDIDATES
from retrieval.rules.rules import Rule, RuleBook
from serving.kinds import BUILT_IN, MAX_FACETS, Asks, Sort
from serving.limits import MAX_K
from serving.surfaces.shape import ALL_FIELDS, Shape

Answers = Literal["jobs", "members", "suggestions"]
Scope = Literal["serve", "recruiter"]


class Surface(FrozenModel):
    """One surface. What a request may set for itself is a default here."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
    summary: Annotated[str, Field(min_length=1, max_length=200)] = Field(description="What it answers, in a line.")
    asks: Asks = Field(
        description="Where the request's text comes from: `query`, typed words; `member`, a stored text or a profile; "
        "`job`, the title of a job."
    )
    answers: Answers = Field(
        "jobs", description="What it gives: jobs, members for a job, or suggestions of how to narrow a search."
    )
    scope: Scope = Field("serve", description="What a key must be allowed, beside `serve`, to ask it.")
    objective: records.Surface = Field(
        description="Whose objective of the bundle orders it, and as what its events are logged."
    )
    order: OrderName | None = Field(None, description="What jobs are ordered by; null: as the bundle has it.")
    weight: float | None = Field(None, ge=0, allow_inf_nan=False, description="Of the policy; null: the bundle's.")
    floor: float | None = Field(None, ge=0, lt=1, description="Probability of a good match; null: the bundle's.")
    sources: Shares | None = Field(
        None, description="Source to its share, as in `retrieval`; null: those that the index was built with."
    )
    rules: bool | tuple[str, ...] = Field(True, description="All rules in force, none, or these by name.")
    candidates: int = Field(CANDIDATES, ge=1, le=10_000, description="Jobs that retrieval finds.")
    ranked: int = Field(RANKED, ge=0, le=1_000, description="The first of them, which the student scores.")
    k: int = Field(20, ge=1, le=MAX_K, description="Jobs of an answer where the request does not say.")
    sort: Sort = Field("best", description="What the list is put in order by.")
    diversity: float = Field(0.0, ge=0, le=1, description="Weight of being unlike the jobs that stand before; 0: none.")
    per_company: int | None = Field(None, ge=1, description="Most jobs of one company in an answer; null: no cap.")
    min_good_match: float = Field(0.0, ge=0, le=1, description="Probability of a good match below which no job is.")
    facets: Annotated[tuple[str, ...], Field(max_length=MAX_FACETS)] = Field(
        (), description="Attributes whose values are counted beside the answer; of suggestions: that are suggested."
    )
    least: int = Field(10, ge=1, description="Jobs that a suggestion leaves at least; of suggestions alone.")
    fields: Shape = Field(ALL_FIELDS, description="Which fields its answers and their jobs have.")
    logged: bool = Field(True, description="Whether what was shown is logged, and counts as shown to the member.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        shaped = self.fields != ALL_FIELDS
        if shaped and (self.answers != "jobs" or self.name in BUILT_IN):
            raise wrong(f"fields: of {self.name}, whose route promises all", "give the surface a name of its own")
        if self.facets and not self.fields.has_facets:
            raise wrong("facets are counted and not returned", "name facets in fields.answer, or count none")
        return self

    def asked_by(self, message: BaseModel) -> Surface:
        """This surface with what a request sets for itself. Raises BadInput for facets that it does not return."""
        named = message.model_fields_set & OF_A_REQUEST
        asked = self.model_copy(update={name: getattr(message, name) for name in named}) if named else self
        if asked.facets and not asked.fields.has_facets:
            raise BadInput(f"surface {self.name} returns no facets", where="facets", cure="leave them out")
        return asked

    def objective_of(self, manifest: Manifest, wish: Wish | None) -> Objective:
        """The objective of a request. Raises BadInput where the wish lies outside the bundle's bounds."""
        asked = objective_of(manifest, self.objective, wish)
        own = {"order": self.order, "weight": self.weight, "floor": self.floor}
        wished = wish.model_dump(exclude_none=True) if wish else {}
        return asked.model_copy(
            update={name: own[name] for name in own if own[name] is not None and name not in wished}
        )

    def rules_of(self, book: RuleBook) -> tuple[Rule, ...]:
        """The rules in force here."""
        if isinstance(self.rules, bool):
            return book.enabled if self.rules else ()
        return tuple(rule for rule in book.enabled if rule.name in self.rules)


OF_A_REQUEST = frozenset(("k", "sort", "diversity", "per_company", "min_good_match", "facets"))
"""Fields of a surface that a request may set for itself, within the same bounds."""


def read_surface(path: Path) -> Surface:
    """The surface in a file.

    Raises:
        BadInput: A field does not exist or does not fit; the error names file, line, field and cure.
    """
    text = read_text(path)
    surface, lines = parse(text, Surface, str(path))
    if surface.name != path.stem:
        cure = f"name the file {surface.name}.yaml"
        raise at(lines, ("name",), f"{surface.name!r} in {path.name}", str(path), cure)
    return surface


def find_surfaces(workspace: Workspace | None = None) -> dict[str, Surface]:
    """Name to surface: those of the package and of a workspace. Raises what `read_surface` raises."""
    built_in = sorted((file for file in _PACKAGE.iterdir() if file.suffix == ".yaml"), key=lambda file: file.name)
    own = sorted((workspace.root / "surfaces").glob("*.yaml")) if workspace else []
    surfaces = {surface.name: surface for surface in map(read_surface, built_in)}
    package = {name: (surface.asks, surface.answers) for name, surface in surfaces.items()}
    surfaces |= {surface.name: surface for surface in map(read_surface, own)}
    for path in own:
        own_kind = surfaces[path.stem].asks, surfaces[path.stem].answers
        if path.stem in package and own_kind != package[path.stem]:
            asks, answers = package[path.stem]
            raise BadInput(
                f"asks: {own_kind[0]} and answers: {own_kind[1]}, but the route of {path.stem} is asked with a {asks} "
                f"and answers {answers}",
                where=str(path),
                cure="give the surface a name of its own",
            )
    return surfaces


_PACKAGE = Path(str(resources.files("serving.surfaces")))
