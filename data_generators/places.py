"""Countries of the world: cities with their postcodes, number ranges for phones, currency, tax.

Phone numbers come from ranges that the regulators keep free for fiction, where there are such ranges.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Country:
    """`cities`: (city, province, province code, postcode pattern); `phones`: national patterns, # is a digit.

    `tax` is (name, numerator, denominator); `price` is how many major units one dollar of the catalogue costs.
    """

    code: str
    name: str
    currency: str
    dial: str
    trunk: str
    locale: str
    tax: tuple[str, int, int]
    price: float
    weight: int
    cities: tuple[tuple[str, str, str, str], ...]
    phones: tuple[str, ...]
    streets: tuple[str, ...]


_US_AREAS = (
    "212 718 917 312 773 213 310 415 408 512 214 713 206 425 503 "
    "602 303 404 305 407 617 508 215 412 313 216 614 702 801 816 314 615 704 919 504 612 414 317 502 405"
)
_CA_AREAS = "416 647 514 438 604 778 403 587 613 819 204 902"

COUNTRIES: tuple[Country, ...] = (
    Country(
        "US", "United States", "USD", "1", "", "en_US", ("State Tax", 725, 10_000), 1.0, 38,
        (
            ("New York", "New York", "NY", "100##"), ("Brooklyn", "New York", "NY", "112##"),
            ("Chicago", "Illinois", "IL", "606##"), ("Los Angeles", "California", "CA", "900##"),
            ("San Francisco", "California", "CA", "941##"), ("Austin", "Texas", "TX", "787##"),
            ("Seattle", "Washington", "WA", "981##"), ("Portland", "Oregon", "OR", "972##"),
            ("Portland", "Maine", "ME", "041##"), ("Boston", "Massachusetts", "MA", "021##"),
            ("Denver", "Colorado", "CO", "802##"), ("Miami", "Florida", "FL", "331##"),
            ("Atlanta", "Georgia", "GA", "303##"), ("Springfield", "Illinois", "IL", "627##"),
            ("Springfield", "Massachusetts", "MA", "011##"), ("Nashville", "Tennessee", "TN", "372##"),
        ),
        tuple(f"{area}55501##" for area in _US_AREAS.split()),
        ("{n} {s} St", "{n} {s} Ave", "{n} {s} Rd", "{n} {s} Blvd Apt {a}"),
    ),
    Country(
        "CA", "Canada", "CAD", "1", "", "en_CA", ("GST", 5, 100), 1.36, 10,
        (
            ("Toronto", "Ontario", "ON", "M5V #A#"), ("Ottawa", "Ontario", "ON", "K1P #A#"),
            ("Montréal", "Quebec", "QC", "H2Y #A#"), ("Vancouver", "British Columbia", "BC", "V6B #A#"),
            ("Calgary", "Alberta", "AB", "T2P #A#"),
        ),
        tuple(f"{area}55501##" for area in _CA_AREAS.split()),
        ("{n} {s} St", "{n} {s} Cres", "{n}-{a} {s} Ave W"),
    ),
    Country(
        "GB", "United Kingdom", "GBP", "44", "0", "en_GB", ("VAT", 20, 100), 0.79, 16,
        (
            ("London", "England", "ENG", "SW1A #AA"), ("London", "England", "ENG", "E1 #AA"),
            ("Manchester", "England", "ENG", "M1 #AA"), ("Leeds", "England", "ENG", "LS1 #AA"),
            ("Edinburgh", "Scotland", "SCT", "EH1 #AA"), ("Cardiff", "Wales", "WLS", "CF10 #AA"),
            ("Bristol", "England", "ENG", "BS1 #AA"),
        ),
        ("7700900###", "1134960###", "1144960###", "1154960###", "1164960###", "1174960###", "1184960###",
         "1214960###", "1314960###", "1414960###", "1514960###", "1614960###", "2079460###"),
        ("{n} {s} Road", "{n} {s} Street", "Flat {a}, {n} {s} Lane"),
    ),
    Country(
        "DE", "Germany", "EUR", "49", "0", "de_DE", ("MwSt", 19, 100), 0.92, 13,
        (
            ("Berlin", "Berlin", "BE", "101##"), ("München", "Bayern", "BY", "803##"),
            ("Köln", "Nordrhein-Westfalen", "NW", "506##"), ("Hamburg", "Hamburg", "HH", "200##"),
            ("Frankfurt am Main", "Hessen", "HE", "603##"), ("Düsseldorf", "Nordrhein-Westfalen", "NW", "402##"),
        ),
        ("3023125###", "6990009###", "4066969###", "2214710###", "8999998###"),
        ("{s}straße {n}", "{s}weg {n}", "{s}gasse {n}"),
    ),
    Country(
        "FR", "France", "EUR", "33", "0", "fr_FR", ("TVA", 20, 100), 0.92, 10,
        (
            ("Paris", "Île-de-France", "IDF", "750##"), ("Lyon", "Auvergne-Rhône-Alpes", "ARA", "690##"),
            ("Marseille", "Provence-Alpes-Côte d'Azur", "PAC", "130##"), ("Nîmes", "Occitanie", "OCC", "300##"),
            ("Orléans", "Centre-Val de Loire", "CVL", "450##"),
        ),
        ("19900####", "26191####", "35301####", "46571####", "53649####", "63998####"),
        ("{n} rue {s}", "{n} avenue {s}", "{n} bis, place {s}"),
    ),
    Country(
        "JP", "Japan", "JPY", "81", "0", "ja_JP", ("消費税", 10, 100), 150.0, 8,
        (
            ("Shibuya-ku", "Tōkyō", "JP-13", "150-00##"), ("Shinjuku-ku", "Tōkyō", "JP-13", "160-00##"),
            ("Osaka-shi", "Ōsaka", "JP-27", "530-00##"), ("Kyoto-shi", "Kyōto", "JP-26", "600-80##"),
        ),
        ("9000######", "8000######", "35550####"),
        ("{a}-{b}-{n} {s}", "{s} {a}-{b}"),
    ),
    Country(
        "BH", "Bahrain", "BHD", "973", "", "ar", ("VAT", 10, 100), 0.376, 3,
        (("Manama", "Capital", "13", "3##"), ("Muharraq", "Muharraq", "15", "2##")),
        ("3300####", "3600####"), ("Building {n}, Road {b}{a}, {s}",),
    ),
    Country(
        "KW", "Kuwait", "KWD", "965", "", "ar", ("VAT", 0, 100), 0.307, 2,
        (("Kuwait City", "Al Asimah", "KU", "13###"), ("Salmiya", "Hawalli", "HA", "20###")),
        ("5000####", "6600####", "9900####"), ("Block {a}, Street {b}, House {n}, {s}",),
    ),
)  # fmt: skip
BY_CODE = {country.code: country for country in COUNTRIES}
_LETTERS = "ABCDEFGHJKLMNPRSTUVWXY"


def fill(pattern: str, rng: Random) -> str:
    """A pattern with each # a digit and each A of a postcode's tail a letter."""
    head, _, tail = pattern.partition("#")
    if not _ and not tail:
        return pattern
    digits = "".join(
        str(rng.randrange(10)) if c == "#" else rng.choice(_LETTERS) if c == "A" else c for c in "#" + tail
    )
    return head + digits


