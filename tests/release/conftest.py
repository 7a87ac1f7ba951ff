"""The small bundle that the tests of ranking use too."""

from tests.ranking.conftest import bundle

__all__ = ["bundle"]
