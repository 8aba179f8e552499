"""Small tables with a past, made of real orders: what sheets 04 and 06 practise and judge on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from lakehouse import metadata
from lakehouse.engines.spark import spark_session
from lakehouse.lesson.scratch import drop_scratch, scratch
from lakehouse.staging.events import WEBHOOK_EVENTS
from lakehouse.tables import Column, Table, create_all, iceberg_schema

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from pyiceberg.table import Table as IcebergTable

ORDERS = Table(
    name="practice.orders",
    grain="one row per order",
    key=("order_id",),
    columns=(
        Column("order_id", "long", "Shopify's id of the order", required=True),
        Column("currency", "string", "ISO 4217"),
        Column("total_amount", "decimal(18,2)", "major units of currency"),
        Column("financial_status", "string", "paid, pending, refunded, …"),
    ),
)
ARRIVALS = Table(
    name="practice.arrivals",
    grain="one row per order that arrived",
    key=("order_id",),
    columns=(
        Column("order_id", "long", "Shopify's id of the order", required=True),
        Column("loaded_at", "timestamptz", "when a writer took the row, before its commit", required=True),
    ),
)
MOST_ORDERS, MOST_EVENTS = 240, 150
TOO_MUCH = Decimal(100)


@contextmanager
def place(topic: str) -> Iterator[str]:
    """A namespace for a judge's tables, which goes with them."""
    name = scratch(topic)
    try:
        yield name
    finally:
        drop_scratch(name)


def table(name: str, like: Table = ORDERS) -> IcebergTable:
    """A new, empty table with the columns of a contract."""
    return metadata.catalog().create_table(name, iceberg_schema(like), properties={"format-version": "2"})


def orders() -> pa.Table:
    """Real orders, sorted by id: some hundred of them. Raises `ValueError` where there are too few to practise on."""
    stored = load("core.orders")
    return _orders(stored, newest(stored))


_kept: dict[int, pa.Table] = {}


def _orders(stored: IcebergTable, snapshot_id: int) -> pa.Table:
    import pyarrow.compute as pc

    if snapshot_id not in _kept:
        wanted = tuple(column.name for column in ORDERS.columns)
        rows = stored.scan(snapshot_id=snapshot_id, selected_fields=(*wanted, "is_deleted")).to_arrow()
        usable = rows.filter(pc.and_(pc.invert(rows["is_deleted"]), pc.greater(rows["total_amount"], 0)))
        found = usable.select(wanted).sort_by("order_id").slice(0, MOST_ORDERS)
        if found.num_rows < 20:
            raise ValueError(f"core.orders has {found.num_rows} usable orders: send more webhooks, run the pipeline")
        _kept.clear()
        _kept[snapshot_id] = found.cast(iceberg_schema(ORDERS).as_arrow())
    return _kept[snapshot_id]


def part(rows: pa.Table, begin: float, end: float) -> pa.Table:
    """The rows between two shares of all: `part(rows, 0, 0.5)` is the first half."""
    first, last = int(begin * rows.num_rows), int(end * rows.num_rows)
    return rows.slice(first, last - first)


def append(current: IcebergTable, *batches: pa.Table) -> None:
    """A snapshot for each batch; all of them are committed at once."""
    with current.transaction() as transaction:
        for batch in batches:
            transaction.append(batch)


def arrivals(ids: Sequence[int], loaded_at: datetime) -> pa.Table:
    """Rows of `ARRIVALS` with one stamp."""
    import pyarrow as pa

    rows = [{"order_id": order_id, "loaded_at": loaded_at} for order_id in ids]
    return pa.Table.from_pylist(rows, schema=iceberg_schema(ARRIVALS).as_arrow())


def change(current: IcebergTable, change_row: Callable[[dict[str, Any]], dict[str, Any] | None]) -> int:
    """Rewrite, in one commit, the rows for which `change_row` gives a new row; the snapshot's id."""
    import numpy as np
    import pyarrow as pa

    from lakehouse.row_delta import FILE, POS, commit, read

    stored = read(current)
    rows, gone = [], dict[int, list[int]]()
    for row, file, place in zip(stored.data.to_pylist(), stored.rows[FILE].to_pylist(), stored.rows[POS].to_pylist(),
                                strict=True):  # fmt: skip
        new = change_row(row)
        if new is not None:
            rows.append(new)
            gone.setdefault(file, []).append(place)
    places = {stored.files[file].file: np.array(positions) for file, positions in gone.items()}
    commit(current, pa.Table.from_pylist(rows, schema=stored.data.schema), places, {})
    return newest(current.refresh())


