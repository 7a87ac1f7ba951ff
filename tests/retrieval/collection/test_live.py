from __future__ import annotations

import tempfile
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from contracts.errors import BadInput, ShapeMismatch, UnknownAttribute
from retrieval.collection.live import Collection, Deleted
from retrieval.collection.store import Store, load_collection
from retrieval.engines.vectors import DTYPES, decode, encode
from retrieval.filters.filters import Filter, any_of, between, either, none_of

DIM = 3
IDS = st.sampled_from([f"j{i}" for i in range(12)])
VECTORS = st.lists(st.integers(-2, 2), min_size=DIM, max_size=DIM).filter(any)
ATTRIBUTES = st.fixed_dictionaries(
    {},
    optional={
        "skills": st.lists(st.sampled_from(["SQL", "python", "care "])),
        "company": st.sampled_from(["", "Acme", "Initech"]),
        "pay": st.none() | st.integers(0, 4),
    },
)
FILTERS: list[Filter | None] = [
    None,
    any_of("skills", "sql", "nobody has this"),
    none_of("skills", "Python", "care"),
    between("pay", 1, 3) & none_of("company", "acme"),
    either(any_of("company", "Initech"), between("pay", at_least=2)),
]


def collection(**knobs: Any) -> Collection:
    return Collection(DIM, texts=("skills", "company"), numbers=("pay",), **knobs)


def passes(place: int, held: dict[str, Any]) -> bool:
    """What FILTERS[place] means, written out for one job."""
    skills = {skill.strip().lower() for skill in held.get("skills", ())}
    company, pay = held.get("company", "").lower(), held.get("pay")
    return (
        True,
        "sql" in skills,
        not skills & {"python", "care"},
        pay is not None and 1 <= pay <= 3 and company != "acme",
        company == "initech" or (pay is not None and pay >= 2),
    )[place]


class LiveMachine(RuleBasedStateMachine):
    """A collection on disk against a dict whose order is that of the upserts."""

    @initialize(dtype=st.sampled_from(DTYPES), device=st.sampled_from([None, "cpu"]))
    def begin(self, dtype: Any, device: str | None) -> None:
        self.scratch = tempfile.TemporaryDirectory()
        self.folder = Path(self.scratch.name)
        self.dtype, self.device = dtype, device
        self.store = Store(self.folder, collection(dtype=dtype, bits=64, capacity=1), device=device)
        self.model: dict[str, tuple[np.ndarray, dict[str, Any]]] = {}

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.scratch.cleanup()

    @rule(rows=st.lists(st.tuples(IDS, VECTORS, ATTRIBUTES), max_size=6))
    def upsert(self, rows: list[tuple[str, list[int], dict[str, Any]]]) -> None:
        last = {job_id: (vector, held) for job_id, vector, held in rows}
        assert self.store.upsert([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows]) == len(last)
        for job_id, (vector, held) in last.items():
            self.model.pop(job_id, None)
            self.model[job_id] = decode(encode(np.array([vector], np.float32), self.dtype), slice(None))[0], held

    @rule(ids=st.lists(IDS | st.just("never there"), max_size=4))
    def delete(self, ids: list[str]) -> None:
        known = {job_id for job_id in ids if self.model.pop(job_id, None)}
        assert self.store.delete(ids) == Deleted(len(known), len(set(ids) - known))

    @rule()
    def compact(self) -> None:
        self.store.collection.compact()

    @rule()
    def snapshot(self) -> None:
        self.store.snapshot()

    @precondition(lambda self: hasattr(self, "store"))
    @rule()
    def open_again(self) -> None:
        self.store.close()
        self.store = Store(self.folder, device=self.device)

    @rule(query=VECTORS, place=st.integers(0, len(FILTERS) - 1), k=st.sampled_from([1, 3, 1_000_000]))
    def search(self, query: list[int], place: int, k: int) -> None:
        self.check(self.store.collection, query, place, k)

    @rule(query=VECTORS, place=st.integers(0, len(FILTERS) - 1))
    def a_reader_finds_the_same(self, query: list[int], place: int) -> None:
        read, sequence = load_collection(self.folder)
        assert sequence == self.store.sequence
        self.check(read, query, place, 5)

    def check(self, found: Collection, query: list[int], place: int, k: int) -> None:
        wide = np.array(query, np.float64)
        scores = {
            job_id: np.float32((vector * wide).sum())
            for job_id, (vector, held) in self.model.items()
            if passes(place, held)
        }
        expected = sorted(scores, key=lambda job_id: -scores[job_id])[:k]  # stable: ties in order of upsert
        [hits] = found.search(query, k, FILTERS[place])
        assert hits.ids == expected
        assert hits.scores.tolist() == [scores[job_id] for job_id in expected]
        [kept] = found.search(query, k, FILTERS[place], preselect=1_000_000)
        assert kept.ids == expected

    @invariant()
    def it_holds_what_the_dict_holds(self) -> None:
        if hasattr(self, "store"):
            assert len(self.store.collection) == len(self.model)
            assert ("j0" in self.store.collection) == ("j0" in self.model)


