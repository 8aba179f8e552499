from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from lakehouse.core import customers
from lakehouse.semantic.tables import ENTITY_INDEX
from lakehouse.tables import iceberg_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row, SparkSession

OLD, NEW = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
SHOPIFY = "customer_id long, city string, country string, verified_email boolean, is_deleted boolean"
STRIPE = "customer_id string, city string, country string, is_deleted boolean"
HUBSPOT = "contact_id long, city string, country string, merged_into long, is_deleted boolean"


def entity(source: str, source_id: str, at: datetime = OLD, entity_id: str = "e1", **more: Any) -> dict[str, Any]:
    more.setdefault("email_normalized", more.get("email"))
    row = dict.fromkeys(ENTITY_INDEX.column_names)
    base = {"entity_id": entity_id, "source": source, "source_id": source_id, "match_confidence": Decimal("99.00")}
    return {**row, **base, "created_at": OLD, "updated_at": at, **more}


@pytest.fixture(scope="module")
def build(local_spark: SparkSession) -> Any:
    def run(shopify: list[Any], stripe: list[Any], hubspot: list[Any], entities: list[dict[str, Any]]) -> list[Row]:
        import pyarrow as pa

        def frame(rows: list[Any], ddl: str) -> DataFrame:
            return local_spark.createDataFrame(rows, ddl)

        schema = iceberg_schema(ENTITY_INDEX).as_arrow()
        index = local_spark.createDataFrame(pa.Table.from_pylist(entities, schema=schema))
        result = customers.transform(frame(shopify, SHOPIFY), frame(stripe, STRIPE), frame(hubspot, HUBSPOT), index)
        assert tuple(result.columns) == customers.TABLE.column_names
        return result.orderBy("entity_id").collect()

    return run


def test_the_best_value_of_each_attribute(build: Any) -> None:
    (row,) = build(
        [(1, "Berlin", "DE", False, False)],
        [("cus_1", None, "DE", False)],
        [(9007199254740993, "Munich", "Germany", None, False)],
        [
            entity("shopify", "1", first_name="ANNA", last_name="MEYER", email="info@firm.example"),
            entity("stripe", "cus_1", first_name="A.", last_name="Meyer", email="Anna@example.com", at=OLD,
                   email_normalized="anna@example.com", match_confidence=Decimal("97.50")),
            entity("hubspot", "9007199254740993", first_name="Anna", last_name="Meyer", at=NEW,
                   phone="030 1", phone_normalized=None),
        ],
    )  # fmt: skip
    assert (row.email, row.phone) == ("anna@example.com", "030 1")
    assert (row.full_name, row.city, row.country) == ("Anna Meyer", "Munich", "DE")
    munich = "hubspot:9007199254740993"
    assert (row.email_from, row.phone_from, row.name_from, row.address_from) == ("stripe:cus_1", munich, munich, munich)
    assert (row.sources, row.source_count, row.record_count) == ("hubspot,shopify,stripe", 3, 3)
    assert row.hubspot_contact_ids == '["9007199254740993"]'
    assert row.match_confidence == Decimal("97.50")
    assert row.first_seen_at.replace(tzinfo=UTC) == OLD
    assert row.is_deleted is False


def test_deleted_and_merged_records_give_ids_but_no_values(build: Any) -> None:
    (row,) = build(
        [(1, "Berlin", "DE", True, True)],
        [],
        [(2, "Paris", "FR", 3, False), (3, None, None, None, False)],
        [
            entity("shopify", "1", first_name="Anna", email="anna@example.com", at=NEW),
            entity("hubspot", "2", first_name="Anne", email="anne@example.com", at=NEW),
            entity("hubspot", "3", first_name="anna", last_name="meyer"),
        ],
    )
    assert (row.full_name, row.email, row.city) == ("Anna Meyer", None, None)
    assert (row.name_from, row.email_from, row.address_from) == ("hubspot:3", None, None)
    assert row.shopify_customer_ids == '["1"]'
    assert row.is_deleted is False


def test_a_person_all_of_whose_records_are_deleted_stays_without_values(build: Any) -> None:
    (row,) = build([(1, "Berlin", "DE", True, True)], [], [], [entity("shopify", "1", email="anna@example.com")])
    assert (row.email, row.full_name, row.city, row.is_deleted) == (None, None, None, True)


def test_of_two_equally_new_records_the_shop_wins(build: Any) -> None:
    (row,) = build(
        [(1, "Berlin", "DE", False, False)],
        [("cus_1", "Hamburg", "DE", False)],
        [],
        [entity("shopify", "1", email="a@example.com"), entity("stripe", "cus_1", email="b@example.com")],
    )
    assert (row.email, row.city) == ("a@example.com", "Berlin")
