"""The paper bill: what follows the volume, what follows the clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.lesson.costs import Measured, Prices, monthly

MEASURED = Measured(bytes_per_webhook=1000.0, core_seconds_per_million=3600.0, objects_per_commit=4.0)
PRICES = Prices(gb_month=0.02, core_hour=0.05, thousand_puts=0.005)
SHOP = {"webhooks_a_day": 1e6, "months_kept": 12, "commit_seconds": 60.0, "tables": 1}


def test_a_bill_by_hand() -> None:
    found = monthly(MEASURED, PRICES, webhooks_a_day=1e6 * 12 / 365, months_kept=10, commit_seconds=86_400, tables=3)
    assert found["storage"] == pytest.approx(10 * 1.0 * 0.02)
    assert found["compute"] == pytest.approx(0.05)
    assert found["requests"] == pytest.approx(3 * 365 / 12 * 4 / 1000 * 0.005)


@given(factor=st.floats(0.01, 1000))
def test_storage_and_compute_follow_the_volume_and_requests_the_clock(factor: float) -> None:
    before = monthly(MEASURED, PRICES, **SHOP)  # type: ignore[arg-type]
    more = monthly(MEASURED, PRICES, **{**SHOP, "webhooks_a_day": 1e6 * factor})  # type: ignore[arg-type]
    rarer = monthly(MEASURED, PRICES, **{**SHOP, "commit_seconds": 60.0 * factor})  # type: ignore[arg-type]
    assert more["requests"] == before["requests"]
    assert more["storage"] == pytest.approx(before["storage"] * factor)
    assert more["compute"] == pytest.approx(before["compute"] * factor)
    assert rarer["requests"] == pytest.approx(before["requests"] / factor)
    assert (rarer["storage"], rarer["compute"]) == (before["storage"], before["compute"])
