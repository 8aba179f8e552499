"""core.customers: one row per person, with the best value of each attribute.

The rule: deleted and merged-away records give no values. Of the others
* email: a person's own mailbox before a desk's (info@, …), then verified, then the most recently updated record's;
* phone: one that is a possible number, then the most recently updated record's;
* name: complete before initials, written in mixed case before all capitals, then the most recently updated;
* city and country: together, from the most recently updated record that has a city.
Ties go to the shop, then payments, then the CRM, then the larger id (as text).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.rebuild import rebuild
from lakehouse.semantic.normalize import COUNTRY_NAMES, GENERIC_LOCAL_PARTS
from lakehouse.tables import Column, Table

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame, SparkSession

    from lakehouse.merge import StepResult

SOURCES = (
    "staging.stg_shopify_customers",
    "staging.stg_stripe_customers",
    "staging.stg_hubspot_contacts",
    "semantic.entity_index",
)
PRECEDENCE = ("shopify", "stripe", "hubspot")

TABLE = Table(
    name="core.customers",
    grain="one row per person (entity)",
    key=("entity_id",),
    columns=(
        Column("entity_id", "string", "the person, as in semantic.entity_index", required=True),
        Column("email", "string", "best email, lower case"),
        Column("email_from", "string", "the record that the email is of, as source:source_id"),
        Column("phone", "string", "best phone, E.164 where it is a possible number"),
        Column("phone_from", "string", "the record that the phone is of"),
        Column("first_name", "string", "best given name"),
        Column("last_name", "string", "family name of the same record"),
        Column("full_name", "string", "given and family name"),
        Column("name_from", "string", "the record that the name is of"),
        Column("city", "string", "latest known city"),
        Column("country", "string", "ISO 3166 two letters, of the same record as the city"),
        Column("address_from", "string", "the record that city and country are of"),
        Column("sources", "string", "senders that know the person, sorted, with commas between"),
        Column("source_count", "int", "how many senders know the person"),
        Column("record_count", "int", "how many records the person has over all senders"),
        Column("shopify_customer_ids", "string", "JSON array of ids as text; null for none"),
        Column("stripe_customer_ids", "string", "JSON array of ids as text; null for none"),
        Column("hubspot_contact_ids", "string", "JSON array of ids as text; null for none"),
        Column("first_seen_at", "timestamptz", "when the first record was made"),
        Column("last_seen_at", "timestamptz", "when a record last changed"),
        Column("match_confidence", "decimal(5,2)", "percent: the weakest of the records' confidences"),
        Column(
            "is_deleted", "boolean", "whether every record was deleted; only ids and orders stay then", required=True
        ),
    ),
)


_FROM = {"email": "email", "phone": "phone", "name": "name", "address": "place"}


def _country(column: str) -> SparkColumn:
    from pyspark.sql import functions as F

    names = F.create_map(*(F.lit(x) for pair in sorted(COUNTRY_NAMES.items()) for x in pair))
    given = F.trim(F.col(column))
    return F.coalesce(F.try_element_at(names, F.lower(given)), F.when(F.length(given) == 2, F.upper(given)))


def _records(staged: DataFrame, source: str, key: str) -> DataFrame:
    """One sender's staged people in the columns that are needed here."""
    from pyspark.sql import functions as F

    gone = F.coalesce("is_deleted", F.lit(False))
    if "merged_into" in staged.columns:
        gone = gone | F.col("merged_into").isNotNull()
    return staged.select(
        F.lit(source).alias("source"),
        F.col(key).cast("string").alias("source_id"),
        "city",
        _country("country").alias("country"),
        (F.coalesce("verified_email", F.lit(False)) if "verified_email" in staged.columns else F.lit(False)).alias(
            "verified"
        ),
        F.coalesce("is_deleted", F.lit(False)).alias("is_deleted"),
        gone.alias("gone"),
    )


def _tidy(column: str) -> SparkColumn:
    """A name as people write it: single blanks, and capitals where somebody used none or only those."""
    from pyspark.sql import functions as F

    text = F.nullif(F.trim(F.regexp_replace(column, r"\s+", " ")), F.lit(""))
    plain = (text == F.upper(text)) | (text == F.lower(text))
    return F.when(plain & (F.length(text) > 2), F.initcap(text)).otherwise(text)


