"""A request to retrieval: one value made from a member, their activity and perhaps a query.

The service, the labelling of training pairs and the replay all make it here, so that all of them search alike.
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
WORD_BUDGET = {"headline": 16, "wants": 24, "location": 8, "worked": 24, "skills": 24, "summary": 24}
"""Fields of the member text whose words are searched for, with the tokens read of each."""

OF_WORDS = 0.5
"""Of the best job's score for the words of a request, from which on a job is one of its words."""
OTHER_WORDS = "asked_words"
"""The name under which jobs of other words are demoted where a request wants those of its words first."""


@dataclass(frozen=True)
class Request:
    """One request to retrieval, as of `time`.

    Attributes:
        request_text: The prefix that is encoded and ranked with.
        query: As typed, or as it was read for the models (`retrieval.queries`); empty for a recommendation.
        words: What the inverted index looks for.
        titles: The words that a title should hold.
        location: The member's, as text.
        time: Timezone-aware.
        recent: Jobs of interest, newest first.
        exclude: Jobs that must not be returned.
        filter: On the jobs' attributes.
        facts: What rules compare jobs with.
        member_id: By which the index may know the member's links, where there is no record.
        member: The member's record (`contracts.records.Member` as a dict), where it is known.
        demotions: Name -> filter: jobs that fail it come after all others (what a query asks for softly).
        not_titled: Texts of which no job's title may hold all words.
        words_first: Jobs that hold little of the words come after all others too.
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
    demotions: Mapping[str, Filter] = field(default_factory=dict)
    not_titled: tuple[str, ...] = ()
    words_first: bool = False

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
    words: str | None = None,
) -> Request:
    """The request of a member who searches (with a query) or looks for advice (without one).

    A query alone decides the words, and asks for phrases by quotes; without one the words are the last jobs of interest
    and the member's own. Jobs applied to and dismissed are excluded.

    Args:
        member_text: Of the verbaliser; empty for a member who is unknown or anonymous.
        activity: Entries before `time` count.
        query: Empty for a recommendation.
        location: As text; empty: that of the member text.
        filter: On the jobs' attributes.
        time: Timezone-aware.
        exclude: Jobs that must not be returned, beside those applied to and dismissed.
        member_id: Empty for a request of the past: what the index knows by it is of now.
        member: The member's record, for a request of the past as it was then.
        percentiles: Of the member texts, for rules that compare pay.
        unclicked: Job to when it was shown without a click (seconds since 1970), for rules on those; see `Facts`.
        words: Those of the query that are looked for, where it was read (`retrieval.queries`); None: all of it.
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
        words=(query if words is None else words) if query else without_quotes(" ".join((*snippets, *own))),
        titles=(query if words is None else words)
        if query
        else " ".join(fields[name] for name in ("headline", "wants") if name in fields),
        location=location or fields.get("location", ""),
        time=time,
        recent=recent,
        exclude=frozenset((*activity.applied, *dismissed, *exclude)),
        filter=filter,
        facts=read_facts(fields, percentiles or Percentiles(), activity.dismissed, unclicked or {}),
        member_id=member_id,
        member=member,
    )
