"""What the pages under docs/ say of settings, figures and files is so."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from lakehouse.lesson.costs import Measured, Prices, monthly
from lakehouse.settings import PROJECT_ROOT, Settings

PRODUCTION = (PROJECT_ROOT / "docs" / "production.md").read_text(encoding="utf-8")
COMPOSE = (PROJECT_ROOT / "docs" / "compose.md").read_text(encoding="utf-8")
BENCH = (PROJECT_ROOT / "docs" / "bench.md").read_text(encoding="utf-8")
PAGES = {"production.md": PRODUCTION, "compose.md": COMPOSE, "bench.md": BENCH}


def _settings_of_the_table() -> Iterator[str]:
    table = PRODUCTION.split("| service | settings |")[1].split("\n\n")[0]
    for row in table.splitlines()[2:]:
        for name in re.findall(r"`([A-Z0-9]+(?:_[A-Z0-9]+)+)(?:=[^`]*)?`", row.split("|")[2]):
            yield name.lower()
        yield from (name.lower() for name in re.findall(r"`(WAREHOUSE)`", row))


def test_the_settings_of_a_move_are_settings() -> None:
    names = set(_settings_of_the_table())
    # values in brackets, not names
    names -= {"sasl_ssl"}
    assert len(names) > 30
    assert names <= set(Settings.model_fields), names - set(Settings.model_fields)


@pytest.mark.parametrize("page", sorted(PAGES))
def test_settings_and_files_that_a_page_names_are_there(page: str) -> None:
    known = {name.upper() for name in Settings.model_fields}
    for name in re.findall(r"LAKEHOUSE_([A-Z0-9_]*[A-Z0-9])\b", PAGES[page]):
        assert name in known, name
    for path in re.findall(r"`((?:stack|tests|docs|dags|lakehouse|requirements)/[\w./-]+)`", PAGES[page]):
        assert (PROJECT_ROOT / path).exists(), path


def _figure(text: str) -> float:
    found = re.search(rf"\| {text} \| ([\d.]+) \|", PRODUCTION)
    assert found, text
    return float(found[1])


def test_the_bill_is_the_arithmetic_of_the_measured_figures() -> None:
    measured = Measured(
        _figure("bytes stored for a webhook, in all layers"),
        _figure("core seconds for a million webhooks, from bytes to typed columns"),
        _figure("objects written by a commit"),
    )
    rows = re.findall(r"(?m)^\| ([\d,]+) \| (.+) \| (.+) \|$", PRODUCTION.split("| webhooks a day |")[1])
    assert len(rows) == 6
    for day, *bills in rows:
        for seconds, said in zip((5.0, 60.0), bills, strict=True):
            bill = monthly(
                measured, Prices(0.023, 0.05, 0.005),
                webhooks_a_day=float(day.replace(",", "")), months_kept=24, commit_seconds=seconds, tables=8,
            )  # fmt: skip
            assert said == f"{' + '.join(f'{part:.2f}' for part in bill.values())} = {sum(bill.values()):.2f}"
