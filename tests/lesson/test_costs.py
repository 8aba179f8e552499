"""The paper bill: what follows the volume, what follows the clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.lesson.costs import DAYS_A_MONTH, SECONDS_A_DAY, Measured, Prices, monthly

MEASURED = Measured(bytes_per_webhook=1000.0, core_seconds_per_million=3600.0, objects_per_commit=4.0)
PRICES = Prices(gb_month=0.02, core_hour=0.05, thousand_puts=0.005)
SHOP = {"webhooks_a_day": 1e6, "months_kept": 12, "commit_seconds": 60.0, "tables": 1}


def test_a_bill_by_hand() -> None:
    # so many that each of the three tables has something new at its one checkpoint a day
    found = monthly(MEASURED, PRICES, webhooks_a_day=1e6 * 12 / 365, months_kept=10, commit_seconds=86_400, tables=3)
    assert found["storage"] == pytest.approx(10 * 1.0 * 0.02)
    assert found["compute"] == pytest.approx(0.05)
    assert found["requests"] == pytest.approx(3 * 365 / 12 * 4 / 1000 * 0.005)


@given(factor=st.floats(0.01, 1000))
def test_storage_and_compute_follow_the_volume(factor: float) -> None:
    before = monthly(MEASURED, PRICES, **SHOP)  # type: ignore[arg-type]
    more = monthly(MEASURED, PRICES, **{**SHOP, "webhooks_a_day": 1e6 * factor})  # type: ignore[arg-type]
    rarer = monthly(MEASURED, PRICES, **{**SHOP, "commit_seconds": 60.0 * factor})  # type: ignore[arg-type]
    assert more["storage"] == pytest.approx(before["storage"] * factor)
    assert more["compute"] == pytest.approx(before["compute"] * factor)
    assert (rarer["storage"], rarer["compute"]) == (before["storage"], before["compute"])


@given(a_day=st.floats(0.001, 1e9), tables=st.integers(1, 20))
def test_commits_are_never_more_than_webhooks_nor_than_checkpoints(a_day: float, tables: int) -> None:
    shop = {**SHOP, "webhooks_a_day": a_day, "tables": tables}
    found = monthly(MEASURED, PRICES, **shop)["requests"]  # type: ignore[arg-type]
    commits = found / PRICES.thousand_puts * 1000 / MEASURED.objects_per_commit / DAYS_A_MONTH
    assert commits <= a_day * (1 + 1e-9)
    assert commits <= tables * SECONDS_A_DAY / 60.0 * (1 + 1e-9)


def test_few_webhooks_have_a_commit_each_and_many_share_the_clocks() -> None:
    per_commit = MEASURED.objects_per_commit / 1000 * PRICES.thousand_puts * DAYS_A_MONTH
    few = monthly(MEASURED, PRICES, **{**SHOP, "webhooks_a_day": 1.0})  # type: ignore[arg-type]
    many = monthly(MEASURED, PRICES, **{**SHOP, "webhooks_a_day": 1e9})  # type: ignore[arg-type]
    assert few["requests"] == pytest.approx(per_commit, rel=1e-3)
    assert many["requests"] == pytest.approx(1440 * per_commit)
