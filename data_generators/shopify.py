"""Shopify's payloads of API 2025-10: customers and orders, money as text, times in the shop's own offset."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from data_generators import money
from data_generators.orders import CATALOGUE, Line, Order
from data_generators.places import BY_CODE, Address
from data_generators.profiles import Profile

API_VERSION = "2025-10"
SHOP_ID = 9_050_000_000_000_003
_SHOP_ZONE = timezone(timedelta(hours=-5))


def iso(ms: int) -> str:
    """A time as Shopify writes it in a body: seconds, in the shop's offset."""
    return datetime.fromtimestamp(ms // 1000, _SHOP_ZONE).isoformat(timespec="seconds")


def triggered_at(ms: int) -> str:
    """A time as Shopify writes it in the header: UTC with nine digits."""
    seconds = datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{seconds}.{ms % 1000:03d}000000Z"


def _set(amount: int, currency: str) -> dict[str, Any]:
    value = {"amount": money.text(amount, currency), "currency_code": currency}
    return {"shop_money": value, "presentment_money": value}


def _address(address: Address, first: str, last: str, phone: str | None) -> dict[str, Any]:
    return {
        "first_name": first,
        "address1": address.line1,
        "phone": phone,
        "city": address.city,
        "zip": address.zip,
        "province": address.province,
        "country": address.country_name,
        "last_name": last,
        "address2": None,
        "company": None,
        "latitude": None,
        "longitude": None,
        "name": f"{first} {last}",
        "country_code": address.country,
        "province_code": address.province_code,
    }


def customer_address(profile: Profile) -> dict[str, Any]:
    """The default address, as it is inside a customer."""
    extra = {"id": profile.extra[0], "customer_id": profile.source_id, "country_name": profile.address.country_name}
    return {**_address(profile.address, profile.first_name, profile.last_name, profile.phone), **extra, "default": True}


def customer(profile: Profile, state: str = "enabled") -> dict[str, Any]:
    """A customer of API 2025-01 and later: no orders_count, total_spent, tags or last order."""
    home = customer_address(profile)
    return {
        "id": profile.source_id,
        "created_at": iso(profile.created_ms),
        "updated_at": iso(profile.updated_ms),
        "first_name": profile.first_name,
        "last_name": profile.last_name,
        "state": state,
        "note": None,
        "verified_email": profile.email is not None,
        "multipass_identifier": None,
        "tax_exempt": False,
        "email": profile.email,
        "phone": profile.phone,
        "currency": BY_CODE[profile.address.country].currency,
        "addresses": [home],
        "tax_exemptions": [],
        "admin_graphql_api_id": f"gid://shopify/Customer/{profile.source_id}",
        "default_address": home,
    }


def customer_deleted(profile: Profile) -> dict[str, Any]:
    """All that Shopify says of a customer that is gone."""
    gid = f"gid://shopify/Customer/{profile.source_id}"
    return {"id": profile.source_id, "tax_exemptions": [], "admin_graphql_api_id": gid}


def privacy_request(profile: Profile, shop: str, orders: list[int], request_id: int | None) -> dict[str, Any]:
    """`customers/data_request` with a request id, `customers/redact` without."""
    who = {"id": profile.source_id, "email": profile.email, "phone": profile.phone}
    base = {"shop_id": SHOP_ID, "shop_domain": shop, "customer": who}
    if request_id is None:
        return {**base, "orders_to_redact": orders}
    return {**base, "orders_requested": orders, "data_request": {"id": request_id}}


def _tax_line(amount: int, order: Order) -> dict[str, Any]:
    name, numerator, denominator = BY_CODE[order.shipping.country].tax
    return {
        "channel_liable": False,
        "price": money.text(amount, order.currency),
        "price_set": _set(amount, order.currency),
        "rate": numerator / denominator,
        "title": name,
    }


def _line(line: Line, order: Order, shipped: bool) -> dict[str, Any]:
    title, sku, _ = CATALOGUE[line.product]
    allocations = []
    if line.discount:
        amount = money.text(line.discount, order.currency)
        given = {"amount": amount, "amount_set": _set(line.discount, order.currency), "discount_application_index": 0}
        allocations.append(given)
    return {
        "id": line.line_id,
        "admin_graphql_api_id": f"gid://shopify/LineItem/{line.line_id}",
        "attributed_staffs": [],
        "current_quantity": line.quantity,
        "fulfillable_quantity": 0 if shipped else line.quantity,
        "fulfillment_service": "manual",
        "fulfillment_status": "fulfilled" if shipped else None,
        "gift_card": False,
        "grams": 100 * (line.product + 1),
        "name": title,
        "price": money.text(line.price, order.currency),
        "price_set": _set(line.price, order.currency),
        "product_exists": True,
        "product_id": 9_200_000_000_000_001 + line.product,
        "properties": [],
        "quantity": line.quantity,
        "requires_shipping": True,
        "sales_line_item_group_id": None,
        "sku": f"{sku}-{line.product + 1:03d}",
        "taxable": True,
        "title": title,
        "total_discount": "0" if not line.discount else money.text(0, order.currency),
        "total_discount_set": _set(0, order.currency),
        "variant_id": 9_210_000_000_000_001 + line.product,
        "variant_inventory_management": "shopify",
        "variant_title": None,
        "vendor": "Workbook Kitchen",
        "tax_lines": [_tax_line(line.tax, order)],
        "duties": [],
        "discount_allocations": allocations,
    }


def _refund(order: Order, refund: tuple[int, int, int]) -> dict[str, Any]:
    refund_id, amount, ms = refund
    return {
        "id": refund_id,
        "admin_graphql_api_id": f"gid://shopify/Refund/{refund_id}",
        "created_at": iso(ms),
        "note": None,
        "order_id": order.order_id,
        "processed_at": iso(ms),
        "restock": True,
        "transactions": [
            {
                "id": refund_id + 1,
                "amount": money.text(amount, order.currency),
                "created_at": iso(ms),
                "currency": order.currency,
                "gateway": order.gateway,
                "kind": "refund",
                "order_id": order.order_id,
                "status": "success",
            }
        ],
        "refund_line_items": [],
        "order_adjustments": [],
    }


def _fulfillment(order: Order, shipment: tuple[int, int, int]) -> dict[str, Any]:
    shipment_id, count, ms = shipment
    return {
        "id": shipment_id,
        "admin_graphql_api_id": f"gid://shopify/Fulfillment/{shipment_id}",
        "created_at": iso(ms),
        "location_id": 9_220_000_000_000_001,
        "name": f"#{order.number}.{shipment_id % 9 + 1}",
        "order_id": order.order_id,
        "service": "manual",
        "shipment_status": None,
        "status": "success",
        "tracking_company": "Parcel",
        "tracking_number": str(shipment_id),
        "tracking_url": None,
        "updated_at": iso(ms),
        "line_items": [{"id": line.line_id, "quantity": line.quantity} for line in order.lines[:count]],
    }


def _amounts(order: Order) -> dict[str, Any]:
    """Every amount of the order twice, as text and as set. A cancelled or refunded part is in the current_ ones."""
    c = order.currency
    net = order.items - order.discount
    kept = 0 if order.refunded >= order.total or order.cancelled_ms else 1
    now = {
        "subtotal_price": net * kept,
        "total_discounts": order.discount * kept,
        "total_price": max(order.total - order.refunded, 0) * kept,
        "total_tax": order.tax * kept,
    }
    then = {
        "subtotal_price": net,
        "total_discounts": order.discount,
        "total_line_items_price": order.items,
        "total_price": order.total,
        "total_tax": order.tax,
    }
    paid = order.financial in ("paid", "partially_refunded", "refunded", "voided")
    outstanding = 0 if paid else order.total
    fields: dict[str, Any] = {}
    for prefix, values in (("current_", now), ("", then)):
        for name, value in values.items():
            fields[f"{prefix}{name}"] = money.text(value, c)
            fields[f"{prefix}{name}_set"] = _set(value, c)
    return {
        **fields,
        "current_shipping_price_set": _set(order.shipping_amount * kept, c),
        "current_total_additional_fees_set": None,
        "current_total_duties_set": None,
        "original_total_additional_fees_set": None,
        "original_total_duties_set": None,
        "total_cash_rounding_payment_adjustment_set": _set(0, c),
        "total_cash_rounding_refund_adjustment_set": _set(0, c),
        "total_outstanding": money.text(outstanding, c),
        "total_shipping_price_set": _set(order.shipping_amount, c),
        "total_tip_received": money.text(0, c),
    }


def _shipping_line(order: Order) -> dict[str, Any]:
    amount, amounts = money.text(order.shipping_amount, order.currency), _set(order.shipping_amount, order.currency)
    return {
        "id": order.lines[0].line_id + 1,
        "carrier_identifier": None,
        "code": "Standard",
        "current_discounted_price_set": amounts,
        "discounted_price": amount,
        "discounted_price_set": amounts,
        "is_removed": False,
        "phone": None,
        "price": amount,
        "price_set": amounts,
        "requested_fulfillment_service_id": None,
        "source": "shopify",
        "title": "Standard",
        "tax_lines": [],
        "discount_allocations": [],
    }


def order(order: Order) -> dict[str, Any]:
    """The order with all its top-level fields, as it is now."""
    c = order.currency
    first, last = order.name
    codes, applications = [], []
    if order.discount_code:
        percent = order.discount_code.removeprefix("SAVE")
        codes = [{"code": order.discount_code, "amount": money.text(order.discount, c), "type": "percentage"}]
        applications = [
            {
                "target_type": "line_item",
                "type": "discount_code",
                "value": f"{percent}.0",
                "value_type": "percentage",
                "allocation_method": "across",
                "target_selection": "all",
                "code": order.discount_code,
            }
        ]
    shipped = max((count for _, count, _ in order.shipments), default=0)
    buyer = customer(order.customer) if order.customer else None
    if buyer:
        del buyer["addresses"]  # inside an order a customer has its default address only
    payload: dict[str, Any] = {
        "id": order.order_id,
        "admin_graphql_api_id": f"gid://shopify/Order/{order.order_id}",
        "app_id": 580111,
        "browser_ip": "192.0.2.10",
        "buyer_accepts_marketing": False,
        "cancel_reason": order.cancel_reason,
        "cancelled_at": iso(order.cancelled_ms) if order.cancelled_ms else None,
        "cart_token": None,
        "checkout_id": order.order_id + 7,
        "checkout_token": order.token,
        "client_details": {
            "accept_language": None,
            "browser_height": None,
            "browser_ip": "192.0.2.10",
            "browser_width": None,
            "session_hash": None,
            "user_agent": "Mozilla/5.0",
        },
        "closed_at": None,
        "company": None,
        "confirmation_number": order.token[:9].upper(),
        "confirmed": True,
        "contact_email": order.email,
        "created_at": iso(order.created_ms),
        "currency": c,
        "customer_locale": "en",
        "device_id": None,
        "discount_codes": codes,
        "duties_included": False,
        "email": order.email,
        "estimated_taxes": False,
        "financial_status": order.financial,
        "fulfillment_status": order.fulfillment,
        "landing_site": "/",
        "landing_site_ref": None,
        "location_id": None,
        "merchant_business_entity_id": "MTU1",
        "merchant_of_record_app_id": None,
        "name": f"#{order.number}",
        "note": None,
        "note_attributes": [],
        "number": order.number - 1000,
        "order_number": order.number,
        "order_status_url": f"https://shop.example/{SHOP_ID}/orders/{order.token}",
        "payment_gateway_names": [order.gateway],
        "phone": order.phone,
        "po_number": None,
        "presentment_currency": c,
        "processed_at": iso(order.created_ms),
        "reference": None,
        "referring_site": None,
        "source_identifier": None,
        "source_name": "web",
        "source_url": None,
        "tags": "",
        "tax_exempt": False,
        "tax_lines": [_tax_line(order.tax, order)],
        "taxes_included": False,
        "test": False,
        "token": order.token,
        "total_weight": sum(100 * (line.product + 1) * line.quantity for line in order.lines),
        "updated_at": iso(order.updated_ms),
        "user_id": None,
        **_amounts(order),
        "billing_address": _address(order.billing, first, last, order.phone),
        "customer": buyer,
        "discount_applications": applications,
        "fulfillments": [_fulfillment(order, shipment) for shipment in order.shipments],
        "line_items": [_line(line, order, index < shipped) for index, line in enumerate(order.lines)],
        "payment_terms": None,
        "refunds": [_refund(order, refund) for refund in order.refunds],
        "shipping_address": _address(order.shipping, first, last, order.phone),
        "shipping_lines": [_shipping_line(order)],
        "returns": [],
        "line_item_groups": [],
    }
    return payload


def order_deleted(order: Order) -> dict[str, Any]:
    """All that Shopify says of an order that is gone."""
    return {"id": order.order_id}
