"""Changes made to signed requests, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from data_generators.forgeries.forged import FORGERIES
from data_generators.forgeries.forger import Forger
from data_generators.forgeries.harmless import HARMLESS
from data_generators.forgeries.requests import Request, same_content


@dataclass(frozen=True)
class Trial:
    """A change to a request; `forged` says whether what was signed is no longer what arrives."""

    mutation: str
    original: Request
    changed: Request

    @property
    def forged(self) -> bool:
        return not same_content(self.original, self.changed)


def trials(forger: Forger, count: int, harmless_share: float) -> Iterator[Trial]:
    """So many changes, the forgeries in turn, so that each gets its share; harmless ones between them."""
    for number in range(count):
        some = HARMLESS if forger.rng.random() < harmless_share else FORGERIES
        mutation = some[number % len(some)]
        original = forger.genuine(mutation.senders)
        yield Trial(mutation.name, original, mutation.change(forger, original))
