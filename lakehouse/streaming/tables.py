"""The raw tables: the tape recording of each topic. Append only; nothing rewrites a row but erasure.

`_payload` is what was received, to the byte. The other columns are what could be read from it: a payload that
does not parse is still a row, with nulls.
"""

from __future__ import annotations

from lakehouse.tables import Column, Table

PROPERTIES = {
    # an idle topic would otherwise commit an empty snapshot every tenth checkpoint
    "flink.max-continuous-empty-commits": "1000000",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
    "write.parquet.compression-codec": "zstd",
}

RECORD = (
    Column("_payload", "binary", "the exact bytes that were received", required=False),
    Column("_source", "string", "sender: shopify, stripe or hubspot"),
    Column("_webhook_topic", "string", "the sender's name for the event, such as orders/create"),
    Column("_webhook_id", "string", "the sender's id of the delivery or event: what duplicates share"),
    Column("_source_topic", "string", "the topic of the event log"),
    Column("_api_version", "string", "the sender's API version of the payload"),
    Column("_kafka_partition", "int", "partition in the topic"),
    Column("_kafka_offset", "long", "offset in the partition; with it, unique in the topic"),
    Column("_body_sha256", "string", "SHA-256 of the whole request body, hex"),
    Column("_received_at", "timestamptz", "when the request was verified"),
    Column("_loaded_at", "timestamptz", "when Flink read it; it is visible only after the next checkpoint"),
)
SHOPIFY_RECORD = (
    Column("_shop_domain", "string", "the shop that sent it"),
    Column("_triggered_at", "timestamptz", "when the shop's event happened, as the unsigned header says"),
)


def raw_table(topic: str) -> str:
    """The raw table of a topic."""
    return f"raw.{topic.replace('.', '_')}"


def _columns(*specs: str) -> tuple[Column, ...]:
    """`name:type:meaning`, one a column; they are as the sender gives them."""
    parts = [spec.split(":", 2) for spec in specs]
    return tuple(Column(name, kind, doc) for name, kind, doc in parts)


def _raw(topic: str, *specs: str, more: tuple[Column, ...] = ()) -> Table:
    return Table(
        name=raw_table(topic),
        grain=f"one row per message of the topic {topic}",
        key=("_kafka_partition", "_kafka_offset"),
        columns=(*_columns(*specs), *RECORD, *more),
        properties=PROPERTIES,
    )


SHOPIFY_ORDERS = _raw(
    "shopify.orders",
    "id:long:Shopify's order id",
    "admin_graphql_api_id:string:the same id for GraphQL",
    "email:string:contact email of the order",
    "order_number:long:the number a customer sees",
    "total_price:string:as sent, major units",
    "subtotal_price:string:as sent, major units",
    "total_tax:string:as sent, major units",
    "currency:string:ISO 4217",
    "financial_status:string:pending, paid, refunded, …",
    "fulfillment_status:string:null until something was shipped",
    "customer:string:JSON",
    "line_items:string:JSON array",
    "shipping_address:string:JSON",
    "billing_address:string:JSON",
    "created_at:timestamptz:when the order was made",
    "updated_at:timestamptz:when this state of it came to be",
    more=SHOPIFY_RECORD,
)
SHOPIFY_CUSTOMERS = _raw(
    "shopify.customers",
    "id:long:Shopify's customer id",
    "admin_graphql_api_id:string:the same id for GraphQL",
    "email:string:as typed",
    "phone:string:as typed",
    "first_name:string:as typed",
    "last_name:string:as typed",
    "state:string:disabled, invited, enabled",
    "currency:string:ISO 4217",
    "verified_email:boolean:whether Shopify verified it",
    "default_address:string:JSON",
    "addresses:string:JSON array",
    "created_at:timestamptz:when the customer was made",
    "updated_at:timestamptz:when this state came to be",
    more=SHOPIFY_RECORD,
)
STRIPE_EVENT = (
    "event_id:string:Stripe's event id",
    "event_type:string:such as charge.succeeded",
    "event_created:timestamptz:when the event happened, to the second",
)
STRIPE_CHARGES = _raw(
    "stripe.charges",
    *STRIPE_EVENT,
    "id:string:charge id",
    "amount:long:minor units of the currency",
    "amount_refunded:long:minor units",
    "currency:string:ISO 4217, lower case",
    "customer:string:customer id",
    "status:string:succeeded, pending, failed",
    "paid:boolean:whether it was paid",
    "refunded:boolean:whether all of it was refunded",
    "captured:boolean:whether it was captured",
    "receipt_email:string:where the receipt went",
    "billing_details:string:JSON",
    "payment_method_details:string:JSON",
    "metadata:string:JSON; order_id is the shop's order",
    "failure_code:string:why it failed",
    "created:timestamptz:when the charge was made",
)
STRIPE_CUSTOMERS = _raw(
    "stripe.customers",
    *STRIPE_EVENT,
    "id:string:customer id",
    "email:string:as typed",
    "name:string:full name as typed",
    "phone:string:as typed",
    "address:string:JSON",
    "shipping:string:JSON",
    "metadata:string:JSON",
    "currency:string:ISO 4217, lower case",
    "created:timestamptz:when the customer was made",
)
HUBSPOT_EVENT = (
    "event_id:long:HubSpot's event id; not unique by itself",
    "subscription_id:long:the app's subscription",
    "portal_id:long:the HubSpot account",
    "object_id:long:contact or company",
    "object_type_id:string:0-1 contact, 0-2 company",
    "subscription_type:string:such as contact.propertyChange",
    "property_name:string:the one property that changed",
    "property_value:string:its new value as text",
    "change_source:string:what changed it",
    "occurred_at:timestamptz:when it happened, to the millisecond",
    "attempt_number:int:delivery attempt",
    "primary_object_id:long:of a merge, the one kept",
    "merged_object_ids:string:of a merge, JSON array of those gone",
    "new_object_id:long:of a merge, the survivor's id, which may be new",
)
HUBSPOT_CONTACTS = _raw("hubspot.contacts", *HUBSPOT_EVENT)
HUBSPOT_COMPANIES = _raw("hubspot.companies", *HUBSPOT_EVENT)
PRIVACY_REQUESTS = _raw(
    "privacy.requests",
    "subject_id:string:whom it is about, in the sender's ids",
    "subject_email:string:their email, where the sender gives it",
    "shop_domain:string:Shopify's shop",
    "occurred_at:timestamptz:HubSpot's time of it",
)
INGESTION_QUARANTINE = _raw(
    "ingestion.quarantine",
    "reason:string:why it was put aside",
)

TABLES = (
    SHOPIFY_ORDERS,
    SHOPIFY_CUSTOMERS,
    STRIPE_CHARGES,
    STRIPE_CUSTOMERS,
    HUBSPOT_CONTACTS,
    HUBSPOT_COMPANIES,
    PRIVACY_REQUESTS,
    INGESTION_QUARANTINE,
)
