"""Every sentence that explains a result is true of the member and the job: each is held against the two records, by a
reading of them that shares nothing with the code that made the sentence."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.activity import Activity, Entry
from contracts.arrow import to_table
from contracts.bundle import Blend, Manifest, Objective
from contracts.encoder import Side
from contracts.examples import PAIR_FEATURES
from contracts.match import COMPARISONS, SIZES
from contracts.records import SENIORITY_LADDER, Event, Job, Member, Position, Preferences
from contracts.tasks import TASKS
from contracts.text.verbalizer import Percentiles, Verbalizer, job_snippet
from contracts.text.words import split_words
from contracts.text.work import Vocabulary, WorkReader
from ranking.blend import blend_inputs, contributions
from ranking.explain import Explanation, MatchEffect, explain
from ranking.features import pair_features
from ranking.match import encode_titles, match_bins
from ranking.rank import Ranked, Scored
from ranking.reasons import CLOSE, FACTS, FINDINGS, finding, reasons
from retrieval.engines.exact import ExactEngine
from retrieval.filters.attributes import build_attributes
from retrieval.filters.filters import Filter
from retrieval.index.job_index import JobIndex
from retrieval.index.job_rows import SHOWN, TEXT_HASH
from retrieval.index.manifest import IndexManifest
from retrieval.index.parts import built_parts
from retrieval.popularity import build_activity
from retrieval.request import Request, build_request
from retrieval.sources.registry import SOURCES, why
from retrieval.words.terms import build_terms
from retrieval.words.titles import build_titles
from retrieval.words.tokens import job_words
from tests.make import NOW, event, job, member

DIM = 3
PAY = Percentiles(breaks={"salary": tuple(range(20_000, 210_000, 10_000))})
SKILLS = ("python", "sql", "care", "driving", "welding", "c++", "triage", "law")
PLACES = ("Austin, Texas", "Dallas, Texas", "Austin, Ohio", "Boston, Massachusetts", "Texas", "London", "")
TITLES = ("Alpha", "Senior Alpha", "Alpha Beta", "Beta Gamma", "Gamma in Austin", "Delta Epsilon Zeta", "Zeta")
QUERIES = ("", "", "alpha", "senior beta", "sql", "zeta in Austin", "alpha in Texas", "care near Boston, Massachusetts")
INDUSTRIES = ("Food Service", "Health Care", "Health", "Law", "")
WAYS = ("onsite", "hybrid", "remote")
NAMES = (*PAIR_FEATURES, *TASKS)
KINDS = {"alpha": "early", "beta": "early", "gamma": "early", "zeta": "late"}
"""Word of a title -> the field of its kind of work."""
READER = WorkReader(
    Vocabulary(
        work={"early": {"alpha": ("alpha",), "beta": ("beta",), "gamma": ("gamma",)}, "late": {"zeta": ("zeta",)}},
        related=(("alpha", "zeta"),),
        levels={"senior": ("senior",)},
    )
)


class TextVectors:
    """An encoder whose vectors hang on the text alone and lie in all directions of few dimensions."""

    dim = DIM

    def encode(self, texts: Sequence[str], side: Side) -> np.ndarray:
        drawn = [np.random.default_rng(zlib.crc32(text.encode())).standard_normal(DIM) for text in texts]
        vectors = np.array(drawn, np.float32).reshape(-1, DIM)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def titles(self, titles: Sequence[str]) -> np.ndarray:
        return self.encode(titles, "request")


class Market(NamedTuple):
    """A member, jobs, what happened, and the answer of a blend to one request."""

    member: Member
    query: str
    recent: tuple[Job, ...]
    views: tuple[Event, ...]
    jobs: tuple[Job, ...]
    index: JobIndex
    request: Request
    vector: np.ndarray
    blend: Blend
    ranked: Ranked


def some(rng: random.Random, values: Sequence[Any], most: int) -> tuple[Any, ...]:
    return tuple(rng.sample(values, rng.randint(0, most)))


def one_job(rng: random.Random, job_id: str) -> Job:
    low, high = sorted(rng.sample(range(15_000, 250_000, 1_000), 2))
    return job(
        job_id,
        rng.choice(TITLES),
        company=rng.choice(("Acme", "Mercy", "")),
        location=rng.choice(PLACES),
        industry=rng.choice(INDUSTRIES),
        skills=some(rng, SKILLS, 6),
        seniority=rng.choice((*SENIORITY_LADDER, None)),
        workplace=rng.choice((*WAYS, None)),
        salary_min=rng.choice((low, None)),
        salary_max=rng.choice((high, None)),
        currency=rng.choice(("USD", "usd", "EUR")),
        posted_at=rng.choice((None, *(NOW - timedelta(days=days) for days in (0.5, 3, 6, 12, 50, 75)))),
    )


def one_member(rng: random.Random) -> Member:
    worked = [
        Position(title=rng.choice(TITLES), company="Firm", industry=rng.choice(INDUSTRIES), start=NOW)
        for _ in range(rng.randint(0, 2))
    ]
    wishes = Preferences(
        titles=some(rng, TITLES[:3], 2),
        locations=some(rng, PLACES[:4], 1),
        workplace=some(rng, WAYS, 3),
        salary_min=rng.choice((None, rng.randrange(20_000, 220_000))),
    )
    return member(
        headline=rng.choice((*TITLES, "")),
        location=rng.choice(PLACES),
        seniority=rng.choice((*SENIORITY_LADDER, None)),
        skills=some(rng, SKILLS, 8),
        positions=tuple(worked),
        preferences=wishes,
    )


def built(jobs: Sequence[Job], views: Sequence[Event]) -> JobIndex:
    table = to_table(jobs, Job)
    about: dict[str, Any] = dict.fromkeys(("bundle_version", "encoder_version", "text_version"), "")
    return JobIndex(
        built_parts(
            IndexManifest(version="v", engine="exact", jobs=len(jobs), dim=DIM, **about),
            table.select(SHOWN).append_column(TEXT_HASH, pa.array([""] * len(jobs))),
            ExactEngine(TextVectors().encode([Verbalizer(PAY).job(one) for one in jobs], "job")),
            build_terms(list(job_words(table))),
            build_titles(table["title"].to_pylist()),
            build_attributes(table),
            build_activity([one.id for one in jobs], to_table(views, Event)),
            title_vectors=TextVectors().titles([one.title for one in jobs]).astype(np.float16),
        )
    )


def market(rng: random.Random) -> Market:
    jobs = tuple(one_job(rng, f"j{i}") for i in range(8))
    one, query, recent = one_member(rng), rng.choice(QUERIES), some(rng, jobs[:4], 2)
    ages = (0.01, 3.0, 6.9, 20.0, 45.0)
    views = tuple(event(f"v{i}", NOW - timedelta(days=rng.choice(ages)), job_id=f"j{i}") for i in range(5))
    index = built(jobs, views)
    seen = Activity(tuple(Entry(NOW - timedelta(hours=1), "view", of.id, job_snippet(of)) for of in recent))
    text = Verbalizer(PAY).member(one)
    request = build_request(text, seen, query, "", Filter(), NOW, percentiles=PAY)
    encoder = TextVectors()
    vector = encoder.encode([request.request_text], "request")[0]
    candidates = index.search(request, vector, len(jobs))
    features = pair_features(index, index.activity, request, candidates.rows, vector, candidates.terms)
    logits = np.array([[rng.uniform(-2, 2) for _ in TASKS] for _ in candidates.ids], np.float32).reshape(-1, len(TASKS))
    blend = Blend(
        names=NAMES,
        weights=tuple(rng.choice((-1.0, 0.0, 1.0, 2.0)) for _ in NAMES),
        means=tuple(rng.choice((0.0, 0.2, 0.6)) for _ in NAMES),
        scales=(1.0,) * len(NAMES),
    )
    manifest = Manifest.model_construct(tasks=tuple(TASKS), blend=blend, calibration={})
    match = match_bins(index, request, candidates.rows, encode_titles(encoder, request), READER)
    inputs = blend_inputs(NAMES, features, logits, tuple(TASKS))
    scored = Scored(manifest, logits, Objective(order="blend"), blend, inputs, match=match)
    order = np.arange(len(candidates))
    ranked = Ranked(candidates.rows, -order.astype(float), candidates, order, scored)
    return Market(one, query, recent, views, jobs, index, request, vector, blend, ranked)


def explained(of: Market, rng: random.Random, i: int) -> Explanation:
    bins = of.ranked.match(i)
    assert bins is not None
    effects = tuple(
        MatchEffect(name=COMPARISONS[c].name, words="", bin=int(bins[c]), effect=rng.choice((-1.0, 0.01, 1.0)))
        for c in np.flatnonzero(bins)
    )
    inputs = of.ranked.blended(i)
    return explain(of.ranked.found_by(i), of.ranked.because(i), {}, of.blend, inputs, match=effects)


# --- the two records, read anew --------------------------------------------------------------------------------------


def where(location: str) -> tuple[str, str]:
    """City and region of the few locations above; of a name alone the region that has it, and a state is no city."""
    city, _, region = location.lower().partition(", ")
    return ("" if city == "texas" else city), region or {"austin": "texas", "london": "england"}.get(city, city)


def same_place(a: str, b: str) -> bool:
    """Both are one city, as far as each says, or one state that is all that they say."""
    (city, region), (other, of_other) = where(a), where(b)
    alone = region == city or of_other == other
    return bool(a and b) and city == other and (alone or region == of_other)


def same_region(a: str, b: str) -> bool:
    return bool(a and b) and where(a)[1] in where(b)


def homes(of: Market) -> tuple[str, ...]:
    return of.member.location, *(one.location for one in of.recent)


def reach(of: Market) -> tuple[str, ...]:
    return of.member.location, *of.member.preferences.locations


def shared(of: Market, one: Job) -> int:
    return len(set(of.member.skills) & set(one.skills))


def share(of: Market, one: Job) -> float:
    return shared(of, one) / max(1, len(one.skills))


def rungs(of: Market, one: Job) -> int:
    """Of the job above the level searched for, else stated, else in the newest title."""
    own = "senior" if "senior" in of.query else of.member.seniority or level_in((*own_titles(of), "")[0])
    return SENIORITY_LADDER.index(one.seniority or level_in(one.title)) - SENIORITY_LADDER.index(own)


def level_in(title: str) -> str:
    return "senior" if "Senior" in title else "nobody says"


def kinds(titles: Sequence[str]) -> set[str]:
    return {word for title in titles for word in title.lower().split() if word in KINDS}


def work(titles: Sequence[str], one: Job) -> str:
    """How near the job's work is to that of some titles."""
    near = {(a, b) for a in kinds(titles) for b in kinds([one.title])}
    if any(a == b for a, b in near):
        return "kind"
    if any({a, b} == {"alpha", "zeta"} for a, b in near):
        return "related"
    return "field" if any(KINDS[a] == KINDS[b] for a, b in near) else "other"


