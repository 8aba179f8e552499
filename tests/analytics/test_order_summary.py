from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from lakehouse.analytics import order_summary, payment_metrics
from lakehouse.marts import sales_dashboard_daily

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ORDERS = """order_id long, entity_id string, customer_id long, email string, order_date date, currency string,
    total_amount decimal(18,2), refunded_amount decimal(18,2), tax_amount decimal(18,2),
    discount_amount decimal(18,2), shipping_amount decimal(18,2), total_amount_usd decimal(18,2),
    refunded_amount_usd decimal(18,2), is_paid boolean, is_cancelled boolean, is_deleted boolean,
    created_at timestamp"""
CHARGES = """charge_id string, customer_id string, receipt_email string, amount decimal(18,2),
    amount_refunded decimal(18,2), currency string, status string, failure_code string, created_at timestamp,
    updated_at timestamp"""
DAY, NEXT = date(2026, 1, 1), date(2026, 1, 2)


def orders(spark: SparkSession) -> DataFrame:
    def row(n: int, who: str | None, day: date, code: str | None, total: str | None, refund: str = "0",
            usd: bool = True, cancelled: bool = False, deleted: bool = False) -> tuple[object, ...]:  # fmt: skip
        amount = None if total is None else Decimal(total)
        back = None if total is None else Decimal(refund)
        none = None if total is None else Decimal(0)
        converted = (amount, back) if usd else (None, None)
        return (n, who, n, None, day, code, amount, back, none, none, none, *converted, True, cancelled, deleted, None)

    return spark.createDataFrame(
        [
            row(1, "anna", DAY, "USD", "100.10", "10.10"),
            row(2, "anna", DAY, "USD", "50", cancelled=True),
            row(3, "bruno", DAY, "USD", "7", deleted=True),
            row(4, "bruno", DAY, "EUR", "5"),
            row(5, None, NEXT, "USD", "1"),
            row(6, "carla", NEXT, "XXX", "9", usd=False),
            row(7, None, DAY, None, None, deleted=True),
        ],
        ORDERS,
    )


def test_a_day_and_currency(local_spark: SparkSession) -> None:
    frame = order_summary.transform(orders(local_spark))
    assert tuple(frame.columns) == order_summary.TABLE.column_names
    rows = {(row.order_date, row.currency): row for row in frame.collect()}
    assert set(rows) == {(DAY, "USD"), (DAY, "EUR"), (NEXT, "USD"), (NEXT, "XXX")}
    usd = rows[DAY, "USD"]
    assert (usd.order_count, usd.cancelled_order_count, usd.deleted_order_count) == (3, 1, 1)
    assert (usd.total_amount, usd.deleted_amount, usd.cancelled_amount) == (Decimal("157.10"), 7, 50)
    assert (usd.refunded_amount, usd.net_amount, usd.net_amount_usd) == (Decimal("10.10"), 90, 90)
    assert usd.average_order_amount == Decimal("75.05")
    assert usd.customer_count == 2
    unknown = rows[NEXT, "XXX"]
    assert (unknown.total_amount, unknown.total_amount_usd, unknown.net_amount_usd) == (9, None, None)
    assert unknown.unconverted_order_count == 1


def charges(spark: SparkSession) -> DataFrame:
    from datetime import UTC, datetime

    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    return spark.createDataFrame(
        [
            ("ch_1", "cus_1", None, Decimal(100), Decimal(10), "USD", "succeeded", None, noon, noon),
            ("ch_2", None, "A@example.com", Decimal(20), Decimal(0), "USD", "succeeded", None, noon, noon),
            ("ch_3", "cus_1", None, Decimal(30), Decimal(0), "USD", "failed", "card_declined", noon, noon),
            ("ch_4", "cus_1", None, Decimal(30), None, "JPY", "failed", "expired_card", None, noon),
        ],
        CHARGES,
    )


def test_payments_by_status(local_spark: SparkSession) -> None:
    frame = payment_metrics.transform(charges(local_spark))
    assert tuple(frame.columns) == payment_metrics.TABLE.column_names
    rows = {(row.currency, row.status): row for row in frame.collect()}
    good = rows["USD", "succeeded"]
    assert (good.charge_count, good.customer_count, good.refunded_charge_count) == (2, 2, 1)
    assert (good.amount, good.refunded_amount, good.net_amount, good.average_amount) == (120, 10, 110, 60)
    assert good.top_failure_code is None
    assert (rows["USD", "failed"].amount, rows["USD", "failed"].net_amount) == (30, 0)
    assert rows["USD", "failed"].top_failure_code == "card_declined"
    assert rows["JPY", "failed"].amount_usd == Decimal("0.20")


def test_the_dashboard_adds_up_to_all_orders(local_spark: SparkSession) -> None:
    source = orders(local_spark)
    frame = sales_dashboard_daily.transform(
        order_summary.transform(source), source, payment_metrics.transform(charges(local_spark))
    )
    assert tuple(frame.columns) == sales_dashboard_daily.TABLE.column_names
    rows = {(row.order_date, row.currency): row for row in frame.collect()}
    usd = rows[DAY, "USD"]
    assert usd.gross_amount + usd.deleted_amount == Decimal("157.10")
    assert usd.net_amount == usd.gross_amount - usd.cancelled_amount - usd.refunded_amount == 90
    assert (usd.order_count, usd.new_customer_count, usd.payments_amount, usd.failed_payment_count) == (2, 1, 120, 1)
    # bruno's first order that counts is the one in EUR; carla's is the next day's
    assert rows[DAY, "EUR"].new_customer_count == 1
    assert rows[NEXT, "USD"].net_amount_7d == 91
    assert sum(row.new_customer_count for row in rows.values()) == 3
