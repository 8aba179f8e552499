"""Contacts of the CRM: what is known of each now, put together from events of one property each."""

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

RAW_TABLE = "raw.hubspot_contacts"
SOURCES = (RAW_TABLE,)
OBJECT_TYPE = "contact"

TABLE = Table(
    name="staging.stg_hubspot_contacts",
    grain="one row per contact of the CRM, those that were merged away too",
    key=("contact_id",),
    columns=(
        Column("contact_id", "long", "HubSpot's id of the contact", required=True),
        Column("portal_id", "long", "HubSpot account"),
        Column("email", "string", "as sent"),
        Column("phone", "string", "as sent; the mobile one if there is no other"),
        Column("first_name", "string", "as sent"),
        Column("last_name", "string", "as sent"),
        Column("company", "string", "employer's name, as sent"),
        Column("address", "string", "street and number"),
        Column("city", "string", "as sent"),
        Column("state", "string", "as sent"),
        Column("zip", "string", "postcode, as sent"),
        Column("country", "string", "a name or a code, as sent"),
        Column("lifecycle_stage", "string", "lead, customer, …"),
        Column("merged_into", "long", "the contact that it became part of; null for one that is its own"),
        *LIFE,
        *TIMES,
        *TRACE,
    ),
)
NAMES = {
    "email": ("email",),
    "phone": ("phone", "mobilephone"),
    "first_name": ("firstname",),
    "last_name": ("lastname",),
    "lifecycle_stage": ("lifecyclestage",),
    **{name: (name,) for name in ("company", "address", "city", "state", "zip", "country")},
}
"""Column → HubSpot's names of the property."""


def transform(raw: DataFrame) -> DataFrame:
    """The contacts in these raw rows alone; rows that cannot be typed are left out."""
    said = statements(parse(raw).where("_reject IS NULL"), OBJECT_TYPE)
    return pivot(latest_state(PROPERTIES, said), TABLE, "contact_id", NAMES)


def _write(batch: Batch, rows: DataFrame) -> tuple[StepResult, DataFrame]:
    return write_objects(batch, rows, OBJECT_TYPE, "contact_id", NAMES)


def run(spark: SparkSession, run_id: str) -> StepResult:
    """Bring the table up to what is new in raw.hubspot_contacts."""
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
