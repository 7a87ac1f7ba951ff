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

    templates: Path | None = None
    """Admissible attribute pairs; the built-in ones where None."""
    edits: Path | None = None
    """Links that people add, forbid or pin."""
    max_size: int = Field(3, ge=1, le=5)
    """Meta links in a link at most. The paper takes every combination; their number doubles with each attribute."""
    least_hires: int = Field(3, ge=1)
    least_ratio: float = Field(1.0, ge=0, allow_inf_nan=False)
    """Hires over non-hires from which a link is a candidate, where hires and non-hires weigh the same together."""
    non_hires: NonHires = "shown"
    """Which pairs without a hire are non-hires: all that the log tells of, or those with an application."""
    non_hires_per_hire: float = Field(5.0, gt=0, allow_inf_nan=False)
    """Drawn evenly where there are more."""
    quality: Literal["l1", "ratio"] = "l1"
    strength: float = Field(1.0, gt=0, allow_inf_nan=False)
    """Of the data against the L1 penalty (scikit-learn's C): the smaller, the fewer links."""
    threshold: float | None = Field(None, allow_inf_nan=False)
    """Links of a quality above it are kept; 0 of a weight and 0.5 of a share of hires where None."""
    liquidity: int = Field(200, ge=1)
    """Open jobs that a member's links reach before no more are added: theta in the paper."""
    seed: int = 0

    @property
    def kept_above(self) -> float:
        return self.threshold if self.threshold is not None else {"l1": 0.0, "ratio": 0.5}[self.quality]
