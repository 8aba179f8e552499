"""What the OpenAPI document promises, asked of the live server by schemathesis: whatever is sent, it answers as it says
it does, with no error of ours; and nothing that nobody signed is accepted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
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


def ways_in(url: str) -> list[schemathesis.APIOperation]:
    """Every method and path that the live server's own document names."""
    return [result.ok() for result in schemathesis.openapi.from_url(f"{url}/openapi.json").get_all_operations()]


@pytest.mark.stack
def test_it_answers_as_the_document_says(nothing_stored: None) -> None:
    url = load_settings().ingestion_url
    answered: Counter[tuple[str, int]] = Counter()

    def ask(case: schemathesis.Case) -> None:
        response = case.call_and_validate(base_url=url, checks=CHECKS)
        answered[case.operation.label, response.status_code] += 1
        if case.path.startswith("/webhooks/"):
            assert response.status_code >= 400

    for operation in ways_in(url):
        bounded = settings(
            max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=[*HealthCheck]
        )
        bounded(given(case=operation.as_strategy())(ask))()
    assert {label for label, _ in answered} >= {
        "POST /webhooks/shopify/{resource}/{event}", "POST /webhooks/stripe", "POST /webhooks/hubspot", "GET /ready",
    }  # fmt: skip
    assert sum(answered.values()) > EXAMPLES
