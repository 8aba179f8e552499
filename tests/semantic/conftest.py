from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lakehouse.semantic.records import Record, make_record

START = datetime(2026, 1, 1, tzinfo=UTC)


def make_person(source: str, source_id: int, first: str | None, last: str | None, **more: Any) -> Record:
    """A record as staging would give it; `day` is when it was made."""
    key = "contact_id" if source == "hubspot" else "customer_id"
    made = START + timedelta(days=more.pop("day", 0))
    given = {"first_name": first, "last_name": last, "created_at": made, "updated_at": made}
    return make_record(source, {key: source_id, **given, **more})


@pytest.fixture(scope="session")
def person() -> Callable[..., Record]:
    return make_person