def cosine(a: str, b: str) -> float:
    first, second = TextVectors().titles([a, b])
    return float(first.astype(np.float16).astype(np.float32) @ second)


def likeness(of: Market, one: Job) -> float:
    text = Verbalizer(PAY).job
    return max((cosine(text(one), text(other)) for other in of.recent), default=-1.0)


def own_titles(of: Market) -> list[str]:
    return [title for title in (of.member.headline, *(p.title for p in of.member.positions)) if title]


def wished(of: Market) -> list[str]:
    asked = of.query.split(" in ")[0].split(" near ")[0]
    return [asked, of.query] if asked else [of.query] if of.query else list(of.member.preferences.titles)


def view_ages(of: Market, one: Job) -> list[float]:
    return [(NOW - view.time) / timedelta(days=1) for view in of.views if view.job_id == one.id]


def stems(*texts: str) -> set[str]:
    return {word for text in texts for word in split_words(text)}


def days(one: Job) -> float:
    assert one.posted_at is not None
    return (NOW - one.posted_at) / timedelta(days=1)


def words_of(of: Market) -> set[str]:
    texts = [of.query] if of.query else [Verbalizer(PAY).member(of.member), *(job_snippet(one) for one in of.recent)]
    return stems(*texts)


def text_of(one: Job) -> set[str]:
    return stems(one.title, one.company, one.location, one.industry, *one.skills, one.description)


