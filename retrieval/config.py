"""The knobs of the job index and of how it is asked: its engine and its words, how much each source is sure of, what
orders the candidates, how a list is settled.

An index is built with them and keeps them, so that whoever asks it asks the same thing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from contracts.values import FrozenModel

Kind = Literal["flat", "ivf", "hnsw", "sq8", "pq"]
_READ: dict[str, tuple[str, ...]] = {
    "flat": (),
    "ivf": ("lists", "nprobe"),
    "hnsw": ("m", "ef_search"),
    "sq8": ("lists", "nprobe", "rescored"),
    "pq": ("lists", "nprobe", "m", "rescored"),
}
"""The knobs that each kind reads."""

Source = Literal["dense", "recent", "terms", "popular", "links"]
SOURCES: tuple[Source, ...] = get_args(Source)

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Weight = tuple[
    Annotated[float, Field(allow_inf_nan=False)],
    Annotated[float, Field(allow_inf_nan=False)],
]
"""What a source adds to a candidate that it found, and for its score; see `retrieval.fuse`."""
Weights = Mapping[Source, Weight]


class FaissConfig(FrozenModel):
    """Which FAISS index is built, and how far a search looks. A knob that the kind does not read is refused."""

    kind: Kind | None = None
    """flat: all vectors; ivf: vectors in lists; hnsw: a graph; sq8, pq: lists of 8-bit numbers, of product codes.
    None: flat up to `FLAT_UP_TO` rows, ivf above."""
    lists: int | None = Field(None, ge=1)
    """Lists that the rows are divided into; None: four times the root of the rows."""
    nprobe: int = Field(48, ge=1)
    """Lists that a search without a filter looks into."""
    m: int | None = Field(None, ge=1)
    """hnsw: neighbours of a node, at least 2, None: 32; pq: bytes of a code, a divisor of the width, None: a quarter of
    it."""
    ef_search: int = Field(64, ge=1)
    """Nodes that a search without a filter keeps in sight, and twice what is asked for at least."""
    rescored: int = Field(4, ge=1)
    """Rows that are found by their codes and scored again by their vectors, for each that is asked for."""

    @model_validator(mode="after")
    def _read_by_the_kind(self) -> Self:
        kind = self.kind or "ivf"
        for name, field in type(self).model_fields.items():
            if name != "kind" and name not in _READ[kind] and getattr(self, name) != field.default:
                readers = ", ".join(other for other, knobs in _READ.items() if name in knobs)
                raise ValueError(f"{name} is a knob of kind {readers}, not of {kind}")
        if kind == "hnsw" and self.m == 1:
            raise ValueError("m is 1: a node of an hnsw graph has at least 2 neighbours")  # FAISS crashes otherwise
        return self


class FieldWeights(FrozenModel):
    """How often a field's words count. 0 leaves a field out."""

    title: int = Field(2, ge=0, le=20)
    company: int = Field(1, ge=0, le=20)
    location: int = Field(4, ge=0, le=20)
    skills: int = Field(2, ge=0, le=20)
    industry: int = Field(1, ge=0, le=20)
    description: int = Field(1, ge=0, le=20)


class TermsConfig(FrozenModel):
    weights: FieldWeights = FieldWeights()
    synonyms: Path | Literal["builtin"] | None = None
    """A YAML file of words that mean the same, see retrieval/synonyms.yaml, which is `builtin`; None: no synonyms."""


class IndexConfig(FrozenModel):
    """The section `index` of the params."""

    engine: Literal["exact", "faiss"] = "exact"
    faiss: FaissConfig = FaissConfig()
    terms: TermsConfig = TermsConfig()

    @model_validator(mode="after")
    def _faiss_where_it_is_used(self) -> Self:
        if self.engine != "faiss" and self.faiss != FaissConfig():
            raise ValueError(f"knobs of faiss, but engine is {self.engine}: set engine: faiss, or leave them out")
        return self


class _Shares(FrozenModel):
    """Of each source the share of the candidates that it is sure of, and its weight in reciprocal-rank fusion.

    A source whose share is 0 is not asked.
    """

    dense: Share
    recent: Share
    terms: Share
    popular: Share
    links: Share

    @model_validator(mode="after")
    def _room(self) -> Self:
        total = sum(self.of().values())
        if not 0 < total <= 1 + 1e-9:
            raise ValueError(f"the shares add up to {total:g}: more than 0 and at most 1 is wanted")
        return self

    def of(self) -> dict[Source, float]:
        return {name: getattr(self, name) for name in SOURCES}


class RecommendShares(_Shares):
    dense: Share = 0.15
    recent: Share = 0.2
    terms: Share = 0.4
    popular: Share = 0.25
    links: Share = 0.0


class SearchShares(_Shares):
    """A query speaks for itself."""

    dense: Share = 0.4
    recent: Share = 0.05
    terms: Share = 0.45
    popular: Share = 0.02
    links: Share = 0.0


class Learned(FrozenModel):
    """Weights by which the candidates are ordered, from `retrieval.fuse.fit_fusion`; none: by reciprocal ranks."""

    recommend: Weights = Field({})
    search: Weights = Field({})


class Diversity(FrozenModel):
    """At most `most` jobs of one company among the `first` that are shown, as long as there are others."""

    most: int = Field(ge=1)
    first: int = Field(10, ge=1)


class RetrievalConfig(FrozenModel):
    """What a request without a query asks (`recommend`) and one with (`search`), and what becomes of the list."""

    recommend: RecommendShares = RecommendShares()
    search: SearchShares = SearchShares()
    learned: Learned = Learned()
    duplicates: float | None = Field(0.99, gt=0, le=1)
    """Cosine from which two jobs of one company, title and place are one; None: every job is its own."""
    diversity: Diversity | None = None

    def asked(self, query: str) -> dict[Source, float]:
        """Source -> share, of the sources that are asked."""
        shares = self.search if query else self.recommend
        return {name: share for name, share in shares.of().items() if share > 0}

    def asks(self, source: Source) -> bool:
        """Whether any request asks the source."""
        return source in self.asked("") or source in self.asked("a query")

    def weights(self, query: str) -> Weights:
        """Empty where the order is that of reciprocal ranks."""
        return self.learned.search if query else self.learned.recommend
