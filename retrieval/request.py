"""What retrieval is asked: one value made from a member, their activity and perhaps a query.

The service, the labelling of training pairs and the replay all make it here, so that they ask the same thing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from contracts.activity import Activity
from contracts.tasks import INTEREST
from contracts.text import limit_tokens, request_text
from retrieval.filters import Filter

RECENT_JOBS = 5
RECENT_SNIPPETS = 3
WORD_BUDGET = {"headline": 16, "wants": 24, "location": 8, "worked": 24, "skills": 24}
"""Fields of the member text whose words are searched for, with the tokens read of each."""


@dataclass(frozen=True)
class Request:
    """One request to retrieval, as of `time` (timezone-aware).

    request_text: the prefix that is encoded and ranked with; query: what was typed, empty for a recommendation;
    words: what the inverted index is asked; titles: the words that a title should hold; location: the member's;
    recent: jobs of interest, newest first; exclude: jobs that must not be returned.
    """

    request_text: str
    query: str
    words: str
    titles: str
    location: str
    time: datetime
    recent: tuple[str, ...] = ()
    exclude: frozenset[str] = frozenset()
    filter: Filter = field(default_factory=Filter)


def build_request(
    member_text: str,
    activity: Activity,
    query: str,
    location: str,
    filter: Filter,
    time: datetime,
    exclude: Iterable[str] = (),
) -> Request:
    """The request of a member (empty text: unknown or anonymous) who searches (query) or looks for advice (no query).

    A query alone decides the words; without one they are the last jobs of interest and the member's own. Jobs applied
    to and dismissed are excluded beside `exclude`. Activity is taken as of `time`.
    """
    entries = [entry for entry in activity.entries if entry.time < time]
    wanted = [entry for entry in entries if entry.action in INTEREST]
    recent = tuple(dict.fromkeys(entry.job_id for entry in wanted))[:RECENT_JOBS]
    snippets = tuple(dict.fromkeys(entry.snippet for entry in wanted))[:RECENT_SNIPPETS]
    fields = _fields(member_text)
    own = [limit_tokens(fields[name], budget) for name, budget in WORD_BUDGET.items() if name in fields]
    dismissed = (entry.job_id for entry in entries if entry.action == "dismiss")
    return Request(
        request_text=request_text(member_text, activity._replace(entries=tuple(entries)).text(), query),
        query=query,
        words=query or " ".join((*snippets, *own)),
        titles=query or " ".join(fields[name] for name in ("headline", "wants") if name in fields),
        location=location or fields.get("location", ""),
        time=time,
        recent=recent,
        exclude=frozenset((*activity.applied, *dismissed, *exclude)),
        filter=filter,
    )


def _fields(member_text: str) -> dict[str, str]:
    """The verbaliser's fields by name; the first of a name counts, since a member may write the separator too."""
    found: dict[str, str] = {}
    for part in member_text.split(" | "):
        name, separator, value = part.partition(": ")
        if separator:
            found.setdefault(name, value)
    return found
