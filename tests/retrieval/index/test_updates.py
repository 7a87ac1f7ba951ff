"""An index after any changes against one that is built from the jobs that are left."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from contracts.activity import Activity
from contracts.arrow import TIME, to_table
from contracts.errors import BadInput, OtherWriter, RolecallError, ShapeMismatch
from contracts.records import Job
from contracts.text.words import split_words
from retrieval.engines.append_only import AppendOnlyArray
from retrieval.engines.exact import ExactEngine
from retrieval.engines.faiss_engine import build_faiss
from retrieval.filters.attributes import build_attributes
from retrieval.filters.filters import Filter, any_of, between, none_of
from retrieval.index.changes import Upsert
from retrieval.index.job_index import JobIndex
from retrieval.index.job_rows import SHOWN, TEXT_HASH, JobRows
from retrieval.index.manifest import IndexManifest
from retrieval.index.parts import built_parts
from retrieval.index.updates import carry_activity, carry_changes, newer_changes
from retrieval.popularity import build_activity
from retrieval.request import Request, build_request
from retrieval.words.terms import K1, B, build_terms
from retrieval.words.titles import build_titles
from retrieval.words.tokens import FIELD_END, job_words
from tests.make import refused

NOW = datetime.fromisoformat("2026-03-01T12:30:00+00:00")
DIM, ITEMS = 3, (2, 4)
UNIT = np.array([1, 0, 0], np.float32)
IDS = [f"j{i}" for i in range(8)]
TITLES = ["Truck Driver", "Night Nurse", "Nurse Manager", "Python Developer", "Xylophonist"]
COMPANIES = ["", "Acme", "Initech", "Umbrella"]
PLACES = ["", "Austin, Texas", "Dallas, Texas", "Boise, Idaho"]
SKILLS = ["python", "care", "driving", "sql"]


class Held(NamedTuple):
    job: Job
    vector: list[int]


def upsert(held: Held) -> Upsert:
    vector = np.array(held.vector, np.float32)
    return Upsert(held.job, vector, np.full(ITEMS, vector.sum(), np.float16), f"hash of {held.job.title}", -vector)


def made(jobs: Sequence[Held], events: Sequence[tuple[str, datetime, str]] = (), faiss: bool = False) -> JobIndex:
    """An index that is built, in memory."""
    table = to_table([held.job for held in jobs], Job)
    vectors = np.array([held.vector for held in jobs], np.float32).reshape(len(jobs), DIM)
    columns = zip(*events, strict=True) if events else ((), (), ())
    types = {"job_id": pa.string(), "time": TIME, "action": pa.string()}
    log = pa.table({n: pa.array(c, t) for (n, t), c in zip(types.items(), columns, strict=True)})
    about = {"engine": "exact", "bundle_version": "b", "encoder_version": "e", "text_version": "t", "dim": DIM}
    hashes = pa.array([upsert(one).text_hash for one in jobs], pa.string())
    return JobIndex(
        built_parts(
            IndexManifest.model_validate({"version": "built", "jobs": len(jobs), **about}),
            table.select(SHOWN).append_column(TEXT_HASH, hashes),
            build_faiss(vectors) if faiss else ExactEngine(vectors),
            build_terms(list(job_words(table))),
            build_titles(table["title"].to_pylist()),
            build_attributes(table),
            build_activity(table["id"].to_pylist(), log),
            title_vectors=np.array([upsert(held).title_vector for held in jobs], np.float16).reshape(len(jobs), DIM),
            items=np.array([upsert(held).items for held in jobs], np.float16).reshape(len(jobs), *ITEMS),
        )
    )


def changed(index: JobIndex, jobs: Sequence[Held], deletes: Mapping[str, datetime] | None = None) -> JobIndex:
    return index.changed([upsert(held) for held in jobs], deletes or {}, "1")


def held(job_id: str, at: int = 0, vector: Sequence[int] = (1, 0, 0), **fields: Any) -> Held:
    times = {"updated_at": NOW - timedelta(days=200) + timedelta(minutes=at)}
    return Held(Job.model_validate({"id": job_id, "title": "Nurse"} | times | fields), list(vector))


def ask(words: str = "", **fields: Any) -> Request:
    request = build_request("", Activity(), words, fields.pop("location", ""), fields.pop("filter", Filter()), NOW)
    return Request(**{**request.__dict__, **fields})


ASKED = [
    ask("nurse driver", recent=("j0", "j3", "nowhere"), location="Austin, Texas"),
    ask("python developer xylophonist", filter=any_of("skills", "python", "SQL") & none_of("company", "acme")),
    ask("night care", filter=between("salary_max", 1, 3)),
    ask("texas", recent=("j1",), exclude=frozenset({"j2"}), filter=any_of("region", "texas")),
]
QUERY = np.array([1, 2, -1], np.float32)


def words(one: Held) -> list[str]:
    return [word for word in next(iter(job_words(to_table([one.job], Job)))) if word != FIELD_END]


class Seen(NamedTuple):
    """What an index says, by job id, so that another order of rows does not matter."""

    alive: set[str]
    scores: list[dict[str, dict[str, float]]]
    near: list[dict[str, int]]
    titles: dict[str, float]
    same_company: set[tuple[str, str]]
    views: dict[str, tuple[int, float, bool]]
    shown: dict[str, tuple[dict[str, Any], str]]
    items: dict[str, Any]


def seen(index: JobIndex) -> Seen:
    scores, near = [], []
    for request in ASKED:
        found = index.search(request, QUERY, 1_000)
        columns = {n: c for n, c in enumerate(found.sources) if c != "terms"}
        scores.append(
            {
                source: {i: float(s) for i, s in zip(found.ids, found.scores[:, c], strict=True) if not np.isnan(s)}
                for c, source in columns.items()
            }
        )
        nearness = index.nearness(request)
        near.append({job_id: int(nearness[row]) for job_id, row in zip(found.ids, found.rows, strict=True)})
    ids = sorted(i for i in IDS if index.rows([i])[0] >= 0)
    rows = index.rows(ids)
    company = index.attributes.codes("company")[rows]
    views = zip(
        index.activity.views(rows, NOW, 7).tolist(),
        index.activity.days_since_view(rows, NOW).tolist(),
        index.activity.seen(rows, NOW).tolist(),
        strict=True,
    )
    return Seen(
        {i for i, alive in zip(ids, index.alive(rows, NOW), strict=True) if alive},
        scores,
        near,
        dict(zip(ids, index.titles.overlap(rows, "night driver", index.known_rows(["j1"])).tolist(), strict=True)),
        {(ids[i], ids[j]) for i, j in np.argwhere(company[:, None] == company) if company[i] >= 0},
        dict(zip(ids, views, strict=True)),
        {i: (index.display(row), index.jobs.text_hash(row)) for i, row in zip(ids, rows.tolist(), strict=True)},
        dict(zip(ids, index.items(rows).tolist(), strict=True)),
    )


JOBS = st.fixed_dictionaries(
    {
        "title": st.sampled_from(TITLES),
        "company": st.sampled_from(COMPANIES),
        "location": st.sampled_from(PLACES),
        "skills": st.lists(st.sampled_from(SKILLS), max_size=3),
        "salary_max": st.none() | st.integers(0, 4),
        "hidden": st.booleans() | st.just(False),
        "posted_at": st.sampled_from([None, NOW - timedelta(days=1), NOW + timedelta(days=1)]),
    }
)
ROWS = st.tuples(st.sampled_from(IDS), JOBS, st.lists(st.integers(-2, 2), min_size=DIM, max_size=DIM))


class IndexMachine(RuleBasedStateMachine):
    """The index against a dict of jobs and a list of events, out of which one is built anew."""

    @initialize(rows=st.lists(ROWS, max_size=6, unique_by=lambda row: row[0]))
    def build(self, rows: list[Any]) -> None:
        self.clock = 0
        self.jobs: dict[str, Held] = {}
        self.events: list[tuple[str, datetime, str]] = []
        for job_id, fields, vector in rows:
            self.jobs[job_id] = self.version(job_id, fields, vector)
        self.index = made(list(self.jobs.values()))
        self.built_from = dict(self.jobs)
        self.aside = dict(self.jobs), list(self.events)
        self.former: list[tuple[JobIndex, Seen]] = []

    def version(self, job_id: str, fields: dict[str, Any], vector: list[int]) -> Held:
        self.clock += 1
        return held(job_id, self.clock, vector, **fields)

    @rule(rows=st.lists(ROWS, max_size=4, unique_by=lambda row: row[0]), gone=st.sets(st.sampled_from(IDS), max_size=2))
    def change(self, rows: list[Any], gone: set[str]) -> None:
        new = [self.version(job_id, fields, vector) for job_id, fields, vector in rows if job_id not in gone]
        self.clock += 1
        when = NOW - timedelta(days=200) + timedelta(minutes=self.clock)
        self.index = changed(self.index, new, dict.fromkeys(gone, when))
        self.jobs |= {one.job.id: one for one in new}
        for job_id in gone:
            self.jobs.pop(job_id, None)

    @rule(job_id=st.sampled_from(IDS), hours=st.integers(0, 60), action=st.sampled_from(["view", "apply"]))
    def happens(self, job_id: str, hours: int, action: str) -> None:
        time = NOW - timedelta(hours=hours, seconds=len(self.events))
        row = int(self.index.rows([job_id], ended=True)[0])
        self.index.activity.add(row, time, action)
        if row >= 0:
            self.events.append((job_id, time, action))

    @rule()
    def a_request_holds_the_index(self) -> None:
        self.former.append((self.index, seen(self.index)))

    @rule()
    def records_are_set_aside(self) -> None:
        self.aside = dict(self.jobs), list(self.events)

    @rule()
    def another_index_takes_over(self) -> None:
        """It was built from the records as they were set aside, and so is old when it comes."""
        jobs, events = self.aside
        new = carry_changes(self.index, made(list(jobs.values()), events))
        carry_activity(self.index, new)
        self.index, self.built_from, self.former = new, dict(jobs), []
        self.aside = dict(self.jobs), list(self.events)

    @invariant()
    def it_answers_as_one_built_from_what_is_left(self) -> None:
        if hasattr(self, "index"):
            anew = made([self.jobs[job_id] for job_id in sorted(self.jobs)], self.events)
            assert self.index.jobs.current == len(self.jobs)
            assert seen(self.index) == seen(anew)
            self.words_are_weighed_with_what_the_build_knew()

    def words_are_weighed_with_what_the_build_knew(self) -> None:
        documents = {job_id: words(one) for job_id, one in self.built_from.items()}
        if not any(documents.values()):
            return  # what comes first is the build then
        mean = sum(map(len, documents.values())) / len(documents)
        for request in ASKED:
            shares = self.index.term_shares(request)
            expected = {}
            for job_id, one in self.jobs.items():
                own, typed = Counter(words(one)), Counter(split_words(request.words))
                score = 0.0
                for word in typed:
                    holding = sum(word in document for document in documents.values())
                    rarity = math.log(1 + (len(documents) - holding + 0.5) / (holding + 0.5))
                    length = own.total() / mean
                    weight = own[word] / (K1 * (1 - B + B * length) + own[word])
                    score += rarity * weight * (1 + math.log(typed[word]))
                expected[job_id] = score
            best = max(expected.values(), default=0.0)
            for job_id, score in expected.items():
                [row] = self.index.rows([job_id])
                assert math.isclose(shares[row], score / max(best, 1e-12), rel_tol=1e-4, abs_tol=1e-6)

    @invariant()
    def requests_that_hold_an_older_one_see_nothing_of_it(self) -> None:
        for index, before in getattr(self, "former", [])[-2:]:
            now = seen(index)
            # Events count at once, wherever: that is what live activity is for.
            assert now._replace(views=before.views, scores=before.scores) == before
            for one, other in zip(now.scores, before.scores, strict=True):
                assert {n: s for n, s in one.items() if n != "popular"} == {
                    n: s for n, s in other.items() if n != "popular"
                }


IndexMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)
test_an_index_after_any_changes_answers_as_one_built_from_what_is_left = IndexMachine.TestCase


VERSIONS = st.lists(st.tuples(st.sampled_from(IDS[:3]), st.integers(0, 9), st.booleans()), max_size=20)


@given(VERSIONS, st.data())
def test_the_newest_version_counts_whatever_the_order_and_however_often_it_is_told(
    versions: list[tuple[str, int, bool]], data: st.DataObject
) -> None:
    told = data.draw(st.permutations(versions + versions))
    index = made([held("j0", 4), held("j1", 4)])
    for job_id, at, deleted in told:
        one = held(job_id, at, company=str(at))
        upserts = [] if deleted else [upsert(one)]
        index = index.changed(*newer_changes(index, upserts, {job_id: one.job.updated_at} if deleted else {}), "1")
    for job_id in IDS[:3]:
        known = [(at, deleted) for other, at, deleted in versions if other == job_id]
        newest = max([*known, (4, False)] if job_id != "j2" else known, default=(0, True))
        [row] = index.rows([job_id])
        assert (row >= 0) == (not newest[1])
        if row >= 0 and newest in known and newest != (4, False):
            assert index.display(int(row))["company"] == str(newest[0])


def test_an_index_that_was_changed_is_not_changed_again_and_still_answers() -> None:
    index = made([held("j0"), held("j1")])
    newest = changed(index, [held("j2", 1)])
    for deletes in ({}, {"j0": NOW}):
        with refused(OtherWriter, "2 rows"):
            changed(index, [held("j3", 1)], deletes)
    assert index.search(ask(), QUERY).ids == ["j0", "j1"]
    assert sorted(changed(newest, [held("j3", 1)]).search(ask(), QUERY).ids) == ["j0", "j1", "j2", "j3"]


@pytest.mark.parametrize(
    ("one", "deletes", "error", "named"),
    [
        (
            Upsert(held("j1").job, np.ones(DIM + 1, np.float32), np.ones(ITEMS), "", UNIT),
            {},
            ShapeMismatch,
            f"({DIM + 1},)",
        ),
        (Upsert(held("j1").job, np.ones(DIM, np.float32), None, "", UNIT), {}, ShapeMismatch, "None"),
        (Upsert(held("j1").job, np.full(DIM, np.nan, np.float32), np.ones(ITEMS), "", UNIT), {}, BadInput, "NaN"),
        (Upsert(held("j1").job, np.full(DIM, 3e37, np.float32), np.ones(ITEMS), "", UNIT), {}, BadInput, "3e+37"),
        (
            Upsert(held("j1").job, np.ones(DIM, np.float32), np.full(ITEMS, np.inf), "", UNIT),
            {},
            BadInput,
            "item tokens",
        ),
        (Upsert(held("j1").job, np.full(DIM, 1e39), np.ones(ITEMS), "", UNIT), {}, BadInput, "1e+39"),
        (Upsert(held("j1").job, np.ones(DIM, np.float32), np.full(ITEMS, 1e6), "", UNIT), {}, BadInput, "1e+06"),
        (upsert(held("j1")), {"j1": NOW}, BadInput, "twice"),
        (upsert(held("j2")), {}, BadInput, "twice"),
    ],
)
def test_a_change_that_does_not_fit_changes_nothing(
    one: Upsert, deletes: dict[str, datetime], error: type[RolecallError], named: str
) -> None:
    index = made([held("j0")])
    with refused(error, named, where=one.job.id):
        index.changed([upsert(held("j2", 1)), one], deletes, "1")
    assert changed(index, [held("j3", 1)]).search(ask(), QUERY).ids == ["j0", "j3"]


def test_of_two_writers_at_once_the_second_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second comes while the first one is in the middle of the rows."""
    rows = made([held("j0")]).jobs
    outcomes: list[str] = []

    def write() -> None:
        try:
            rows.appended([held("j1").job], [""], {})
            outcomes.append("done")
        except OtherWriter:
            outcomes.append("told")

    others = []
    row = JobRows.row

    def meets(self: JobRows, job_id: str, ended: bool = False) -> int:
        if not others:
            others.append(threading.Thread(target=write))
            others[0].start()
            others[0].join(0.2)
        return row(self, job_id, ended)

    monkeypatch.setattr(JobRows, "row", meets)
    write()
    others[0].join()
    assert sorted(outcomes) == ["done", "told"]