def worked_in(of: Market) -> set[str]:
    return {position.industry.lower() for position in of.member.positions if position.industry}


def pay_below(of: Market, one: Job) -> bool:
    stated = one.salary_max if one.salary_max is not None else one.salary_min
    asked = of.member.preferences.salary_min
    return stated is not None and asked is not None and stated < asked and one.currency.upper() == "USD"


def query_place(of: Market) -> str:
    return of.query.partition(" in ")[2] or of.query.partition(" near ")[2]


def near(of: Market, one: Job) -> bool:
    return any(same_place(one.location, home) for home in homes(of))


def viewed_this_week(of: Market, one: Job) -> bool:
    return any(age < 7 for age in view_ages(of, one))


Check = Callable[[Market, Job], bool]
TRUE_OF: Mapping[str, Check] = {
    # sources
    "its text is among the closest to the request": lambda m, j: True,
    "it is among the jobs most like those that interested you lately": lambda m, j: bool(m.recent),
    "it holds words of the request or their synonyms": lambda m, j: bool(words_of(m) & text_of(j)),
    "it was viewed or applied to in the last thirty days": lambda m, j: any(age < 31 for age in view_ages(m, j)),
    "a link leads from what you have to what it asks for": lambda m, j: m.index.links is not None,
    # inputs of the blend
    "its text is close to the request": lambda m, j: (
        cosine(Verbalizer(PAY).job(j), m.request.request_text) >= CLOSE - 0.01
    ),
    "it is like a job that interested you lately": lambda m, j: likeness(m, j) >= CLOSE - 0.01,
    "it is like a job that interested you lately, and near you or such a job": lambda m, j: (
        likeness(m, j) >= CLOSE - 0.01 and near(m, j)
    ),
    "it is in the place where you are, or in that of a job that interested you lately": near,
    "it is in the region where you are, or in that of a job that interested you lately": lambda m, j: any(
        where(j.location)[1] == where(home)[1] != "" for home in homes(m)
    ),
    "it is of a company of whose jobs one interested you lately": lambda m, j: (
        j.company != "" and j.company in {one.company for one in m.recent}
    ),
    "its title has words of the request or of a title that interested you lately": lambda m, j: bool(
        stems(j.title)
        & stems(*([m.query] if m.query else [Verbalizer(PAY).member(m.member)]), *(one.title for one in m.recent))
    ),
    "somebody viewed it in the last seven days": viewed_this_week,
    "nobody has viewed it yet": lambda m, j: not view_ages(m, j),
    # comparisons
    "you have at least two in five of the skills that it asks for": lambda m, j: share(m, j) >= 0.4,
    "you have more than half of the skills that it asks for": lambda m, j: share(m, j) > 0.5,
    "you have at least three in four of the skills that it asks for": lambda m, j: share(m, j) >= 0.75,
    "you have all but all of the skills that it asks for": lambda m, j: bool(j.skills) and share(m, j) >= 0.99,
    "it asks for a skill that you have": lambda m, j: shared(m, j) >= 1,
    "it asks for two skills that you have": lambda m, j: shared(m, j) >= 2,
    "it asks for three skills that you have": lambda m, j: shared(m, j) >= 3,
    "it asks for four skills that you have": lambda m, j: shared(m, j) >= 4,
    "it asks for five skills or more that you have": lambda m, j: shared(m, j) >= 5,
    "it does not ask for the skill that you search for": lambda m, j: not set(wished(m)) & set(j.skills),
    "it asks for the skill that you search for": lambda m, j: bool(set(wished(m)) & set(j.skills)),
    "it is three levels or more below the level that you search for or have": lambda m, j: rungs(m, j) <= -3,
    "it is two levels below the level that you search for or have": lambda m, j: rungs(m, j) == -2,
    "it is one level below the level that you search for or have": lambda m, j: rungs(m, j) == -1,
    "it is at the level that you search for or have": lambda m, j: rungs(m, j) == 0,
    "it is one level above the level that you search for or have": lambda m, j: rungs(m, j) == 1,
    "it is two levels above the level that you search for or have": lambda m, j: rungs(m, j) == 2,
    "it is three levels or more above the level that you search for or have": lambda m, j: rungs(m, j) >= 3,
    "it is work in a field of yours": lambda m, j: work(own_titles(m), j) == "field",
    "it is work related to yours": lambda m, j: work(own_titles(m), j) == "related",
    "it is work of your kind": lambda m, j: work(own_titles(m), j) == "kind",
    "it is work in a field that you look for": lambda m, j: work(wished(m), j) == "field",
    "it is work related to what you look for": lambda m, j: work(wished(m), j) == "related",
    "it is work of a kind that you look for": lambda m, j: work(wished(m), j) == "kind",
    "it is in a region where you are or wish to work": lambda m, j: any(
        same_region(home, j.location) for home in reach(m)
    ),
    "it is in a place where you are or wish to work": lambda m, j: any(
        same_place(home, j.location) for home in reach(m)
    ),
    "it is in the region that you search in": lambda m, j: same_region(query_place(m), j.location),
    "it is in the place that you search in": lambda m, j: same_place(query_place(m), j.location),
    "it is remote work": lambda m, j: j.workplace == "remote",
    "it is worked in a way that you wish for": lambda m, j: j.workplace in m.member.preferences.workplace,
    "the pay that it states is below what you ask for": pay_below,
    "its title is close to one of yours": lambda m, j: max(cosine(j.title, t) for t in own_titles(m)) > 0.69,
    "its title is all but one of yours": lambda m, j: max(cosine(j.title, t) for t in own_titles(m)) > 0.91,
    "its title is close to what you look for": lambda m, j: max(cosine(j.title, t) for t in wished(m)) > 0.69,
    "its title is all but what you look for": lambda m, j: max(cosine(j.title, t) for t in wished(m)) > 0.91,
    "its industry has a word of one that you worked in": lambda m, j: bool(stems(j.industry) & stems(*worked_in(m))),
    "it is in an industry that you worked in": lambda m, j: j.industry.lower() in worked_in(m),
    "it was posted in the last day": lambda m, j: days(j) < 1,
    "it was posted in the last four days": lambda m, j: days(j) < 4,
    "it was posted in the last eight days": lambda m, j: days(j) < 8,
    "it was posted more than sixty days ago": lambda m, j: days(j) > 60,
}
"""Sentence -> whether it is true of a market's member and a job, by their records and events alone."""
OF_LOGITS = tuple(FACTS[task].sentence for task in TASKS)
"""What the student says: true of its logit against the mean, which the records cannot tell."""


