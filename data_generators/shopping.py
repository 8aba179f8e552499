"""What happens to an order: made, paid, shipped, paid back, cancelled, deleted; and the charge that pays it."""

from __future__ import annotations

from typing import Any

from data_generators import money, orders, shopify, stripe
from data_generators.config import DAY_MS
from data_generators.places import BY_CODE
from data_generators.profiles import Profile
from data_generators.timeline import HOUR, MINUTE, Timeline
from data_generators.world import Person

CARDS = ("visa", "mastercard", "amex")
FAILURES = ("card_declined", "insufficient_funds", "expired_card", "processing_error")


class Shopping:
    """Orders and charges on a timeline."""

    def __init__(self, timeline: Timeline) -> None:
        self.t = timeline
        self._number = 1000

    # -- making one -----------------------------------------------------------------------------------------
    def order(self, person: Person, now: int) -> None:
        """A person orders; some as guests, some under another address than their own."""
        t, rng = self.t, self.t.rng
        profiles = t.known("shopify", person.person_id)
        if not profiles:
            return
        profile = rng.choice(profiles)
        self._number += 1
        country = profile.address.country
        currency = BY_CODE[country].currency
        percent = rng.choices((0, 10, 15, 25), weights=(76, 12, 8, 4))[0]
        card = rng.random() < 0.9
        lines = orders.make_lines(currency, country, percent, rng, t.ids)
        order = orders.Order(
            order_id=t.ids.number("order"),
            number=self._number,
            customer=None if rng.random() < 0.06 else profile,
            email=profile.email or person.email,
            shipping=profile.address,
            billing=profile.address if rng.random() < 0.85 else person.household.address,
            name=(profile.first_name, profile.last_name),
            phone=profile.phone,
            currency=currency,
            lines=lines,
            shipping_amount=money.from_major(max(1, int(6 * BY_CODE[country].price)), 50, currency)
            if rng.random() < 0.7
            else 0,
            discount_code=f"SAVE{percent}" if percent and sum(line.discount for line in lines) else None,
            created_ms=now,
            updated_ms=now,
            gateway="stripe" if card else "bank_deposit",
            token=f"{rng.getrandbits(128):032x}",
        )
        t.orders.setdefault(person.person_id, []).append(order)
        self._send(order, "orders/create", now)
        if card:
            self._pay_by_card(order, person, now)
        elif rng.random() < 0.85:
            t.at(t.soon(now, 0.5, 3, DAY_MS), lambda ms: self._paid(order, ms))

    def _send(self, order: orders.Order, topic: str, ms: int, both: bool = False) -> None:
        """A state of the order; with `both` also as orders/updated, as one action of the merchant."""
        event_id = self.t.ids.uuid()
        payload = shopify.order(order)
        self.t.send_shopify(topic, ms, payload, event_id)
        if both:
            self.t.send_shopify("orders/updated", ms, payload, event_id)

    # -- paying ---------------------------------------------------------------------------------------------
    def _charge(self, order: orders.Order, person: Person, now: int, **changes: Any) -> stripe.Charge:
        t, rng = self.t, self.t.rng
        customers = t.known("stripe", person.person_id)
        payer: Profile | None = rng.choice(customers) if customers else None
        return stripe.Charge(
            charge_id=t.ids.text("ch_"),
            customer=payer,
            order_id=order.order_id,
            amount=order.total,
            currency=order.currency,
            email=order.email,
            name=" ".join(order.name) if rng.random() < 0.8 else f"{person.given} {person.family}",
            phone=order.phone,
            billing=order.billing,
            card=(t.ids.text("pm_"), rng.choice(CARDS), f"{rng.randrange(10_000):04d}"),
            intent=t.ids.text("pi_"),
            created_ms=now,
            updated_ms=now,
            **changes,
        )

    def _pay_by_card(self, order: orders.Order, person: Person, now: int) -> None:
        t, draw = self.t, self.t.rng.random()
        if draw < 0.07:
            t.at(t.soon(now, 3, 20), lambda ms: self._fail(order, person, ms))
        elif draw < 0.19:
            t.at(t.soon(now, 3, 20), lambda ms: self._authorize(order, person, ms))
        else:
            t.at(t.soon(now, 3, 20), lambda ms: self._succeed(order, person, ms))

    def _fail(self, order: orders.Order, person: Person, now: int) -> None:
        t = self.t
        code = t.rng.choice(FAILURES)
        charge = self._charge(order, person, now, status="failed", captured=False, failure_code=code)
        t.send_stripe("charge.failed", now, stripe.charge(charge))
        if t.rng.random() < 0.6:
            t.at(t.soon(now, 1, 30, MINUTE), lambda ms: self._succeed(order, person, ms))
        else:
            t.at(t.soon(now, 2, 20, HOUR), lambda ms: self._cancel(order, None, "declined", ms))

    def _succeed(self, order: orders.Order, person: Person, now: int) -> None:
        t = self.t
        charge = self._charge(order, person, now)
        t.send_stripe("charge.succeeded", now, stripe.charge(charge))
        t.at(t.soon(now, 1, 30), lambda ms: self._paid(order, ms, charge))

    def _authorize(self, order: orders.Order, person: Person, now: int) -> None:
        t = self.t
        charge = self._charge(order, person, now, captured=False)
        t.send_stripe("charge.succeeded", now, stripe.charge(charge))
        order.financial = "authorized"
        self._send(order, "orders/updated", order.touch(now))
        t.at(t.soon(now, 4, 40, HOUR), lambda ms: self._capture(order, charge, ms))

    def _capture(self, order: orders.Order, charge: stripe.Charge, now: int) -> None:
        charge.captured = True
        self.t.send_stripe("charge.captured", charge.touch(now), stripe.charge(charge))
        self._paid(order, now + 2000, charge)

    def _paid(self, order: orders.Order, now: int, charge: stripe.Charge | None = None) -> None:
        t, draw = self.t, self.t.rng.random()
        order.financial = "paid"
        self._send(order, "orders/paid", order.touch(now), both=True)
        if charge is not None and t.rng.random() < 0.04:
            t.at(t.soon(now, 1, 20, HOUR), lambda ms: self._annotate(charge, ms))
        if draw < 0.04:
            t.at(t.soon(now, 0.2, 12, HOUR), lambda ms: self._cancel(order, charge, "customer", ms))
        elif draw < 0.14 and len(order.lines) > 1:
            t.at(t.soon(now, 0.3, 2, DAY_MS), lambda ms: self._ship(order, charge, ms, 1))
        else:
            t.at(t.soon(now, 0.3, 3, DAY_MS), lambda ms: self._ship(order, charge, ms, len(order.lines)))

    def _annotate(self, charge: stripe.Charge, now: int) -> None:
        before: dict[str, str | None] = {"reviewed": charge.metadata.get("reviewed")}
        charge.metadata["reviewed"] = "yes"
        self.t.send_stripe("charge.updated", charge.touch(now), stripe.charge(charge), {"metadata": before})

    # -- shipping and undoing ---------------------------------------------------------------------------------
    def _ship(self, order: orders.Order, charge: stripe.Charge | None, now: int, lines: int) -> None:
        t = self.t
        if order.cancelled_ms:
            return
        whole = lines == len(order.lines)
        ms = order.touch(now)
        order.fulfillment = "fulfilled" if whole else "partial"
        order.shipments.append((t.ids.number("thing"), lines, ms))
        self._send(order, "orders/fulfilled" if whole else "orders/partially_fulfilled", ms, both=True)
        if not whole:
            t.at(t.soon(now, 1, 3, DAY_MS), lambda at: self._ship(order, charge, at, len(order.lines)))
        elif t.rng.random() < 0.08:
            t.at(t.soon(now, 1, 12, DAY_MS), lambda at: self._refund(order, charge, at, None))

    def _refund(self, order: orders.Order, charge: stripe.Charge | None, now: int, amount: int | None) -> None:
        """Part of it or all of it goes back; a part may be followed by another."""
        t = self.t
        left = order.total - order.refunded
        if amount is None:
            amount = left if t.rng.random() < 0.5 else money.share(left, 1, t.rng.choice((2, 3, 4)), order.currency)
        if amount <= 0:
            return
        ms = order.touch(now)
        order.refunds.append((t.ids.number("thing"), amount, ms))
        order.financial = "refunded" if order.refunded >= order.total else "partially_refunded"
        self._send(order, "orders/updated", ms)
        if charge is not None:
            charge.amount_refunded += amount
            t.send_stripe("charge.refunded", charge.touch(ms + 1000), stripe.charge(charge))
        if order.financial == "partially_refunded" and t.rng.random() < 0.15:
            t.at(t.soon(now, 1, 5, DAY_MS), lambda at: self._refund(order, charge, at, None))

    def _cancel(self, order: orders.Order, charge: stripe.Charge | None, reason: str, now: int) -> None:
        """Cancelled orders are paid back in the same state; some are deleted later."""
        t = self.t
        ms = order.touch(now)
        order.cancelled_ms, order.cancel_reason = ms, reason
        paid = order.financial == "paid"
        left = order.total - order.refunded
        order.financial = "refunded" if paid else "voided"
        if paid and left > 0:
            order.refunds.append((t.ids.number("thing"), left, ms))
        self._send(order, "orders/cancelled", ms, both=True)
        if paid and left > 0 and charge is not None:
            charge.amount_refunded += left
            t.send_stripe("charge.refunded", charge.touch(ms + 1000), stripe.charge(charge))
        if t.rng.random() < 0.3:
            t.at(t.soon(now, 0.2, 4, DAY_MS), lambda at: self._delete(order, at))

    def _delete(self, order: orders.Order, now: int) -> None:
        self.t.send_shopify("orders/delete", order.touch(now), shopify.order_deleted(order))
