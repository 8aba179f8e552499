"""People of a generated world as records, without sending them: for evaluation on seeds of one's choice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse.semantic import records

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse.semantic.records import Key


def people_of_world(seed: int, people: int) -> tuple[pa.Table, dict[Key, str]]:
    """What three senders know of the first `people` of the world of a seed, normalised; and who is who."""
    sent, truth = sent_of_world(seed, people)
    return records.normalise(sent), truth


def sent_of_world(seed: int, people: int) -> tuple[pa.Table, dict[Key, str]]:
    """The same as it was sent."""
    from data_generators.config import WorldConfig
    from data_generators.profiles import make_profile
    from data_generators.world import build_world

    config = WorldConfig(seed=seed, people=people)
    rng = config.rng("profiles without deliveries")
    columns: dict[str, list[Any]] = {name: [] for name in records.SENT.names}
    truth = {}
    number = 0
    for human in build_world(config).people[:people]:
        for source in sorted(human.knows):
            profile = make_profile(human, source, number, human.joined_ms, rng)
            place = profile.address
            row = {
                "source": source, "source_id": str(number), "email": profile.email, "phone": profile.phone,
                "first_name": profile.first_name, "last_name": profile.last_name, "street": place.line1,
                "city": place.city, "country": place.country, "zip": place.zip,
            }  # fmt: skip
            for name, values in columns.items():
                values.append(row.get(name))
            truth[source, str(number)] = human.person_id
            number += 1
    return records.as_sent(columns, number), truth
