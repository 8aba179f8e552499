"""Stripe's event envelopes around charges and customers: whole numbers of minor units, times in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from data_generators.places import BY_CODE, Address
from data_generators.profiles import Profile

API_VERSION = "2025-09-30.clover"


@dataclass
class Charge:
    """A payment as it is now; `amount` in minor units, as the currency has them."""

    charge_id: str
    customer: Profile | None
    order_id: int
    amount: int
    currency: str
    email: str | None
    name: str
    phone: str | None
    billing: Address
    card: tuple[str, str, str]
    """(payment method id, brand, last four)"""
    intent: str
    created_ms: int
    updated_ms: int
    status: str = "succeeded"
    captured: bool = True
    failure_code: str | None = None
    amount_refunded: int = 0
    metadata: dict[str, str] = field(default_factory=dict)

    def touch(self, now_ms: int) -> int:
        """The time of the next event: never the second of an earlier one."""
        self.updated_ms = max(now_ms, (self.updated_ms // 1000 + 1) * 1000)
        return self.updated_ms


def _address(address: Address) -> dict[str, Any]:
    return {
        "city": address.city,
        "country": address.country,
        "line1": address.line1,
        "line2": None,
        "postal_code": address.zip,
        "state": address.province_code,
    }


def customer(profile: Profile) -> dict[str, Any]:
    """A customer with its address; `name` is one text."""
    name = f"{profile.first_name} {profile.last_name}"
    home = _address(profile.address)
    return {
        "id": profile.source_id,
        "object": "customer",
        "address": home,
        "balance": 0,
        "created": profile.created_ms // 1000,
        "currency": BY_CODE[profile.address.country].currency.lower(),
        "default_source": None,
        "delinquent": False,
        "description": None,
        "email": profile.email,
        "invoice_prefix": str(profile.source_id)[-8:].upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": name,
        "next_invoice_sequence": 1,
        "phone": profile.phone,
        "preferred_locales": [],
        "shipping": {"address": home, "name": name, "phone": profile.phone},
        "tax_exempt": "none",
        "test_clock": None,
    }


def _outcome(charge: Charge) -> dict[str, Any]:
    failed = charge.status == "failed"
    return {
        "advice_code": "try_again_later" if failed else None,
        "network_advice_code": None,
        "network_decline_code": "05" if failed else None,
        "network_status": "declined_by_network" if failed else "approved_by_network",
        "reason": charge.failure_code,
        "risk_level": "normal",
        "risk_score": 20 + len(charge.name) % 30,
        "seller_message": "The bank did not accept the payment." if failed else "Payment complete.",
        "type": "issuer_declined" if failed else "authorized",
    }


def _card(charge: Charge) -> dict[str, Any]:
    _, brand, last4 = charge.card
    return {
        "card": {
            "amount_authorized": charge.amount,
            "authorization_code": None,
            "brand": brand,
            "checks": {
                "address_line1_check": "pass",
                "address_postal_code_check": "pass",
                "cvc_check": "pass",
            },
            "country": charge.billing.country,
            "exp_month": 1 + int(last4) % 12,
            "exp_year": 2028,
            "fingerprint": charge.card[0][3:19],
            "funding": "credit",
            "installments": None,
            "last4": last4,
            "mandate": None,
            "network": brand,
            "three_d_secure": None,
            "wallet": None,
        },
        "type": "card",
    }


def charge(charge: Charge) -> dict[str, Any]:
    """The charge with all its fields, as it is now."""
    failed = charge.status == "failed"
    captured = charge.captured and not failed
    return {
        "id": charge.charge_id,
        "object": "charge",
        "amount": charge.amount,
        "amount_captured": charge.amount if captured else 0,
        "amount_refunded": charge.amount_refunded,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": f"txn_{charge.charge_id[3:]}" if captured else None,
        "billing_details": {
            "address": _address(charge.billing),
            "email": charge.email,
            "name": charge.name,
            "phone": charge.phone,
            "tax_id": None,
        },
        "calculated_statement_descriptor": "WORKBOOK KITCHEN",
        "captured": captured,
        "created": charge.created_ms // 1000,
        "currency": charge.currency.lower(),
        "customer": charge.customer.source_id if charge.customer else None,
        "description": f"Order {charge.order_id}",
        "destination": None,
        "dispute": None,
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": charge.failure_code,
        "failure_message": "Your card was declined." if failed else None,
        "fraud_details": {},
        "livemode": False,
        "metadata": {"order_id": str(charge.order_id), **charge.metadata},
        "on_behalf_of": None,
        "order": None,
        "outcome": _outcome(charge),
        "paid": not failed,
        "payment_intent": charge.intent,
        "payment_method": charge.card[0],
        "payment_method_details": _card(charge),
        "presentment_details": None,
        "radar_options": {},
        "receipt_email": charge.email,
        "receipt_number": None,
        "receipt_url": None if failed else f"https://pay.example/receipts/{charge.charge_id}",
        "refunded": charge.amount_refunded == charge.amount and not failed,
        "review": None,
        "shipping": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": charge.status,
        "transfer_data": None,
        "transfer_group": None,
    }


def event(
    event_id: str, kind: str, ms: int, body: dict[str, Any], request_id: str, previous: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The envelope. `previous` are the former values of what changed; only `*.updated` events have them."""
    data: dict[str, Any] = {"object": body}
    if previous is not None:
        if not kind.endswith(".updated"):
            raise ValueError(f"{kind} carries no previous_attributes; only *.updated events do")
        data["previous_attributes"] = previous
    return {
        "id": event_id,
        "object": "event",
        "api_version": API_VERSION,
        "created": ms // 1000,
        "data": data,
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": request_id, "idempotency_key": None},
        "type": kind,
    }
