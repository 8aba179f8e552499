"""What happens to people: senders hear of them, they move, marry, change mailboxes, are merged, are forgotten."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

from data_generators import hubspot, names, shopify, stripe
from data_generators.config import DAY_MS
from data_generators.places import address
from data_generators.profiles import Profile, make_profile
from data_generators.shopping import Shopping
from data_generators.timeline import HOUR, MINUTE, Timeline
from data_generators.world import FREE_MAIL, Company, Person

AGAIN = {"shopify": 0.05, "stripe": 0.09, "hubspot": 0.12}
"""How often a sender knows somebody twice."""
CHANGE_A_DAY = 0.01
LEAVE_A_DAY = 0.0012


class Lives:
    """People on a timeline."""

    def __init__(self, timeline: Timeline) -> None:
        self.t = timeline
        self.shopping = Shopping(timeline)
        self._stage: dict[int | str, str] = {}
        self.identities: list[dict[str, object]] = []

    def begin(self) -> None:
        """Everybody's first day, and the companies in the CRM."""
        t = self.t
        for number, company in enumerate(t.world.companies):
            t.at(t.config.history_ms + number * 7 * MINUTE, partial(self._company, company))
        for person in t.world.people:
            t.at(person.joined_ms, partial(self._join, person))

    # -- becoming known ---------------------------------------------------------------------------------------
    def _company(self, company: Company, now: int) -> None:
        t = self.t
        if t.rng.random() < 0.1:
            return
        object_id = t.company_ids[company.company_id] = t.ids.number("company")
        t.send_hubspot(
            t.events.creation("company", object_id, now),
            *t.events.changes("company", object_id, now, hubspot.company(company)),
        )
        if t.rng.random() < 0.15:
            t.at(t.soon(now, 1, 40, DAY_MS), lambda ms: self._company_changes(object_id, company, ms))
        if t.rng.random() < 0.06:
            self._company_twice(object_id, company, now)

    def _company_twice(self, first: int, company: Company, now: int) -> None:
        """Somebody entered it again, without its domain; it is merged later."""
        t = self.t
        second = t.ids.number("company")
        values = {"name": company.name.upper(), "phone": company.phone}
        made = t.soon(now, 1, 5, DAY_MS)
        t.at(
            made,
            lambda ms: t.send_hubspot(
                t.events.creation("company", second, ms), *t.events.changes("company", second, ms, values)
            ),
        )
        t.at(
            t.soon(made, 1, 9, DAY_MS), lambda ms: t.send_hubspot(t.events.merge("company", first, [second], first, ms))
        )

    def _company_changes(self, object_id: int, company: Company, now: int) -> None:
        t = self.t
        if t.rng.random() < 0.15:
            t.send_hubspot(t.events.deletion("company", object_id, now))
        else:
            t.send_hubspot(
                *t.events.changes("company", object_id, now, {"numberofemployees": str(t.rng.randrange(3, 900))})
            )

    def _join(self, person: Person, now: int) -> None:
        t = self.t
        for source in sorted(person.knows):
            # one sender hears of a person days after another
            t.at(t.soon(now, 0, 90, MINUTE) if t.rng.random() < 0.7 else t.soon(now, 0, 3, DAY_MS),
                 partial(self._meet, person, source))  # fmt: skip
            if t.rng.random() < AGAIN[source]:
                t.at(t.soon(now, 1, 10, DAY_MS), partial(self._meet, person, source))
        t.at(now + self._wait(CHANGE_A_DAY), lambda ms: self._change(person, ms))
        t.at(now + self._wait(LEAVE_A_DAY), lambda ms: self._leave(person, ms))
        if person.orders_a_day:
            first = t.soon(now, 0.1, 30, HOUR)
            t.at(first, lambda ms: self._orders(person, ms))

    def _wait(self, a_day: float) -> int:
        return int(self.t.rng.expovariate(a_day) * DAY_MS)

    def _meet(self, person: Person, source: str, now: int) -> None:
        t = self.t
        if person.erased_ms is not None:
            return
        source_id: int | str = t.ids.text("cus_", 14) if source == "stripe" else t.ids.number(source)
        profile = make_profile(person, source, source_id, now, t.rng)
        self._known(profile, now)
        if source == "shopify":
            profile.extra = (t.ids.number("thing"),)
            t.send_shopify("customers/create", now, shopify.customer(profile))
        elif source == "stripe":
            t.send_stripe("customer.created", now, stripe.customer(profile))
        else:
            self._new_contact(profile, now)

    def _known(self, profile: Profile, now: int) -> None:
        self.t.keep(profile)
        entity = "contact" if profile.source == "hubspot" else "customer"
        self.identities.append(
            {"person_id": profile.person.person_id, "source": profile.source, "source_id": str(profile.source_id),
             "entity": entity, "since_ms": now}
        )  # fmt: skip

    def _new_contact(self, profile: Profile, now: int) -> None:
        t, object_id = self.t, int(profile.source_id)
        self._stage[object_id] = "lead"
        values = hubspot.contact(profile, "lead")
        t.send_hubspot(
            t.events.creation("contact", object_id, now), *t.events.changes("contact", object_id, now, values)
        )
        t.at(t.soon(now, 1, 6, DAY_MS), lambda ms: self._nurture(profile, ms))
        others = t.known("hubspot", profile.person.person_id)
        if len(others) > 1 and t.rng.random() < 0.7:
            t.at(t.soon(now, 0.5, 6, DAY_MS), lambda ms: self._merge(profile.person, ms))

    def _nurture(self, profile: Profile, now: int) -> None:
        """The stage of a contact: lead, then opportunity, then customer once there are orders."""
        t, object_id = self.t, int(profile.source_id)
        if not profile.alive or self._stage[object_id] == "customer":
            return
        bought = profile.person.person_id in t.orders
        self._stage[object_id] = "customer" if bought else "opportunity"
        ms = profile.touch(now)
        t.send_hubspot(*t.events.changes("contact", object_id, ms, {"lifecyclestage": self._stage[object_id]}))
        if not bought and t.rng.random() < 0.4:
            t.at(t.soon(now, 3, 15, DAY_MS), lambda at: self._nurture(profile, at))

    def _orders(self, person: Person, now: int) -> None:
        if person.erased_ms is not None:
            return
        self.shopping.order(person, now)
        self.t.at(now + MINUTE + self._wait(person.orders_a_day), lambda ms: self._orders(person, ms))

    # -- changing ---------------------------------------------------------------------------------------------
    def _change(self, person: Person, now: int) -> None:
        """Truth changes at once; each sender hears of it later, or never."""
        t = self.t
        if person.erased_ms is not None:
            return
        kind = t.rng.choices(("moved", "married", "mailbox", "mobile"), weights=(45, 15, 25, 15))[0]
        person.former.append({
            "changed": kind, "at": shopify.triggered_at(now), "family": person.family, "email": person.email,
            "mobile": person.mobile, "line1": person.household.address.line1, "city": person.household.address.city,
        })  # fmt: skip
        if kind == "moved":
            street = t.rng.choice(t.world.people).family
            person.household.address = address(person.country, street, t.rng)
        elif kind == "married":
            person.family = t.rng.choice(t.world.people).family
        elif kind == "mobile":
            person.mobile = person.mobile[:-2] + f"{t.rng.randrange(100):02d}"
        else:
            local = f"{names.slug(person.given)}.{names.slug(person.family)}{t.rng.randrange(1000, 10_000)}"
            person.email = f"{local}@{t.rng.choice(FREE_MAIL)}"
        for source in sorted(person.knows):
            if t.rng.random() < 0.7:
                t.at(t.soon(now, 0.1, 30, HOUR), partial(self._tell, person, source, kind))
        t.at(now + self._wait(CHANGE_A_DAY), lambda ms: self._change(person, ms))

    def _tell(self, person: Person, source: str, kind: str, now: int) -> None:
        for profile in self.t.known(source, person.person_id):
            was = (profile.address, profile.last_name, profile.email, profile.phone)
            before = stripe.customer(profile)
            known = hubspot.contact(profile, "") if source == "hubspot" else {}
            if kind == "moved":
                profile.address = person.household.address
            elif kind == "married":
                profile.last_name = person.family
            elif kind == "mailbox":
                profile.email = person.email
            else:
                profile.phone = f"+{person.country.dial}{person.mobile}"
            if was == (profile.address, profile.last_name, profile.email, profile.phone):
                continue  # this sender has it already
            ms = profile.touch(now)
            if source == "shopify":
                self.t.send_shopify("customers/update", ms, shopify.customer(profile))
            elif source == "stripe":
                after = stripe.customer(profile)
                previous = {key: before[key] for key in after if before[key] != after[key]}
                self.t.send_stripe("customer.updated", ms, after, previous)
            else:
                new = hubspot.contact(profile, "")
                changed = {key: value for key, value in new.items() if known.get(key) != value}
                self.t.send_hubspot(*self.t.events.changes("contact", int(profile.source_id), ms, changed))

    def _merge(self, person: Person, now: int) -> None:
        """Two contacts become one: the first of them, or a new one that takes over what the first one had."""
        t = self.t
        contacts = t.known("hubspot", person.person_id)
        if len(contacts) < 2:
            return
        primary, second = contacts[0], contacts[1]
        second.alive = False
        first = int(primary.source_id)
        survivor = t.ids.number("hubspot") if t.rng.random() < 0.4 else first
        ms = max(primary.touch(now), second.touch(now))
        t.send_hubspot(t.events.merge("contact", first, [int(second.source_id)], survivor, ms))
        if survivor == first:
            return
        primary.source_id = survivor
        self._stage[survivor] = self._stage[first]
        self.identities.append({"person_id": person.person_id, "source": "hubspot", "source_id": str(survivor),
                                "entity": "contact", "since_ms": ms})  # fmt: skip
        values = hubspot.contact(primary, self._stage[survivor])
        t.send_hubspot(*t.events.changes("contact", survivor, ms + 1, values))

    # -- leaving ----------------------------------------------------------------------------------------------
    def _leave(self, person: Person, now: int) -> None:
        """Some close an account, some ask what is known of them, some ask to be forgotten everywhere."""
        draw = self.t.rng.random()
        if draw < 0.3:
            self._close(person, now)
        elif draw < 0.55:
            self._ask(person, now)
        else:
            self._forget(person, now)

    def _close(self, person: Person, now: int) -> None:
        t = self.t
        source = t.rng.choice(sorted(person.knows))
        for profile in t.known(source, person.person_id)[:1]:
            ms = profile.touch(now)
            if source == "shopify":
                t.send_shopify("customers/disable", ms, shopify.customer(profile, "disabled"))
                ms = profile.touch(ms + HOUR)
            self._delete(profile, ms)

    def _delete(self, profile: Profile, ms: int) -> None:
        profile.alive = False
        if profile.source == "shopify":
            self.t.send_shopify("customers/delete", ms, shopify.customer_deleted(profile))
        elif profile.source == "stripe":
            self.t.send_stripe("customer.deleted", ms, stripe.customer(profile))
        else:
            self.t.send_hubspot(self.t.events.deletion("contact", int(profile.source_id), ms))

    def _orders_of(self, profile: Profile) -> list[int]:
        return [
            order.order_id for order in self.t.orders.get(profile.person.person_id, []) if order.customer is profile
        ]

    def _ask(self, person: Person, now: int) -> None:
        t = self.t
        for profile in t.known("shopify", person.person_id):
            payload = shopify.privacy_request(
                profile, t.config.shop_domain, self._orders_of(profile), t.ids.number("thing")
            )
            t.send_shopify("customers/data_request", now, payload)

    def _forget(self, person: Person, now: int) -> None:
        t = self.t
        person.erased_ms = now
        for source in sorted(person.knows):
            for profile in t.known(source, person.person_id):
                ms = profile.touch(now)
                self._delete(profile, ms)
                if source == "shopify":
                    payload = shopify.privacy_request(profile, t.config.shop_domain, self._orders_of(profile), None)
                    t.send_shopify("customers/redact", ms + MINUTE, payload)
                elif source == "hubspot":
                    # deletion and privacyDeletion come in any order
                    at = ms + t.rng.choice((-1500, 1500))
                    t.send_hubspot(t.events.privacy_deletion(int(profile.source_id), at))


def truth_of(person: Person) -> dict[str, object]:
    """A line of truth/people.jsonl."""
    home = person.household
    return {
        "person_id": person.person_id, "given": person.given, "family": person.family, "email": person.email,
        "work_email": person.work_email, "mobile": f"+{person.country.dial}{person.mobile}",
        "landline": f"+{person.country.dial}{home.landline}", "family_mailbox": home.mailbox,
        "address": asdict(home.address),
        "company_id": person.employer.company_id if person.employer else None, "knows": sorted(person.knows),
        "joined_ms": person.joined_ms, "erased_ms": person.erased_ms, "former": person.former,
    }  # fmt: skip
