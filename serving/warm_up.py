"""The first answers of a servable, which nobody waits for: they pay for caches and memory that later ones reuse."""

from __future__ import annotations

import time
from collections.abc import Sequence

from serving.answering import Answerer
from serving.schemas import MAX_QUERY_CHARS, JobsRequest, RecommendRequest, SearchRequest, surface_of
from serving.servable import Servable
from serving.slates import Slate
from serving.surfaces.surface import find_surfaces

SURFACES = find_surfaces()
ANSWERS = 3
PATIENCE_SECONDS = 60.0
"""Beyond a request's own deadline, since first calls are slow."""


REPLAYED = 20
"""Requests of the last answers that a servable is asked again before it serves: as many texts as the service gets."""


def warm_up(answerer: Answerer, servable: Servable, asked: Sequence[Slate] = ()) -> set[str]:
    """Search for the titles of a few jobs, and ask again what was asked lately; neither logged nor shown.

    Returns the stages that were done without.
    """
    titles = (servable.index.display(row)["title"] for row in range(min(ANSWERS, len(servable.index))))
    messages: list[JobsRequest] = [SearchRequest(query=title[:MAX_QUERY_CHARS]) for title in titles]
    messages += [again for slate in asked if (again := _again(slate))]
    degraded: set[str] = set()
    for message in messages:
        surface = SURFACES[surface_of(message)]
        answer, _ = answerer.answer(servable, surface, message, arrived=time.monotonic() + PATIENCE_SECONDS)
        degraded.update(answer.degraded)
    return degraded


def _again(slate: Slate) -> JobsRequest | None:
    """The request of an answer, as far as it is remembered: its query and its member; None where it had neither."""
    if slate.query:
        return SearchRequest(query=slate.query[:MAX_QUERY_CHARS], member_id=slate.member_id)
    return RecommendRequest(member_id=slate.member_id) if slate.member_id else None