LiveMachine.TestCase.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
test_upserts_deletes_compactions_snapshots_and_replays_are_those_of_a_dict = LiveMachine.TestCase


def test_searches_beside_a_writer_see_whole_batches_and_nothing_deleted() -> None:
    """Each batch gives all twelve jobs one number, as vector and as attribute; a search must see one number only."""
    jobs = Collection(2, texts=("round",), numbers=("number",), capacity=1, bits=64)
    ids = [f"j{i}" for i in range(12)]

    def write(number: int) -> None:
        held = [{"round": str(number % 2), "number": number}] * 12
        jobs.upsert(ids, np.full((12, 2), number, np.float32), held)

    write(1)
    jobs.upsert(["gone"], [[1e6, 1e6]], [{"round": ["0", "1"], "number": 1}])
    jobs.delete(["gone"])
    wrong: list[Any] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            for filter in (None, any_of("round", "0"), between("number", at_least=1)):
                [found] = jobs.search([1.0, 0.0], 100, filter)
                if len(set(found.scores)) > 1 or (found.ids and sorted(found.ids) != sorted(ids)):
                    wrong.append(found)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(2, 400):
        write(number)
        if number % 50 == 0:
            jobs.compact()
    done.set()
    for reader in readers:
        reader.join()
    assert wrong == []


