from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.semantic import records

START = datetime(2026, 1, 1, tzinfo=UTC)
Row = dict[str, Any]
Person = Callable[..., Row]
Table = Callable[[Sequence[Row]], pa.Table]


def make_person(source: str, source_id: int, first: str | None, last: str | None, **more: Any) -> Row:
    """A record as a sender has it; `day` is when it was made."""
    made = START + timedelta(days=more.pop("day", 0))
    given = {"first_name": first, "last_name": last, "created_at": made, "updated_at": made}
    return {"source": source, "source_id": str(source_id), **given, **more}


def make_table(rows: Sequence[Row]) -> pa.Table:
    """The records as the resolution takes them: sorted by key, with their comparable form."""
    return records.normalise(pa.Table.from_pylist(list(rows), schema=records.SENT))


@pytest.fixture(scope="session")
def person() -> Person:
    return make_person


@pytest.fixture(scope="session")
def table() -> Table:
    return make_table
