from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.semantic.correspondence import compare

ROWS = st.dictionaries(
    st.tuples(st.sampled_from("ab"), st.sampled_from("123")),
    st.tuples(st.sampled_from([None, "x", "y"]), st.sampled_from([None, 1, 2])),
)


def table(rows: dict[tuple[str, str], tuple[str | None, int | None]]) -> pa.Table:
    names = ("source", "source_id", "text", "number")
    types = (pa.string(), pa.string(), pa.string(), pa.int64())
    said = [dict(zip(names, (*key, *values), strict=True)) for key, values in rows.items()]
    return pa.Table.from_pylist(said, schema=pa.schema(list(zip(names, types, strict=True))))


@settings(deadline=None)
@given(ROWS, ROWS)
def test_who_was_who_and_who_is_as_before(
    now: dict[tuple[str, str], tuple[str | None, int | None]],
    before: dict[tuple[str, str], tuple[str | None, int | None]],
) -> None:
    found = compare(table(now), table(before))
    places = {key: number for number, key in enumerate(before)}
    assert found.place.tolist() == [places.get(key, -1) for key in now]
    assert found.same.tolist() == [key in before and before[key] == values for key, values in now.items()]
    positions = {key: number for number, key in enumerate(now)}
    assert found.now().tolist() == [positions.get(key, -1) for key in before]
    assert found.gone().tolist() == [places[key] for key in before if key not in now]