def test_a_search_that_begins_after_a_delete_returns_does_not_find_it() -> None:
    """Four threads delete and insert jobs of their own while others write; each checks what it did at once."""
    jobs = Collection(2, texts=("owner",), capacity=1)
    wrong: list[Any] = []

    def work(owner: str) -> None:
        for turn in range(60):
            job_id = f"{owner}-{turn}"
            jobs.upsert([job_id], [[1, 2]], [{"owner": owner}])
            if jobs.search([1, 1], 9, any_of("owner", owner))[0].ids != [job_id]:
                wrong.append((job_id, "not found"))
            jobs.delete([job_id])
            if jobs.search([1, 1], 9, any_of("owner", owner))[0].ids:
                wrong.append((job_id, "found"))

    workers = [threading.Thread(target=work, args=(owner,)) for owner in "abcd"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == [] and len(jobs) == 0


def test_a_view_that_a_search_holds_outlives_growth_deletion_and_compaction() -> None:
    jobs = collection(capacity=2)
    jobs.upsert(["a", "b"], [[1, 0, 0], [2, 0, 0]], [{"skills": ["sql"]}, {"skills": ["sql"]}])
    held = jobs._view
    jobs.delete(["b"])
    jobs.compact()
    jobs.upsert([f"c{i}" for i in range(50)], np.full((50, 3), 9.0), [{"skills": "sql"}] * 50)
    asked = np.ones((1, 3), np.float32)
    assert held.search(asked, 10, any_of("skills", "sql"), None)[0].ids == ["b", "a"]


def test_a_view_that_a_search_holds_knows_nothing_of_later_rows_and_deletions() -> None:
    jobs = collection(capacity=100)
    jobs.upsert(["a", "b", "c"], [[1, 0, 0], [2, 0, 0], [3, 0, 0]], [{"skills": "sql"}] * 3)
    jobs.delete(["a"])
    held = jobs._view
    jobs.delete(["b"])
    jobs.upsert(["c", "d"], [[9, 0, 0], [9, 0, 0]], [{"skills": "sql"}] * 2)
    for filter in (None, any_of("skills", "sql")):
        [found] = held.search(np.ones((1, 3), np.float32), 10, filter, None)
        assert (found.ids, found.scores.tolist()) == (["c", "b"], [3, 2])


@pytest.mark.parametrize("dtype", DTYPES)
def test_compaction_moves_vectors_attributes_and_signs_together(dtype: Any) -> None:
    jobs = collection(dtype=dtype, bits=64)
    names = ["a", "b", "c", "d", "e"]
    held = [{"skills": [name, "all"], "pay": pay} for pay, name in enumerate(names)]
    jobs.upsert(names, np.eye(5, 3) + 1, held)
    jobs.delete(["a", "d"])
    before = [jobs.search([3, 2, 1], 9, any_of("skills", name))[0] for name in [*names, "all"]]
    assert [jobs.compact(), jobs.compact()] == [2, 0]
    after = [jobs.search([3, 2, 1], 9, any_of("skills", name))[0] for name in [*names, "all"]]
    assert [found.ids for found in after] == [[], ["b"], ["c"], [], ["e"], ["b", "c", "e"]]
    assert [f.scores.tolist() for f in after] == [f.scores.tolist() for f in before]
    assert jobs.search([1, 1, 1], 9, between("pay", 2, 9))[0].ids == ["c", "e"]
    fresh = collection(dtype=dtype, bits=64)
    fresh.upsert(names[1:], (np.eye(5, 3) + 1)[1:])
    fresh.delete(["d"])
    np.testing.assert_array_equal(jobs._view.engine.signs.codes, fresh._view.engine.signs.codes[:, [0, 1, 3]])  # type: ignore[union-attr]


def test_what_only_float32_tells_apart_are_ties_in_order_of_upsert() -> None:
    random = np.random.default_rng(0)
    vectors = random.permuted(np.tile(random.standard_normal(65), (300, 1)), axis=1)
    jobs = Collection(65)
    jobs.upsert([str(i) for i in range(300)], vectors)
    assert jobs.search(np.ones(65), 40)[0].ids == [str(i) for i in range(40)]


def test_an_upsert_replaces_vector_and_attributes_whole() -> None:
    jobs = collection()
    jobs.upsert(["a"], [[1, 0, 0]], [{"skills": ["sql"], "pay": 3}])
    jobs.upsert(["a"], [[0, 5, 0]])
    assert jobs.search([0, 1, 0])[0].scores.tolist() == [5]
    assert jobs.search([0, 1, 0], 9, any_of("skills", "sql"))[0].ids == []
    assert jobs.search([0, 1, 0], 9, between("pay", 0))[0].ids == []


def test_of_an_id_that_comes_twice_in_one_upsert_the_last_counts() -> None:
    jobs = collection()
    assert jobs.upsert(["a", "b", "a"], [[1, 0, 0], [2, 0, 0], [3, 0, 0]]) == 2
    [found] = jobs.search([1, 0, 0])
    assert (found.ids, found.scores.tolist()) == (["a", "b"], [3, 2])


def test_deleting_what_is_not_there_is_counted() -> None:
    jobs = collection()
    jobs.upsert(["a"], [[1, 0, 0]])
    assert jobs.delete(["a", "a", "b"]) == Deleted(deleted=1, unknown=1)


def test_times_are_numbers() -> None:
    jobs = collection()
    jobs.upsert(
        ["old", "new"], np.eye(3)[:2], [{"pay": datetime(2025, 1, 1)}, {"pay": datetime(2026, 1, 1, tzinfo=UTC)}]
    )
    assert jobs.search([1, 1, 0], 9, between("pay", at_least=datetime(2025, 6, 1, tzinfo=UTC)))[0].ids == ["new"]


def test_an_empty_collection_and_k_of_a_million_give_what_there_is() -> None:
    jobs = collection()
    assert jobs.search([1, 0, 0], 1_000_000)[0].ids == []
    jobs.upsert(["a", "b"], [[1, 0, 0], [2, 0, 0]])
    assert jobs.search([1, 0, 0], 1_000_000)[0].ids == ["b", "a"]
    assert jobs.compact() == 0


@pytest.mark.parametrize(
    ("vector", "error", "words"),
    [
        ([1, np.nan, 0], BadInput, "bad: the vector holds NaN"),
        ([1, np.inf, 0], BadInput, "bad: the vector holds NaN or inf"),
        ([0, 0, 0], BadInput, "bad: the vector is zero"),
        ([1, 2], ShapeMismatch, r"bad: a vector of shape \(2,\), the width is 3"),
        ([1e39, 0, 0], BadInput, "bad: the vector holds NaN or inf"),
        (["x", 0, 0], BadInput, "no numbers"),
    ],
)
def test_a_vector_that_does_not_fit_is_named_and_nothing_is_upserted(vector: Any, error: Any, words: str) -> None:
    jobs = collection()
    with pytest.raises(error, match=words):
        jobs.upsert(["good", "bad"], [[1, 2, 3], vector])
    assert len(jobs) == 0


def test_a_vector_that_does_not_fit_its_dtype_is_named() -> None:
    with pytest.raises(BadInput, match="a: the vector overflows float16"):
        collection(dtype="float16").upsert(["a"], [[1e6, 0, 0]])
    with pytest.raises(BadInput, match="a: the vector is zero as float16"):
        collection(dtype="float16").upsert(["a"], [[1e-9, 0, 0]])
    with pytest.raises(BadInput, match="a: the vector is zero as int8"):
        collection(dtype="int8").upsert(["a"], [[1e-45, 0, 0]])
    with pytest.raises(ShapeMismatch, match="a: a vector of shape"):
        collection().upsert(["a"], np.ones((1, 4)))


@pytest.mark.parametrize(
    ("held", "error", "words"),
    [
        ({"skills": 3}, BadInput, "a: skills is 3"),
        ({"skills": ["sql", None]}, BadInput, "a: skills is"),
        ({"pay": "much"}, BadInput, "a: pay is 'much'"),
        ({"pay": float("nan")}, BadInput, "a: pay is nan"),
        ({"pay": True}, BadInput, "a: pay is True"),
        ({"wage": 3}, UnknownAttribute, "a: no attribute 'wage'"),
    ],
)
def test_an_attribute_that_does_not_fit_is_named(held: Any, error: Any, words: str) -> None:
    jobs = collection()
    with pytest.raises(error, match=words):
        jobs.upsert(["a"], [[1, 2, 3]], [held])
    assert len(jobs) == 0


def test_other_bad_inputs_are_errors() -> None:
    jobs = collection()
    jobs.upsert(["a"], [[1, 2, 3]])
    with pytest.raises(BadInput, match="k is 0"):
        jobs.search([1, 2, 3], 0)
    with pytest.raises(ShapeMismatch, match="width 3"):
        jobs.search([1, 2])
    with pytest.raises(BadInput, match="NaN"):
        jobs.search([1, 2, np.nan])
    with pytest.raises(BadInput, match="no vector"):
        jobs.search("nurse")
    with pytest.raises(BadInput, match="no signs"):
        jobs.search([1, 2, 3], preselect=100)
    with pytest.raises(UnknownAttribute, match="wage"):
        jobs.search([1, 2, 3], 1, any_of("wage", "9"))
    with pytest.raises(BadInput, match="pay is a number"):
        jobs.search([1, 2, 3], 1, any_of("pay", "9"))
    with pytest.raises(BadInput, match="skills is not a number"):
        jobs.search([1, 2, 3], 1, between("skills", 9))
    with pytest.raises(BadInput, match="2 ids, 1 vectors"):
        jobs.upsert(["a", "b"], [[1, 2, 3]])
    for ids in ("ab", [""], [7]):
        with pytest.raises(BadInput, match="id "):
            jobs.delete(ids)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="dim"):
        Collection(0)
    with pytest.raises(BadInput, match="dtype"):
        Collection(3, dtype="float8")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="bits"):
        Collection(3, bits=65)
    with pytest.raises(BadInput, match="pay is named"):
        Collection(3, texts=("pay",), numbers=("pay",))


