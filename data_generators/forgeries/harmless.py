"""Changes to what nobody signed: a receiver has to take these requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from data_generators.forgeries.forger import Change, Forger, Mutation, entered, with_signature
from data_generators.forgeries.requests import Request

HARMLESS: list[Mutation] = []


def harmless(*senders: str) -> Callable[[Change], Change]:
    """Enter a function among the changes that forge nothing, of these senders or of all."""
    return entered(HARMLESS, *senders)


@harmless()
def _nothing(forger: Forger, request: Request) -> Request:
    return request


@harmless()
def _header_names_in_another_case(forger: Forger, request: Request) -> Request:
    return request.with_headers(lambda name, value: [(name.swapcase(), value)])


@harmless()
def _headers_in_another_order(forger: Forger, request: Request) -> Request:
    return replace(request, headers=tuple(reversed(request.headers)))


@harmless()
def _more_headers(forger: Forger, request: Request) -> Request:
    return request.plus(*((b"X-More-%d" % number, b"x") for number in range(forger.rng.randrange(1, 60))))


@harmless()
def _another_host(forger: Forger, request: Request) -> Request:
    """The URI that HubSpot signs is the one that the settings name, whatever a client calls the receiver."""
    return request.plus((b"X-Forwarded-Host", b"elsewhere.example"), (b"Forwarded", b"host=elsewhere.example"))


@harmless()
def _body_in_chunks(forger: Forger, request: Request) -> Request:
    return replace(request, chunks=forger.rng.randrange(1, 9))


@harmless("shopify")
def _another_topic_of_shopify(forger: Forger, request: Request) -> Request:
    """Shopify signs the body alone: such a request is stored, but put aside where path and header differ."""
    return request.with_value(b"x-shopify-topic", b"customers/redact")


@harmless("hubspot")
def _escapes_that_hubspot_decodes(forger: Forger, request: Request) -> Request:
    return replace(request, target=b"/webhooks%2Fhubspot")


@harmless("stripe")
def _one_more_signature_of_stripe(forger: Forger, request: Request) -> Request:
    """As during a rotation: one of the signatures has to be right."""
    return with_signature(forger, request, lambda old: old + b",v1=" + forger.rng.randbytes(32).hex().encode())
