"""What a lakehouse would cost a month, on paper: three lines, from what was measured and what the reader assumes."""

from __future__ import annotations

import math
from dataclasses import dataclass

SECONDS_A_DAY = 86_400
DAYS_A_MONTH = 365 / 12


@dataclass(frozen=True)
class Prices:
    """Assumptions in US dollars: a GB stored for a month, a core for an hour, a thousand objects written."""

    gb_month: float
    core_hour: float
    thousand_puts: float


@dataclass(frozen=True)
class Measured:
    """Of this stack: bytes stored for a webhook in all layers, core seconds for a million of them, objects a commit."""

    bytes_per_webhook: float
    core_seconds_per_million: float
    objects_per_commit: float


def monthly(
    measured: Measured, prices: Prices, *, webhooks_a_day: float, months_kept: int, commit_seconds: float, tables: int
) -> dict[str, float]:
    """US dollars a month, once `months_kept` months are stored: `storage`, `compute`, `requests`.

    A table is committed at each checkpoint, every `commit_seconds`, at which it has something new; webhooks are taken
    to come evenly to `tables` tables, at random times. So commits follow the volume while it is small, and the clock
    when it is not.
    """
    webhooks = webhooks_a_day * DAYS_A_MONTH
    checkpoints = SECONDS_A_DAY / commit_seconds
    with_news = checkpoints * -math.expm1(-webhooks_a_day / tables / checkpoints)
    commits = tables * with_news * DAYS_A_MONTH
    return {
        "storage": webhooks * months_kept * measured.bytes_per_webhook / 1e9 * prices.gb_month,
        "compute": webhooks / 1e6 * measured.core_seconds_per_million / 3600 * prices.core_hour,
        "requests": commits * measured.objects_per_commit / 1000 * prices.thousand_puts,
    }
