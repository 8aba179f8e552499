"""Companies of the CRM: what is known of each now, put together from events of one property each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.staging.columns import LIFE, TIMES, TRACE
from lakehouse.staging.hubspot import PROPERTIES, parse, pivot, statements, write_objects
from lakehouse.staging.state import latest_state
from lakehouse.staging.step import run_step
from lakehouse.tables import Column, Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from lakehouse.merge import StepResult
    from lakehouse.staging.step import Batch

RAW_TABLE = "raw.hubspot_companies"
SOURCES = (RAW_TABLE,)
OBJECT_TYPE = "company"

TABLE = Table(
    name="staging.stg_hubspot_companies",
    grain="one row per company of the CRM, those that were merged away too",
    key=("company_id",),
    columns=(
        Column("company_id", "long", "HubSpot's id of the company", required=True),
        Column("portal_id", "long", "HubSpot account"),
        Column("name", "string", "as sent"),
        Column("domain", "string", "its web domain, as sent"),
        Column("phone", "string", "as sent"),
        Column("address", "string", "street and number"),
        Column("city", "string", "as sent"),
        Column("state", "string", "as sent"),
        Column("country", "string", "a name or a code, as sent"),
        Column("industry", "string", "as sent"),
        Column("merged_into", "long", "the company that it became part of; null for one that is its own"),
        *LIFE,
        *TIMES,
        *TRACE,
    ),
)
NAMES = {
    name: (name,) for name in ("name", "domain", "phone", "address", "city", "state", "country", "industry")
}  # fmt: skip
"""Column → HubSpot's names of the property."""


def transform(raw: DataFrame) -> DataFrame:
    """The companies in these raw rows alone; rows that cannot be typed are left out."""
    said = statements(parse(raw).where("_reject IS NULL"), OBJECT_TYPE)
    return pivot(latest_state(PROPERTIES, said), TABLE, "company_id", NAMES)


def _write(batch: Batch, rows: DataFrame) -> tuple[StepResult, DataFrame]:
    return write_objects(batch, rows, OBJECT_TYPE, "company_id", NAMES)


def run(spark: SparkSession, run_id: str) -> StepResult:
    """Bring the table up to what is new in raw.hubspot_companies."""
    return run_step(
        spark,
        run_id,
        raw_table=RAW_TABLE,
        target=TABLE,
        entity_type=OBJECT_TYPE,
        parse=parse,
        write_state=_write,
        also=(PROPERTIES,),
    )
