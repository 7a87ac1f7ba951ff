from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import combinations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import TooFewHires
from retrieval.links.candidates import enumerate_links, meta_links
from retrieval.links.outcomes import outcomes
from retrieval.links.templates import Pair
from retrieval.links.values import Value
from tests.make import refused

PAIRS = (Pair("title", "title"), Pair("skills", "title"), Pair("skills", "skills"), Pair("region", "region"))
HAVES = [Value("title", "nurse"), Value("skills", "care"), Value("skills", "triage"), Value("region", "ohio")]
NEEDS = [Value("title", "nurse"), Value("title", "midwife"), Value("skills", "care"), Value("region", "ohio")]

some = st.lists(
    st.tuples(st.frozensets(st.sampled_from(HAVES)), st.frozensets(st.sampled_from(NEEDS)), st.booleans()),
    min_size=1,
    max_size=14,
).filter(lambda rows: any(hired for *_, hired in rows) and not all(hired for *_, hired in rows))


def brute(rows, max_size, least_hires, least_ratio):
    """Every combination of every pair's meta links, by the ends that it joins, counted one by one."""
    ends = set()
    for member, job, hired in rows:
        metas = [(h, n) for p in PAIRS for h in member for n in job if (h.attribute, n.attribute) == p]
        for size in range(1, max_size + 1):
            for chosen in combinations(metas, size) if hired else ():
                ends.add((tuple(sorted({h for h, _ in chosen})), tuple(sorted({n for _, n in chosen}))))
    weight = sum(hired for *_, hired in rows) / sum(not hired for *_, hired in rows)
    found = {}
    for have, need in ends:
        counts = Counter(hired for member, job, hired in rows if set(have) <= member and set(need) <= job)
        if counts[True] >= least_hires and counts[True] >= least_ratio * counts[False] * weight:
            found[have, need] = (counts[True], counts[False])
    return found


@settings(max_examples=150)
@given(some, st.integers(1, 4), st.integers(1, 3), st.sampled_from([0.0, 1.0, 2.0]))
def test_enumeration_equals_brute_force(rows, max_size, least_hires, least_ratio):
    metas = [meta_links(member, job, PAIRS) for member, job, _ in rows]
    hired = np.array([hired for *_, hired in rows])
    found = enumerate_links(metas, hired, max_size, least_hires, least_ratio)
    counted = dict(zip(found.links, zip(found.hires.tolist(), found.non_hires.tolist(), strict=True), strict=True))
    assert counted == brute(rows, max_size, least_hires, least_ratio)
    assert len(found.links) == len(counted)
    held = [[set(h) <= member and set(n) <= job for h, n in found.links] for member, job, _ in rows]
    np.testing.assert_array_equal(found.holds.toarray(), np.array(held, bool).reshape(len(rows), len(found)))


def test_a_meta_link_joins_only_what_a_template_admits():
    member = {Value("title", "nurse"), Value("region", "ohio")}
    job = {Value("title", "midwife"), Value("region", "ohio")}
    assert meta_links(frozenset(member), frozenset(job), [Pair("title", "title"), Pair("skills", "title")]) == {
        (Value("title", "nurse"), Value("title", "midwife"))
    }


def events(*rows: tuple[str, str, str]) -> pa.Table:
    columns = dict(zip(("member_id", "job_id", "action"), map(list, zip(*rows, strict=True)), strict=True))
    return pa.table({**columns, "time": [START + timedelta(hours=hour) for hour in range(len(rows))]})


START = datetime(2026, 1, 1, tzinfo=UTC)
LOG = events(
    ("m1", "j1", "impression"),
    ("m1", "j1", "apply"),
    ("m1", "j1", "hire"),
    ("m1", "j2", "impression"),
    ("m2", "j1", "apply"),
    ("m2", "j2", "view"),
    ("m3", "j3", "impression"),
)


def test_a_pair_counts_once_and_is_a_hire_whatever_else_happened():
    found = outcomes(LOG)
    rows = set(zip(found.members, found.jobs, found.hired.tolist(), strict=True))
    assert rows == {
        ("m1", "j1", True),
        ("m1", "j2", False),
        ("m2", "j1", False),
        ("m2", "j2", False),
        ("m3", "j3", False),
    }
    assert found.hired[0] and len(found.members) == 5
    assert [(time - START).seconds // 3600 for time in found.times] == [2, 3, 4, 5, 6], (
        "of the hire, of the first event"
    )


def test_non_hires_may_be_those_who_applied_alone():
    found = outcomes(LOG, "applied")
    assert list(zip(found.members, found.jobs, strict=True)) == [("m1", "j1"), ("m2", "j1")]


def test_non_hires_may_be_drawn_from_all_jobs_of_the_log():
    found = outcomes(LOG, "drawn")
    assert list(zip(found.members, found.jobs, strict=True)) == [("m1", "j1"), ("m1", "j2"), ("m1", "j3")]
    assert found.hired.tolist() == [True, False, False]
    assert set(found.times) == {START + timedelta(hours=2)}, "that of the member's hire"


def test_no_more_non_hires_are_drawn_than_asked_for():
    assert len(outcomes(LOG, per_hire=2.0).members) == 3
    assert outcomes(LOG, per_hire=2.0).members == outcomes(LOG, per_hire=2.0).members


def test_a_log_without_hires_is_an_error_that_says_so():
    with refused(TooFewHires, "2 events", "`hire`"):
        outcomes(events(("m1", "j1", "apply"), ("m1", "j2", "view")))


def test_a_log_of_nothing_but_hires_is_an_error_that_says_so():
    with refused(TooFewHires, "applied", "2 events"):
        outcomes(events(("m1", "j1", "hire"), ("m1", "j2", "view")), "applied")