def plain(sentence: str) -> str:
    """The clause of a sentence of an explanation."""
    clause = sentence.removeprefix("Against it: ").removesuffix(".")
    return clause[:1].lower() + clause[1:]


def check(of: Market, rng: random.Random) -> set[str]:
    """Hold every sentence of an answer against the records; returns the sentences."""
    jobs, told = {one.id: one for one in of.jobs}, set()
    for i, row in enumerate(of.ranked.rows):
        one = jobs[of.index.ids[row]]
        for sentence in (*of.ranked.why(i), *map(plain, explained(of, rng, i).words)):
            told.add(sentence)
            if sentence in OF_LOGITS:
                continue
            assert TRUE_OF[sentence](of, one), f"{sentence!r} is false of {of.member} and {one}, query {of.query!r}"
    return told


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False))
def test_what_is_said_is_true_of_the_two_records(rng: random.Random) -> None:
    check(market(rng), rng)


def test_every_sentence_is_said_of_some_pair_and_true_of_it() -> None:
    told: set[str] = set()
    for seed in range(150):
        rng = random.Random(seed)
        told |= check(market(rng), rng)
    of_inputs = {fact.sentence for fact in FACTS.values()}
    of_bins = {found.sentence for bins in FINDINGS.values() for found in bins if found.sentence}
    of_sources = {SOURCES.get(name).why for name in SOURCES.names()} - {SOURCES.get("links").why}
    assert told == of_inputs | of_bins | of_sources