def test_what_was_added_is_told_while_others_delete(monkeypatch: pytest.MonkeyPatch) -> None:
    index = changed(made([held("j0")]), [], {"j0": NOW, "j1": NOW})
    row = JobRows.row

    def deletes(self: JobRows, job_id: str, ended: bool = False) -> int:
        self._deleted[f"{job_id} of another thread"] = NOW
        return row(self, job_id, ended)

    monkeypatch.setattr(JobRows, "row", deletes)
    assert index.added()[1].keys() == {"j0", "j1"}


def test_a_job_told_again_stays_in_its_group_until_it_says_something_else() -> None:
    index = made([held(i, company="Acme") for i in ("j0", "j1", "j2")])
    index.parts = replace(index.parts, groups=AppendOnlyArray(np.array([0, 0, 2], np.int32)))
    index = changed(index, [held("j1", 1, company="Acme", salary_max=9)])
    assert index.groups.tolist() == [0, 0, 2, 0]
    index = changed(index, [held("j1", 2, company="Acme")], {"j0": NOW})
    assert index.groups.tolist() == [0, 0, 2, 0, 0]
    index = changed(index, [held("j1", 3, company="Initech"), held("j0", 3, company="Acme", title="Driver")])
    assert index.groups.tolist() == [0, 0, 2, 0, 0, 5, 6]


