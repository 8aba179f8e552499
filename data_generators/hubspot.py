"""HubSpot's thin events: one property an event, no properties with a creation, up to 100 events a request."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any

from data_generators.places import Address
from data_generators.profiles import Profile
from data_generators.world import Company

APP_ID = 1_160_452
PORTAL_ID = 62_515
MAX_EVENTS = 100
_SUBSCRIPTIONS = 8_700_000
OBJECT_TYPES = {"contact": "0-1", "company": "0-2"}


class Events:
    """Makes events. `eventId` alone is not unique: HubSpot draws it anew for each subscription, and so does this."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._subscriptions: dict[tuple[str, str], int] = {}
        self._used: set[tuple[int, int, int]] = set()

    def _subscription(self, kind: str, name: str) -> int:
        known = self._subscriptions
        return known.setdefault((kind, name), _SUBSCRIPTIONS + len(known) + 1)

    def make(self, kind: str, object_id: int, ms: int, **fields: Any) -> dict[str, Any]:
        """One event of a subscription type such as `contact.creation`; `fields` are what only this type has."""
        name, _, what = kind.partition(".")
        sent = kind
        # newer subscriptions are generic: of some objects HubSpot tells in these
        generic = object_id % 7 == 0 and what in ("creation", "propertyChange")
        if generic:
            sent = f"object.{what}"
        subscription = self._subscription(sent, str(fields.get("propertyName", name)))
        while True:
            key = (subscription, self._rng.randrange(1, 200_000), ms)
            if key not in self._used:
                break
        self._used.add(key)
        event: dict[str, Any] = {
            "appId": APP_ID,
            "eventId": key[1],
            "subscriptionId": subscription,
            "portalId": PORTAL_ID,
            "occurredAt": ms,
            "subscriptionType": sent,
            "attemptNumber": 0,
            "objectId": object_id,
        }
        if generic:
            event["objectTypeId"] = OBJECT_TYPES[name]
        return {**event, **fields}

    def creation(self, name: str, object_id: int, ms: int) -> dict[str, Any]:
        return self.make(
            f"{name}.creation", object_id, ms, changeFlag="CREATED", changeSource="CRM_UI", sourceId="userId:4711"
        )

    def changes(self, name: str, object_id: int, ms: int, values: dict[str, str]) -> list[dict[str, Any]]:
        """One event for each property, a millisecond apart as HubSpot writes them."""
        return [
            self.make(
                f"{name}.propertyChange", object_id, ms + at, propertyName=key, propertyValue=value,
                changeSource="CRM_UI", sourceId="userId:4711", isSensitive=False,
            )
            for at, (key, value) in enumerate(values.items())
        ]  # fmt: skip

    def deletion(self, name: str, object_id: int, ms: int) -> dict[str, Any]:
        return self.make(
            f"{name}.deletion", object_id, ms, changeFlag="DELETED", changeSource="CRM_UI", sourceId="userId:4711"
        )

    def privacy_deletion(self, object_id: int, ms: int) -> dict[str, Any]:
        return self.make("contact.privacyDeletion", object_id, ms, changeFlag="PRIVACY_DELETED", changeSource="CRM_UI")

    def merge(self, name: str, primary: int, merged: Iterable[int], survivor: int, ms: int) -> dict[str, Any]:
        """`survivor` is the primary, or a record that is new because of the merge."""
        return self.make(
            f"{name}.merge", primary, ms, changeFlag="MERGED", changeSource="CRM_UI", primaryObjectId=primary,
            mergedObjectIds=list(merged), newObjectId=survivor, numberOfPropertiesMoved=self._rng.randrange(0, 9),
        )  # fmt: skip


def place(address: Address) -> dict[str, str]:
    """An address as properties."""
    return {
        "address": address.line1,
        "city": address.city,
        "state": address.province,
        "zip": address.zip,
        "country": address.country_name,
    }


def contact(profile: Profile, stage: str) -> dict[str, str]:
    """What is known of a contact; what is not known is not told."""
    employer = profile.person.employer
    values = {
        "email": profile.email,
        "firstname": profile.first_name,
        "lastname": profile.last_name,
        "phone": profile.phone,
        "company": employer.name if employer else None,
        **place(profile.address),
        "lifecyclestage": stage,
    }
    return {key: value for key, value in values.items() if value}


def company(company: Company) -> dict[str, str]:
    """What is known of a company."""
    return {
        "name": company.name,
        "domain": company.domain,
        "phone": company.phone,
        **{key: value for key, value in place(company.address).items() if key != "zip"},
        "industry": company.industry,
    }
