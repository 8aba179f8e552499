"""The generated days: the same bytes for the same seed, sums that hold, ids that survive, every flaw with its truth."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from data_generators.config import WorldConfig
from data_generators.deliveries import Delivery, WorldError, body_of, read_deliveries
from data_generators.flaws import ALL_FLAWS, FlawRates
from data_generators.generate import Day, make_day, write_day, write_days
from lakehouse.ingestion import messages
from lakehouse.money import EXPONENTS, STRIPE_EXPONENTS

CONFIG = WorldConfig(people=150)


@pytest.fixture(scope="module")
def first() -> Day:
    return make_day(CONFIG, 1)


@pytest.fixture(scope="module")
def second() -> Day:
    return make_day(CONFIG, 2)


def real(day: Day, sender: str, topic: str = "") -> list[tuple[Delivery, Any]]:
    """Deliveries that carry true state, parsed."""
    return [
        (d, orjson.loads(d.body))
        for d in day.deliveries
        if d.sender == sender and d.topic.startswith(topic) and d.expected == "accepted"
    ]


def orders(day: Day) -> list[dict[str, Any]]:
    return [order for d, order in real(day, "shopify", "orders/") if d.topic != "orders/delete"]


def digest(folder: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        found.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return found.hexdigest()


def test_same_seed_same_bytes_in_another_process(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from data_generators.config import WorldConfig;"
        "from data_generators.generate import write_day;"
        "[write_day(Path(sys.argv[1]), WorldConfig(people=60), day) for day in (1, 2)]"
    )
    digests = set()
    for hash_seed in ("0", "1", "4711"):
        folder = tmp_path / hash_seed
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        subprocess.run([sys.executable, "-c", program, str(folder)], env=environment, check=True, timeout=120)
        digests.add(digest(folder))
    assert len(digests) == 1


def test_a_day_is_the_same_whether_or_not_the_days_before_were_written(tmp_path: Path) -> None:
    write_day(tmp_path / "a", CONFIG, 1)
    write_day(tmp_path / "a", CONFIG, 2)
    write_day(tmp_path / "b", CONFIG, 2)
    for name in ("deliveries/day-2.jsonl.gz", "truth/deliveries-day-2.jsonl", "truth/identities.jsonl"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_days_that_are_written_at_once_are_the_same(tmp_path: Path) -> None:
    singly = {day: write_day(tmp_path / "singly", CONFIG, day) for day in (1, 2, 3, 4)}
    write_day(tmp_path / "at-once", CONFIG, 1)
    at_once = write_days(tmp_path / "at-once", CONFIG, 2, 4)
    assert at_once == {day: singly[day] for day in (2, 3, 4)}
    assert digest(tmp_path / "at-once") == digest(tmp_path / "singly")


def test_another_seed_is_another_world(first: Day) -> None:
    other = make_day(WorldConfig(seed=7, people=150), 1)
    assert {d.body for d in first.deliveries}.isdisjoint(d.body for d in other.deliveries if d.expected == "accepted")


def test_the_folder_of_another_world_is_refused(tmp_path: Path) -> None:
    write_day(tmp_path, CONFIG, 1)
    with pytest.raises(WorldError, match="people"):
        write_day(tmp_path, WorldConfig(people=151), 2)


def test_a_day_that_was_not_generated_says_so(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="day 3 has no deliveries"):
        list(read_deliveries(tmp_path, 3))


def test_files_hold_the_exact_bytes(tmp_path: Path, first: Day) -> None:
    write_day(tmp_path, CONFIG, 1)
    assert [body_of(line) for line in read_deliveries(tmp_path, 1)] == [d.body for d in first.deliveries]


def test_small_world_is_small(first: Day, second: Day) -> None:
    assert 800 <= len(first.deliveries) <= 2_000
    assert 30 <= len(second.deliveries) <= 300


def test_every_flaw_is_there(first: Day) -> None:
    assert set(ALL_FLAWS) <= set(first.summary()["flaws"])


def test_without_flaws_all_is_accepted() -> None:
    day = make_day(CONFIG, 1, FlawRates.none())
    assert {d.expected for d in day.deliveries} == {"accepted"}
    assert not any(d.flaws for d in day.deliveries)
    ids = [webhook_id for d in day.deliveries for webhook_id in d.webhook_ids]
    assert len(ids) == len(set(ids))


def test_expected_counts_add_up(first: Day, second: Day) -> None:
    for day in (first, second):
        for d in day.deliveries:
            refused = d.expected.startswith("refused:")
            assert refused == (d.messages + d.quarantined == 0)
            assert (d.expected == "quarantined") == (d.messages == 0 and d.quarantined > 0)
        summary = day.summary()
        assert sum(summary["expected"].values()) == sum(summary["senders"].values()) == len(day.deliveries)


def receive(d: Delivery) -> list[messages.Message]:
    """What the API makes of a request whose signature is good."""
    if d.sender == "stripe":
        return messages.stripe(d.body, "now")
    if d.sender == "hubspot":
        return messages.hubspot(d.body, "now")
    headers = {name.lower(): value for name, value in d.headers.items()}
    route = d.path.removeprefix("/webhooks/shopify/")
    return messages.shopify(route, d.body, headers, (CONFIG.shop_domain,), "now")


def test_the_api_makes_of_each_delivery_what_the_truth_expects(first: Day, second: Day) -> None:
    for d in first.deliveries + second.deliveries:
        if d.expected.startswith("refused:"):
            continue
        found = receive(d)
        quarantined = [m for m in found if m.quarantined]
        assert (len(found) - len(quarantined), len(quarantined)) == (d.messages, d.quarantined), (
            d.truth(),
            d.body[:200],
        )
        reasons = {m.headers["reason"] for m in quarantined} - {"malformed_json"}
        if d.expected == "quarantined" and "malformed" not in d.flaws:
            assert reasons <= set(d.flaws)


def test_deliveries_name_the_ids_by_which_messages_are_deduplicated(first: Day) -> None:
    for d in first.deliveries:
        if d.expected == "accepted":
            found = Counter(m.headers["webhook_id"] for m in receive(d) if not m.quarantined)
            assert found == Counter(d.webhook_ids)


def test_duplicates_have_the_same_id_and_the_same_bytes(first: Day) -> None:
    bodies: dict[str, set[bytes]] = defaultdict(set)
    for d in first.deliveries:
        if d.expected == "accepted":
            for message in receive(d):
                if not message.quarantined:
                    bodies[message.headers["webhook_id"]].add(message.value)
    assert all(len(found) == 1 for found in bodies.values())


def test_order_arithmetic_holds_to_the_last_digit(first: Day) -> None:
    found = orders(first)
    assert found
    for order in found:
        amount = {
            name: Decimal(value)
            for name, value in order.items()
            if name.startswith("total_") and isinstance(value, str)
        }
        subtotal, shipping = (
            Decimal(order["subtotal_price"]),
            Decimal(order["total_shipping_price_set"]["shop_money"]["amount"]),
        )
        assert amount["total_line_items_price"] - amount["total_discounts"] == subtotal
        assert subtotal + amount["total_tax"] + shipping == amount["total_price"]
        lines = sum(Decimal(line["price"]) * line["quantity"] for line in order["line_items"])
        assert lines == amount["total_line_items_price"]
        assert (
            sum(Decimal(t["price"]) for line in order["line_items"] for t in line["tax_lines"]) == amount["total_tax"]
        )
        given = sum(Decimal(a["amount"]) for line in order["line_items"] for a in line["discount_allocations"])
        assert given == amount["total_discounts"]
        refunded = sum(Decimal(t["amount"]) for refund in order["refunds"] for t in refund["transactions"])
        assert refunded <= amount["total_price"]
        assert (refunded == amount["total_price"]) == (order["financial_status"] == "refunded") or not refunded


def test_money_is_text_with_the_digits_of_its_currency() -> None:
    day = make_day(WorldConfig(people=400), 1)
    seen = set()
    for order in orders(day):
        digits = EXPONENTS[order["currency"]]
        seen.add(digits)
        for name in ("total_price", "subtotal_price", "total_tax", "total_discounts"):
            _, _, fraction = order[name].partition(".")
            assert len(fraction) == digits
            # what does not fit DECIMAL(18,2) would be rejected: the third digit is 0
            assert Decimal(order[name]) % Decimal("0.01") == 0
    assert seen == {0, 2, 3}


def test_a_charge_is_its_order_in_minor_units() -> None:
    day = make_day(WorldConfig(people=400), 1)
    totals = {str(o["id"]): (Decimal(o["total_price"]), o["currency"]) for o in orders(day)}
    compared = 0
    for _, event in real(day, "stripe", "charge."):
        charge = event["data"]["object"]
        total, currency = totals.get(charge["metadata"]["order_id"], (None, ""))
        if total is not None:
            compared += 1
            assert charge["currency"] == currency.lower()
            assert charge["amount"] == total.scaleb(STRIPE_EXPONENTS[currency])
            assert 0 <= charge["amount_refunded"] <= charge["amount"]
    assert compared > 300


def test_only_updated_events_carry_previous_attributes(first: Day) -> None:
    kinds = set()
    for _, event in real(first, "stripe"):
        kinds.add(event["type"])
        assert ("previous_attributes" in event["data"]) == event["type"].endswith(".updated")
        if event["type"].endswith(".updated"):
            assert event["data"]["previous_attributes"]
    assert {"charge.succeeded", "charge.failed", "charge.captured", "charge.refunded", "customer.created"} <= kinds


def test_ids_are_above_what_a_float_can_hold(first: Day) -> None:
    for _, body in real(first, "shopify"):
        number = body["id"] if "id" in body else body["customer"]["id"]
        assert number > 2**53
    for d, events in real(first, "hubspot"):
        for event in events:
            if isinstance(event, dict) and "objectId" in event:
                assert event["objectId"] > 2**53
                assert b'"objectId":%d' % event["objectId"] in d.body
    numbers = [body["id"] for d, body in real(first, "shopify", "orders/")]
    assert any(int(float(number)) != number for number in numbers)


def test_shopify_shapes(first: Day) -> None:
    shapes = {d.topic: body for d, body in real(first, "shopify")}
    assert 90 <= len(shapes["orders/create"]) <= 98
    assert shapes["orders/delete"].keys() == {"id"}
    assert shapes["customers/create"].keys().isdisjoint({"orders_count", "total_spent", "tags", "last_order_id"})
    many = {d.topic: body for d, body in real(make_day(WorldConfig(people=1500), 1), "shopify", "customers/")}
    assert many["customers/delete"].keys() == {"id", "tax_exemptions", "admin_graphql_api_id"}
    assert many["customers/redact"].keys() == {"shop_id", "shop_domain", "customer", "orders_to_redact"}
    assert many["customers/data_request"].keys() == {
        "shop_id",
        "shop_domain",
        "customer",
        "orders_requested",
        "data_request",
    }


@pytest.mark.parametrize("resource", ["orders/", "customers/"])
def test_states_of_one_entity_never_share_a_time_unless_they_are_the_same(first: Day, resource: str) -> None:
    states: dict[tuple[int, str], set[bytes]] = defaultdict(set)
    for d, body in real(first, "shopify", resource):
        if "updated_at" in body:
            states[body["id"], body["updated_at"]].add(d.body)
    assert all(len(bodies) == 1 for bodies in states.values())


def test_actions_share_an_event_id_and_deliveries_do_not_share_a_webhook_id(first: Day) -> None:
    actions: dict[str, set[str]] = defaultdict(set)
    for d, _ in real(first, "shopify", "orders/"):
        actions[d.headers["X-Shopify-Event-Id"]].add(d.headers["X-Shopify-Webhook-Id"])
    assert max(len(ids) for ids in actions.values()) == 2


def test_hubspot_events_are_thin_and_at_most_a_hundred(first: Day) -> None:
    sizes, kinds = set(), set()
    for _, events in real(first, "hubspot"):
        sizes.add(len(events))
        for event in (e for e in events if isinstance(e, dict) and "subscriptionType" in e):
            kinds.add(event["subscriptionType"])
            assert ("propertyName" in event) == event["subscriptionType"].endswith(".propertyChange")
            assert ("objectTypeId" in event) == event["subscriptionType"].startswith("object.")
            if event["subscriptionType"].endswith(".merge"):
                assert event["primaryObjectId"] not in event["mergedObjectIds"]
                assert event["newObjectId"] not in event["mergedObjectIds"]
    assert max(sizes) <= 100
    assert len(sizes) > 10
    assert {
        "contact.creation",
        "contact.propertyChange",
        "contact.merge",
        "company.creation",
        "object.creation",
    } <= kinds


def test_one_property_of_one_object_changes_once_a_millisecond(first: Day) -> None:
    seen: dict[tuple[int, str, int], set[str]] = defaultdict(set)
    for _, events in real(first, "hubspot"):
        for e in events:
            if isinstance(e, dict) and e.get("propertyName"):
                seen[e["objectId"], e["propertyName"], e["occurredAt"]].add(e["propertyValue"])
    assert all(len(values) == 1 for values in seen.values())


def test_late_events_come_on_a_later_day(second: Day) -> None:
    start, _ = CONFIG.span(2)
    late = [
        e
        for d, events in real(second, "hubspot")
        for e in events
        if isinstance(e, dict) and e.get("occurredAt", start) < start
    ]
    late += [body for d, body in real(second, "shopify") if d.headers["X-Shopify-Triggered-At"] < "2026-01-02"]
    assert late


def test_the_truth_tells_people_apart_who_share_a_mailbox_or_a_name(first: Day) -> None:
    people = {person.person_id: person for person in make_day(WorldConfig(people=600), 1).world.people}
    assert len({(p.given, p.family) for p in people.values()}) < len(people)
    assert len({id(p.household) for p in people.values()}) < len(people)
    assert len({p.email for p in people.values()}) == len(people)
    known = {identity["person_id"] for identity in first.identities}
    assert known <= {person.person_id for person in first.world.people}
    assert len({(i["source"], i["source_id"]) for i in first.identities}) == len(first.identities)