def load(name: str) -> IcebergTable:
    """A table as it is now."""
    return metadata.catalog().load_table(name)


def newest(current: IcebergTable) -> int:
    """The id of a table's current snapshot."""
    snapshot = current.current_snapshot()
    if snapshot is None:
        raise ValueError(f"{current.name()} has no snapshot")
    return snapshot.snapshot_id


def rows_of(name: str, snapshot_id: int | None = None) -> dict[int, dict[str, Any]]:
    """Order's id → its row, at a snapshot or now."""
    return {row["order_id"]: row for row in listed(name, snapshot_id)}


def listed(name: str, snapshot_id: int | None = None) -> list[dict[str, Any]]:
    """All rows of a table, at a snapshot or now."""
    rows: list[dict[str, Any]] = (
        metadata.catalog().load_table(name).scan(snapshot_id=snapshot_id).to_arrow().to_pylist()
    )
    return rows


@dataclass(frozen=True)
class Past:
    """A table with a bad write in its past: its name, that snapshot, an order it damaged, the rows it should have."""

    name: str
    bad: int
    order_id: int
    wanted: dict[int, dict[str, Any]]


def with_a_past(namespace: str) -> Past:
    """Five commits: orders, more orders, a currency's amounts times 100, refunds, and more orders."""
    real = orders()
    current = table(f"{namespace}.orders")
    append(current, part(real, 0, 0.5), part(real, 0.5, 0.7))
    known = part(real, 0, 0.7).to_pylist()
    victim, last = known[0], known[-1]

    def times_100(row: dict[str, Any]) -> dict[str, Any] | None:
        damaged = row["currency"] == victim["currency"]
        return {**row, "total_amount": row["total_amount"] * TOO_MUCH} if damaged else None

    refunded = {victim["order_id"], last["order_id"]}

    def refund(row: dict[str, Any]) -> dict[str, Any] | None:
        return {**row, "financial_status": "refunded in part"} if row["order_id"] in refunded else None

    bad = change(current, times_100)
    change(current, refund)
    current.append(part(real, 0.7, 1))
    wanted = {row["order_id"]: refund(row) or row for row in real.to_pylist()}
    return Past(f"{namespace}.orders", bad, victim["order_id"], wanted)


# -- partitioning -------------------------------------------------------------------------------------------------


def measure(partitioning: Sequence[str]) -> pd.DataFrame:
    """What the step of each raw table must open of a table of events that is partitioned so: files, rows, others' rows.

    Some events of each raw table are written by Spark. `attrs["files"]` is how many files the table has.
    `partitioning` is as in a contract: `["day(event_time)"]`. Raises `ValueError` for what is no partitioning.
    """
    import pandas as pd
    from pyiceberg.expressions import EqualTo

    with place("partitions") as namespace:
        contract = replace(WEBHOOK_EVENTS, name=f"{namespace}.events", partitioning=tuple(partitioning))
        create_all(metadata.catalog(), [contract])
        spark_session().sql(
            f"""INSERT INTO {contract.name} SELECT {", ".join(contract.column_names)} FROM (
                    SELECT *, row_number() OVER (PARTITION BY raw_table ORDER BY webhook_id) AS n
                    FROM {WEBHOOK_EVENTS.name}) WHERE n <= {MOST_EVENTS}"""
        )
        current = load(contract.name)
        own = Counter(current.scan(selected_fields=("raw_table",)).to_arrow()["raw_table"].to_pylist())
        found = []
        for kind in sorted(own):
            opened = [task.file for task in current.scan(row_filter=EqualTo("raw_table", kind)).plan_files()]
            read = sum(file.record_count for file in opened)
            found.append((kind, len(opened), read, read - own[kind]))
        files = len(list(current.scan().plan_files()))
    result = pd.DataFrame(found, columns=["step of", "files opened", "rows in them", "rows of others"])
    result.attrs["files"] = files
    return result
