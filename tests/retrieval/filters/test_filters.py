from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.arrow import to_table
from contracts.errors import BadInput, UnknownAttribute
from contracts.records import Job
from retrieval.filters.attributes import AttributeTable, build_attributes
from retrieval.filters.filters import AnyOf, Either, Filter, Range, any_of, between, either, none_of, parse_filter
from tests.make import refused

UPDATED = datetime(2026, 1, 1, tzinfo=UTC)
SKILLS = ["python", "sql", "c++", "care", "Driving"]


def table(*jobs: dict[str, Any]) -> AttributeTable:
    records = [Job(id=f"j{i}", title="t", updated_at=UPDATED, **fields) for i, fields in enumerate(jobs)]
    return build_attributes(to_table(records, Job))


jobs = st.lists(
    st.fixed_dictionaries(
        {
            "skills": st.lists(st.sampled_from(SKILLS), max_size=4),
            "company": st.sampled_from(["", "Acme", "Initech"]),
            "salary_max": st.none() | st.sampled_from([1e3, 2e3, 3e3, 4e3, 5e3]),
        }
    ),
    max_size=12,
)
SOME = st.lists(st.sampled_from([*SKILLS, "ACME", "nobody has this"]))
NUMBERS = st.sampled_from([1e3, 2e3, 3e3, 4e3, 5e3])
conditions = st.one_of(
    st.builds(AnyOf, attribute=st.sampled_from(["skills", "company"]), any_of=SOME, negated=st.booleans()),
    st.builds(
        Range,
        attribute=st.just("salary_max"),
        at_least=NUMBERS,
        at_most=st.none() | NUMBERS,
        negated=st.booleans(),
    ),
)
filters = st.builds(
    lambda clauses: Filter.model_validate({"all": clauses}),
    st.lists(conditions | st.builds(lambda c: Either.model_validate({"either": c}), st.lists(conditions, max_size=3))),
)


def holds(clause: Any, job: dict[str, Any]) -> bool:
    """The meaning of a clause, written out for one job."""
    if isinstance(clause, Either):
        return any(holds(condition, job) for condition in clause.either)
    value = job[clause.attribute]
    if isinstance(clause, AnyOf):
        held = {v.casefold() for v in ([value] if isinstance(value, str) else value) if v}
        return bool(held & {v.casefold() for v in clause.any_of}) != clause.negated
    high = clause.at_most if clause.at_most is not None else float("inf")
    return (value is not None and clause.at_least <= value <= high) != clause.negated


@given(jobs, filters)
def test_the_mask_says_of_each_job_what_the_clauses_mean(found: list[dict[str, Any]], wanted: Filter) -> None:
    expected = [all(holds(clause, job) for clause in wanted.clauses) for job in found]
    assert wanted.mask(table(*found)).tolist() == expected


@given(filters)
def test_json_and_back_is_the_same_filter(wanted: Filter) -> None:
    assert parse_filter(wanted.to_json()) == wanted
    assert parse_filter(json.loads(wanted.to_json())) == wanted


def test_the_documented_json_is_read() -> None:
    wanted = parse_filter(
        """{"all": [{"attribute": "skills", "any_of": ["python", "sql"]},
                    {"attribute": "company", "any_of": ["Acme"], "not": true},
                    {"attribute": "salary_max", "at_least": 90000},
                    {"either": [{"attribute": "workplace", "any_of": ["remote"]},
                                {"attribute": "city", "any_of": ["Austin"]}]}]}"""
    )
    built = any_of("skills", "python", "sql") & none_of("company", "Acme") & between("salary_max", 90_000)
    assert wanted == built & either(any_of("workplace", "remote"), any_of("city", "Austin"))


def test_times_are_compared_as_times() -> None:
    jobs = table({"posted_at": datetime(2026, 1, 5, tzinfo=UTC)}, {"posted_at": datetime(2025, 1, 5, tzinfo=UTC)}, {})
    assert between("posted_at", datetime(2026, 1, 1)).mask(jobs).tolist() == [True, False, False]
    by_json = parse_filter({"all": [{"attribute": "posted_at", "at_most": "2026-01-01T00:00:00Z"}]})
    assert by_json.mask(jobs).tolist() == [False, True, False]


def test_an_empty_filter_passes_all_and_a_contradiction_none() -> None:
    jobs = table({"company": "Acme"}, {})
    assert not Filter() and Filter().mask(jobs).all()
    assert not (any_of("company", "Acme") & none_of("company", "Acme")).mask(jobs).any()
    assert not between("salary_max", 5, 1).mask(jobs).any()
    assert not any_of("company").mask(jobs).any()
    assert not Filter.model_validate({"all": [{"either": []}]}).mask(jobs).any()


def test_a_city_is_found_with_and_without_its_region() -> None:
    jobs = table({"location": "Austin, Texas, US"}, {"location": "Austin, Minnesota"}, {"location": "Texas"})
    assert any_of("city", "austin").mask(jobs).tolist() == [True, True, False]
    assert any_of("place", "Austin,  texas").mask(jobs).tolist() == [True, False, False]
    assert any_of("region", "TEXAS").mask(jobs).tolist() == [True, False, True]


def test_an_unknown_attribute_names_the_known_ones() -> None:
    with refused(UnknownAttribute, "'colour'", "city", "skills", where="filter"):
        any_of("colour", "red").mask(table({}))
    with refused(UnknownAttribute, "'height'", where="filter"):
        between("height", 1).mask(table({}))


def test_a_condition_of_the_wrong_kind_names_the_right_one() -> None:
    with refused(BadInput, "salary_max", "at_least", where="filter"):
        any_of("salary_max", "5").mask(table({}))
    with refused(BadInput, "skills", "any_of", where="filter"):
        between("skills", 5).mask(table({}))


