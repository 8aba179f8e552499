"""Sheet 21: what a move needs, and what only some stores need."""

from __future__ import annotations

import pytest

from lakehouse.endpoints import ENDPOINTS
from lakehouse.lesson.question import Wrong
from lakehouse.lesson.questions.sheet_21 import DEPENDS, MOVE, SettingsOfAMove


@pytest.mark.parametrize("more", [frozenset(), *(frozenset({name}) for name in DEPENDS), DEPENDS])
def test_what_depends_on_the_store_may_be_named(more: frozenset[str]) -> None:
    SettingsOfAMove().judge(MOVE | more)


@pytest.mark.parametrize("missing", sorted(MOVE))
def test_what_every_store_needs_must_be_named(missing: str) -> None:
    with pytest.raises(Wrong):
        SettingsOfAMove().judge((MOVE | DEPENDS) - {missing})


def test_the_answer_is_what_the_check_of_the_endpoint_uses() -> None:
    store = next(endpoint for endpoint in ENDPOINTS if endpoint.address == "s3_endpoint")
    assert {store.address, *store.logins} == MOVE | DEPENDS - {"ca_file"}
