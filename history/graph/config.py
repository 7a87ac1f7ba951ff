"""Knobs of how neighbourhoods are read."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from contracts.values import FrozenModel


class WalkConfig(FrozenModel):
    """Knobs of how neighbourhoods are read."""

    fanout: int = Field(16, ge=1, le=1_000, description="Latest known edges of a node that a step takes.")
    half_life: float = Field(30.0, gt=0, description="Days after which an event weighs half.")
    sampling: Literal["recency", "pagerank"] = Field(
        "recency",
        description="By what the neighbours of a pair are picked: recency takes each metapath's heaviest, pagerank the "
        "heaviest of all metapaths together (personalised PageRank of two steps).",
    )
    restart: float = Field(0.15, ge=0, lt=1, description="Chance that a walk of pagerank starts anew at each step.")
