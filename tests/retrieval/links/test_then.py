"""Members as they were before their hires: from records that know of the hire, and from those that do not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from contracts.arrow import to_table
from contracts.records import Job, Member
from contracts.text.families import Families
from retrieval.links.outcomes import Outcomes
from retrieval.links.templates import load_templates
from retrieval.links.then import pairs_then
from retrieval.links.values import Value, Values, job_values, member_values

HIRED = datetime(2026, 3, 1, tzinfo=UTC)
SOON, LATE = HIRED - timedelta(days=30), HIRED + timedelta(days=200)
TITLE = load_templates().title


def then(members: Sequence[Member], pairs: Sequence[tuple[str, str, datetime, bool]]) -> list[Values]:
    jobs = [
        Job(id="j", title="Ward Nurse", company="Mercy", updated_at=SOON),
        Job(id="k", title="Baker", company="Loaf", updated_at=SOON),
    ]
    found = Outcomes(*map(list, list(zip(*pairs, strict=True))[:3]), np.array([pair[3] for pair in pairs]))
    return pairs_then(found, to_table(list(members), Member), to_table(jobs, Job), TITLE).members


def titles(values: Values) -> set[str]:
    return {value.value for value in values if value.attribute == "title"}


def member(known: datetime, *positions: dict[str, Any], headline: str = "") -> Member:
    return Member.model_validate({"id": "m", "headline": headline, "positions": positions, "updated_at": known})


HIRE = ("m", "j", HIRED, True)
PORTER = {"title": "Porter", "company": "Mercy", "start": "2020-01-01", "end": "2024-01-01"}


def test_the_record_from_before_the_hire_counts() -> None:
    versions = [
        member(SOON, headline="Porter"),
        member(HIRED, headline="Ward Nurse"),
        member(LATE, headline="Ward Nurse"),
    ]
    assert titles(then(versions, [HIRE])[0]) == {"porter"}
    assert titles(then(versions, [("m", "j", LATE + timedelta(days=1), True)])[0]) == {"ward nurse"}


@pytest.mark.parametrize(
    "position",
    [
        {"title": "Ward Nurse", "company": "Mercy", "start": "2026-03-10"},
        {"title": "Nurse II", "company": "MERCY", "start": "2026-02-20"},
        {"title": "Ward Nurse", "start": "2026-01-15"},
        {"title": "Ward Nurse", "company": "Mercy"},
        {"title": "Something else", "company": "Another", "start": "2026-05-01"},
    ],
    ids=["begun after", "of the employer, dated early", "of the title alone", "without a date", "another, begun after"],
)
def test_of_a_record_from_after_the_hire_what_came_then_is_left_out(position: dict[str, Any]) -> None:
    assert titles(then([member(LATE, position, PORTER)], [HIRE])[0]) == {"porter"}


@pytest.mark.parametrize(
    "position",
    [
        {"title": "Ward Nurse", "company": "Loaf", "start": "2025-01-01"},
        {"title": "Ward Nurse", "company": "Mercy", "start": "2021-01-01", "end": "2022-01-01"},
        {"title": "Ward Nurse", "company": "Loaf"},
    ],
)
def test_what_somebody_did_before_stays_though_it_is_what_they_were_hired_for(position: dict[str, Any]) -> None:
    assert titles(then([member(LATE, position)], [HIRE])[0]) == {"ward nurse"}


def test_a_headline_that_names_the_hire_goes_with_it() -> None:
    hire = {"title": "Ward nurse", "company": "Mercy"}
    assert titles(then([member(LATE, hire, headline="Senior Ward Nurse")], [HIRE])[0]) == set()
    assert titles(then([member(LATE, headline="Ward Nurse")], [HIRE])[0]) == {"ward nurse"}, "all that is said of them"


def test_a_pair_without_a_hire_does_not_know_of_the_members_hire_either() -> None:
    hire = {"title": "Ward nurse", "company": "Mercy"}
    found = then([member(LATE, hire, PORTER)], [HIRE, ("m", "k", SOON, False)])
    assert [titles(values) for values in found] == [{"porter"}, {"porter"}]


def test_after_the_hire_it_is_known() -> None:
    hire = {"title": "Ward nurse", "company": "Mercy", "start": "2026-03-10"}
    found = then([member(SOON, PORTER), member(HIRED, hire, PORTER)], [HIRE, ("m", "k", LATE, False)])
    assert titles(found[1]) == {"ward nurse"}


def test_those_without_a_record_are_left_out() -> None:
    found = then([member(SOON, headline="Porter")], [("m", "j", HIRED, True), ("x", "j", HIRED, True)])
    assert len(found) == 1 and Value("word", "porter") in found[0]


def test_titles_that_never_repeat_are_linked_by_their_families() -> None:
    families = Families(["ward nurse", "porter"], TITLE)
    values = member_values(member(SOON, headline="Senior Ward Nurse, nights").model_dump(), TITLE, families.of)
    assert Value("family", "ward nurse") in values
    other = Job(id="x", title="Ward nurses - Denver", updated_at=SOON).model_dump()
    assert Value("family", "ward nurse") in job_values(other, TITLE, families.of)
    assert not any(value.attribute == "family" for value in job_values(other, TITLE)), "where none were learned"
