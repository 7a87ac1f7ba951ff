"""The knobs of the sample that `rolecall drift` reads."""

from __future__ import annotations

from pydantic import Field

from contracts.values import FrozenModel


class DriftConfig(FrozenModel):
    """The sample of answers that `rolecall drift` reads."""

    share: float = Field(0.01, ge=0, le=1, description="Share of the answers to members that are sampled; 0: none.")
    keep_days: int = Field(14, ge=2, description="Days after which a day's sample is thrown away.")
