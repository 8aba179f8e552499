"""The race of sheet 06: batches that are stamped in one order and committed in another, and a reader by the clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from lakehouse.lesson.questions import practice

JUDGE = "judge_06"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Batch(NamedTuple):
    """A batch of a writer: its rows, and the seconds at which it was stamped and committed."""

    name: str
    rows: int
    stamped: int
    committed: int


RACE = (
    Batch("A", 10, 1, 2), Batch("B", 7, 3, 8), Batch("C", 5, 4, 5), Batch("D", 4, 7, 9), Batch("E", 3, 10, 13),
    Batch("F", 2, 6, 12), Batch("G", 6, 11, 14),
)  # fmt: skip
READS = (6, 11, 15)


def race() -> Any:
    """The batches of question 06.1 as a table."""
    import pandas as pd

    return pd.DataFrame(RACE).rename(columns={"stamped": "stamped at, s", "committed": "committed at, s"})


@cache
def lost() -> tuple[str, ...]:
    """The batches that a reader by the clock loses: committed and read for real, in the order of the race."""
    numbers = iter(range(1, 1000))
    ids = {batch.name: [next(numbers) for _ in range(batch.rows)] for batch in RACE}
    got, mark = set[int](), BEGIN
    steps: list[tuple[int, Batch | None]] = [
        *((batch.committed, batch) for batch in RACE),
        *((at, None) for at in READS),
    ]
    with practice.place(JUDGE) as namespace:
        current = practice.table(f"{namespace}.race", practice.ARRIVALS)
        for _, batch in sorted(steps, key=lambda step: step[0]):
            if batch is not None:
                current.append(practice.arrivals(ids[batch.name], BEGIN + timedelta(seconds=batch.stamped)))
                continue
            found = current.scan(row_filter=f"loaded_at > '{mark.isoformat()}'").to_arrow()
            got.update(found["order_id"].to_pylist())
            mark = max([mark, *found["loaded_at"].to_pylist()])
    return tuple(batch.name for batch in RACE if not got & set(ids[batch.name]))


def rows(names: Sequence[str]) -> int:
    return sum(batch.rows for batch in RACE if batch.name in names)
