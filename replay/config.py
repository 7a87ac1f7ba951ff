"""The knobs of a replay. Imports no room, so that the command line starts fast."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from contracts.values import FrozenModel


class ServedConfig(FrozenModel):
    """What is judged of the candidates that retrieval returns for held-out requests."""

    requests: int = Field(500, ge=0, description="Held-out requests whose candidates are judged, at most; 0 for none.")
    judge: Literal["free", "always", "never"] = Field(
        "free",
        description="Whether the judge of `label` grades the candidates: `free` asks a judge that calls no model, "
        "`always` one that costs money too.",
    )
    exhaustive_jobs: int = Field(
        5_000,
        ge=0,
        description="Jobs of an index up to which every eligible job is judged too, by the truth of a simulated market "
        "or else by the judge.",
    )
    teacher_requests: int = Field(
        0, ge=0, description="Requests whose first candidates the teachers score, a second a request or more; 0: none."
    )
    teacher_candidates: int = Field(100, ge=10, description="First candidates of each of these requests.")
