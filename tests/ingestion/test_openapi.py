"""What the OpenAPI document promises, asked of the live server by schemathesis: whatever is sent, it answers as it says
it does, with no error of ours; and nothing that nobody signed is accepted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from lakehouse.engines import kafka
from lakehouse.settings import load_settings

EXAMPLES = 150
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def nothing_stored(live_stack: None) -> Iterator[None]:
    """At the end the topics hold what they held before."""
    before = kafka.end_offsets()
    yield
    assert kafka.end_offsets() == before


@pytest.fixture
def document(nothing_stored: None) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_url(f"{load_settings().ingestion_url}/openapi.json")


schema = schemathesis.pytest.from_fixture("document")


@pytest.mark.stack
@schema.parametrize()
@settings(
    max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)
def test_it_answers_as_the_document_says(case: schemathesis.Case) -> None:
    response = case.call_and_validate(checks=CHECKS)
    if case.path.startswith("/webhooks/"):
        assert response.status_code >= 400
