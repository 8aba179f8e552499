"""What one sender believes about a person: its own id, and the name, address and numbers it happens to have."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from data_generators import names
from data_generators.places import Address, phone_formats
from data_generators.world import Person

ID_BASES = {"shopify": 9_100_000_000_000_001, "hubspot": 9_300_000_000_000_001, "order": 9_500_000_000_000_001,
            "company": 9_350_000_000_000_001, "line": 9_600_000_000_000_001,
            "thing": 9_700_000_000_000_001}  # fmt: skip
"""All above 2^53, where a float cannot tell neighbours apart."""
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Ids:
    """The senders' ids: whole numbers above 2^53 that grow by odd and even steps, and Stripe's texts."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._last = dict(ID_BASES)

    def number(self, kind: str) -> int:
        self._last[kind] += self._rng.randrange(1, 4_001)
        return self._last[kind]

    def text(self, prefix: str, length: int = 24) -> str:
        return prefix + "".join(self._rng.choices(_ALPHABET, k=length))

    def uuid(self) -> str:
        digits = f"{self._rng.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


@dataclass
class Profile:
    """One record of a person at one sender."""

    person: Person
    source: str
    source_id: int | str
    first_name: str
    last_name: str
    email: str | None
    phone: str | None
    address: Address
    created_ms: int
    updated_ms: int
    phone_format: int = 0
    alive: bool = True
    extra: tuple[int, ...] = ()

    def touch(self, now_ms: int) -> int:
        """The time of the next state: never the second of an earlier state of this record."""
        self.updated_ms = max(now_ms, (self.updated_ms // 1000 + 1) * 1000)
        return self.updated_ms


def _email(person: Person, source: str, rng: Random) -> str | None:
    draw = rng.random()
    work = person.work_email
    if work is not None and draw < (0.5 if source == "hubspot" else 0.12):
        return work
    if person.employer is not None and draw < (0.56 if source == "hubspot" else 0.15):
        return rng.choice(person.employer.mailboxes)
    if 0.90 < draw < 0.93:
        return person.household.mailbox
    if 0.93 < draw < 0.95:
        return names.typo(person.email.split("@")[0], rng) + "@" + person.email.split("@")[1]
    if 0.95 < draw < 0.97:
        return person.email.title()
    if draw > 0.985:
        return None
    return person.email


def _phone(person: Person, source: str, rng: Random) -> tuple[str | None, int]:
    draw, form = rng.random(), rng.randrange(6)
    formats = phone_formats(person.mobile, person.country)
    form = 0 if source == "shopify" and rng.random() < 0.6 else form % len(formats)
    if draw < 0.18:
        return None, form
    if draw < 0.26:
        return phone_formats(person.household.landline, person.country)[form], form
    if draw < 0.32 and person.employer is not None and source == "hubspot":
        return person.employer.phone, form
    return formats[form], form


def make_profile(person: Person, source: str, source_id: int | str, now_ms: int, rng: Random) -> Profile:
    """The record as it is when the sender first hears of the person."""
    first, last = names.variant(person.given, person.family, rng)
    phone, form = _phone(person, source, rng)
    return Profile(
        person,
        source,
        source_id,
        first,
        last,
        _email(person, source, rng),
        phone,
        person.household.address,
        now_ms,
        now_ms,
        form,
    )
