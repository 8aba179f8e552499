"""Phone numbers to E.164: `phonenumbers`' answer, found without its parser where that has nothing to decide.

A million numbers parsed in full take most of a minute. Most of them are written with a country code or the way their
country writes them, and then the library's own tables alone give the answer; all others go through its parser. That
both ways agree is a property test.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

import phonenumbers
from phonenumbers import PhoneMetadata

_WRITTEN = str.maketrans("", "", " ()-.")
NORTH_AMERICA = 1
TRUNK = "0"
"""What most countries put before a number that is dialled within them."""


class _Plan(NamedTuple):
    """How a country numbers: calling code, what stands before a number at home, its numbers, their lengths."""

    code: int
    prefix: re.Pattern[str] | None
    national: re.Pattern[str]
    lengths: frozenset[int]


@cache
def _plan(region: str) -> _Plan | None:
    found = PhoneMetadata.metadata_for_region(region, None)
    if found is None or found.general_desc is None or found.country_code is None:
        return None
    lengths = frozenset((*found.general_desc.possible_length, *found.general_desc.possible_length_local_only))
    prefix = found.national_prefix_for_parsing
    return _Plan(
        found.country_code,
        re.compile(prefix) if prefix else None,
        re.compile(found.general_desc.national_number_pattern or ""),
        lengths,
    )


@cache
def _main_region(code: str) -> str | None:
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code))
    return regions[0] if regions and regions[0] != "001" else None


def e164(text: str, region: str | None) -> str | None:
    """The number as +15551234567; `region` is the country (ISO 3166) of one without a code. None if it can be none."""
    digits = text.translate(_WRITTEN)
    if digits.isascii():
        if digits[:1] == "+" and digits[1:].isdigit():
            quick = _international(digits[1:])
        elif region is not None and digits.isdigit():
            quick = _national(digits, region)
        else:
            quick = None
        if quick is not None:
            return quick
    return parsed(text, region)


def _international(digits: str) -> str | None:
    """A number with its country's code; None where the parser has to decide."""
    for length in (1, 2, 3):
        region = _main_region(digits[:length]) if len(digits) > length and digits[0] != "0" else None
        if region is None:
            continue
        plan, number = _plan(region), digits[length:]
        if plan is None or number[0] == "0" or len(number) not in plan.lengths:
            return None
        if plan.prefix is not None and plan.prefix.match(number):
            return None
        return f"+{digits}"
    return None


def _national(digits: str, region: str) -> str | None:
    """A number as its country writes it; None where the parser has to decide."""
    plan = _plan(region)
    if plan is None:
        return None
    if plan.code == NORTH_AMERICA:
        if len(digits) == 11 and digits[0] == "1" and not plan.national.fullmatch(digits):
            digits = digits[1:]
        plain = len(digits) == 10 and digits[0] not in "01" and plan.national.fullmatch(digits)
        return f"+1{digits}" if plain else None
    found = plan.prefix.match(digits) if plan.prefix is not None else None
    number = digits[1:]
    if found is None or found.group() != TRUNK or found.lastindex or number[:1] in ("", "0"):
        return None
    # the parser keeps the 0 where only with it the number is one of the country's
    if plan.national.fullmatch(digits) or not plan.national.fullmatch(number) or len(number) not in plan.lengths:
        return None
    return f"+{plan.code}{number}"


def parsed(text: str, region: str | None) -> str | None:
    """The same by the library's parser alone."""
    try:
        found = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(found):
        return None
    return str(phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164))