def test_an_index_that_is_loaded_again_stands_where_it_stood_and_another_where_its_own_records_end() -> None:
    def built(position: str) -> JobIndex:
        index = made([held("j0")])
        manifest = index.manifest.model_copy(update={"position": position})
        return JobIndex(replace(index.parts, manifest=manifest, position=position))

    old = built("5").changed([upsert(held("j1", 1))], {}, "9")
    assert [carry_changes(old, new).position for new in (built("5"), built("2"), built("7"), built(""))] == [
        "9",
        "2",
        "7",
        "",
    ]
    assert carry_changes(carry_changes(old, built("2")), built("7")).rows(["j1"])[0] >= 0


def test_what_was_carried_is_not_carried_again() -> None:
    old, new = made([held("j0"), held("j1")]), made([held("j1"), held("j0"), held("j2")])
    old.activity.add(0, NOW, "view")
    known = carry_activity(old, new)
    old.activity.add(1, NOW, "view")
    later = changed(old, [held("j2")])
    later.activity.add(2, NOW, "apply")
    assert carry_activity(old, new, known) == 2, "of a job that it does not know, and behind that, it tells nothing"
    assert carry_activity(later, new, 2) == 3
    rows = new.rows(["j0", "j1", "j2"])
    assert new.activity.views(rows, NOW + timedelta(hours=1), 1).tolist() == [1, 1, 0]
    assert [(event.row, event.action) for event in new.activity.live_events()] == [
        (1, "view"),
        (0, "view"),
        (2, "apply"),
    ]


