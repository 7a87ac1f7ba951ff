"""Counts beside an answer are the counts that a click would give."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import UnknownAttribute
from retrieval.filters.attributes import attribute_table
from retrieval.filters.facets import check_facets, facet_counts
from retrieval.filters.filters import any_of, none_of, parse_filter

NOW = datetime(2026, 5, 1, tzinfo=UTC)
TABLE = attribute_table(
    {
        "workplace": ["remote", "onsite", "remote", None, "hybrid"],
        "skills": [["sql", "python"], ["sql"], [], ["go"], ["sql", "go"]],
        "place": ["Austin, Texas", "Dallas, Texas", "Berlin", "Austin, Texas", None],
    },
    {"posted_at": [datetime(2026, 4, day, tzinfo=UTC) for day in (30, 29, 20, 1, 1)]},
)


def counts(filter: Any, *names: str, point: tuple[float, float] | None = None) -> dict[str, dict[str, int]]:
    found = facet_counts(TABLE, filter, lambda f: f.mask(TABLE), names, NOW.timestamp(), point)
    return {name: {value.value: value.count for value in values} for name, values in found.items()}


def test_an_attribute_is_counted_without_its_own_clause_and_with_all_others() -> None:
    asked = any_of("workplace", "remote") & any_of("skills", "sql")
    assert counts(asked, "workplace") == {"workplace": {"remote": 1, "onsite": 1, "hybrid": 1}}
    assert counts(asked, "skills") == {"skills": {"sql": 1, "python": 1}}


def test_what_is_excluded_stays_excluded() -> None:
    assert counts(none_of("workplace", "remote"), "workplace") == {"workplace": {"onsite": 1, "hybrid": 1}}


def test_ages_and_distances_count_all_that_is_newer_and_nearer() -> None:
    assert counts(parse_filter({}), "posted_at") == {
        "posted_at": {"1 days": 1, "3 days": 2, "7 days": 2, "14 days": 3, "30 days": 5}
    }
    near = counts(parse_filter({}), "distance", point=(30.27, -97.74))  # Austin
    assert near == {"distance": {"10 km": 2, "25 km": 2, "50 km": 2, "100 km": 2}}
    assert counts(parse_filter({}), "distance") == {"distance": {}}


def test_an_unknown_facet_names_the_known_ones() -> None:
    with pytest.raises(UnknownAttribute, match="workplace"):
        check_facets(["salary_max"])


@given(
    st.lists(st.sampled_from(["remote", "onsite", "hybrid"]), min_size=0, max_size=2),
    st.lists(st.sampled_from(["sql", "go", "python"]), max_size=2),
    st.sampled_from(["workplace", "skills", "posted_at"]),
)
def test_a_click_on_a_value_leaves_as_many_jobs_as_it_says(ways: list[str], skills: list[str], name: str) -> None:
    asked = {"workplace": ways, "skills": skills}
    filter = parse_filter({"all": [{"attribute": a, "any_of": values} for a, values in asked.items() if values]})
    others = parse_filter({"all": [{"attribute": a, "any_of": v} for a, v in asked.items() if v and a != name]})
    for value in facet_counts(TABLE, filter, lambda f: f.mask(TABLE), [name], NOW.timestamp(), None)[name]:
        clicked = others & parse_filter({"all": [value.clause]})
        assert int(np.count_nonzero(clicked.mask(TABLE))) == value.count
