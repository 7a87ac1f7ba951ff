"""The two example sources are registered, as `plugins` in params.yaml does it."""

from examples.sources import jobviews, onet  # noqa: F401
from tests.sources.conftest import read, write_csv  # noqa: F401
