"""The knobs of who may ask the service."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from contracts.values import FrozenModel
from serving.people import COUNTED_PER_MINUTE


class SecurityConfig(FrozenModel):
    """Who may ask the service."""

    keys: Path | None = Field(
        None,
        description="File of keys that `rolecall keys` writes; none: every caller may do everything, and the service "
        "listens on addresses of this machine alone.",
    )
    behind_proxy: bool = Field(
        False, description="Listen on any address without keys: something in front of the service checks who asks."
    )
    hosts: tuple[str, ...] = Field(
        (),
        description="Names in the Host header that are answered; empty: localhost's where the service listens on this "
        "machine alone (a page elsewhere may not reach it by a name of its own), else all. Where names are given, "
        "/healthz, /readyz and /metrics are answered to any, since probes ask by address.",
    )
    member_secret: Path | None = Field(
        None, description="File with the secret that members' tokens are signed with; none: no token is taken."
    )
    open_metrics: bool = Field(False, description="Answer /metrics without a key.")
    counted_per_minute: int = Field(
        COUNTED_PER_MINUTE,
        ge=1,
        description="Views and applications of one member and minute that count for jobs; all are logged.",
    )
    erase_within_days: int = Field(
        30, ge=1, description="Days within which `rolecall erase` has to run after a member was erased online."
    )
