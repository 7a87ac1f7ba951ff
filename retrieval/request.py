"""What retrieval is asked: one value made from a member, their activity and perhaps a query.

The service, the labelling of training pairs and the replay all make it here, so that they ask the same thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from contracts.activity import Activity
from contracts.records import Surface
from contracts.tasks import INTEREST
from contracts.text.verbalizer import Percentiles, limit_tokens, request_text
from retrieval.facts import Facts, read_facts, text_fields
from retrieval.filters.filters import Filter
from retrieval.words.term_query import without_quotes

RECENT_JOBS = 5
RECENT_SNIPPETS = 3
WORD_BUDGET = {"headline": 16, "wants": 24, "location": 8, "worked": 24, "skills": 24}
"""Fields of the member text whose words are searched for, with the tokens read of each."""


@dataclass(frozen=True)
class Request:
    """One request to retrieval, as of `time` (timezone-aware).

    request_text: the prefix that is encoded and ranked with; query: what was typed, empty for a recommendation;
    words: what the inverted index is asked; titles: the words that a title should hold; location: the member's;
    recent: jobs of interest, newest first; exclude: jobs that must not be returned; facts: what rules hold jobs
    against. Who asks, for the learned links: member: their record (`contracts.records.Member` as
    a dict) where it is known; else member_id: by which the index may know their links.
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
    facts: Facts = field(default_factory=Facts)
    member_id: str = ""
    member: Mapping[str, Any] | None = None

    @property
    def surface(self) -> Surface:
        return "search" if self.query else "recommendation"


def build_request(
    member_text: str,
    activity: Activity,
    query: str,
    location: str,
    filter: Filter,
    time: datetime,
    exclude: Iterable[str] = (),
    *,
    member_id: str = "",
    member: Mapping[str, Any] | None = None,
    percentiles: Percentiles | None = None,
    unclicked: Mapping[str, tuple[float, ...]] | None = None,
) -> Request:
    """The request of a member (empty text: unknown or anonymous) who searches (query) or looks for advice (no query).

    A query alone decides the words, and asks for phrases by quotes; without one they are the last jobs of interest and
    the member's own. Jobs applied to and dismissed are excluded beside `exclude`. Activity is taken as of `time`.
    A request of the past brings the member's record of then and no id: what the index knows of a member is of now.
    percentiles, unclicked: for rules that ask for pay and for what was shown; see `Facts`.
    """
    entries = [entry for entry in activity.entries if entry.time < time]
    of_interest = [entry for entry in entries if entry.action in INTEREST]
    recent = tuple(dict.fromkeys(entry.job_id for entry in of_interest))[:RECENT_JOBS]
    snippets = tuple(dict.fromkeys(entry.snippet for entry in of_interest))[:RECENT_SNIPPETS]
    fields = text_fields(member_text)
    own = [limit_tokens(fields[name], budget) for name, budget in WORD_BUDGET.items() if name in fields]
    dismissed = [job_id for job_id, _ in activity.dismissed]
    dismissed += [entry.job_id for entry in entries if entry.action == "dismiss"]  # older activity holds these alone
    return Request(
        request_text=request_text(member_text, activity._replace(entries=tuple(entries)).text(), query),
        query=query,
        words=query or without_quotes(" ".join((*snippets, *own))),
        titles=query or " ".join(fields[name] for name in ("headline", "wants") if name in fields),
        location=location or fields.get("location", ""),
        time=time,
        recent=recent,
        exclude=frozenset((*activity.applied, *dismissed, *exclude)),
        filter=filter,
        facts=read_facts(fields, percentiles or Percentiles(), activity.dismissed, unclicked or {}),
        member_id=member_id,
        member=member,
    )