@pytest.mark.parametrize("part", ["attributes", "mark", "publish"])
@pytest.mark.parametrize("full", [False, True])
def test_an_interrupted_change_is_taken_back(part: str, full: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = collection(capacity=4 if full else 100)
    jobs.upsert(["a", "b", "c"], np.eye(3), [{"skills": ["sql"], "pay": pay} for pay in (1, 2, 3)])
    jobs.delete(["b"])

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        if part == "attributes":
            broken.setattr("retrieval.filters.attributes.copy", stopped)
        elif part == "mark":
            broken.setattr(jobs, "_end", stopped)
        else:
            broken.setattr("retrieval.collection.live.ExactEngine", stopped)
        with pytest.raises(KeyboardInterrupt):
            jobs.upsert(["new", "c"], np.ones((2, 3)), [{"skills": ["python"], "pay": 9}, {"skills": ["python"]}])
    assert "new" not in jobs and "c" in jobs and len(jobs) == 2
    jobs.upsert(["later"], [[5, 0, 0]], [{"skills": ["care"], "pay": 4}])
    assert jobs.search([1, 0, 0.5], 9)[0].ids == ["later", "a", "c"]
    assert jobs.search([1, 0, 0], 9, any_of("skills", "sql") & between("pay", 3))[0].ids == ["c"]
    assert jobs.search([1, 0, 0], 9, any_of("skills", "python"))[0].ids == []
    assert jobs.search([1, 0, 0], 9, any_of("skills", "care"))[0].ids == ["later"]
    assert jobs.delete(["c", "new"]) == Deleted(1, 1)
    assert jobs.contents().ids == ["a", "later"]


def test_an_interrupted_delete_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = collection()
    jobs.upsert(["a", "b"], np.eye(3)[:2])

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(jobs, "_publish", stopped)
        with pytest.raises(KeyboardInterrupt):
            jobs.delete(["a"])
    assert jobs.search([1, 1, 1])[0].ids == ["a", "b"]
    assert jobs.delete(["a"]) == Deleted(1, 0)
    assert jobs.search([1, 1, 1])[0].ids == ["b"]


def test_a_vector_that_is_finite_but_huge_is_refused_and_searches_go_on() -> None:
    for dtype, number in (("float32", 3e37), ("int8", 3.4028235e38)):
        jobs = collection(dtype=dtype)
        jobs.upsert(["a"], [[1, 2, 3]])
        with pytest.raises(BadInput, match=r"huge: the vector holds a number of 3e\+3"):
            jobs.upsert(["b", "huge"], [[1, 2, 3], [-number, 0, 0]])
        assert jobs.search([1, 0, 0])[0].ids == ["a"]


def test_what_was_deleted_does_not_count_as_the_longest_vector() -> None:
    jobs = collection()
    jobs.upsert(["long", "a"], [[1e15, 0, 0], [1, 0, 0]])
    asked = [1e23, 0, 0]
    with pytest.raises(BadInput, match="overflow"):
        jobs.search(asked)
    jobs.delete(["long"])
    jobs.compact()
    assert jobs.search(asked)[0].ids == ["a"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((["a"], [[1, 2, 3]], [{"pay": 10**400}]), "a: pay is above 1e308"),
        ((["a"], [[1, 2, 3]], [{"pay": np.complex64(1)}]), "a: pay is"),
        ((["a"], [[1, 2, 3]], [None]), "a: attributes are None"),
        ((["a"], [[1, 2, 3]], 5), "no list"),
        ((["a"], 5), "no list"),
        ((["a"], None), "no list"),
        ((["a"], [[1, [2, 3], 3]]), "a: a vector of shape None"),
        ((["a"], [[10**400, 2, 3]]), "no numbers"),
        ((5, [[1, 2, 3]]), "ids are 5"),
    ],
)
def test_an_upsert_of_anything_else_is_a_bad_input(given: Any, words: str) -> None:
    jobs = collection()
    with pytest.raises(BadInput, match=words):
        jobs.upsert(*given)
    assert len(jobs) == 0


