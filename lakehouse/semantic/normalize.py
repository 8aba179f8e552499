"""Emails, phones, names and addresses in one comparable form. Pure, total and idempotent.

Every function takes None for "not given" and gives None for "nothing left that identifies anybody".
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from lakehouse.semantic import phones
from lakehouse.semantic.nicknames import CANONICAL

GMAIL_DOMAINS = frozenset({"gmail.com", "googlemail.com"})
"""Google delivers `a.b@` and `ab@` to the same mailbox, and both domains are one."""

_DESKS = """
    accounting accounts admin billing contact contacto donotreply enquiries example family hello help hr info kontakt
    mail marketing no-reply none noreply null office orders purchasing reception sales service shop support team test
    unknown webmaster
"""
GENERIC_LOCAL_PARTS = frozenset(_DESKS.split())
"""Local parts that name a desk, not a person."""

PLACEHOLDER_DOMAINS = frozenset({"example.invalid", "test.com", "noemail.com", "none.com"})
PLACEHOLDER_NAMES = frozenset(
    {"test", "unknown", "none", "null", "na", "n a", "anonymous", "guest", "customer", "kunde", "xxx", "asdf", "tbd"}
)

COUNTRY_NAMES = {
    "australia": "AU", "austria": "AT", "bahrain": "BH", "belgium": "BE", "brazil": "BR", "canada": "CA",
    "denmark": "DK", "finland": "FI", "france": "FR", "germany": "DE", "deutschland": "DE", "india": "IN",
    "ireland": "IE", "italy": "IT", "japan": "JP", "kuwait": "KW", "mexico": "MX", "netherlands": "NL",
    "new zealand": "NZ", "norway": "NO", "poland": "PL", "portugal": "PT", "spain": "ES", "sweden": "SE",
    "switzerland": "CH", "united kingdom": "GB", "uk": "GB", "great britain": "GB", "england": "GB",
    "united states": "US", "united states of america": "US", "usa": "US",
}  # fmt: skip

_ABROAD = re.compile(r"^[\s(]*00")
_EMAIL_EDGES = re.compile(r"^(?:mailto:|[<\s])+|[>\s]+$")
_NOT_DIGITS = re.compile(r"\D")
_NOT_LETTERS = re.compile(r"[^\w\s]|[\d_]")
_NOT_WORDS = re.compile(r"[^\w\s]")
_EMAIL = re.compile(r"^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$")
_STREET_WORDS = {
    "street": "st", "strasse": "str", "straße": "str", "avenue": "ave", "road": "rd", "drive": "dr", "lane": "ln",
    "court": "ct", "place": "pl", "boulevard": "blvd", "apartment": "apt", "square": "sq", "terrace": "ter",
}  # fmt: skip
_PARTICLES = "al el bin ibn de del della di da dos du la le van von der den ter zu"
FAMILY_PARTICLES = frozenset(_PARTICLES.split())
_TITLES = frozenset(["mr", "mrs", "ms", "miss", "dr", "prof", "herr", "frau", "mme", "mlle", "jr", "sr", "ii", "iii"])
# letters that have no decomposition into a base letter and an accent
_PLAIN = str.maketrans({"ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})


def plain(text: str | None) -> str | None:
    """Lower case without accents, with single blanks: "  Zoë  MÜLLER" → "zoe muller"."""
    if text is None:
        return None
    if text.isascii():  # most texts, ten times as fast
        return " ".join(text.lower().split()) or None
    lowered = unicodedata.normalize("NFKC", text).casefold().translate(_PLAIN)
    bare = "".join(c for c in unicodedata.normalize("NFKD", lowered) if not unicodedata.combining(c))
    return " ".join(bare.translate(_PLAIN).split()) or None


def _domain(text: str) -> str:
    """A domain in its ASCII form, as it stands in DNS; as it is when it has none."""
    try:
        return text.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return text


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def email(text: str | None) -> str | None:
    """The mailbox an address reaches: lower case, no plus tag, no dots at Gmail, domain in ASCII."""
    if text is None:
        return None
    folded = text.lower() if text.isascii() else _folded(text)
    cleaned = _EMAIL_EDGES.sub("", folded)
    if not _EMAIL.match(cleaned):
        return None
    local, _, domain = cleaned.rpartition("@")
    domain = domain if domain.isascii() else _domain(domain)
    local = local.split("+", 1)[0] or local
    if domain in GMAIL_DOMAINS:
        local, domain = local.replace(".", "") or local, "gmail.com"
    return f"{local}@{domain}"


def is_generic_email(normalized: str | None) -> bool:
    """Whether an address is a desk's or a placeholder's, by its form. What many people share is found by counting."""
    if normalized is None:
        return False
    local, _, domain = normalized.partition("@")
    return local.rstrip("0123456789") in GENERIC_LOCAL_PARTS or domain in PLACEHOLDER_DOMAINS


def country(text: str | None) -> str | None:
    """ISO 3166 two letters from two letters or an English name; None for what is neither."""
    name = plain(text)
    if name is None:
        return None
    if len(name) == 2 and name.isascii() and name.isalpha() and name != "uk":
        return name.upper()
    return COUNTRY_NAMES.get(name)


@lru_cache(maxsize=200_000)
def phone(text: str | None, region: str | None = None) -> str | None:
    """E.164 ("+14155550123"). `region` is the country for numbers without a prefix; None if it cannot be a number.

    Possible numbers are taken, not only assigned ones: an unassigned number still tells that two records agree.
    """
    if text is None:
        return None
    # 00 is how most of the world dials abroad; libraries know it only for the countries which do
    abroad = _ABROAD.sub("+", text)
    number = phones.e164(abroad, None) if abroad != text else None
    number = number or phones.e164(text, region)
    return None if is_placeholder_phone(number) else number


def is_placeholder_phone(number: str | None) -> bool:
    """Numbers that people type to get past a form: one digit repeated, or a run such as 123456789."""
    if number is None:
        return False
    digits = _NOT_DIGITS.sub("", number)
    tail = digits[-7:]
    return len(tail) < 7 or len(set(tail)) == 1 or tail in "01234567890123456789" or tail in "98765432109876543210"


@lru_cache(maxsize=200_000)
def name(text: str | None) -> str | None:
    """One part of a name: plain letters, no titles, no punctuation but blanks; None for placeholders."""
    bare = plain(text)
    if bare is None:
        return None
    letters = _NOT_LETTERS.sub(" ", bare.replace("'", "").replace("’", ""))
    words = [word for word in letters.split() if word not in _TITLES]
    result = " ".join(words)
    return None if not result or result in PLACEHOLDER_NAMES else result


def names(first: str | None, last: str | None, full: str | None = None) -> tuple[str | None, str | None]:
    """Given and family name. "Müller, Zoë" is turned round; a full name is split when the parts are missing."""
    for part in (first, last, full):
        if part is not None and part.count(",") == 1 and (first is None or last is None):
            before, after = part.split(",")
            if name(before) and name(after):
                return name(after), name(before)
    given, family = name(first), name(last)
    if (given is None and family is None) and (whole := name(full)):
        words = whole.split()
        given, family = (whole, None) if len(words) == 1 else (" ".join(words[:-1]), words[-1])
    if given is not None and family is None and len(given.split()) > 1:
        words = given.split()
        given, family = " ".join(words[:-1]), words[-1]
    return _particles(given, family)


def _particles(given: str | None, family: str | None) -> tuple[str | None, str | None]:
    """ "hassan al", "enezi" → "hassan", "al enezi": whoever split at the last blank has cut the family name."""
    if given is None or family is None:
        return given, family
    words = given.split()
    while len(words) > 1 and words[-1] in FAMILY_PARTICLES:
        family = f"{words.pop()} {family}"
    return " ".join(words), family


def given_key(given: str | None) -> str | None:
    """The first given name, short forms as their long form: "bob j" → "robert"."""
    if given is None:
        return None
    first = given.split()[0]
    return CANONICAL.get(first, first)


def postcode(text: str | None, region: str | None = None) -> str | None:
    """Letters and digits only, upper case; of a US code with four more digits the first five."""
    bare = plain(text)
    if bare is None:
        return None
    code = re.sub(r"[^0-9a-z]", "", bare).upper()
    return (code[:5] if region == "US" and len(code) == 9 and code.isdigit() else code) or None


def street(text: str | None) -> str | None:
    """House number and street with the usual words shortened: "12 High Street" → "12 high st"."""
    bare = plain(text)
    if bare is None:
        return None
    words = _NOT_WORDS.sub(" ", bare).split()
    return " ".join(_STREET_WORDS.get(word, word) for word in words) or None


def identifier(text: str | None) -> str | None:
    """A number that an office gave a person: letters and digits only; None for one character repeated."""
    bare = re.sub(r"[^0-9a-z]", "", plain(text) or "")
    return bare if len(set(bare)) > 1 else None


def birth_date(text: str | None) -> str | None:
    """YYYY-MM-DD, from that order with or without separators, or day, month, year; None for what is no date.

    Of 03/04/1990 nobody can tell day and month: day first, as most of the world writes. Both records of a person in
    one table are read the same way, so they still agree.
    """
    parts = re.findall(r"\d+", text or "")
    if len(parts) == 1 and len(parts[0]) == 8:
        whole = parts[0]
        year_first = "18" <= whole[:2] <= "20"
        parts = [whole[:4], whole[4:6], whole[6:]] if year_first else [whole[:2], whole[2:4], whole[4:]]
    if len(parts) > 3 and len(parts[0]) == 4:
        parts = parts[:3]  # a time of day follows
    if len(parts) != 3:
        return None
    year, month, day = parts if len(parts[0]) == 4 else (parts[2], parts[1], parts[0])
    if len(year) != 4 or not int(year):
        return None
    if int(month) > 12 >= int(day):
        month, day = day, month
    return f"{year}-{int(month):02d}-{int(day):02d}"
