"""What a forger has, and what a change is: it takes the forger and a request, and gives another request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from data_generators.deliveries import Delivery
from data_generators.forgeries.requests import SIGNED_BY, Request, signed
from data_generators.signing import Signer


@dataclass
class Forger:
    """What a forger has: requests that were signed before, by sender, and the clock (seconds)."""

    rng: Random
    signer: Signer
    by_sender: dict[str, list[Delivery]]
    now: float

    def genuine(self, senders: tuple[str, ...]) -> Request:
        """A request that one of these senders signed, one of those that were seen."""
        some = self.by_sender[self.rng.choice(senders)]
        return signed(self.rng.choice(some), self.signer, self.now)

    def other(self, request: Request) -> Request:
        """Another signed request of the same sender."""
        found = request.body
        while found == request.body:
            delivery = self.rng.choice(self.by_sender[request.sender])
            found = delivery.body
        return signed(delivery, self.signer, self.now - self.rng.randrange(1, 60))

    def signed_again(self, request: Request, how: Signer, now: float) -> Request:
        """The request with a signature of somebody, or of some time."""
        headers = how.headers(request.sender, request.target.decode(), request.body, "right", now)
        for name, value in headers.items():
            request = request.with_value(name.lower().encode(), value.encode())
        return request


Change = Callable[[Forger, Request], Request]


@dataclass(frozen=True)
class Mutation:
    """A change, and whose requests it can be made to."""

    name: str
    change: Change
    senders: tuple[str, ...]


def entered(registry: list[Mutation], *senders: str) -> Callable[[Change], Change]:
    """Enter a function in a registry under its own name, for requests of these senders or of all."""

    def add(function: Change) -> Change:
        name = function.__name__.strip("_").replace("_", " ")
        registry.append(Mutation(name, function, senders or tuple(SIGNED_BY)))
        return function

    return add


def with_body(request: Request, body: bytes) -> Request:
    """The request with another body."""
    return replace(request, body=body)


def with_signature(forger: Forger, request: Request, change: Callable[[bytes], bytes]) -> Request:
    """The request with its signature changed."""
    name = SIGNED_BY[request.sender][0]
    old = request.value(name)
    return request.with_value(name, change(old))
