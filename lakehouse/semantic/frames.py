"""Rows computed in this process as a Spark frame of a table's contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.tables import Table, iceberg_schema

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession


def to_frame(spark: SparkSession, table: Table, rows: pa.Table) -> DataFrame:
    """A frame with the contract's columns and types; sent as Arrow, so nothing is guessed from values."""
    return spark.createDataFrame(fit(table, rows))


def fit(table: Table, rows: pa.Table) -> pa.Table:
    """The rows with the contract's columns, in its order and types."""
    import pyarrow as pa

    # required fields stay nullable here: Spark checks them again where the table does
    fields = [pa.field(field.name, field.type) for field in iceberg_schema(table).as_arrow()]
    return rows.select([field.name for field in fields]).cast(pa.schema(fields))
