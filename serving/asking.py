"""A posted request becomes a request to retrieval: what is known of the member, and what the surface asks with."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np

from contracts.errors import BadInput
from feature_repo.online import MemberRow
from history.unclicked import Unclicked
from retrieval.filters.filters import Filter, none_of
from retrieval.index.job_index import JobIndex
from retrieval.queries.chips import Reading
from retrieval.queries.read import read_query
from retrieval.queries.relax import asked
from retrieval.request import Request, build_request
from retrieval.words.term_query import without_quotes
from serving.schemas import MAX_QUERY_CHARS, JobsRequest, SearchRequest, SimilarRequest, profile_text
from serving.servable import Servable
from serving.stages import Stages


class UnknownJob(BadInput):
    """No job of what is served has this id."""

    reason, http_status = "unknown_job", 404


def row_of(index: JobIndex, job_id: str) -> int:
    """The row of a job. Raises UnknownJob."""
    [row] = index.rows([job_id])
    if row < 0:
        raise UnknownJob(f"no job {job_id!r} here", cure="ask for a job of an answer; closed jobs leave the index")
    return int(row)


def features(servable: Servable, member_id: str, stages: Stages) -> MemberRow | None:
    """The member's features, without their text where another version of the verbaliser wrote it; None: no answer."""

    def read() -> MemberRow:
        row = servable.members.read(member_id)
        if row.text and row.text_version != servable.manifest.text_version:
            stages.degrade("features", "text_version")
            return replace(row, text="")
        return row

    return stages.run("features", read, instead=lambda: None) if member_id else MemberRow(known=False)


def reading_of(index: JobIndex, message: JobsRequest, now: datetime, stages: Stages) -> Reading:
    """How the query of a search was read; as it was typed where that fails, and of other requests nothing."""
    if not isinstance(message, SearchRequest):
        return Reading("", "", "")
    query = message.query
    return stages.run(
        "query",
        lambda: read_query(query, index, now, message.as_typed, message.ignore),
        instead=lambda: Reading(query, query, query),
    )


def jobs_request(
    servable: Servable, message: JobsRequest, reading: Reading, row: MemberRow, unclicked: Unclicked, now: datetime
) -> Request:
    """The request to retrieval. The message's profile and location go before what is stored of the member, and so
    does a place that the query names.

    reading: Of its query, as `reading_of`.

    Raises:
        UnknownJob: Of a request for jobs like one that is not served.
    """
    text, location = row.text, row.location
    if message.profile is not None:
        text, of_profile = profile_text(message.profile, servable.verbalizer)
        location = of_profile or location
    query, exclude, near = "", message.exclude, message.location or reading.place or location
    job = row_of(servable.index, message.job_id) if isinstance(message, SimilarRequest) else None
    words: str | None = None
    if isinstance(message, SearchRequest):
        query, words = reading.query, reading.words
    elif job is not None:
        record = servable.index.display(job)
        query = without_quotes(record["title"])[:MAX_QUERY_CHARS]
        near = message.location or record["location"] or location
        exclude = (*exclude, *_duplicates(servable.index, job))
    request = build_request(
        text,
        row.activity,
        query,
        near,
        filter_of(message),
        now,
        exclude,
        member_id=message.member_id,
        member=message.profile.model_dump() if message.profile else None,
        percentiles=servable.verbalizer.percentiles,
        unclicked=unclicked.of(message.member_id),
        words=words,
    )
    request = asked(request, reading, request.filter)
    return request if job is None else replace(request, recent=(servable.index.ids[job],))


def filter_of(message: JobsRequest) -> Filter:
    """The message's filter and the companies that it hides."""
    return message.filter & none_of("company", *message.hide_companies) if message.hide_companies else message.filter


def _duplicates(index: JobIndex, row: int) -> list[str]:
    """The job and its near-duplicates."""
    return [index.ids[other] for other in np.flatnonzero(index.groups == index.groups[row])]
