"""The first answers of a servable, which nobody waits for: they pay for caches and memory that later ones reuse."""

from __future__ import annotations

import time

from serving.answering import Answerer
from serving.schemas import MAX_QUERY_CHARS, SearchRequest
from serving.servable import Servable
from serving.surfaces.surface import find_surfaces

SURFACES = find_surfaces()
ANSWERS = 3
PATIENCE_SECONDS = 60.0
"""Beyond a request's own deadline, since first calls are slow."""


def warm_up(answerer: Answerer, servable: Servable) -> set[str]:
    """Search for the titles of a few jobs; neither logged nor shown. Returns the stages that were done without."""
    degraded: set[str] = set()
    for row in range(min(ANSWERS, len(servable.index))):
        message = SearchRequest(query=servable.index.display(row)["title"][:MAX_QUERY_CHARS])
        answer, _ = answerer.answer(servable, SURFACES["search"], message, arrived=time.monotonic() + PATIENCE_SECONDS)
        degraded.update(answer.degraded)
    return degraded
