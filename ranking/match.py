"""The match of a request and jobs of an index: the bins of `contracts.match.COMPARISONS`, a row of them a job.

Labelling, serving and replay call this one function, so that what is learned of a bin offline holds online. All jobs
are compared at once over the columns of the index.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np

from contracts.match import COMPARISONS
from contracts.records import SENIORITY_LADDER
from contracts.text.place_names import folded
from contracts.text.places import Place, is_region, read_place, read_places, split_place
from contracts.text.words import stem, words
from contracts.text.work import NOT_KNOWN, Title, WorkReader
from retrieval.engines.append_only import SegmentedArray
from retrieval.facts import Facts
from retrieval.filters.attributes import AttributeTable
from retrieval.index.job_rows import JobRows
from retrieval.request import Request

_DAY = 86_400.0
_EDGES = {comparison.name: np.array(comparison.edges) for comparison in COMPARISONS}
_ELSEWHERE, _SAME_REGION, _SAME_CITY, _REMOTE = 1, 2, 3, 4
_OTHER, _IN_PART, _THE_SAME = 1, 2, 3
_NO_INDUSTRY = frozenset(words("and of the for in other services service industry"))


class _Encoder(Protocol):
    dim: int

    def titles(self, titles: Sequence[str]) -> np.ndarray: ...


class _Index(Protocol):
    """What a match reads of an index; `retrieval.index.job_index.JobIndex` is one."""

    @property
    def attributes(self) -> AttributeTable: ...

    @property
    def title_vectors(self) -> SegmentedArray: ...

    @property
    def jobs(self) -> JobRows: ...


class RequestTitles(NamedTuple):
    """Unit vectors of the titles that a request names, (any number, dim) float32 each.

    Attributes:
        own: Of `Facts.own_titles`.
        wished: Of the query without the place at its end or, where nothing is left of it, of `Facts.wished_titles`.
        whole: Of the query as typed, where it ends in what may be a place; else none.
    """

    own: np.ndarray
    wished: np.ndarray
    whole: np.ndarray


def encode_titles(encoder: _Encoder, request: Request) -> RequestTitles:
    """The titles of one request, in one call of the encoder, and none where it names no title."""
    return encode_all_titles(encoder, [request])[0]


def encode_all_titles(encoder: _Encoder, requests: Sequence[Request]) -> list[RequestTitles]:
    """The titles of many requests, each title encoded once, in one call of the encoder."""
    distinct = list(dict.fromkeys(title for request in requests for title in titles_named(request)))
    vectors = encoder.titles(distinct) if distinct else np.zeros((0, encoder.dim), np.float32)
    by_title = dict(zip(distinct, vectors, strict=True))
    return [titles_of(request, by_title, encoder.dim) for request in requests]


def titles_named(request: Request) -> list[str]:
    """Every title that a request names, in the order of the fields of `RequestTitles`; one may stand there twice."""
    return [title for titles in _titles(request) for title in titles]


def titles_of(request: Request, vectors: Mapping[str, np.ndarray], dim: int) -> RequestTitles:
    """The titles of a request by their vectors: title -> (dim,) float32, of all that it names."""
    return RequestTitles(
        *(
            np.stack([vectors[title] for title in titles]) if titles else np.zeros((0, dim), np.float32)
            for titles in _titles(request)
        )
    )


def _titles(request: Request) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    """The titles behind the fields of `RequestTitles`."""
    query, place = split_place(request.query)
    wished = (query,) if query else request.facts.wished_titles
    return request.facts.own_titles, wished, (request.query.strip(),) if place else ()


def match_bins(
    index: _Index, request: Request, rows: np.ndarray, titles: RequestTitles, reader: WorkReader
) -> np.ndarray:
    """The match of n jobs for one request.

    A side that does not say gives bin 0. A remote job is "remote" though the member's place is not known, and a query
    asks for a skill only if some job of the index asks for it. The place at the end of a query is one where a job of
    the index, or a state or country, has its name; else the query is read whole.

    Args:
        index: Holds the jobs.
        request: Its facts, location, query and time are compared.
        rows: (n,) int32 of the index, any n.
        titles: From `encode_titles` of the same request.
        reader: Reads kinds of work and levels in titles.

    Returns:
        (n, C) uint8, the bin of each comparison in the order of `COMPARISONS`.
    """
    table, facts = index.attributes, request.facts
    query, place = _read_query(request.query, table)
    wished = titles.wished if place or not len(titles.whole) else titles.whole
    named = [reader.read(title) for title in index.jobs.titles(rows)]
    job_titles = index.title_vectors[rows].astype(np.float32)
    needed = table.counts("skills")[rows]
    shared = table.shared("skills", facts.skills, rows)
    compared = (needed > 0) & bool(facts.skills)
    remote = _is(table, "workplace", ("remote",), rows)
    reach = [*read_places(request.location, table.home), *_wished_places(facts.places, table)]
    columns = {
        "skills": _binned("skills", shared / np.maximum(needed, 1), compared),
        "skills_shared": _binned("skills_shared", shared, compared),
        "query_skill": _query_skill(table, query, needed, rows),
        "level": _level(table, _own_rung(facts, query, reader), named, rows),
        "place": np.where(remote, _REMOTE, _tiers(table, reach, rows)),
        "query_place": np.where(remote & (place is not None), _REMOTE, _tiers(table, [place] if place else [], rows)),
        "workplace": _workplace(table, facts.workplace, rows),
        "pay": _pay(table, facts.salary_min, facts.currency, rows),
        "own_work": _work(reader, facts.own_titles, named),
        "wished_work": _work(reader, (query,) if query else facts.wished_titles, named),
        "own_title": _closeness("own_title", job_titles, titles.own),
        "wished_title": _closeness("wished_title", job_titles, wished),
        "industry": _industry(table, facts.industries, rows),
        "age": _age(table, request.time.timestamp(), rows),
    }
    return np.stack([columns[comparison.name] for comparison in COMPARISONS], axis=1).astype(np.uint8)


def _binned(name: str, values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(n,) bins of numbers by the comparison's edges; 0 where not known."""
    return np.where(known, 1 + np.searchsorted(_EDGES[name], values, side="right"), 0)


