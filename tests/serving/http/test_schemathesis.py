"""Generated requests to the whole API: no fault, no answer outside the schema, and nothing accepted that the schema
forbids."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
)


@pytest.fixture(scope="session")
def schema(shared: Any) -> Any:
    found = schemathesis.openapi.from_url(f"{shared[1]}/openapi.json")
    found.config.phases.coverage.enabled = False  # thousands of requests: `st run` has the time for them
    found.config.checks.negative_data_rejection.expected_statuses = ["400", "403", "404", "413", "422", "503"]
    return found


api = schemathesis.pytest.from_fixture("schema")


@api.parametrize()
@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_the_api_keeps_its_schema(case: Any) -> None:
    case.call_and_validate(checks=list(CHECKS), timeout=60)
