"""What requests and surfaces have in common: what is asked with, what lists are sorted by, and who has a route."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

MAX_FACETS = 10
Sort = Literal["best", "date", "distance", "pay"]
Asks = Literal["query", "member", "job"]

BUILT_IN: Mapping[str, Asks] = {"search": "query", "recommendation": "member", "similar": "job"}
"""The surfaces that have a route of their own, and what that is asked with."""
