"""Rows computed in this process as a Spark frame of a table's contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lakehouse.tables import Table, iceberg_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def to_frame(spark: SparkSession, table: Table, rows: Sequence[Mapping[str, Any]]) -> DataFrame:
    """A frame with the contract's columns and types; sent as Arrow, so nothing is guessed from values."""
    import pyarrow as pa

    # required fields stay nullable here: Spark checks them again where the table does
    fields = [pa.field(field.name, field.type) for field in iceberg_schema(table).as_arrow()]
    return spark.createDataFrame(pa.Table.from_pylist([dict(row) for row in rows], schema=pa.schema(fields)))
