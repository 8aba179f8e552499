"""All tables of the layer."""

from __future__ import annotations

from lakehouse.staging import (
    stg_hubspot_companies,
    stg_hubspot_contacts,
    stg_privacy_requests,
    stg_shopify_customers,
    stg_shopify_orders,
    stg_stripe_charges,
    stg_stripe_customers,
)
from lakehouse.staging.events import REJECTS, WEBHOOK_EVENTS
from lakehouse.staging.hubspot import PROPERTIES

TABLES = (
    stg_shopify_orders.TABLE,
    stg_shopify_customers.TABLE,
    stg_stripe_charges.TABLE,
    stg_stripe_customers.TABLE,
    stg_hubspot_contacts.TABLE,
    stg_hubspot_companies.TABLE,
    stg_privacy_requests.TABLE,
    PROPERTIES,
    WEBHOOK_EVENTS,
    REJECTS,
)