def test_the_version_says_the_last_change_that_is_in_it() -> None:
    index = made([held("j0")])
    assert (index.version, index.changed([], {}, "17").version) == ("built", "built+17")


def test_a_word_that_nobody_used_before_finds_the_new_job() -> None:
    index = changed(made([held("j0"), held("j1")]), [held("j2", 1, title="Xylophonist")])
    found = index.search(ask("xylophonist"), None)
    assert [i for n, i in enumerate(found.ids) if "terms" in found.found_by(n)] == ["j2"]


def test_a_job_told_again_word_by_word_weighs_what_it_weighed() -> None:
    index = made([held(i, title=title) for i, title in zip(IDS, TITLES, strict=False)])
    before = index.terms.scores("night nurse")[1]
    again = changed(index, [held("j1", 1, title=TITLES[1])])
    np.testing.assert_allclose(again.terms.scores("night nurse")[len(index)], before, rtol=1e-6)


def test_faiss_finds_what_came_later_and_nothing_that_ended() -> None:
    jobs = [held(i, vector=[n, 1, 0]) for n, i in enumerate(IDS)]
    later = [held("j2", 1, [9, 1, 1]), held("new", 1, [0, -1, 0])]
    one, other = (changed(made(jobs, faiss=faiss), later, {"j7": NOW}) for faiss in (True, False))
    assert one.search(ask(), QUERY).ids == other.search(ask(), QUERY).ids
    assert "j7" not in one.ids[len(jobs) :] and "j7" not in one.search(ask(), QUERY).ids