def test_every_input_source_and_bin_has_its_say() -> None:
    assert set(FACTS) == set(NAMES)
    assert {name: 1 + len(bins) for name, bins in FINDINGS.items()} == dict(
        zip((comparison.name for comparison in COMPARISONS), SIZES, strict=True)
    )
    assert all(" " in why(source, np.inf) for source in SOURCES.names())


# --- records that say nothing, much, or what contradicts --------------------------------------------------------------


def said(one: Member, other: Job, query: str = "") -> set[str]:
    """What the match of two records says, each bin as if it had moved the job as it speaks."""
    request = build_request(Verbalizer(PAY).member(one), Activity(), query, "", Filter(), NOW, percentiles=PAY)
    index = built([other], [])
    (bins,) = match_bins(index, request, np.zeros(1, np.int32), encode_titles(TextVectors(), request), READER)
    return {found.sentence for i, bin in enumerate(bins) if (found := finding(i, int(bin))).sentence}


FULL = job(
    "full",
    "Alpha",
    skills=SKILLS,
    seniority="mid",
    location="Austin, Texas",
    workplace="onsite",
    salary_max=30_000,
    industry="Law",
)
BARE = job("bare", "Alpha")


def test_sides_that_do_not_say_are_told_nothing_of() -> None:
    assert said(member(headline=""), FULL) == said(member(headline=""), BARE) == set()
    asks = member(
        headline="", skills=SKILLS, seniority="mid", location="Austin, Texas", preferences={"salary_min": 9e4}
    )
    assert said(asks, BARE) == set()


