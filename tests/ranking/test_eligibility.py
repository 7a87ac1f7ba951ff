"""The order in which a ranking is shown: near-duplicates folded, companies kept apart, and nothing lost by it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.activity import Activity
from contracts.arrow import to_table
from contracts.records import Job
from ranking.eligibility import display_order, eligible_jobs
from retrieval.config import Diversity, RetrievalConfig
from retrieval.engines.exact import ExactEngine
from retrieval.filters.attributes import build_attributes
from retrieval.filters.filters import Filter
from retrieval.index.job_index import JobIndex
from retrieval.index.manifest import IndexManifest
from retrieval.index.parts import built_parts
from retrieval.popularity import JobActivity, Timeline
from retrieval.request import build_request
from retrieval.words.terms import build_terms
from retrieval.words.titles import build_titles

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NONE = np.zeros(0)


class Drawn(NamedTuple):
    """Jobs best first: the company of each, the group, and whether it may be shown."""

    index: JobIndex
    rows: np.ndarray
    passing: list[bool]
    diversity: Diversity | None


def index_of(companies: list[str], groups: list[int], diversity: Diversity | None = None) -> JobIndex:
    n = len(companies)
    jobs = [Job(id=f"j{i:02}", title="Nurse", company=company, updated_at=NOW) for i, company in enumerate(companies)]
    table = to_table(jobs, Job).append_column("text_hash", pa.array([""] * n))
    manifest = IndexManifest(
        version="v",
        engine="exact",
        bundle_version="",
        encoder_version="",
        text_version="",
        jobs=n,
        dim=2,
        retrieval=RetrievalConfig(diversity=diversity),
    )
    nothing = Timeline(n, NONE.astype(np.int32), NONE)
    return JobIndex(
        built_parts(
            manifest,
            table,
            ExactEngine(np.ones((n, 2), np.float32)),
            build_terms([[] for _ in jobs]),
            build_titles([]),
            build_attributes(table),
            JobActivity(nothing, nothing, n),
            groups=np.array(groups, np.int32),
        )
    )


@st.composite
def drawn(draw: st.DrawFn) -> Drawn:
    """Duplicates are of one company, as `retrieval.index.duplicates` makes them; "" is a company that is not named."""
    companies = draw(st.lists(st.sampled_from(["A", "B", "C", ""]), min_size=1, max_size=12))
    first: dict[tuple[str, int], int] = {}
    groups = [
        first.setdefault((company, draw(st.integers(0, 2))), row) if company else row
        for row, company in enumerate(companies)
    ]
    limits = st.builds(Diversity, most=st.integers(1, 3), first=st.integers(1, 8))
    diversity = draw(st.none() | limits)
    rows = np.array(draw(st.permutations(range(len(companies)))), np.int32)
    passing = draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    return Drawn(index_of(companies, groups, diversity), rows, passing, diversity)


def shown(one: Drawn) -> list[int]:
    asked: list[int] = []

    def passes(place: int) -> bool:
        asked.append(place)
        return one.passing[place]

    found = list(display_order(one.index, one.rows, passes))
    assert len(asked) == len(set(asked)), "each place is asked about once"
    return found


@settings(max_examples=300, deadline=None)
@given(drawn())
def test_the_best_of_each_group_that_may_be_shown_is_shown_and_nothing_else(one: Drawn):
    groups = one.index.groups[one.rows]
    best: dict[int, int] = {}
    for place, group in enumerate(groups.tolist()):
        if one.passing[place]:
            best.setdefault(group, place)
    assert sorted(shown(one)) == sorted(best.values())


@settings(max_examples=300, deadline=None)
@given(drawn())
def test_a_company_has_no_more_than_its_share_of_the_first_places_while_there_are_others(one: Drawn):
    if one.diversity is None:
        return
    companies = [one.index.display(int(row))["company"] for row in one.rows]
    found = shown(one)
    first, rest = found[: one.diversity.first], found[one.diversity.first :]
    for place, job in enumerate(first):
        before = [companies[other] for other in first[:place]]
        if companies[job] and before.count(companies[job]) >= one.diversity.most:
            left = {companies[other] for other in found[place:]}
            assert "" not in left and all(before.count(other) >= one.diversity.most for other in left)
    assert rest == sorted(rest)


@settings(max_examples=300, deadline=None)
@given(drawn())
def test_a_job_stands_behind_a_lower_one_only_where_its_company_was_full(one: Drawn):
    companies = [one.index.display(int(row))["company"] for row in one.rows]
    found = shown(one)
    if one.diversity is None:
        assert found == sorted(found)
        return
    for place, job in enumerate(found):
        if any(lower > job for lower in found[:place]):
            before = [companies[other] for other in found[: one.diversity.first] if other < job]
            assert before.count(companies[job]) >= one.diversity.most


def test_companies_are_kept_apart_and_then_follow():
    index = index_of(["A", "A", "A", "B", "A", "C"], [0, 1, 2, 3, 4, 5], Diversity(most=2, first=4))
    assert list(display_order(index, np.arange(6, dtype=np.int32))) == [0, 1, 3, 5, 2, 4]


def test_no_job_waits_until_behind_one_that_a_rule_demotes():
    index = index_of(["A", "A", "A", "B", "B", "A", "C"], list(range(7)), Diversity(most=1, first=6))
    rows = np.arange(7, dtype=np.int32)
    assert list(display_order(index, rows, demoted={4, 5, 6})) == [0, 3, 1, 2, 6, 4, 5]
    request = build_request("", Activity(), "", "", Filter(), NOW)
    kept, _ = eligible_jobs(index, request, rows, 5, {4: ("rule",), 5: ("rule",), 6: ("rule",)})
    assert [job.place for job in kept] == [0, 3, 1, 2, 6]


def test_too_few_companies_starve_nobody():
    index = index_of(["A"] * 4, [0, 1, 2, 3], Diversity(most=1, first=3))
    assert list(display_order(index, np.arange(4, dtype=np.int32))) == [0, 1, 2, 3]


def test_the_duplicates_of_a_shown_job_are_named_where_they_could_be_shown():
    request = build_request("", Activity(), "", "", Filter(), NOW, exclude=["j03"])
    index = index_of(["A"] * 5, [0, 1, 0, 0, 0])
    kept, removed = eligible_jobs(index, request, np.array([4, 1, 3, 0], np.int32), 10)
    assert [(job.place, job.record["id"], job.duplicates) for job in kept] == [(0, "j04", ("j00",)), (1, "j01", ())]
    assert not removed, "what is folded is not asked about again"


def test_where_the_best_of_a_group_may_not_be_shown_the_next_one_is():
    request = build_request("", Activity(), "", "", Filter(), NOW, exclude=["j01"])
    kept, removed = eligible_jobs(index_of(["A"] * 3, [0, 0, 0]), request, np.array([1, 2, 0], np.int32), 10)
    assert [(job.record["id"], job.duplicates) for job in kept] == [("j02", ("j00",))]
    assert removed == {"excluded": 1}
