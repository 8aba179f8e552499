"""What a world is made from. Two equal configurations give the same bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

DAY_MS = 86_400_000
HISTORY_DAYS = 30
"""Day 1 is a first day with a past: it brings everything of this many days up to its end."""


@dataclass(frozen=True)
class WorldConfig:
    """`people` live at the end of day 1; a few more join every day after it."""

    seed: int = 20260101
    people: int = 3000
    shop_domain: str = "workbook-demo.myshopify.com"
    first_day: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    @property
    def first_ms(self) -> int:
        """When day 1 begins, in milliseconds."""
        return int(self.first_day.timestamp() * 1000)

    @property
    def history_ms(self) -> int:
        """When the world begins, in milliseconds."""
        return self.first_ms - (HISTORY_DAYS - 1) * DAY_MS

    def span(self, day: int) -> tuple[int, int]:
        """From (inclusive) and to (exclusive) of a day, in milliseconds; day 1 begins with the history."""
        if day < 1:
            raise ValueError(f"days are counted from 1, not {day}")
        end = self.first_ms + day * DAY_MS
        return (self.history_ms if day == 1 else end - DAY_MS), end

    def rng(self, *purpose: object) -> Random:
        """A generator of its own for each purpose, so that a change to one leaves the others as they were."""
        text = "/".join(str(part) for part in (self.seed, self.people, *purpose))
        return Random(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))
