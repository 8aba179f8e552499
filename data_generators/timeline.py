"""What happens over time. One queue of actions in time order; running to day N repeats days 1 to N-1 exactly.

Senders promise no order. Deliveries have a time at which they are due, later than the event by a delay; what is late or
overtaken is so because of that delay. All times are milliseconds since 1970.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import orjson

from data_generators import hubspot, orders, shopify, stripe
from data_generators.config import DAY_MS, WorldConfig
from data_generators.deliveries import Delivery
from data_generators.flaws import FlawRates
from data_generators.profiles import Ids, Profile
from data_generators.world import World

MINUTE = 60_000
HOUR = 60 * MINUTE


@dataclass(frozen=True)
class HubSpotEvent:
    """One event that waits for its request."""

    event: dict[str, Any]
    due_ms: int
    flaws: tuple[str, ...] = ()


class Timeline:
    """The queue and what it has produced: single requests of Shopify and Stripe, single events of HubSpot."""

    def __init__(self, config: WorldConfig, world: World, rates: FlawRates) -> None:
        self.config, self.world, self.rates = config, world, rates
        self.rng = config.rng("timeline")
        self._delays = config.rng("delays")
        self.ids = Ids(config.rng("ids"))
        self.events = hubspot.Events(config.rng("hubspot events"))
        self.deliveries: list[Delivery] = []
        self.hubspot: list[HubSpotEvent] = []
        self.profiles: dict[tuple[str, str], list[Profile]] = {}
        self.orders: dict[str, list[orders.Order]] = {}
        self.company_ids: dict[str, int] = {}
        self._queue: list[tuple[int, int, Callable[[int], None]]] = []
        self._count = 0

    # -- the queue ---------------------------------------------------------------------------------------
    def at(self, ms: int, action: Callable[[int], None]) -> None:
        """Do something at a time; of two at the same time the one said first goes first."""
        self._count += 1
        heapq.heappush(self._queue, (ms, self._count, action))

    def run(self, until_ms: int) -> None:
        """All that happens before a time."""
        while self._queue and self._queue[0][0] < until_ms:
            ms, _, action = heapq.heappop(self._queue)
            action(ms)

    def soon(self, now: int, low: float, high: float, unit: int = 1000) -> int:
        """A time between `low` and `high` units from now."""
        return now + int(self.rng.uniform(low, high) * unit)

    # -- what is sent ------------------------------------------------------------------------------------
    def _due(self, ms: int) -> list[tuple[int, tuple[str, ...]]]:
        """When something is delivered, and with which flaw; twice if it is a duplicate."""
        draw, rates = self._delays.random(), self.rates
        wait = self._delays.randrange(200, 3000)
        due: list[tuple[int, tuple[str, ...]]] = [(ms + wait, ())]
        if draw < rates.late:
            due = [(ms + self._delays.randrange(HOUR, 30 * HOUR), ("late",))]
        elif draw < rates.late + rates.out_of_order:
            due = [(ms + self._delays.randrange(5 * MINUTE, HOUR), ("out_of_order",))]
        elif draw < rates.late + rates.out_of_order + rates.duplicate:
            far = self._delays.random() < 0.2
            again = self._delays.randrange(DAY_MS // 2, 2 * DAY_MS) if far else self._delays.randrange(1000, 4 * HOUR)
            due.append((due[0][0] + again, ("duplicate",)))
        return due

    def send_shopify(self, topic: str, ms: int, payload: dict[str, Any], event_id: str | None = None) -> None:
        """One webhook of the shop. Deliveries of one action of the merchant share `event_id`."""
        webhook_id = self.ids.uuid()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Shopify-Captain-Hook",
            "X-Shopify-Topic": topic,
            "X-Shopify-Shop-Domain": self.config.shop_domain,
            "X-Shopify-API-Version": shopify.API_VERSION,
            "X-Shopify-Webhook-Id": webhook_id,
            "X-Shopify-Triggered-At": shopify.triggered_at(ms),
            "X-Shopify-Event-Id": event_id or self.ids.uuid(),
        }
        body = orjson.dumps(payload)
        for due, flaws in self._due(ms):
            self.deliveries.append(
                Delivery("shopify", f"/webhooks/shopify/{topic}", topic, (webhook_id,), body, due, headers, flaws)
            )

    def send_stripe(self, kind: str, ms: int, body: dict[str, Any], previous: dict[str, Any] | None = None) -> None:
        """One event of the payment provider."""
        event_id = self.ids.text("evt_")
        payload = stripe.event(event_id, kind, ms, body, self.ids.text("req_", 14), previous)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        for due, flaws in self._due(ms):
            self.deliveries.append(
                Delivery("stripe", "/webhooks/stripe", kind, (event_id,), orjson.dumps(payload), due, headers, flaws)
            )

    def send_hubspot(self, *events: dict[str, Any]) -> None:
        """Events of the CRM; they go out together with others."""
        for event in events:
            for due, flaws in self._due(event["occurredAt"]):
                named = tuple("duplicate_event" if flaw == "duplicate" else flaw for flaw in flaws)
                self.hubspot.append(HubSpotEvent(event, due, named))

    # -- records of people ---------------------------------------------------------------------------------
    def known(self, source: str, person_id: str) -> list[Profile]:
        """The living records of a person at a sender."""
        return [profile for profile in self.profiles.get((source, person_id), []) if profile.alive]

    def keep(self, profile: Profile) -> None:
        self.profiles.setdefault((profile.source, profile.person.person_id), []).append(profile)


def batches(events: list[HubSpotEvent], config: WorldConfig, day: int) -> list[Delivery]:
    """A day's events as requests: HubSpot collects for a while, and sends at most 100 at once."""
    rng = config.rng("batches", day)
    start, end = config.span(day)
    waiting = sorted((e for e in events if start <= e.due_ms < end), key=lambda e: e.due_ms)
    found: list[Delivery] = []
    at = 0
    while at < len(waiting):
        window = waiting[at].due_ms + rng.randrange(1000, 25 * MINUTE)
        most = hubspot.MAX_EVENTS if rng.random() < 0.5 else rng.randrange(1, hubspot.MAX_EVENTS + 1)
        batch = [waiting[at]]
        while len(batch) < most and at + len(batch) < len(waiting) and waiting[at + len(batch)].due_ms < window:
            batch.append(waiting[at + len(batch)])
        at += len(batch)
        found.append(_request(batch))
    return found


def _request(batch: list[HubSpotEvent]) -> Delivery:
    keys = ("portalId", "subscriptionId", "eventId", "occurredAt")
    ids = tuple(":".join(str(item.event[key]) for key in keys) for item in batch)
    kinds = sorted({str(item.event["subscriptionType"]) for item in batch})
    flaws = tuple(sorted({flaw for item in batch for flaw in item.flaws}))
    headers = {"Content-Type": "application/json; charset=UTF-8", "User-Agent": "HubSpot Connect 2.0 (webhooks)"}
    body = orjson.dumps([item.event for item in batch])
    due = max(item.due_ms for item in batch)
    return Delivery(
        "hubspot", "/webhooks/hubspot", ",".join(kinds), ids, body, due, headers, flaws, messages=len(batch)
    )


def day_of(deliveries: list[Delivery], config: WorldConfig, day: int) -> list[Delivery]:
    """Those that are due on a day."""
    start, end = config.span(day)
    return [replace(delivery, day=day) for delivery in deliveries if start <= delivery.due_ms < end]
