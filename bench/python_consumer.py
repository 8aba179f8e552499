"""The plain way from a topic to Iceberg: one Python process that consumes, parses and appends with pyiceberg.

It fills the same columns as the Flink job fills in `raw.shopify_orders`, and is exactly-once the same way a careful
person would make it: the offsets of a batch are in the snapshot that holds the batch.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pyarrow as pa

from lakehouse import metadata
from lakehouse.engines import kafka
from lakehouse.settings import get_settings
from lakehouse.streaming.tables import SHOPIFY_ORDERS
from lakehouse.tables import Table, create_all, iceberg_schema

TOPIC = "shopify.orders"
BATCH_ROWS, BATCH_SECONDS = 20_000, 5.0
"""A commit holds so many rows or what came in so many seconds: the checkpoint interval of the Flink job."""
TEXTS = ("admin_graphql_api_id", "email", "total_price", "subtotal_price", "total_tax", "currency", "financial_status",
         "fulfillment_status")  # fmt: skip
NUMBERS = ("id", "order_number")
NESTED = ("customer", "line_items", "shipping_address", "billing_address")
TIMES = ("created_at", "updated_at")


def table(namespace: str) -> Table:
    """The contract of raw.shopify_orders, in another namespace."""
    return replace(SHOPIFY_ORDERS, name=f"{namespace}.shopify_orders")


def moment(text: str | None) -> datetime | None:
    """An ISO 8601 text as a moment; None if it is none. Nanoseconds lose their last three digits."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def row(value: bytes, headers: dict[str, str], partition: int, offset: int, now: datetime) -> dict[str, Any]:
    """One message as a row of raw."""
    try:
        parsed = orjson.loads(value)
    except ValueError:
        parsed = None
    order = parsed if isinstance(parsed, dict) else {}
    nested = {name: order.get(name) for name in NESTED}
    return {
        **{name: order.get(name) for name in (*NUMBERS, *TEXTS)},
        **{name: None if value is None else orjson.dumps(value).decode() for name, value in nested.items()},
        **{name: moment(order.get(name)) for name in TIMES},
        "_payload": value, "_source": headers.get("source"), "_webhook_topic": headers.get("webhook_topic"),
        "_webhook_id": headers.get("webhook_id"), "_source_topic": TOPIC,
        "_api_version": headers.get("api_version") or None, "_kafka_partition": partition, "_kafka_offset": offset,
        "_body_sha256": headers.get("body_sha256"), "_received_at": moment(headers.get("received_at")),
        "_loaded_at": now, "_shop_domain": headers.get("shop_domain"),
        "_triggered_at": moment(headers.get("triggered_at")),
    }  # fmt: skip


def consume(contract: Table, rows: int) -> dict[str, float]:
    """Land so many messages from the start of the topic; seconds from the subscription to the last commit."""
    from confluent_kafka import Consumer, TopicPartition

    settings = get_settings()
    create_all(metadata.catalog(), (contract,))
    target = metadata.catalog().load_table(contract.name)
    schema = iceberg_schema(contract).as_arrow()
    own = {"group.id": "bench-python", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    consumer = Consumer(kafka.client_config(settings) | own)
    began = time.perf_counter()
    places = consumer.list_topics(TOPIC, timeout=20).topics[TOPIC].partitions
    consumer.assign([TopicPartition(TOPIC, number, 0) for number in places])
    landed = commits = 0
    offsets: dict[int, int] = {}
    while landed < rows:
        batch: list[dict[str, Any]] = []
        until = time.perf_counter() + BATCH_SECONDS
        while len(batch) < min(BATCH_ROWS, rows - landed) and (left := until - time.perf_counter()) > 0:
            now = datetime.now(UTC)
            for message in consumer.consume(min(2_000, rows - landed - len(batch)), timeout=min(left, 0.5)):
                if message.error() is not None:
                    raise RuntimeError(str(message.error()))
                headers = {name: value.decode() for name, value in message.headers() or ()}
                place, offset = message.partition(), message.offset()
                batch.append(row(message.value() or b"", headers, place, offset, now))
                offsets[place] = offset + 1
        if batch:
            place_text = {"bench.offsets": json.dumps(offsets)}
            target.append(pa.Table.from_pylist(batch, schema=schema), snapshot_properties=place_text)
            landed, commits = landed + len(batch), commits + 1
    consumer.close()
    return {"rows": landed, "commits": commits, "seconds": round(time.perf_counter() - began, 3)}


def main() -> None:
    """Land, and print what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--namespace", required=True)
    chosen = parser.parse_args()
    said = consume(table(chosen.namespace), chosen.rows)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({**said, "cpu_seconds": round(used.ru_utime + used.ru_stime, 2)}))


if __name__ == "__main__":
    main()
