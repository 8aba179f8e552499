"""Raw rows for transforms, as Flink writes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Deliver = Callable[..., "tuple[Any, ...]"]
RAW = """_payload BINARY, _webhook_topic STRING, _webhook_id STRING, _source STRING, _source_topic STRING,
    _kafka_partition INT, _kafka_offset BIGINT, _triggered_at TIMESTAMP, _received_at TIMESTAMP"""


def at(text: str) -> datetime:
    """A UTC time such as `2026-01-01T10:00:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture
def raw_rows(local_spark: SparkSession) -> Callable[[list[tuple[Any, ...]]], DataFrame]:
    """From (topic, webhook id, payload, triggered at) to a frame; offsets follow the order of arrival."""

    def make(deliveries: list[tuple[Any, ...]]) -> DataFrame:
        rows = [
            (
                payload if isinstance(payload, bytes) else json.dumps(payload).encode(),
                topic,
                webhook_id,
                "test",
                "topic",
                0,
                offset,
                triggered,
                at("2026-01-02T00:00:00"),
            )
            for offset, (topic, webhook_id, payload, triggered) in enumerate(deliveries)
        ]
        return local_spark.createDataFrame(rows, RAW)

    return make
