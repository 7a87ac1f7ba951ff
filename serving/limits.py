"""The bounds of a service under load and against clients that hold it up, as knobs."""

from __future__ import annotations

from pydantic import Field

from contracts.values import FrozenModel

MAX_K = 500
"""Jobs of one answer."""


class LimitsConfig(FrozenModel):
    """How many requests run and wait, how long, and what gives way first."""

    running: int | None = Field(
        None, ge=1, description="Requests ranked at once at most; none: two a core. The limit adapts below it."
    )
    waiting: int = Field(256, ge=1, description="Requests that wait for that at most.")
    wait_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Share of the deadline that a request may be expected to wait; past it the newest goes first.",
    )
    patience: float = Field(
        0.015, gt=0, description="Seconds that a request waits where the newest goes first, before it is refused (429)."
    )
    depths: tuple[int, ...] = Field(
        (200, 100, 50, 0),
        min_length=1,
        description="Candidates that the student scores: the first without load, the last before anyone is refused.",
    )
    events_running: int = Field(4, ge=1, description="Posts of events taken in at once.")
    events_waiting: int = Field(64, ge=0, description="Posts of events that wait for that.")
    events_wait: float = Field(1.0, gt=0, description="Seconds that a post of events waits before it is refused (429).")
    others_running: int = Field(2, ge=1, description="Requests of people at once: the console's pages, erasure.")
    others_waiting: int = Field(16, ge=0, description="Requests of people that wait for that.")
    others_wait: float = Field(10.0, gt=0, description="Seconds that such a request waits before it is refused (429).")
    bodies: int = Field(64_000_000, ge=1_000_000, description="Bytes of bodies held at once, of all requests.")
    unready_share: float = Field(
        0.8,
        gt=0,
        description="Share of the requests of the last five seconds that were refused, past which /readyz says 503; "
        "over 1: never.",
    )


class FencesConfig(FrozenModel):
    """What one connection may take before anything else looks at it."""

    connections: int | None = Field(
        None, ge=8, description="Connections at once; none: what the process's descriptors suffice for."
    )
    head_bytes: int = Field(65_536, ge=1_024, description="Bytes of a request's line and headers (431).")
    headers: int = Field(100, ge=8, description="Headers of a request (431).")
    url_bytes: int = Field(8_192, ge=256, description="Bytes of a request's address (414).")
    head_seconds: float = Field(10.0, gt=0, description="Time for a request's line and headers (408).")
    body_seconds: float = Field(10.0, gt=0, description="Time for a request's body (408).")
    idle_seconds: float = Field(5.0, gt=0, description="Time between two requests of a connection.")
    read_seconds: float = Field(10.0, gt=0, description="Time for a client to take an answer that waits for it.")
