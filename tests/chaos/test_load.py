"""What a load was, from the senders' book: by second, by outcome, by reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data_generators.generate import read_manifest
from lakehouse.chaos.load import Figures, figures, per_second, stock_up, total, unsent_days
from lakehouse.commands.world import generate_day
from lakehouse.lesson.load import sent_at
from lakehouse.settings import Settings, secrets_file
from stack.native.secrets import ensure_secrets

BEGAN = 1_800_000_000.0


def attempt(at: float, outcome: str, reason: str = "", number: int = 1, name: str = "") -> dict[str, Any]:
    return {
        "delivery_id": name or f"at {at}",
        "sent_at": sent_at(BEGAN + at),
        "outcome": outcome,
        "reason": reason,
        "attempt": number,
    }


ATTEMPTS = [
    attempt(-1, "accepted"), attempt(0.5, "accepted"), attempt(0.7, "failed", "ConnectError", name="late"),
    attempt(2.1, "refused", "bad_signature"), attempt(2.2, "accepted", number=2, name="other"),
    attempt(11, "accepted", number=2, name="late"),
]  # fmt: skip


def test_figures_are_of_the_span_alone() -> None:
    found = figures(ATTEMPTS, BEGAN, BEGAN + 10)
    assert found == Figures(10.0, 3, 2, 4, 2, {"bad_signature": 1}, {"ConnectError": 1}, 1)
    assert (found.rate, found.taken_rate) == (0.3, 0.2)


def test_several_loads_add_up() -> None:
    one = figures(ATTEMPTS, BEGAN, BEGAN + 10)
    both = total([one, one])
    assert (both.new, both.seconds, both.failed, both.rate) == (6, 20.0, {"ConnectError": 2}, 0.3)


def test_a_second_without_requests_is_shown_as_one() -> None:
    first = int(BEGAN)
    assert per_second(ATTEMPTS, BEGAN, BEGAN + 2.5) == [
        (first, {"accepted": 1, "failed": 1}),
        (first + 1, {}),
        (first + 2, {"refused": 1, "accepted": 1}),
    ]


def test_days_are_made_until_enough_waits_to_be_sent(tmp_path: Path) -> None:
    ensure_secrets(tmp_path)
    settings = Settings(_env_file=secrets_file(tmp_path), data_dir=tmp_path)
    generate_day(settings, 1, people=50)
    there = stock_up(settings, 500)
    manifest = read_manifest(settings.world_dir)
    assert manifest is not None
    assert there == sum(unsent_days(settings).values()) >= 500
    assert stock_up(settings, 500) == there
