"""From a seed to the files of one day: deliveries, truth, manifest. Day N is the same whatever was generated before."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from data_generators.config import WorldConfig
from data_generators.deliveries import Delivery, WorldError, deliveries_path, write_lines
from data_generators.flaws import FlawRates, add_flaws
from data_generators.lives import Lives, truth_of
from data_generators.timeline import Timeline, batches, day_of
from data_generators.world import World, build_world


@dataclass(frozen=True)
class Day:
    """A day's deliveries in the order in which they are due, and the world as it is at its end."""

    number: int
    deliveries: list[Delivery]
    world: World
    identities: list[dict[str, object]]
    company_ids: dict[str, int]

    def summary(self) -> dict[str, Any]:
        """Counts by sender, flaw and what is expected."""
        return _summary(self.deliveries)


def _summary(deliveries: list[Delivery]) -> dict[str, Any]:
    flaws = Counter(flaw for delivery in deliveries for flaw in delivery.flaws)
    return {
        "deliveries": len(deliveries),
        "senders": dict(sorted(Counter(d.sender for d in deliveries).items())),
        "flaws": dict(sorted(flaws.items())),
        "expected": dict(sorted(Counter(d.expected for d in deliveries).items())),
        "messages": sum(d.messages for d in deliveries),
        "quarantined": sum(d.quarantined for d in deliveries),
        "bytes": sum(len(d.body) for d in deliveries),
    }


def _lived(config: WorldConfig, day: int, rates: FlawRates) -> tuple[Timeline, Lives]:
    """The world of `config` at the end of a day."""
    timeline = Timeline(config, build_world(config), rates)
    lives = Lives(timeline)
    lives.begin()
    timeline.run(config.span(day)[1])
    return timeline, lives


def _deliveries(timeline: Timeline, day: int) -> list[Delivery]:
    """What is due on a day, with the day's flaws; the timeline has run up to the day's end, or further."""
    config, rates = timeline.config, timeline.rates
    real = day_of(timeline.deliveries, config, day) + day_of(batches(timeline.hubspot, config, day), config, day)
    real.sort(key=lambda d: (d.due_ms, d.sender, d.webhook_ids))
    found = add_flaws(real, rates, config.rng("flaws", day))
    found.sort(key=lambda d: (d.due_ms, d.sender, d.webhook_ids, d.flaws))
    return [replace(d, day=day, delivery_id=f"d{day:03d}-{at:06d}") for at, d in enumerate(found, start=1)]


def make_day(config: WorldConfig, day: int, rates: FlawRates | None = None) -> Day:
    """Day `day` of the world of `config`, by simulating all days up to it."""
    timeline, lives = _lived(config, day, rates or FlawRates())
    return Day(day, _deliveries(timeline, day), timeline.world, lives.identities, timeline.company_ids)


def manifest_path(world_dir: Path) -> Path:
    return world_dir / "manifest.json"


def read_manifest(world_dir: Path) -> dict[str, Any] | None:
    """What was generated so far; None if nothing was."""
    path = manifest_path(world_dir)
    return orjson.loads(path.read_bytes()) if path.exists() else None


def _identity(config: WorldConfig, rates: FlawRates) -> dict[str, Any]:
    """What must not change between two days of one world."""
    return {
        "seed": config.seed, "people": config.people, "shop_domain": config.shop_domain,
        "first_day": config.first_day.date().isoformat(), "flaw_rates": asdict(rates),
    }  # fmt: skip


def write_day(world_dir: Path, config: WorldConfig, day: int, rates: FlawRates | None = None) -> dict[str, Any]:
    """Generate a day and write its files; returns its summary.

    Raises `WorldError` if the folder holds days of another world.
    """
    return write_days(world_dir, config, day, day, rates)[day]


def write_days(
    world_dir: Path, config: WorldConfig, first: int, last: int, rates: FlawRates | None = None
) -> dict[int, dict[str, Any]]:
    """Generate days `first` to `last` by simulating once, and write their files; returns the summary of each.

    The files are the same as those of one `write_day` a day. Raises `WorldError` if the folder holds another world.
    """
    rates = rates or FlawRates()
    manifest = read_manifest(world_dir) or {**_identity(config, rates), "days": {}}
    differs = [name for name, value in _identity(config, rates).items() if manifest.get(name) != value]
    if differs:
        raise WorldError(
            f"the world in this folder was made with another {', '.join(differs)}",
            "give the values it was made with (see manifest.json), or remove the folder `world` to begin anew",
        )
    timeline, lives = _lived(config, last, rates)
    truth, written = world_dir / "truth", dict[int, dict[str, Any]]()
    for day in range(first, last + 1):
        deliveries = _deliveries(timeline, day)
        write_lines(truth / f"deliveries-day-{day}.jsonl", (d.truth() for d in deliveries))
        write_lines(deliveries_path(world_dir, day), (d.to_send() for d in deliveries))
        written[day] = _summary(deliveries)
    manifest["days"] |= {str(day): summary for day, summary in written.items()}
    if last == max(int(number) for number in manifest["days"]):
        _write_who(truth, config, Day(last, [], timeline.world, lives.identities, timeline.company_ids))
    # the manifest last: a day that it names is whole
    part = manifest_path(world_dir).with_name("manifest.json.part")
    part.write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    part.replace(manifest_path(world_dir))
    return written


def _write_who(truth: Path, config: WorldConfig, made: Day) -> None:
    """Who is who at the end of the last day that was made."""
    end = config.span(made.number)[1]
    write_lines(truth / "people.jsonl", (truth_of(person) for person in made.world.people if person.joined_ms < end))
    companies = (
        {
            **asdict(company),
            "mailboxes": company.mailboxes,
            "hubspot_id": str(made.company_ids.get(company.company_id, "")),
        }
        for company in made.world.companies
    )
    write_lines(truth / "companies.jsonl", companies)
    write_lines(truth / "identities.jsonl", iter(made.identities))
