"""How far a job is, in the units and tiers that a person reads."""

from __future__ import annotations

import pytest

from retrieval.filters.commute import Distance, distance, point_of, tier_of

AUSTIN = point_of("Austin, Texas", "")


def test_a_distance_is_told_in_both_units() -> None:
    found = distance("Dallas, Texas", "onsite", AUSTIN, "")
    assert found is not None and found.km is not None and found.miles is not None
    assert found.km == pytest.approx(293, abs=10)  # as the crow flies, by any map
    assert found.miles == pytest.approx(found.km / 1.609344, abs=0.1)
    assert found.commute == "away"


def test_the_nearest_of_several_places_counts() -> None:
    found = distance("Dallas, Texas; Austin, Texas", None, AUSTIN, "")
    assert found == Distance(km=0.0, miles=0.0, commute="nearby")


def test_what_is_not_known_is_not_guessed_and_remote_is_remote_all_the_same() -> None:
    assert distance("Atlantis under the sea", "onsite", AUSTIN, "") is None
    assert distance("Austin, Texas", "onsite", None, "") is None
    assert point_of("Springfield", "") is None and point_of("", "") is None
    assert distance("Atlantis under the sea", "remote", None, "") == Distance(km=None, miles=None, commute="remote")


@pytest.mark.parametrize(
    ("km", "tier"), [(0, "nearby"), (10, "nearby"), (10.1, "commute"), (40.1, "long_commute"), (81, "away")]
)
def test_a_tier_ends_where_it_says(km: float, tier: str) -> None:
    assert tier_of(km) == tier
