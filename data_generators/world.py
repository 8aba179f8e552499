"""Who exists: people in households, companies that employ them, and what each has in truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from random import Random

from faker import Faker

from data_generators import names
from data_generators.config import DAY_MS, HISTORY_DAYS, WorldConfig
from data_generators.places import BY_CODE, COUNTRIES, Address, Country, address, beside, fill

TRIES = 100
"""Draws of a number or a mailbox that somebody has, after which larger ranges are drawn from."""
FREE_MAIL = ("example.com", "example.org", "example.net", "mail.example", "post.example")
SOURCES = ("shopify", "stripe", "hubspot")
COVERAGE = {"shopify": 0.86, "stripe": 0.72, "hubspot": 0.64}
"""Which share of the people each sender knows at all."""
GROWTH = 0.012
"""New people a day after day 1, as a share of those of day 1."""
MAX_DAYS = 60
"""People are made for this many days; after them nobody new joins."""
SAME_NAME = 0.02
INDUSTRIES = ("COMPUTER_SOFTWARE", "RETAIL", "CONSTRUCTION", "HEALTH_WELLNESS_AND_FITNESS",
              "LOGISTICS_AND_SUPPLY_CHAIN",
              "DESIGN", "RESTAURANTS", "LEGAL_SERVICES")  # fmt: skip


@dataclass
class Household:
    """People who share an address, a landline and perhaps a mailbox."""

    address: Address
    landline: str
    mailbox: str


@dataclass(frozen=True)
class Company:
    """An employer: one switchboard number and mailboxes that many use."""

    company_id: str
    name: str
    domain: str
    phone: str
    address: Address
    industry: str

    @property
    def mailboxes(self) -> tuple[str, ...]:
        return tuple(f"{box}@{self.domain}" for box in ("info", "sales", "office"))


@dataclass
class Person:
    """One human being, as true on the simulated day; `former` holds what was true before."""

    person_id: str
    given: str
    family: str
    email: str
    mobile: str
    household: Household
    employer: Company | None
    joined_ms: int
    knows: frozenset[str]
    orders_a_day: float
    former: list[dict[str, str]] = field(default_factory=list)
    erased_ms: int | None = None

    @property
    def country(self) -> Country:
        return BY_CODE[self.household.address.country]

    @property
    def work_email(self) -> str | None:
        if self.employer is None:
            return None
        return f"{names.slug(self.given)}.{names.slug(self.family)}@{self.employer.domain}"


@dataclass
class World:
    """Everybody who will have joined by day 60."""

    people: list[Person]
    companies: list[Company]


class _Maker:
    """Draws names, numbers and mailboxes; none of them twice where they are somebody's own."""

    def __init__(self, config: WorldConfig) -> None:
        self.rng = config.rng("people")
        self._used: set[str] = set()
        self._fakers: dict[str, Faker] = {}
        for country in COUNTRIES:
            if country.locale != "ar" and country.locale not in self._fakers:
                self._fakers[country.locale] = Faker(country.locale)
                self._fakers[country.locale].seed_instance(self.rng.randrange(2**32))

    def given(self, country: Country) -> str:
        if country.locale == "ar":
            return self.rng.choice(names.ARABIC_GIVEN)
        faker = self._fakers[country.locale]
        return faker.first_romanized_name() if country.code == "JP" else faker.first_name()

    def family(self, country: Country) -> str:
        if country.locale == "ar":
            return self.rng.choice(names.ARABIC_FAMILY)
        faker = self._fakers[country.locale]
        return faker.last_romanized_name() if country.code == "JP" else faker.last_name()

    def phone(self, country: Country) -> str:
        """A national number that nobody has yet.

        From the ranges that are kept for fiction; in a large world, where those are used up, from beside them.
        """
        for attempt in count():
            pattern = self.rng.choice(country.phones)
            number = fill(pattern, self.rng) if attempt < TRIES else beside(fill(pattern, self.rng), self.rng)
            if f"{country.code}{number}" not in self._used:
                break
        self._used.add(f"{country.code}{number}")
        return number

    def mailbox(self, given: str, family: str) -> str:
        """A private address that nobody has yet."""
        first, last = names.slug(given), names.slug(family)
        local = self.rng.choice(
            (f"{first}.{last}", f"{first}{last}", f"{first[:1]}{last}", f"{last}.{first}", f"{first}_{last}")
        )
        for attempt in count():
            tail = "" if self.rng.random() < 0.4 else str(self.rng.randrange(1, 999 * 10 ** (attempt // TRIES)))
            email = f"{local}{tail}@{self.rng.choice(FREE_MAIL)}"
            if email not in self._used:
                break
        self._used.add(email)
        return email

    def country(self) -> Country:
        return self.rng.choices(COUNTRIES, weights=[c.weight for c in COUNTRIES])[0]

    def household(self, country: Country, family: str) -> Household:
        return Household(self.address(country), self.phone(country), self.mailbox("family", family))

    def address(self, country: Country) -> Address:
        return address(country, self.family(country), self.rng)

    def company(self, number: int) -> Company:
        country = self.country()
        family, tail = (
            self.family(country),
            self.rng.choice(("Trading", "Logistics", "Studio", "Partners", "Works", "Foods")),
        )
        legal = {"US": "Inc.", "CA": "Ltd.", "GB": "Ltd", "DE": "GmbH", "FR": "SARL", "JP": "K.K."}.get(
            country.code, "W.L.L."
        )
        name = f"{family} {tail} {legal}"
        domain = f"{names.slug(family)}-{tail.lower()}{number}.example"
        place = self.address(country)
        return Company(f"C{number:05d}", name, domain, self.phone(country), place, self.rng.choice(INDUSTRIES))


def _joins(index: int, config: WorldConfig, rng: Random) -> int:
    """When a person joins: in the history ever more a day, then a constant share a day."""
    if index < config.people:
        return config.history_ms + int(HISTORY_DAYS * DAY_MS * rng.random() ** 0.55 * 0.998)
    return config.span(1)[1] + int((index - config.people + rng.random()) / (config.people * GROWTH) * DAY_MS)


def _knows(rng: Random) -> frozenset[str]:
    known = {source for source in SOURCES if rng.random() < COVERAGE[source]}
    return frozenset(known or {"shopify"})


def build_world(config: WorldConfig) -> World:
    """Everybody, from the seed alone. About 1 in 3 shares a household, 1 in 3 works for a company of the world."""
    make = _Maker(config)
    rng = make.rng
    companies = [make.company(number) for number in range(1, max(4, config.people // 40) + 1)]
    companies_of: dict[str, list[Company]] = {}
    for company in companies:
        companies_of.setdefault(company.address.country, []).append(company)
    total = config.people + int(config.people * GROWTH * MAX_DAYS)
    people: list[Person] = []
    household: Household | None = None
    family, free_beds, country = "", 0, COUNTRIES[0]
    order = list(range(total))
    rng.shuffle(order)  # members of a household join at different times
    for index in order:
        if household is None or free_beds == 0:
            country = make.country()
            family = make.family(country)
            household = make.household(country, family)
            free_beds = rng.choices((1, 2, 3, 4), weights=(62, 22, 9, 7))[0]
        free_beds -= 1
        given, own_family = make.given(country), family if rng.random() < 0.85 else make.family(country)
        if people and rng.random() < SAME_NAME:
            twin = rng.choice(people)
            given, own_family = twin.given, twin.family
        local = companies_of.get(country.code) or companies
        people.append(
            Person(
                person_id=f"P{index + 1:06d}",
                given=given,
                family=own_family,
                email=make.mailbox(given, own_family),
                mobile=make.phone(country),
                household=household,
                employer=rng.choice(local) if rng.random() < 0.34 else None,
                joined_ms=_joins(index, config, rng),
                knows=_knows(rng),
                orders_a_day=rng.choice((0.0, 0.02, 0.05, 0.08, 0.16)),
            )
        )
    people.sort(key=lambda person: person.person_id)
    return World(people, companies)