def beside(number: str, rng: Random) -> str:
    """A number of the same length, with other digits after its first two."""
    return number[:2] + "".join(str(rng.randrange(10)) if c.isdigit() else c for c in number[2:])


@dataclass(frozen=True)
class Address:
    """Where somebody lives or a company sits."""

    line1: str
    city: str
    province: str
    province_code: str
    zip: str
    country: str

    @property
    def country_name(self) -> str:
        return BY_CODE[self.country].name


def address(country: Country, street: str, rng: Random) -> Address:
    """A new address in one of the country's cities; `street` is a name of a street."""
    city, province, code, postcode = rng.choice(country.cities)
    line = rng.choice(country.streets).format(
        n=rng.randrange(1, 240), a=rng.randrange(1, 30), b=rng.randrange(1, 20), s=street
    )
    return Address(line, city, province, code, fill(postcode, rng), country.code)


def phone_formats(national: str, country: Country) -> tuple[str, ...]:
    """The ways in which people and systems write one number; the first is E.164."""
    trunk = country.trunk
    if country.dial == "1":
        area, exchange, line = national[:3], national[3:6], national[6:]
        return (
            f"+1{national}", f"({area}) {exchange}-{line}", f"{area}-{exchange}-{line}",
            f"+1 {area} {exchange} {line}", f"{area}.{exchange}.{line}", f"1{national}",
        )  # fmt: skip
    groups = [national[:2], *(national[at : at + 3] for at in range(2, len(national), 3))]
    return (
        f"+{country.dial}{national}", f"{trunk}{' '.join(groups)}", f"+{country.dial} {' '.join(groups)}",
        f"00{country.dial}{national}", f"{trunk}{national}",
    )  # fmt: skip
