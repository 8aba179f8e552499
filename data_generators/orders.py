"""Orders as they are kept while time runs: lines, discounts, tax, in whole minor units."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from data_generators import money
from data_generators.places import BY_CODE, Address
from data_generators.profiles import Ids, Profile

CATALOGUE = (
    ("Enamel Mug", "MUG", 14), ("Linen Apron", "APR", 39), ("Chef Knife", "KNF", 89), ("Cutting Board", "BRD", 45),
    ("Cast Iron Pan", "PAN", 64), ("Tea Kettle", "KET", 72), ("Espresso Beans 1 kg", "BEA", 27),
    ("Spice Set", "SPC", 33),
    ("Storage Jar", "JAR", 11), ("Pasta Machine", "PST", 118), ("Mandoline", "MND", 52), ("Tablecloth", "TBL", 58),
)  # fmt: skip


@dataclass
class Line:
    """One line: `price` of one, `discount` and `tax` of the line, in minor units."""

    line_id: int
    product: int
    quantity: int
    price: int
    discount: int = 0
    tax: int = 0

    @property
    def net(self) -> int:
        return self.price * self.quantity - self.discount


@dataclass
class Order:
    """An order as it is now; amounts in minor units of `currency`."""

    order_id: int
    number: int
    customer: Profile | None
    email: str | None
    shipping: Address
    billing: Address
    name: tuple[str, str]
    phone: str | None
    currency: str
    lines: list[Line]
    shipping_amount: int
    discount_code: str | None
    created_ms: int
    updated_ms: int
    gateway: str
    token: str
    financial: str = "pending"
    fulfillment: str | None = None
    cancelled_ms: int | None = None
    cancel_reason: str | None = None
    refunds: list[tuple[int, int, int]] = field(default_factory=list)
    """(id, amount, ms)"""
    shipments: list[tuple[int, int, int]] = field(default_factory=list)
    """(id, lines shipped, ms)"""

    @property
    def discount(self) -> int:
        return sum(line.discount for line in self.lines)

    @property
    def items(self) -> int:
        return sum(line.price * line.quantity for line in self.lines)

    @property
    def tax(self) -> int:
        return sum(line.tax for line in self.lines)

    @property
    def total(self) -> int:
        return self.items - self.discount + self.tax + self.shipping_amount

    @property
    def refunded(self) -> int:
        return sum(amount for _, amount, _ in self.refunds)

    def touch(self, now_ms: int) -> int:
        """The time of the next state: never the second of an earlier one."""
        self.updated_ms = max(now_ms, (self.updated_ms // 1000 + 1) * 1000)
        return self.updated_ms


def make_lines(currency: str, country: str, percent_off: int, rng: Random, ids: Ids) -> list[Line]:
    """One to five lines with prices, discount and tax of the country."""
    place = BY_CODE[country]
    lines = []
    for _ in range(rng.choices((1, 2, 3, 4, 5), weights=(40, 28, 17, 10, 5))[0]):
        product = rng.randrange(len(CATALOGUE))
        major = max(1, int(CATALOGUE[product][2] * place.price))
        price = money.from_major(major, rng.choice((0, 50, 90, 95, 99)), currency)
        line = Line(ids.number("line"), product, rng.choices((1, 2, 3), weights=(75, 18, 7))[0], price)
        line.discount = money.share(line.price * line.quantity, percent_off, 100, currency)
        line.tax = money.share(line.net, place.tax[1], place.tax[2], currency)
        lines.append(line)
    return lines
