"""The knobs of the job index and of how it is searched. An index keeps those that it was built with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from contracts.values import FrozenModel
from retrieval.engines.config import FaissConfig
from retrieval.sources.registry import SOURCES
from retrieval.words.config import TermsConfig

RECOMMEND_SHARES = {"dense": 0.25, "recent": 0.15, "terms": 0.3, "popular": 0.25, "links": 0.0}
SEARCH_SHARES = {"dense": 0.4, "recent": 0.05, "terms": 0.45, "popular": 0.02, "links": 0.0}
"""A query says what is looked for, so that words and vectors count more."""

Finite = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Weight = tuple[Finite, Finite]
"""What a source adds to a candidate that it found, and for its score; see `retrieval.merge.linear_scores`."""


class MoneyConfig(FrozenModel):
    """The section `money` of the params."""

    rates: Path | None = Field(
        None,
        description="A CSV file date,from,to,rate of exchange rates, by which filters compare pay in other currencies "
        "at the job's day; where null pay is compared within one currency alone.",
    )


class IndexConfig(FrozenModel):
    """The section `index` of the params."""

    engine: Literal["exact", "faiss"] = Field("exact", description="Engine that searches the vectors.")
    faiss: FaissConfig = FaissConfig()
    terms: TermsConfig = TermsConfig()

    @model_validator(mode="after")
    def _faiss_where_it_is_used(self) -> Self:
        if self.engine != "faiss" and self.faiss != FaissConfig():
            raise ValueError(f"knobs of faiss, but engine is {self.engine}: set engine: faiss, or leave them out")
        return self


def _known_sources(values: Mapping[str, Any]) -> Mapping[str, Any]:
    unknown = [name for name in values if name not in RECOMMEND_SHARES]
    unknown = [name for name in unknown if name not in SOURCES.names()] if unknown else []
    if unknown:
        raise ValueError(f"no source {unknown[0]!r}: one of {', '.join(SOURCES.names())}")
    return values


def _within_one(shares: Mapping[str, float]) -> Mapping[str, float]:
    total = sum(shares.values())
    if not 0 < total <= 1 + 1e-9:
        raise ValueError(f"the shares add up to {total:g}: more than 0 and at most 1 is wanted")
    return shares


def _over(defaults: Mapping[str, float]) -> BeforeValidator:
    """Shares that are not given are those of `defaults`."""
    return BeforeValidator(lambda given: {**defaults, **given} if isinstance(given, Mapping) else given)


Shares = Annotated[Mapping[str, Share], AfterValidator(_known_sources), AfterValidator(_within_one)]
"""Source to the share of the candidates that it is sure of, which is its weight in the merged order too. A source
whose share is 0 is not asked."""
Weights = Annotated[Mapping[str, Weight], AfterValidator(_known_sources)]


class Learned(FrozenModel):
    """Weights by which the candidates of a surface are ordered; none: by evidence.

    `python -m benchmarks.merging` fits them to a log and prints them as this section.
    """

    recommend: Weights = Field(
        default_factory=dict, description="Source to its two weights (found, score), for a request without a query."
    )
    search: Weights = Field(default_factory=dict, description="The same for a request with a query.")


class Diversity(FrozenModel):
    """At most `most` jobs of one company among the `first` that are shown, as long as there are others."""

    most: int = Field(ge=1, description="Jobs of one company.")
    first: int = Field(10, ge=1, description="Places of the answer that it holds for.")


class RetrievalConfig(FrozenModel):
    """The section `retrieval` of the params: which sources are asked, and what becomes of their lists."""

    recommend: Annotated[Shares, _over(RECOMMEND_SHARES)] = Field(
        RECOMMEND_SHARES, description="Shares of the sources for a request without a query."
    )
    search: Annotated[Shares, _over(SEARCH_SHARES)] = Field(
        SEARCH_SHARES, description="Shares of the sources for a request with a query."
    )
    learned: Learned = Learned()
    duplicates: float | None = Field(
        0.99,
        gt=0,
        le=1,
        description="Cosine from which two jobs of one company, title and place are one; None: every job is its own.",
    )
    across_companies: bool = Field(
        False,
        description="Whether they may be of unlike companies, or of none: agencies post one under several names.",
    )
    diversity: Diversity | None = None

    def shares(self, query: str) -> dict[str, float]:
        """Source to share, of the sources that are asked."""
        return {name: share for name, share in (self.search if query else self.recommend).items() if share > 0}

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources that some request asks."""
        return tuple(dict.fromkeys((*self.shares(""), *self.shares("a query"))))

    def weights(self, query: str) -> Mapping[str, Weight]:
        """Empty where the order is that of evidence."""
        return self.learned.search if query else self.learned.recommend
