from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from lakehouse.analytics import customer_metrics
from lakehouse.core import customers as core_customers
from lakehouse.marts import customer_360
from lakehouse.tables import iceberg_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from lakehouse.tables import Table

AS_OF = datetime(2026, 3, 1, 12, tzinfo=UTC)


def table_frame(spark: SparkSession, table: Table, rows: list[dict[str, Any]]) -> DataFrame:
    import pyarrow as pa

    fields = [pa.field(field.name, field.type) for field in iceberg_schema(table).as_arrow()]
    return spark.createDataFrame(pa.Table.from_pylist(rows, schema=pa.schema(fields)))


def metrics(who: str, orders: int, first: int | None, last: int | None) -> dict[str, Any]:
    """`first` and `last` order in days before the latest order of the data."""

    def ago(days: int | None) -> datetime | None:
        return None if days is None else AS_OF - timedelta(days=days)

    return {"entity_id": who, "order_count": orders, "first_order_at": ago(first), "last_order_at": ago(last)}


CASES = [
    (0, None, None, "prospect"),
    (5, 60, 14, "champion"),
    (5, 60, 15, "loyal"),
    (3, 60, 21, "loyal"),
    (1, 14, 14, "new"),
    (2, 60, 22, "at_risk"),
    (1, 60, 60, "occasional"),
    (2, 60, 20, "occasional"),
    (9, 9, 0, "champion"),
]


def test_segments(local_spark: SparkSession) -> None:
    names = [f"{orders} orders {first}-{last}" for orders, first, last, _ in CASES]
    people = [{"entity_id": name, "is_deleted": False} for name in names]
    people.append({"entity_id": "gone", "is_deleted": True})
    numbers = [metrics(name, *case[:3]) for name, case in zip(names, CASES, strict=True)]
    numbers.append(metrics("gone", 9, 9, 0))
    frame = customer_360.transform(
        table_frame(local_spark, core_customers.TABLE, people),
        table_frame(local_spark, customer_metrics.TABLE, numbers),
    )
    assert tuple(frame.columns) == customer_360.TABLE.column_names
    rows = {row.entity_id: row for row in frame.collect()}
    assert {name: rows[name].segment for name in names} == {n: c[3] for n, c in zip(names, CASES, strict=True)}
    assert rows["gone"].segment == "deleted"
    assert [rows[name].days_since_last_order for name in names] == [case[2] for case in CASES]


def test_metrics_of_a_person(local_spark: SparkSession) -> None:
    from lakehouse.core import orders as core_orders
    from lakehouse.semantic.tables import ENTITY_INDEX

    def order(n: int, who: str | None, code: str | None, usd: str | None, **more: Any) -> dict[str, Any]:
        flags = {"is_paid": True, "is_cancelled": False, "is_deleted": False}
        money = {"total_amount_usd": usd and Decimal(usd), "refunded_amount_usd": usd and Decimal(0)}
        return {"order_id": n, "entity_id": who, "currency": code, "created_at": AS_OF, **flags, **money, **more}

    people = table_frame(local_spark, core_customers.TABLE, [{"entity_id": w, "is_deleted": False} for w in ("a", "b")])
    orders = table_frame(
        local_spark,
        core_orders.TABLE,
        [
            order(1, "a", "EUR", "10.00", created_at=AS_OF - timedelta(days=3), refunded_amount_usd=Decimal("4.00")),
            order(2, "a", "USD", "5.00"),
            order(3, "a", "XXX", None),
            order(4, "a", "USD", "99.00", is_cancelled=True),
            order(5, "a", "USD", "98.00", is_deleted=True),
            order(6, None, "USD", "97.00"),
        ],
    )
    charges = local_spark.createDataFrame(
        [
            ("ch_1", "cus_1", None, Decimal(20), Decimal(5), "USD", "succeeded", AS_OF),
            ("ch_2", "cus_1", None, Decimal(7), None, "USD", "failed", AS_OF),
            ("ch_3", None, "2", Decimal(3), Decimal(0), "USD", "succeeded", AS_OF),
            ("ch_4", None, None, Decimal(50), Decimal(0), "USD", "succeeded", AS_OF),
        ],
        "charge_id string, customer_id string, order_reference string, amount decimal(18,2),"
        " amount_refunded decimal(18,2), currency string, status string, created_at timestamp",
    )
    index = table_frame(local_spark, ENTITY_INDEX, [{"entity_id": "a", "source": "stripe", "source_id": "cus_1"}])
    frame = customer_metrics.transform(people, orders, charges, index)
    assert tuple(frame.columns) == customer_metrics.TABLE.column_names
    rows = {row.entity_id: row for row in frame.collect()}
    a, b = rows["a"], rows["b"]
    assert (a.order_count, a.cancelled_order_count, a.unconverted_order_count) == (3, 1, 1)
    assert (a.gross_revenue_usd, a.refunded_usd, a.net_revenue_usd) == (15, 4, 11)
    assert (a.average_order_usd, a.currencies, a.days_active) == (Decimal("7.50"), "EUR,USD,XXX", 3)
    assert (a.charge_count, a.failed_charge_count, a.paid_usd, a.charges_refunded_usd) == (3, 1, 23, 5)
    assert (b.order_count, b.gross_revenue_usd, b.charge_count, b.average_order_usd) == (0, 0, 0, None)
