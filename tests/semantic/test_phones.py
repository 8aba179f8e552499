from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.semantic.phones import e164, parsed

REGIONS = ["US", "CA", "GB", "DE", "FR", "JP", "BH", "KW", "IT", "AU", "BR", "RU", "CN", "AR", "MX", "KZ", "HU"]
WRITTEN = st.text("0123456789 ()-.+/x", min_size=3, max_size=20)


@settings(max_examples=800, deadline=None)
@given(WRITTEN, st.sampled_from([*REGIONS, None]))
def test_both_ways_agree_on_anything(text: str, region: str | None) -> None:
    assert e164(text, region) == parsed(text, region)


@settings(max_examples=800, deadline=None)
@given(
    st.sampled_from(REGIONS),
    st.sampled_from(["", "0", "+", "+0", "1", "8"]),
    st.booleans(),
    st.text("0123456789", min_size=6, max_size=12),
)
def test_both_ways_agree_on_what_looks_like_a_number(region: str, lead: str, code: bool, digits: str) -> None:
    calling = str(phonenumbers.country_code_for_region(region)) if code else ""
    text = f"{lead}{calling} {digits}" if lead != "+0" else f"+{calling} (0) {digits}"
    assert e164(text, region) == parsed(text, region)


@pytest.mark.parametrize("region", REGIONS)
def test_both_ways_agree_on_a_number_of_each_kind(region: str) -> None:
    for kind in range(12):
        example = phonenumbers.example_number_for_type(region, kind)
        if example is None:
            continue
        for style in range(3):
            text = phonenumbers.format_number(example, style)
            assert e164(text, region) == parsed(text, region), text
