"""The knobs of learned links."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from contracts.values import FrozenModel

NonHires = Literal["shown", "applied", "drawn"]
"""Pairs that the log tells of, those of them with an application, or a hired member with any job of the log."""


class LinksConfig(FrozenModel):
    """How links are proposed (templates to non_hires_per_hire), judged (quality to threshold) and given out."""

    templates: Path | None = Field(None, description="Admissible attribute pairs; the built-in ones where None.")
    edits: Path | None = Field(None, description="Links that people add, forbid or pin.")
    max_size: int = Field(
        3,
        ge=1,
        le=5,
        description="Meta links in a link at most. The paper takes every combination; their number doubles with each "
        "attribute.",
    )
    least_hires: int = Field(3, ge=1, description="Hires that must show a candidate link.")
    least_ratio: float = Field(
        1.0,
        ge=0,
        allow_inf_nan=False,
        description="Hires over non-hires from which a link is a candidate, where both weigh the same together.",
    )
    non_hires: NonHires = Field(
        "shown",
        description="Which pairs without a hire are non-hires: all in the log, those applied to, or drawn.",
    )
    non_hires_per_hire: float = Field(
        5.0, gt=0, allow_inf_nan=False, description="Drawn evenly where the log has more."
    )
    quality: Literal["l1", "ratio"] = Field("l1", description="A weight of an L1 regression, or a share of hires.")
    strength: float = Field(
        1.0,
        gt=0,
        allow_inf_nan=False,
        description="Of the data against the L1 penalty (scikit-learn's C): the smaller, the fewer links.",
    )
    threshold: float | None = Field(
        None,
        allow_inf_nan=False,
        description="Links of a quality above it are kept. None: 0 for a weight, 0.5 for a share of hires.",
    )
    liquidity: int = Field(
        200, ge=1, description="Open jobs that a member's links reach before no more are added: theta in the paper."
    )
    proven: bool = Field(
        True,
        description="Serve links only where they find held-out hires more often than jobs drawn by lot, for certain.",
    )
    seed: int = Field(0, description="Of the drawn non-hires.")

    @property
    def kept_above(self) -> float:
        return self.threshold if self.threshold is not None else {"l1": 0.0, "ratio": 0.5}[self.quality]
