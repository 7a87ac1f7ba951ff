"""How long the online store may take, and when it is left alone."""

from __future__ import annotations

from pydantic import Field

from contracts.values import FrozenModel


class StoreConfig(FrozenModel):
    """The bounds of the online store. A request waits for it no longer than this, whatever it does."""

    read_seconds: float = Field(0.25, gt=0, description="Longest wait of an answer for a member's features.")
    write_seconds: float = Field(0.25, gt=0, description="Longest wait of a post of events for each thing it writes.")
    failures: int = Field(3, ge=1, description="Failures in a row after which the store is left alone.")
    probe_seconds: float = Field(
        1.0, gt=0, description="How long it is left alone: then one call tries it, and while that fails no other does."
    )
