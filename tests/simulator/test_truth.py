"""The fit function: bounded, monotone in each dimension, capped as written, and the same one by one as in bulk."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import BadInput, UnknownSource
from simulator import Truth
from simulator.truth import RUNGS, WEIGHTS, Dimensions, job_id, member_id
from tests.make import refused

UNIT = st.floats(0, 1)


def _dimensions(function: float, skills: float, rungs: int, place: float, pay: float) -> Dimensions:
    one = lambda value: np.array([value])  # noqa: E731
    return Dimensions(one(function), one(skills), RUNGS[one(rungs)], one(place), one(pay), one(rungs))


@given(
    UNIT, UNIT, st.integers(0, 6), UNIT, UNIT, st.sampled_from(["function", "skills", "rungs", "place", "pay"]), UNIT
)
def test_a_better_dimension_never_lowers_the_grade(
    function: float, skills: float, rungs: int, place: float, pay: float, which: str, better: float
) -> None:
    before = {"function": function, "skills": skills, "rungs": rungs, "place": place, "pay": pay}
    after = dict(before)
    after[which] = int(rungs * better) if which == "rungs" else max(before[which], better)
    low, high = _dimensions(**before).grade()[0], _dimensions(**after).grade()[0]
    assert 0 <= low <= high <= 4


def test_the_weights_add_up_to_one() -> None:
    assert sum(WEIGHTS.values()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("dimensions", "grade"),
    [
        ((1, 1, 0, 1, 1), 4),
        ((0, 1, 0, 1, 1), 1),  # another field, though the skills are there
        ((0, 0, 0, 1, 1), 0),  # another field and foreign skills
        ((1, 1, 3, 1, 1), 1),  # three rungs apart
        ((1, 1, 2, 1, 1), 2),  # two rungs apart
        ((1, 1, 0, 0, 1), 2),  # out of reach
        ((1, 1, 0, 1, 0), 3),  # pays far too little
    ],
)
def test_a_cap_holds_however_good_the_rest(dimensions: tuple, grade: int) -> None:
    assert _dimensions(*dimensions).grade()[0] == grade


def test_one_pair_has_the_grade_that_it_has_in_bulk(truth: Truth) -> None:
    rng = np.random.default_rng(0)
    members = [member_id(row) for row in rng.integers(0, len(truth.members), 50)]
    jobs = [job_id(row) for row in rng.integers(0, len(truth.jobs), 50)]
    queries = ["", "nurse in boston"] * 25
    bulk = truth.fits(members, jobs, queries)
    assert [truth.fit(m, j, q) for m, j, q in zip(members, jobs, queries, strict=True)] == bulk.tolist()


def test_a_search_is_judged_by_what_it_asks_for(truth: Truth) -> None:
    nurse = [o.id for o in truth.catalogue.occupations].index("nurse")
    jobs = [job_id(row) for row in np.flatnonzero(truth.jobs.occupation == nurse)]
    anonymous = [""] * len(jobs)
    assert truth.fits(anonymous, jobs, ["registered nurse"] * len(jobs)).tolist() == [4] * len(jobs)
    assert truth.fits(anonymous, jobs, ["line cook"] * len(jobs)).max() <= 1


def test_a_city_in_a_search_matters(truth: Truth) -> None:
    catalogue = truth.catalogue
    row = int(np.flatnonzero(truth.jobs.workplace == 0)[0])
    title = catalogue.occupations[truth.jobs.occupation[row]].titles[0].lower()
    there = catalogue.cities[truth.jobs.city[row]]
    away = next(city for city in catalogue.cities if city.region != there.region)
    assert truth.fit("", job_id(row), f"{title} in {there.name}") > truth.fit(
        "", job_id(row), f"{title} in {away.name}"
    )


def test_every_query_of_the_log_is_understood(truth: Truth, events: pl.DataFrame) -> None:
    cities = tuple(f" in {city.name.lower()}" for city in truth.catalogue.cities)
    for query in events.filter(surface="search")["query"].unique():
        intent = truth.catalogue.intent(query)
        assert intent.relatedness.max() == 1
        assert (intent.city >= 0) == query.lower().endswith(cities)


def test_unknown_words_ask_for_nothing(truth: Truth) -> None:
    assert truth.catalogue.intent("xyzzy").relatedness.max() == 0


@pytest.mark.parametrize("name", ["m99999999", "x1", "", "j00000000"])
def test_an_id_of_another_market_is_refused(truth: Truth, name: str) -> None:
    with pytest.raises(BadInput):
        truth.fit(name, job_id(0))


def test_a_folder_without_truth_names_the_command(tmp_path: Path) -> None:
    with refused(UnknownSource, "rolecall simulate"):
        Truth.load(tmp_path)


def test_hires_fit_better_than_applies_and_applies_better_than_views(truth: Truth, events: pl.DataFrame) -> None:
    def mean(action: str) -> float:
        rows = events.filter(action=action)
        return float(truth.fits(rows["member_id"].to_list(), rows["job_id"].to_list(), rows["query"].to_list()).mean())

    assert mean("hire") > mean("apply") > mean("view") > mean("impression") > mean("dismiss")
