from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.semantic import normalize
from lakehouse.semantic.nicknames import CANONICAL


@pytest.mark.parametrize(
    ("sent", "same"),
    [
        (" Anna.Meyer+shop@Example.ORG ", "anna.meyer@example.org"),
        ("a.n.n.a+x@googlemail.com", "anna@gmail.com"),
        ("a.n.n.a@example.com", "a.n.n.a@example.com"),
        ("<mailto:anna@example.com>", "anna@example.com"),
        ("anna@MÜNCHEN.example", "anna@xn--mnchen-3ya.example"),
        ("+tag@example.com", "+tag@example.com"),
        ("no mail", None),
        ("anna@localhost", None),
        ("", None),
        (None, None),
    ],
)
def test_email_is_the_mailbox_it_reaches(sent: str | None, same: str | None) -> None:
    assert normalize.email(sent) == same


@pytest.mark.parametrize("address", ["info@firm.example", "noreply@firm.example", "sales2@firm.example"])
def test_desks_are_generic(address: str) -> None:
    assert normalize.is_generic_email(address)


def test_people_are_not_generic() -> None:
    assert not normalize.is_generic_email("anna@firm.example")
    assert not normalize.is_generic_email(None)


@pytest.mark.parametrize(
    ("sent", "region", "same"),
    [
        ("(415) 555-0132", "US", "+14155550132"),
        ("+1 415 555 0132", None, "+14155550132"),
        ("030 23125 123", "DE", "+493023125123"),
        ("0049 30 23125123", "DE", "+493023125123"),
        ("0081 3 5555 0123", "JP", "+81355550123"),
        ("07700 900123", "GB", "+447700900123"),
        ("415 555 0132", None, None),
        ("000-000-0000", "US", None),
        ("+1 111 111 1111", None, None),
        ("+1 212 123 4567", None, None),
        ("call me", "US", None),
        (None, "US", None),
    ],
)
def test_phone_is_e164_by_country(sent: str | None, region: str | None, same: str | None) -> None:
    assert normalize.phone(sent, region) == same


@pytest.mark.parametrize(
    ("first", "last", "full", "names"),
    [
        ("  ZOË ", "Müller", None, ("zoe", "muller")),
        ("Müller, Zoë", None, None, ("zoe", "muller")),
        (None, None, "Dr. Ada King Lovelace", ("ada king", "lovelace")),
        (None, None, "Ada", ("ada", None)),
        ("Ada Lovelace", None, None, ("ada", "lovelace")),
        ("J.", "O'Neill", None, ("j", "oneill")),
        ("Hassan Al", "Enezi", None, ("hassan", "al enezi")),
        (None, None, "Ludwig van der Berg", ("ludwig", "van der berg")),
        ("Test", "n/a", None, (None, None)),
        (None, None, None, (None, None)),
    ],
)
def test_names(first: str | None, last: str | None, full: str | None, names: tuple[str | None, str | None]) -> None:
    assert normalize.names(first, last, full) == names


def test_short_forms_share_a_key_with_the_long_form() -> None:
    assert normalize.given_key("bob j") == normalize.given_key("robert") == "robert"
    assert normalize.given_key("zoe") == "zoe"


def test_every_short_form_has_one_group() -> None:
    assert all(CANONICAL[long] == long for long in CANONICAL.values())


@pytest.mark.parametrize(
    ("sent", "code"), [("de", "DE"), ("Germany", "DE"), ("uk", "GB"), ("Atlantis", None), (None, None)]
)
def test_country(sent: str | None, code: str | None) -> None:
    assert normalize.country(sent) == code


def test_postcode_and_street() -> None:
    assert normalize.postcode("sw1a 1aa", "GB") == normalize.postcode("SW1A1AA", "GB") == "SW1A1AA"
    assert normalize.postcode("10001-1234", "US") == "10001"
    assert normalize.street("12, High  Street") == normalize.street("12 high st") == "12 high st"


@given(st.one_of(st.text(), st.emails(), st.from_regex(r"[a-zA-Z.+]{1,8}@(gmail|example)\.com", fullmatch=True)))
def test_email_twice_is_email_once(text: str) -> None:
    once = normalize.email(text)
    assert normalize.email(once) == once


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=30))
def test_text_forms_twice_are_once(text: str) -> None:
    for form in (normalize.plain, normalize.name, normalize.street, normalize.postcode):
        once = form(text)
        assert form(once) == once, form.__name__


@given(st.text(alphabet="0123456789+()- /", max_size=18), st.sampled_from(["US", "DE", "JP", "BH", None]))
def test_phone_twice_is_phone_once(text: str, region: str | None) -> None:
    once = normalize.phone(text, region)
    assert normalize.phone(once, region) == once