def test_pay_in_another_currency_is_told_nothing_of() -> None:
    asks = member(headline="", preferences={"salary_min": 90_000})
    below = "the pay that it states is below what you ask for"
    for currency, told in (("USD", {below}), ("usd", {below}), ("EUR", set())):
        assert said(asks, FULL.model_copy(update={"currency": currency})) == told


def test_skills_that_contradict_each_other_are_counted_once() -> None:
    asked = job("j", "Alpha", skills=("Python", "python ", "SQL"))
    told = said(member(headline="", skills=("python", "PYTHON", "no python")), asked)
    assert told == {"it asks for a skill that you have", "you have at least two in five of the skills that it asks for"}


def test_hundreds_of_skills_are_told_truly_though_the_text_holds_few() -> None:
    many = tuple(f"skill{i}" for i in range(500))
    told = said(member(headline="", skills=many), job("j", "Alpha", skills=many))
    assert told == {"it asks for five skills or more that you have"}, "that you have them all, the text does not say"


def test_a_skill_that_the_text_cut_short_is_no_skill_of_the_member() -> None:
    known = (*(f"skill{i}" for i in range(18)), "q r", "machine learning")
    text = Verbalizer(PAY).member(member(headline="", skills=known))
    assert text.endswith("q r, machine")
    for asked in ("machine", "learning"):
        assert said(member(headline="", skills=known), job("j", "Alpha", skills=(asked,))) == set()


