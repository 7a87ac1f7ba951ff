"""Each comparison that an explanation names speaks to a dimension of the product policy, or to none."""

from __future__ import annotations

from contracts.match import COMPARISONS
from policy.types import DIMENSIONS
from ranking.reasons import DIMENSION_OF


def test_dimensions_are_the_policys_and_every_comparison_but_the_age_has_one() -> None:
    assert set(DIMENSION_OF.values()) == set(DIMENSIONS)
    assert {comparison.name for comparison in COMPARISONS} - set(DIMENSION_OF) == {"age"}
