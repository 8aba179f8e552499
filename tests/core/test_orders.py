from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from lakehouse.core import orders
from lakehouse.core.exchange_rates import USD_PER_UNIT
from lakehouse.money import EXPONENTS

if TYPE_CHECKING:
    from pyspark.sql import Row, SparkSession

STAGED = """order_id long, customer_id long, order_number long, email string, currency string,
    subtotal_amount decimal(18,2), tax_amount decimal(18,2), shipping_amount decimal(18,2),
    discount_amount decimal(18,2), total_amount decimal(18,2), refunded_amount decimal(18,2), line_item_count int,
    financial_status string, fulfillment_status string, is_paid boolean, is_cancelled boolean, is_deleted boolean,
    order_date date, created_at timestamp, updated_at timestamp, shipping_country string"""
ENTITIES = "entity_id string, source string, source_id string, email string, email_normalized string"
NOW = datetime(2026, 1, 2, 23, 30, tzinfo=UTC)
COLUMNS = [part.split()[0] for part in STAGED.replace("decimal(18,2)", "d").split(",")]


def order(order_id: int, **given: Any) -> tuple[Any, ...]:
    row = {
        "order_id": order_id, "currency": "EUR", "total_amount": Decimal("10.00"), "is_paid": True,
        "order_date": date(2026, 1, 1), "created_at": NOW, "updated_at": NOW, **given,
    }  # fmt: skip
    return tuple(row.get(name) for name in COLUMNS)


@pytest.fixture(scope="module")
def build(local_spark: SparkSession) -> Any:
    def run(staged: list[Any], entities: list[Any]) -> dict[int, Row]:
        frame = orders.transform(
            local_spark.createDataFrame(staged, STAGED), local_spark.createDataFrame(entities, ENTITIES)
        )
        assert tuple(frame.columns) == orders.TABLE.column_names
        rows = frame.collect()
        assert len(rows) == len(staged)
        return {row.order_id: row for row in rows}

    return run


def test_the_person_of_an_order(build: Any) -> None:
    entities = [
        ("anna", "shopify", "9007199254740993", "Anna@example.com", "anna@example.com"),
        ("anna", "stripe", "cus_1", "anna@example.com", "anna@example.com"),
        ("bruno", "shopify", "2", "home@example.com", "home@example.com"),
        ("carla", "hubspot", "3", "home@example.com", "home@example.com"),
        ("desk", "hubspot", "4", "info@firm.example", "info@firm.example"),
    ]
    rows = build(
        [
            order(1, customer_id=9007199254740993),
            order(2, email="ANNA@example.com "),
            order(3, email="home@example.com"),
            order(4, customer_id=77, email="anna@example.com"),
            order(5, email="info@firm.example"),
            order(6),
        ],
        entities,
    )
    # 3: a mailbox of two people; 4: a customer who is not known yet, whatever the email; 5: a desk
    assert {key: row.entity_id for key, row in rows.items()} == {
        1: "anna",
        2: "anna",
        3: None,
        4: None,
        5: None,
        6: None,
    }


def test_amounts_in_dollars(build: Any) -> None:
    rows = build(
        [
            order(1, currency="USD", refunded_amount=Decimal("2.50")),
            order(2, currency="JPY", total_amount=Decimal("1234")),
            order(3, currency="XXX"),
            order(4, currency=None, total_amount=None, order_date=None, is_paid=None, is_deleted=True),
        ],
        [],
    )
    assert (rows[1].total_amount_usd, rows[1].refunded_amount_usd) == (Decimal("10.00"), Decimal("2.50"))
    assert (rows[2].total_amount_usd, rows[2].refunded_amount) == (Decimal("8.27"), Decimal("0.00"))
    assert rows[3].total_amount_usd is None
    assert rows[3].total_amount == Decimal("10.00")
    assert (rows[4].total_amount, rows[4].refunded_amount, rows[4].is_paid, rows[4].is_deleted) == (
        None,
        None,
        False,
        True,
    )
    assert rows[4].order_date == date(2026, 1, 2)


def test_rates_are_of_known_currencies_and_cover_the_generators() -> None:
    from data_generators.places import COUNTRIES

    assert set(USD_PER_UNIT) <= set(EXPONENTS)
    assert {country.currency for country in COUNTRIES} <= set(USD_PER_UNIT)
    assert USD_PER_UNIT["USD"] == 1
