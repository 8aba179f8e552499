"""The books of staging: duplicates are counted once, however often the step is repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse.staging import stg_stripe_charges as charges
from lakehouse.staging.events import WEBHOOK_EVENTS, rejects, webhook_events

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def payload(event_id: str, created: int) -> dict[str, Any]:
    charge = {"id": "ch_1", "amount": 100, "currency": "eur", "created": 1_767_261_600}
    return {
        "id": event_id,
        "object": "event",
        "type": "charge.succeeded",
        "created": created,
        "data": {"object": charge},
    }


def test_events_duplicates_and_what_became_of_them(raw_rows: Any, local_spark: SparkSession) -> None:
    deliveries = [
        ("charge.succeeded", "evt_1", payload("evt_1", 1_767_261_601), None),
        ("charge.succeeded", "evt_1", payload("evt_1", 1_767_261_601), None),
        ("charge.succeeded", "evt_2", payload("evt_2", 1_767_261_602), None),
        ("charge.succeeded", "evt_3", b"{", None),
    ]
    parsed = charges.parse(raw_rows(deliveries))
    applied = local_spark.createDataFrame([("evt_2",)], "_webhook_id STRING")
    nothing = local_spark.createDataFrame([], ", ".join(_ddl()))
    first = webhook_events(parsed, applied, nothing, "raw.stripe_charges", "charge")
    found = {row["webhook_id"]: (row["duplicates"], row["status"]) for row in first.collect()}
    assert found == {"evt_1": (1, "superseded"), "evt_2": (0, "applied"), "evt_3": (0, "rejected")}

    again = webhook_events(parsed, applied, first, "raw.stripe_charges", "charge")
    repeated = {row["webhook_id"]: (row["duplicates"], row["status"]) for row in again.collect()}
    assert repeated == found

    (refused,) = rejects(parsed, "raw.stripe_charges").collect()
    assert (refused["webhook_id"], refused["reason"], refused["_kafka_offset"]) == ("evt_3", "unparsable_json", 3)


def _ddl() -> list[str]:
    types = {"long": "BIGINT", "timestamptz": "TIMESTAMP"}
    return [f"{column.name} {types.get(column.type, column.type)}" for column in WEBHOOK_EVENTS.columns]