def _is(table: AttributeTable, attribute: str, values: Sequence[str], rows: np.ndarray) -> np.ndarray:
    """(n,) bool: the job's value of a coded attribute is one of these."""
    return np.isin(table.codes(attribute)[rows], [table.code(attribute, value) for value in values])


def _read_query(query: str, table: AttributeTable) -> tuple[str, Place | None]:
    """What a query asks for, and its place where it names one that the jobs or the table of regions know."""
    rest, name = split_place(query)
    place = read_place(name, table.home)
    in_region = table.is_held("region", place.region) and ("," in name or not place.city)
    if name and (table.is_held("city", place.city) or in_region or is_region(name.rpartition(",")[2])):
        return rest, place
    return query.strip(), None


def _wished_places(text: str, table: AttributeTable) -> list[Place]:
    """The places in "City, Region, City, ...": two names are one place where the first is no region, and a job is there
    or the second is one."""
    names = [name for name in map(folded, text.split(",")) if name]
    places: list[Place] = []
    at = 0
    while at < len(names):
        both = ", ".join(names[at : at + 2])
        held = len(read_places(both, table.home)) == 1 and table.is_held("place", both)
        paired = at + 1 < len(names) and not is_region(names[at]) and (held or is_region(names[at + 1]))
        places.append(read_place(both if paired else names[at], table.home))
        at += 2 if paired else 1
    return places


def _tiers(table: AttributeTable, reach: Sequence[Place], rows: np.ndarray) -> np.ndarray:
    """(n,) the best tier of each job over some places, as `Place.shares_city` and `shares_region` have it; 0 where the
    job or all of the places say nothing."""
    reach = [place for place in reach if place.place]
    if not reach:
        return np.zeros(len(rows), np.int64)

    def hold(attribute: str, values: Sequence[str]) -> np.ndarray:
        return table.shared(attribute, [value for value in values if value], rows) > 0

    lone = [place for place in reach if place.city and place.city == place.place]
    within = [place for place in reach if place.city and place.city != place.place]
    # A job that names its city alone is in the city, whatever its region.
    named = [name for place in within for name in (place.place, place.city)]
    in_city = hold("city", [place.city for place in lone]) | hold("place", named)
    in_region = hold("region", [name for place in reach for name in (place.region, place.city, place.country)])
    in_region |= hold("country", [place.country for place in reach if place.is_country])
    tiers = np.where(in_city, _SAME_CITY, np.where(in_region, _SAME_REGION, _ELSEWHERE))
    return np.where(table.counts("place")[rows] > 0, tiers, 0)


