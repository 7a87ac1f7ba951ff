"""The knobs of the inverted index."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from contracts.values import FrozenModel


class FieldWeights(FrozenModel):
    """How often the words of a job's field count in the inverted index. 0 leaves a field out."""

    title: int = Field(2, ge=0, le=20, description="Weight of the words of the title.")
    company: int = Field(1, ge=0, le=20, description="Weight of the words of the company.")
    location: int = Field(4, ge=0, le=20, description="Weight of the words of the location.")
    skills: int = Field(2, ge=0, le=20, description="Weight of the words of the skills.")
    industry: int = Field(1, ge=0, le=20, description="Weight of the words of the industry.")
    description: int = Field(1, ge=0, le=20, description="Weight of the words of the description.")


class TermsConfig(FrozenModel):
    """The inverted index."""

    weights: FieldWeights = FieldWeights()
    synonyms: Path | Literal["builtin"] | None = Field(
        None, description="A YAML file of words that mean the same; builtin: retrieval/words/synonyms.yaml; None: none."
    )
