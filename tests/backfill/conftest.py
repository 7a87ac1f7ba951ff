"""The market that the service's tests are about, with a bundle, an index and a feature store."""

from tests.serving.conftest import backbone, market, member_ids, untrained, workspace  # noqa: F401