def test_a_member_who_wishes_every_way_of_working_wishes_each() -> None:
    every = member(headline="", preferences={"workplace": WAYS})
    for way in WAYS:
        assert "it is worked in a way that you wish for" in said(every, job("j", "Alpha", workplace=way))


# --- what is not said ------------------------------------------------------------------------------------------------

ABSENT = Blend(names=("same_city", "dense"), weights=(-2.0, 1.0), means=(0.4, 0.5), scales=(1.0, 1.0))


def test_an_absent_thing_that_moves_a_job_up_is_no_reason() -> None:
    """A negative weight lifts the jobs that are elsewhere, and those below a mean."""
    assert contributions(ABSENT, np.array([[0.0, 0.1]]))[0, 0] > 0
    assert reasons(ABSENT, np.array([0.0, 0.1])) == []
    assert reasons(ABSENT, np.array([0.2, 0.1])) == [], "less of it than usual is no presence either"
    assert reasons(ABSENT, np.array([1.0, 0.7])) == [("its text is close to the request", pytest.approx(0.2))]


@pytest.mark.parametrize(("name", "sign"), [(name, sign) for name in NAMES for sign in (-1.0, 1.0)])
def test_a_fact_is_told_only_by_a_weight_that_it_speaks_for(name: str, sign: float) -> None:
    blend = Blend(names=(name,), weights=(sign,), means=(0.5,), scales=(1.0,))
    told = [bool(reasons(blend, np.array([value]))) for value in (0.0, 1.0)]
    expected = [False, True] if sign > 0 else [True, False]
    assert told == (expected if FACTS[name].sign == sign else [False, False])


def test_a_source_says_nothing_of_a_score_that_it_does_not_speak_for() -> None:
    assert why("popular", 1.0) and why("popular", 0.0) == why("popular", np.nan) == why("not installed", 1.0) == ""


def test_a_drawback_is_told_as_one_and_only_where_it_moved_the_job_down() -> None:
    pay = next(i for i, comparison in enumerate(COMPARISONS) if comparison.name == "pay")
    assert finding(pay, 0).sentence == "" and finding(pay, 1).sentence == finding(pay, 3).sentence != ""
    blend = Blend(names=("relevance",), weights=(1.0,), means=(0.0,), scales=(1.0,))
    for weight, effect, told in ((1.0, -1.0, True), (1.0, 1.0, False), (-1.0, 1.0, True), (0.0, -1.0, False)):
        effects = (MatchEffect(name="pay", words="", bin=2, effect=effect),)
        said = explain((), (), {}, replace_weight(blend, weight), np.zeros(1), match=effects).words
        assert said == (("Against it: the pay that it states is below what you ask for.",) if told else ())


def replace_weight(blend: Blend, weight: float) -> Blend:
    return blend.model_copy(update={"weights": (weight,)})


def test_a_match_without_a_blend_moved_nothing() -> None:
    effects = (MatchEffect(name="level", words="", bin=4, effect=1.0),)
    assert explain((), (), {}, None, None, match=effects).words == ()
    by_relevance = explain((), (), {}, None, None, match=effects, by_relevance=True).words
    assert by_relevance == ("It is at the level that you search for or have.",)


def test_where_the_blend_tells_no_fact_the_sources_do() -> None:
    of = next(found for found in map(market, map(random.Random, range(50))) if len(found.ranked.rows))
    silent = of.blend.model_copy(update={"weights": (0.0,) * len(NAMES)})
    scored = of.ranked.scored
    assert scored is not None
    ranked = replace(of.ranked, scored=replace(scored, blend=silent))
    assert ranked.why(0) == ranked.because(0) != ()