@pytest.mark.parametrize("filter", [{}, {"all": []}, "[]", [], 0])
def test_a_filter_that_is_none_is_an_error_and_not_a_search_without_one(filter: Any) -> None:
    jobs = collection()
    jobs.upsert(["a"], [[1, 2, 3]])
    with pytest.raises(BadInput, match="a filter of type"):
        jobs.search([1, 2, 3], 1, filter)


@pytest.mark.parametrize("k", [2.5, "2", None, 0, -1])
def test_a_k_that_is_no_whole_number_is_an_error(k: Any) -> None:
    jobs = collection(bits=64)
    jobs.upsert(["a"], [[1, 2, 3]])
    with pytest.raises(BadInput, match="k is"):
        jobs.search([1, 2, 3], k)
    with pytest.raises(BadInput, match=r"preselect is 2\.5"):
        jobs.search([1, 2, 3], 1, preselect=2.5)  # type: ignore[arg-type]


def test_filters_of_no_clause_one_clause_and_a_contradiction() -> None:
    jobs = collection()
    jobs.upsert(["a", "b"], [[2, 0, 0], [1, 0, 0]], [{"skills": ["sql"], "pay": 1}, {"pay": 2}])
    assert jobs.search([1, 0, 0], filter=Filter())[0].ids == ["a", "b"]
    assert jobs.search([1, 0, 0], filter=any_of("skills", "sql").clauses[0])[0].ids == ["a"]
    for none in (any_of("skills", "sql") & none_of("skills", "sql"), between("pay", 2, 1), any_of("skills")):
        [found] = jobs.search([1, 0, 0], filter=none)
        assert found.ids == [] and found.scores.shape == (0,)


def test_a_query_of_zeros_finds_all_in_order_of_upsert() -> None:
    jobs = collection()
    jobs.upsert(["a", "b", "c"], [[2, 0, 0], [3, 0, 0], [-1, 0, 0]])
    [found] = jobs.search([0, 0, 0], 2)
    assert found.ids == ["a", "b"] and found.scores.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"dim": 0}, r"dim: .*\(found 0\)"),
        ({"dim": 2, "dtype": "bf16"}, r"dtype: .*\(found 'bf16'\) .*float16"),
        ({"dim": 2, "bits": 7}, r"bits: .*\(found 7\)"),
        ({"dim": 2, "texts": "skills"}, r"texts: 'skills' is one text \(.*\[\"skills\"\]\)"),
        ({"dim": 2, "numbers": "pay"}, r"numbers: 'pay' is one text"),
    ],
)
def test_a_collection_that_cannot_be_made_says_why(knobs: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        Collection(**knobs)


def test_one_vector_for_one_id_is_told_how_to_be_given() -> None:
    with pytest.raises(BadInput, match=r"1 ids, 3 vectors.*\[\[\.\.\.\]\]"):
        collection().upsert(["a"], [1.0, 0.0, 0.0])