def _ids(source: str) -> SparkColumn:
    from pyspark.sql import functions as F

    ids = F.sort_array(F.collect_list(F.when(F.col("source") == source, F.col("source_id"))))
    return F.when(F.size(ids) > 0, F.to_json(ids))


def _best(value: SparkColumn, *first: SparkColumn) -> SparkColumn:
    """The value whose record comes first by `first`, then by the newest update, sender and id; nulls never win.

    As a struct of `value` and `record`, where it comes from.
    """
    from pyspark.sql import functions as F

    rank = F.struct(*first, F.col("updated_at"), F.col("precedence"), F.col("source_id"))
    record = F.concat_ws(":", "source", "source_id")
    return F.max_by(F.struct(value.alias("value"), record.alias("record")),
                    F.when(value.isNotNull() & ~F.col("gone"), rank))  # fmt: skip


def transform(shopify: DataFrame, stripe: DataFrame, hubspot: DataFrame, entities: DataFrame) -> DataFrame:
    """People from the three senders' staged records and the index of who is who."""
    from pyspark.sql import functions as F

    staged = (
        _records(shopify, "shopify", "customer_id")
        .unionByName(_records(stripe, "stripe", "customer_id"))
        .unionByName(_records(hubspot, "hubspot", "contact_id"))
    )
    precedence = F.create_map(*(F.lit(x) for rank, source in enumerate(reversed(PRECEDENCE)) for x in (source, rank)))
    records = (
        entities.join(staged, ["source", "source_id"], "inner")
        .withColumn("precedence", F.try_element_at(precedence, F.col("source")))
        .withColumn("given", _tidy("first_name"))
        .withColumn("family", _tidy("last_name"))
    )
    own_mailbox = F.coalesce(
        ~F.split_part("email_normalized", F.lit("@"), F.lit(1)).isin(*GENERIC_LOCAL_PARTS), F.lit(False)
    )
    full = F.length(F.regexp_replace("given", r"[.\s]", "")) > 1
    mixed = (F.col("first_name") != F.upper("first_name")) & (F.col("first_name") != F.lower("first_name"))
    name = F.when(F.coalesce("given", "family").isNotNull(), F.struct("given", "family"))
    place = F.when(F.col("city").isNotNull(), F.struct("city", "country"))
    return (
        records.groupBy("entity_id")
        .agg(
            _best(F.lower(F.trim("email")), own_mailbox, F.col("verified")).alias("email"),
            _best(F.coalesce("phone_normalized", "phone"), F.col("phone_normalized").isNotNull()).alias("phone"),
            _best(
                name, F.coalesce(full & F.col("family").isNotNull(), F.lit(False)), F.coalesce(mixed, F.lit(False))
            ).alias("name"),
            _best(place).alias("place"),
            F.concat_ws(",", F.array_sort(F.collect_set("source"))).alias("sources"),
            F.count_distinct("source").cast("int").alias("source_count"),
            F.count(F.lit(1)).cast("int").alias("record_count"),
            _ids("shopify").alias("shopify_customer_ids"),
            _ids("stripe").alias("stripe_customer_ids"),
            _ids("hubspot").alias("hubspot_contact_ids"),
            F.min("created_at").alias("first_seen_at"),
            F.max("updated_at").alias("last_seen_at"),
            F.min("match_confidence").alias("match_confidence"),
            F.min("is_deleted").alias("is_deleted"),
        )
        .withColumns(
            {
                "first_name": F.col("name.value.given"),
                "last_name": F.col("name.value.family"),
                "full_name": F.nullif(F.concat_ws(" ", "name.value.given", "name.value.family"), F.lit("")),
                "city": F.col("place.value.city"),
                "country": F.col("place.value.country"),
                **{f"{what}_from": F.col(f"{of}.record") for what, of in _FROM.items()},
                "email": F.col("email.value"),
                "phone": F.col("phone.value"),
            }
        )
        .select(*TABLE.column_names)
    )


def run(spark: SparkSession, run_id: str) -> StepResult:
    """Bring the table up to its sources."""
    return rebuild(spark, run_id, TABLE, SOURCES, transform)
