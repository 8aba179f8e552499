"""What makes tables, where several processes make them at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from lakehouse import metadata
from lakehouse.tables import create_namespace

WRITERS = 8


@pytest.mark.stack
@pytest.mark.parametrize("race", range(3))
def test_several_may_create_one_namespace_at_once(race: int) -> None:
    name, catalog = f"scratch_race_{race}", metadata.catalog()
    try:
        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(lambda _: create_namespace(catalog, name), range(WRITERS)))
        assert catalog.namespace_exists(name)
    finally:
        catalog.drop_namespace(name)
