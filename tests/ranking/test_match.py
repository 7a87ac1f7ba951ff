"""The match of requests and jobs: against a loop over pairs of records, with sides that do not say, and in parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contracts.activity import Activity
from contracts.arrow import TIME, to_table
from contracts.match import COMPARISONS, SIZES
from contracts.records import SENIORITY_LADDER, Job, Member, Position, Preferences
from contracts.text.place_names import folded
from contracts.text.places import read_place
from contracts.text.verbalizer import Percentiles, Verbalizer
from contracts.text.work import Vocabulary, WorkReader
from ranking.match import RequestTitles, encode_all_titles, encode_titles, match_bins
from retrieval.engines.exact import ExactEngine
from retrieval.filters.attributes import build_attributes
from retrieval.filters.filters import Filter
from retrieval.index.changes import Upsert
from retrieval.index.job_index import JobIndex
from retrieval.index.job_rows import SHOWN, TEXT_HASH
from retrieval.index.manifest import IndexManifest
from retrieval.index.parts import built_parts
from retrieval.popularity import JobActivity, build_activity
from retrieval.request import Request, build_request
from retrieval.words.terms import build_terms
from retrieval.words.titles import build_titles
from retrieval.words.tokens import job_words
from serving.schemas import Profile, profile_text
from tests.make import NOW, job

PAY = Percentiles(breaks={"salary": tuple(range(20_000, 210_000, 10_000))})
VERBALIZER = Verbalizer(PAY)
NAMES = [comparison.name for comparison in COMPARISONS]
SKILLS = ("python", "sql", "care", "driving", "welding", "c++")
PLACES = ("Austin, Texas", "Dallas, Texas", "Austin, Ohio", "Boston, Massachusetts", "Texas", "London", "")
LONE = (*PLACES, "Austin", "Texas, USA")
"""Of a home and of jobs; a list of wished places does not tell these from two."""
WAYS = ("onsite", "hybrid", "remote")
DIM = 4
BASIS = np.eye(DIM, dtype=np.float32)
VOCABULARY = Vocabulary(
    work={
        "care": {"nurse": ("nurse", "rn"), "carer": ("carer",), "doctor": ("doctor",)},
        "land": {"farmer": ("farmer",)},
    },
    related=(("nurse", "carer"),),
    levels={"senior": ("senior",), "lead": ("head",), "intern": ("trainee",)},
)
READER = WorkReader(VOCABULARY)


class ByFirstLetter:
    """An encoder whose vectors are the axes: titles of one first letter, modulo DIM, are the same."""

    dim = DIM

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def titles(self, texts: Sequence[str]) -> np.ndarray:
        self.calls.append(list(texts))
        return BASIS[[ord(text[0].casefold()) % DIM for text in texts]]


def index_of(jobs: Sequence[Job]) -> JobIndex:
    table = to_table(jobs, Job)
    vectors = ByFirstLetter().titles([one.title for one in jobs]) if jobs else np.zeros((0, DIM), np.float32)
    about: dict[str, Any] = dict.fromkeys(("bundle_version", "encoder_version", "text_version"), "")
    rows = table.select(SHOWN).append_column(TEXT_HASH, pa.array([""] * len(jobs), pa.string()))
    return JobIndex(
        built_parts(
            IndexManifest(version="v", engine="exact", jobs=len(jobs), dim=DIM, **about),
            rows,
            ExactEngine(vectors),
            build_terms(list(job_words(table))),
            build_titles(table["title"].to_pylist()),
            build_attributes(table),
            no_activity([one.id for one in jobs]),
            title_vectors=vectors.astype(np.float16),
        )
    )


def no_activity(ids: list[str]) -> JobActivity:
    none = {"job_id": pa.array([], pa.string()), "time": pa.array([], TIME), "action": pa.array([], pa.string())}
    return build_activity(ids, pa.table(none))


def ask(member: Member | None = None, query: str = "", **fields: Any) -> Request:
    text = VERBALIZER.member(member) if member else ""
    request = build_request(text, Activity(), query, "", Filter(), NOW, percentiles=PAY)
    return replace(request, **fields)


def match(index: JobIndex, request: Request, rows: Sequence[int] | None = None) -> dict[str, list[int]]:
    chosen = np.arange(len(index), dtype=np.int32) if rows is None else np.array(rows, np.int32)
    bins = match_bins(index, request, chosen, encode_titles(ByFirstLetter(), request), READER)
    assert bins.shape == (len(chosen), len(COMPARISONS)) and bins.dtype == np.uint8
    assert (bins < np.array(SIZES)).all()
    return {name: bins[:, i].tolist() for i, name in enumerate(NAMES)}


def member(**fields: Any) -> Member:
    wishes = {name: fields.pop(name) for name in list(fields) if name in Preferences.model_fields}
    return Member(id="m", updated_at=NOW, preferences=Preferences(**wishes), **fields)


# --- pair by pair ----------------------------------------------------------------------------------------------------


def pair_by_pair(one: Member, other: Job) -> dict[str, int]:
    """The comparisons of two records that are sets, rungs, places and numbers, written out."""
    bins = dict.fromkeys(("skills", "skills_shared", "level", "place", "workplace", "pay"), 0)
    have, needed = ({folded(skill) for skill in record.skills} for record in (one, other))
    if have and needed:
        bins["skills"] = step("skills", len(have & needed) / len(needed))
        bins["skills_shared"] = step("skills_shared", len(have & needed))
    if one.seniority and other.seniority:
        rungs = SENIORITY_LADDER.index(other.seniority) - SENIORITY_LADDER.index(one.seniority)
        bins["level"] = step("level", rungs)
    there = read_place(other.location)
    reach = [read_place(place) for place in (one.location, *one.preferences.locations) if place]
    if reach and other.location:
        in_region = any(there.shares_region(place) for place in reach)
        bins["place"] = 3 if any(there.shares_city(place) for place in reach) else 2 if in_region else 1
    if other.workplace == "remote":
        bins["place"] = 4
    if one.preferences.workplace and other.workplace:
        bins["workplace"] = 2 if other.workplace in one.preferences.workplace else 1
    asked = PAY.least("salary", PAY.tag("salary", one.preferences.salary_min))
    low, high = other.yearly_pay
    top = low if high is None else high
    if asked and top is not None and other.currency.casefold() == "usd":
        bins["pay"] = step("pay", top / asked)
    return bins


def step(name: str, value: float) -> int:
    edges = COMPARISONS[NAMES.index(name)].edges
    return 1 + sum(value >= edge for edge in edges)


skill_sets = st.lists(st.sampled_from((*SKILLS, "Python", "SQL")), max_size=5)
levels = st.sampled_from((*SENIORITY_LADDER, None))
pays = st.one_of(st.none(), st.integers(0, 220_000).map(float))

members = st.builds(
    member,
    skills=skill_sets,
    seniority=levels,
    location=st.sampled_from(LONE),
    locations=st.lists(st.sampled_from(PLACES), max_size=2),
    workplace=st.lists(st.sampled_from(WAYS), max_size=2, unique=True),
    salary_min=pays,
)


@st.composite
def jobs_of(draw: st.DrawFn, job_id: str) -> Job:
    low, high = draw(pays), draw(pays)
    if low is not None and high is not None:
        low, high = sorted((low, high))
    return job(
        job_id,
        "Nurse",
        skills=draw(skill_sets),
        seniority=draw(levels),
        location=draw(st.sampled_from(LONE)),
        workplace=draw(st.sampled_from((*WAYS, None))),
        salary_min=low,
        salary_max=high,
        currency=draw(st.sampled_from(("USD", "usd", "EUR"))),
        salary_period=draw(st.sampled_from(("year", "year", "month"))),
    )


@settings(max_examples=150, deadline=None)
@given(members, st.tuples(*(jobs_of(f"j{i}") for i in range(4))), st.integers(0, 4))
@example(
    member(location="Austin, Texas", locations=["Texas", "Austin, Ohio"]),
    (job("j0", "Nurse", location="Austin, Texas"), job("j1", "Nurse", location="Austin, Ohio")),
    0,
)
def test_bins_are_those_of_a_loop_over_pairs(one: Member, jobs: tuple[Job, ...], built: int) -> None:
    """Whether the jobs were there when the index was built, or came later."""
    index = index_of(jobs[:built])
    upserts = [Upsert(other, BASIS[0], None, "", BASIS[0]) for other in jobs[built:]]
    index = index.changed(upserts, {}, "1") if upserts else index
    bins = match(index, ask(one))
    for i, other in enumerate(jobs):
        expected = pair_by_pair(one, other)
        assert {name: bins[name][i] for name in expected} == expected


def test_a_region_with_its_country_is_no_city() -> None:
    one, there = member(location="Texas, USA"), job("j", "Nurse", location="Texas")
    assert match(index_of([there]), ask(one))["place"] == [pair_by_pair(one, there)["place"]] == [2]


# --- titles, industry, query, age ------------------------------------------------------------------------------------

WORK = (
    job("j0", "Alpha", industry="Food Service", skills=("python", "sql"), location="Austin, Texas"),
    job("j1", "Beta", industry="Health Care", skills=("care",), location="Dallas, Texas", workplace="remote"),
    job("j2", "Gamma", skills=(), location="Boston, Massachusetts", posted_at=NOW - timedelta(days=10)),
)


@pytest.fixture(scope="module")
def work() -> JobIndex:
    return index_of(WORK)


def worked(*roles: tuple[str, str]) -> tuple[Position, ...]:
    """(title, industry), newest first."""
    return tuple(
        Position(title=title, company="Acme", industry=industry, start=NOW - timedelta(days=900 * (i + 1)), end=end)
        for i, (title, industry) in enumerate(roles)
        for end in [NOW - timedelta(days=900 * i) if i else None]
    )


def test_titles_are_those_of_headline_and_positions_and_of_wishes(work: JobIndex) -> None:
    one = member(headline="Alpha", positions=worked(("Beta", "")), titles=("Gamma",), locations=("Austin, Texas",))
    bins = match(work, ask(one))
    assert bins["own_title"] == [9, 9, 1]
    assert bins["wished_title"] == [1, 1, 9]


def test_a_query_is_the_wished_title_without_its_place(work: JobIndex) -> None:
    encoder, request = ByFirstLetter(), ask(member(titles=("Gamma",)), "beta in Austin")
    titles = encode_titles(encoder, request)
    assert encoder.calls == [["beta", "beta in Austin"]]
    rows = np.arange(3, dtype=np.int32)
    assert match_bins(work, request, rows, titles, READER)[:, NAMES.index("wished_title")].tolist() == [1, 9, 1]


@pytest.mark.parametrize(
    ("query", "tiers"),
    [
        ("nurse in Austin", [3, 4, 1]),
        ("nurse near Austin, Texas", [3, 4, 1]),
        ("nurse around texas", [2, 4, 1]),
        ("nurse in Ohio", [1, 4, 1]),
        ("nurse in training", [0, 0, 0]),
        ("nurse", [0, 0, 0]),
        ("in Boston", [1, 4, 3]),
    ],
)
def test_the_place_at_the_end_of_a_query(work: JobIndex, query: str, tiers: list[int]) -> None:
    assert match(work, ask(query=query))["query_place"] == tiers


def test_a_query_that_names_no_place_is_read_whole(work: JobIndex) -> None:
    """Its rest would be like the second job."""
    apart = RequestTitles(np.zeros((0, DIM), np.float32), BASIS[[ord("b") % DIM]], BASIS[[ord("g") % DIM]])
    column = NAMES.index("wished_title")
    for query, expected in (("work in training", [1, 1, 9]), ("work in Austin", [1, 9, 1])):
        found = match_bins(work, ask(query=query), np.arange(3, dtype=np.int32), apart, READER)
        assert found[:, column].tolist() == expected


def test_a_query_may_be_a_skill_that_jobs_ask_for(work: JobIndex) -> None:
    assert match(work, ask(query="SQL"))["query_skill"] == [2, 1, 0]
    assert match(work, ask(query="sql in Austin"))["query_skill"] == [2, 1, 0]
    assert match(work, ask(query="nurse"))["query_skill"] == [0, 0, 0]


def test_an_industry_is_the_same_or_shares_a_word(work: JobIndex) -> None:
    assert match(work, ask(member(positions=worked(("Cook", "food service")))))["industry"] == [3, 1, 0]
    assert match(work, ask(member(positions=worked(("Cook", "Health"), ("Cook", "Retail")))))["industry"] == [1, 2, 0]


def test_age_is_in_days_since_the_posting(work: JobIndex) -> None:
    ages = [0, 0.9, 1, 5, 10, 20, 40, 90]
    index = index_of([job(f"j{i}", "Nurse", posted_at=NOW - timedelta(days=days)) for i, days in enumerate(ages)])
    assert match(index, ask())["age"] == [1, 1, 2, 3, 4, 5, 6, 7]


# --- sides that do not say -------------------------------------------------------------------------------------------


def test_a_request_that_says_nothing_knows_the_job_alone(work: JobIndex) -> None:
    known = {name for name, bins in match(work, ask()).items() if any(bins)}
    assert known == {"place", "age"}  # a remote job is remote for everyone


def test_a_job_that_says_nothing_is_known_by_its_title_alone() -> None:
    index = index_of([job("j", "Alpha", posted_at=None)])
    one = member(
        headline="Alpha",
        skills=("python",),
        seniority="mid",
        location="Austin, Texas",
        positions=worked(("Cook", "Food")),
        titles=("Beta",),
        workplace=("remote",),
        salary_min=100_000,
    )
    assert {name for name, bins in match(index, ask(one)).items() if any(bins)} == {"own_title", "wished_title"}


def test_pay_in_another_currency_is_not_known() -> None:
    index = index_of([job(f"j{i}", "Nurse", salary_max=1e5, currency=c) for i, c in enumerate(("USD", "EUR", "GBP"))])
    assert match(index, ask(member(salary_min=101_000)))["pay"] == [4, 0, 0]


def test_skills_that_contradict_each_other_count_once() -> None:
    index = index_of([job("j", "Nurse", skills=("Python", "python ", "PYTHON", "SQL"))])
    bins = match(index, ask(member(skills=("python", "Python", "no python"))))
    assert (bins["skills"], bins["skills_shared"]) == ([4], [2])


def test_a_thousand_skills_are_compared() -> None:
    many = tuple(f"skill{i}" for i in range(500))
    index = index_of([job("j0", "Nurse", skills=many), job("j1", "Nurse", skills=many[:2])])
    request = ask()
    facts = replace(request.facts, skills=tuple(f"skill{i}" for i in range(0, 1_000)))
    assert match(index, replace(request, facts=facts))["skills"] == [7, 7]


# --- in parts, and from a profile ------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(members, st.sampled_from(("", "beta", "sql in Austin", "nurse in London")))
def test_rows_together_are_rows_one_by_one(one: Member, query: str) -> None:
    index, request = index_of(WORK), ask(one, query)
    together = match(index, request, [2, 0, 1, 0])
    for place, row in enumerate((2, 0, 1, 0)):
        alone = match(index, request, [row])
        assert {name: bins[0] for name, bins in alone.items()} == {name: bins[place] for name, bins in together.items()}
    assert match(index, request, []) == {name: [] for name in NAMES}


def test_many_requests_are_encoded_in_one_call_as_each_alone() -> None:
    requests = [ask(member(headline="Alpha")), ask(query="Beta in Austin"), ask(), ask(member(titles=("Alpha",)))]
    encoder = ByFirstLetter()
    together = encode_all_titles(encoder, requests)
    assert encoder.calls == [["Alpha", "Beta", "Beta in Austin"]]
    for request, titles in zip(requests, together, strict=True):
        for found, alone in zip(titles, encode_titles(ByFirstLetter(), request), strict=True):
            np.testing.assert_array_equal(found, alone)


@settings(max_examples=30, deadline=None)
@given(members)
def test_a_profile_in_a_request_is_matched_as_the_stored_member(one: Member) -> None:
    profile = Profile.model_validate(one.model_dump(exclude={"id", "updated_at"}))
    text, location = profile_text(profile, VERBALIZER)
    request = build_request(text, Activity(), "", location, Filter(), NOW, percentiles=PAY)
    assert match(index_of(WORK), request) == match(index_of(WORK), ask(one))


JOBS_OF_WORK = [
    job("1", title="Senior Nurse"),
    job("2", title="Carer"),
    job("3", title="Farmer"),
    job("4", title="Rigger"),
]


def test_work_is_told_by_the_table_and_by_the_nearest_title() -> None:
    index = index_of(JOBS_OF_WORK)
    bins = match(index, ask(member(headline="RN", titles=("Farmer", "Doctor"))))
    assert bins["own_work"] == [4, 3, 1, 0]
    assert bins["wished_work"] == [2, 2, 4, 0]
    searched = match(index, ask(member(headline="RN", titles=("Farmer",)), "carer in Austin"))
    assert (searched["own_work"], searched["wished_work"]) == (bins["own_work"], [3, 4, 1, 0])
    assert match(index, ask(member(skills=("sql",))))["own_work"] == [0, 0, 0, 0]


def test_levels_are_read_in_titles_where_no_record_states_them() -> None:
    jobs = [*JOBS_OF_WORK[:2], job("3", title="Head Nurse", seniority="mid"), job("4", title="Trainee farmer")]
    index = index_of(jobs)
    senior = SENIORITY_LADDER.index("senior")
    stated = member(seniority="senior", headline="Trainee")
    expected = [4, 0, 4 + SENIORITY_LADDER.index("mid") - senior, 1]
    assert match(index, ask(stated))["level"] == expected
    assert match(index, ask(member(headline="Senior Carer")))["level"] == expected
    assert match(index, ask(stated, "head nurse"))["level"][0] == 3  # what is searched for comes before what one is
    assert match(index, ask(member(headline="Carer")))["level"] == [0, 0, 0, 0]


def test_a_job_that_came_after_the_build_is_read_too() -> None:
    index = index_of(JOBS_OF_WORK[:2])
    later = job("9", title="Senior RN")
    index = index.changed([Upsert(later, BASIS[0], None, "", BASIS[0])], {}, "1")
    bins = match(index, ask(member(headline="Nurse")), [2, 0, 1])
    assert bins["own_work"] == [4, 4, 3]


def test_an_empty_vocabulary_knows_nothing() -> None:
    index, request = index_of(JOBS_OF_WORK), ask(member(headline="Senior Nurse"))
    rows = np.arange(4, dtype=np.int32)
    bins = match_bins(index, request, rows, encode_titles(ByFirstLetter(), request), WorkReader(Vocabulary()))
    assert not bins[:, [NAMES.index(name) for name in ("own_work", "wished_work", "level")]].any()