@pytest.mark.parametrize(
    ("value", "place", "named"),
    [
        ("{", "all", "'{'"),
        ("[]", "all", "[]"),
        ({"all": [{"attribute": "skills"}]}, "all.0", "{'attribute': 'skills'}"),
        ({"all": [{"attribute": "salary_max", "at_least": float("nan")}]}, "all.0.at_least", "nan"),
        ({"any": []}, "any", "[]"),
        ({"all": [{"attribute": "salary_max"}]}, "all.0", "{'attribute': 'salary_max'}"),
        (None, "all", "None"),
    ],
)
def test_what_is_no_filter_is_bad_input(value: Any, place: str, named: str) -> None:
    with refused(BadInput, named, where=f"filter.{place}"):
        parse_filter(value)


def test_ten_thousand_values_are_read_and_more_are_refused() -> None:
    values = [f"skill {i}" for i in range(10_000)]
    jobs = table({"skills": ("Skill 9999",)}, {"skills": ("python",)})
    assert any_of("skills", *values).mask(jobs).tolist() == [True, False]
    with refused(BadInput, 10_000, 10_001, where="filter.all.0.any_of"):
        parse_filter({"all": [{"attribute": "skills", "any_of": [*values, "one more"]}]})


def test_a_table_without_rows_has_an_empty_mask() -> None:
    assert (any_of("skills", "python") & between("salary_max", 1)).mask(table()).shape == (0,)


@given(jobs, filters)
def test_a_saved_table_answers_as_before(tmp_path_factory: Any, found: list[dict[str, Any]], wanted: Filter) -> None:
    folder: Path = tmp_path_factory.mktemp("attributes")
    before = table(*found)
    before.save(folder)
    after = AttributeTable.load(folder)
    np.testing.assert_array_equal(wanted.mask(after), wanted.mask(before))
    np.testing.assert_array_equal(after.codes("company"), before.codes("company"))


def test_codes_tell_equal_values_from_missing_and_unknown_ones() -> None:
    jobs = table({"company": "Acme"}, {}, {"company": "ACME "})
    assert jobs.codes("company").tolist() == [0, -1, 0]
    assert jobs.code("company", "acme") == 0 and jobs.code("company", "other") == -2


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: between("pay", float("nan")), "nan"),
        (lambda: between("pay"), "'pay'"),
        (lambda: between("pay", 10**400), "pay: 1000"),
        (lambda: between("pay", 10**5_000), "pay: int"),
        (lambda: between("pay", "much"), "pay: 'much'"),  # type: ignore[arg-type]
        (lambda: between("pay", [1]), "pay: [1]"),  # type: ignore[arg-type]
        (lambda: any_of("s", 3), "s: 3"),  # type: ignore[arg-type]
        (lambda: none_of(3, "s"), "3"),  # type: ignore[arg-type]
        (lambda: Filter(clauses=any_of("s", "a").clauses * 100) & any_of("s", "b"), "101"),
        (lambda: either(*[any_of("s", "a")] * 101), "101"),
    ],
)
def test_a_filter_that_cannot_be_made_is_a_bad_input(make: Any, named: str) -> None:
    with refused(BadInput, named, where="filter"):
        make()


@pytest.mark.parametrize("value", ["90000000000", "9.5", "1e3", " 7 ", "-1"])
def test_a_number_as_text_is_not_read_as_a_time(value: str) -> None:
    with refused(BadInput, repr(value), where="filter.all.0.at_least"):
        parse_filter({"all": [{"attribute": "pay", "at_least": value}]})
    with refused(BadInput, repr(value), where="filter.all.0.at_most"):
        parse_filter(json.dumps({"all": [{"attribute": "pay", "at_most": value}]}))
    assert parse_filter({"all": [{"attribute": "posted_at", "at_least": "2026-03-01T12:00:00Z"}]})


@pytest.mark.parametrize(
    ("value", "place", "named"),
    [
        ({"all": [{"attribute": "pay", "at_least": "a lot"}]}, "all.0.at_least", "'a lot'"),
        ({"all": [{"attribute": "pay", "at_most": True}]}, "all.0.at_most", "True"),
        ({"all": [{"attribute": "skills", "any_off": ["sql"]}]}, "all.0", "any_off"),
        ({"all": [{"either": [{"either": []}]}]}, "all.0.either.0", "{'either': []}"),
        ({"all": [{"attribute": "skills", "any_of": "sql"}]}, "all.0.any_of", "'sql'"),
        ({"all": [{"any_of": ["sql"]}]}, "all.0.attribute", "{'any_of': ['sql']}"),
        ({"attribute": "skills", "any_of": ["sql"]}, "all", "{'attribute': 'skills', 'any_of': ['sql']}"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_value(value: Any, place: str, named: str) -> None:
    for form in (value, json.dumps(value)):
        with refused(BadInput, named, where=f"filter.{place}"):
            parse_filter(form)


def test_values_in_a_list_are_told_from_values() -> None:
    with refused(BadInput, "company", ["acme"], where="filter"):
        any_of("company", ["acme"])  # type: ignore[arg-type]


def test_an_error_does_not_repeat_a_long_value() -> None:
    with pytest.raises(BadInput) as raised:
        parse_filter({"all": [{"attribute": "pay", "at_least": "9" * 400 + "x"}]})
    assert len(str(raised.value)) < 250


@pytest.mark.parametrize("value", [date(2026, 1, 2), Decimal("3.5"), np.int64(3), np.float32(0.5), "2026-01-02"])
def test_numbers_and_times_of_any_kind_are_ends(value: Any) -> None:
    [clause] = parse_filter({"all": [{"attribute": "pay", "at_least": value}]}).clauses
    assert isinstance(clause, Range) and isinstance(clause.at_least, float | datetime)
