"""The second opinion on money: sums over raw's own columns."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from lakehouse.checks.money import latest_charges, latest_orders, sums

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ORDERS = """id BIGINT, currency STRING, total_price STRING, _webhook_topic STRING, updated_at TIMESTAMP,
    _triggered_at TIMESTAMP"""
CHARGES = "id STRING, currency STRING, amount BIGINT, event_created TIMESTAMP"


def second(number: int) -> datetime:
    return datetime(2026, 1, 1, 10, 0, number, tzinfo=UTC)


@pytest.fixture
def orders(local_spark: SparkSession) -> Callable[..., DataFrame]:
    """From (id, currency, price, topic, second of the change, second of the header) to raw orders."""

    def make(*rows: tuple[int, str, str | None, str, int, int]) -> DataFrame:
        return local_spark.createDataFrame([(*row[:4], second(row[4]), second(row[5])) for row in rows], ORDERS)

    return make


def test_the_latest_state_of_an_order_counts_in_whatever_order_it_came(orders: Callable[..., DataFrame]) -> None:
    rows = orders(
        (1, "USD", "20.00", "orders/updated", 9, 9),
        (1, "USD", "10.00", "orders/create", 1, 1),
        (2, "usd ", "0.05", "orders/create", 1, 1),
        (3, "JPY", "700", "orders/create", 1, 1),
    )
    assert sums(latest_orders(rows)) == {"USD": Decimal("20.05"), "JPY": Decimal("700.00")}


def test_of_two_changes_in_a_second_the_header_tells_the_later(orders: Callable[..., DataFrame]) -> None:
    rows = orders((1, "EUR", "2.00", "orders/paid", 5, 7), (1, "EUR", "1.00", "orders/edited", 5, 6))
    assert sums(latest_orders(rows)) == {"EUR": Decimal("2.00")}


def test_a_deletion_takes_no_money_away(orders: Callable[..., DataFrame]) -> None:
    rows = orders((1, "EUR", "2.00", "orders/create", 1, 1), (1, "EUR", None, "orders/delete", 8, 8))
    assert sums(latest_orders(rows)) == {"EUR": Decimal("2.00")}


def test_a_repeated_delivery_counts_once(orders: Callable[..., DataFrame]) -> None:
    same = (1, "EUR", "2.00", "orders/create", 1, 1)
    assert sums(latest_orders(orders(same, same))) == {"EUR": Decimal("2.00")}


def test_charges_are_counted_in_the_minor_units_of_their_currency(local_spark: SparkSession) -> None:
    rows = [
        ("ch_1", "usd", 1999, second(1)),
        ("ch_1", "usd", 2999, second(2)),
        ("ch_2", "jpy", 500, second(1)),
        ("ch_3", "kwd", 12340, second(1)),
    ]
    found = sums(latest_charges(local_spark.createDataFrame(rows, CHARGES)))
    assert found == {"USD": Decimal("29.99"), "JPY": Decimal("500.00"), "KWD": Decimal("12.34")}