def test_an_index_without_jobs_takes_jobs() -> None:
    index = changed(made([]), [held("j0", title="Night Nurse")])
    assert index.search(ask("nurse"), QUERY).ids == ["j0"]
    assert changed(index, [], {"j0": NOW}).search(ask("nurse"), QUERY).ids == []


def test_searches_beside_a_writer_see_whole_changes() -> None:
    """Each change gives all jobs one number, as vector, company and pay; a search must see one number only."""

    def numbered(number: int) -> list[Held]:
        return [held(i, number, [number, 1, 1], company=f"c{number}", salary_max=number) for i in IDS]

    index, done, wrong = made(numbered(1)), threading.Event(), list[Any]()

    def read() -> None:
        while not done.is_set():
            mine = index
            found = mine.search(ask("nurse"), QUERY, 100)
            numbers = {mine.display(int(row))["company"] for row in found.rows}
            scores = set(found.scores[:, found.sources.index("dense")].tolist())
            filtered = mine.search(ask("nurse", filter=any_of("company", *numbers)), QUERY, 100).ids
            if len(numbers) != 1 or len(scores) != 1 or not sorted(found.ids) == sorted(filtered) == IDS:
                wrong.append((mine.version, numbers, scores, found.ids, filtered))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(2, 300):
        index = index.changed([upsert(one) for one in numbered(number)], {}, str(number))
    done.set()
    for reader in readers:
        reader.join()
    assert wrong == []