def _query_skill(table: AttributeTable, query: str, needed: np.ndarray, rows: np.ndarray) -> np.ndarray:
    if not query or not table.is_held("skills", query):
        return np.zeros(len(rows), np.int64)
    return np.where(needed > 0, 1 + table.shared("skills", (query,), rows), 0)


def _own_rung(facts: Facts, query: str, reader: WorkReader) -> int | None:
    """The rung that a query names, else the member's own, else that of their newest title."""
    searched = reader.read(query).rung
    if searched is not None:
        return searched
    if facts.seniority in SENIORITY_LADDER:
        return SENIORITY_LADDER.index(facts.seniority)
    return reader.read(facts.own_titles[0]).rung if facts.own_titles else None


def _level(table: AttributeTable, own: int | None, named: Sequence[Title], rows: np.ndarray) -> np.ndarray:
    if own is None:
        return np.zeros(len(rows), np.int64)
    codes = np.array([table.code("seniority", rung) for rung in SENIORITY_LADDER])
    is_rung = table.codes("seniority")[rows][:, None] == codes
    in_title = np.array([-1 if title.rung is None else title.rung for title in named], np.int64)
    rungs = np.where(is_rung.any(1), is_rung.argmax(1), in_title)
    return _binned("level", rungs - own, rungs >= 0)


def _work(reader: WorkReader, titles: Sequence[str], named: Sequence[Title]) -> np.ndarray:
    kinds = [reader.read(title).kinds for title in titles]
    distinct = {title.kinds for title in named}
    nearest = {of: max((reader.relation(own, of) for own in kinds), default=NOT_KNOWN) for of in distinct}
    return np.fromiter((nearest[title.kinds] for title in named), np.int64, len(named))


def _workplace(table: AttributeTable, wished: Sequence[str], rows: np.ndarray) -> np.ndarray:
    if not wished:
        return np.zeros(len(rows), np.int64)
    return np.where(table.codes("workplace")[rows] >= 0, 1 + _is(table, "workplace", wished, rows), 0)


def _pay(table: AttributeTable, asked: float | None, currency: str, rows: np.ndarray) -> np.ndarray:
    if not asked:
        return np.zeros(len(rows), np.int64)
    low, high = table.number("salary_min")[rows], table.number("salary_max")[rows]
    top = np.where(np.isnan(high), low, high)
    return _binned("pay", top / asked, ~np.isnan(top) & _is(table, "currency", (currency,), rows))


def _closeness(name: str, job_titles: np.ndarray, titles: np.ndarray) -> np.ndarray:
    if not len(titles):
        return np.zeros(len(job_titles), np.int64)
    # einsum, since a threaded product this small waits longer for its threads than it works
    return _binned(name, np.einsum("nd,td->nt", job_titles, titles).max(axis=1), np.any(job_titles, axis=1))


def _industry(table: AttributeTable, own: tuple[str, ...], rows: np.ndarray) -> np.ndarray:
    codes, which = np.unique(table.codes("industry")[rows], return_inverse=True)
    if not own:
        return np.zeros(len(rows), np.int64)
    bins = [_industry_bin(table.value("industry", code), own) if code >= 0 else 0 for code in codes.tolist()]
    return np.array(bins, np.int64)[which]


@lru_cache(maxsize=50_000)
def _industry_bin(of_job: str, own: tuple[str, ...]) -> int:
    needed, known = _industry_words(of_job), [_industry_words(name) for name in own]
    if folded(of_job) in map(folded, own) or (needed and needed in known):
        return _THE_SAME
    return _IN_PART if any(needed & of_one for of_one in known) else _OTHER


@lru_cache(maxsize=10_000)
def _industry_words(industry: str) -> frozenset[str]:
    return frozenset(stem(word) for word in words(industry) if word not in _NO_INDUSTRY)


def _age(table: AttributeTable, now: float, rows: np.ndarray) -> np.ndarray:
    days = (now - table.number("posted_at")[rows]) / _DAY
    return _binned("age", days, np.isfinite(days))
