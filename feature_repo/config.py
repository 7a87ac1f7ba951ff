"""How long the online store may take, and when it is left alone."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from contracts.values import FrozenModel

SHARE = 0.2
"""Of a deadline."""


class StoreConfig(FrozenModel):
    """The bounds of the online store. A request waits for it no longer than this, whatever it does."""

    read_seconds: float | None = Field(
        None, gt=0, description="Longest wait of an answer for a member's features; none: a fifth of the deadline."
    )
    write_seconds: float | None = Field(
        None, gt=0, description="Longest wait of a post for each thing it writes; none: a fifth of the deadline."
    )
    failures: int = Field(3, ge=1, description="Failures in a row after which the store is left alone.")
    probe_seconds: float = Field(
        1.0, gt=0, description="How long it is left alone: then one call tries it, and while that fails no other does."
    )

    def within(self, deadline: float) -> Self:
        """These bounds where requests have so many seconds: a post's two writes and a read leave its log two fifths."""
        seconds = {"read_seconds": self.read_seconds, "write_seconds": self.write_seconds}
        return self.model_copy(update={name: value or SHARE * deadline for name, value in seconds.items()})

    @property
    def read_limit(self) -> float:
        """Seconds; of nobody who has a deadline those of a second's."""
        return self.read_seconds or SHARE

    @property
    def write_limit(self) -> float:
        """As `read_limit`."""
        return self.write_seconds or SHARE
