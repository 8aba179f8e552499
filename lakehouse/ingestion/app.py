"""The webhook API: verify, limit, publish, acknowledge. A 200 means the broker has it on disk."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from itertools import product
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from pydantic import BaseModel, SecretStr
from starlette.routing import compile_path
from starlette.types import Receive, Scope, Send

from lakehouse.ingestion import messages, signatures
from lakehouse.ingestion.docs_page import add_docs_page
from lakehouse.ingestion.messages import Message
from lakehouse.ingestion.publisher import NotAcknowledged, Publisher
from lakehouse.settings import Settings, get_settings

STATUS = {
    signatures.BAD_SIGNATURE: 401,
    signatures.MISSING_SIGNATURE: 401,
    signatures.STALE_TIMESTAMP: 401,
    "repeated_header": 401,
    "header_too_large": 431,
    "body_too_large": 413,
    "body_cut_off": 400,
    "overloaded": 503,
    "broker_unavailable": 503,
}
UNAVAILABLE = tuple(reason for reason, status in STATUS.items() if status == 503)
SHOPIFY_HEADERS = (
    "x-shopify-hmac-sha256",
    "x-shopify-topic",
    "x-shopify-shop-domain",
    "x-shopify-webhook-id",
    "x-shopify-api-version",
    "x-shopify-triggered-at",
)
MAX_HEADER_BYTES = 4096
RETRY_AFTER_SECONDS = "2"
BODY_TIMEOUT_SECONDS = 10


class Accepted(BaseModel):
    """All is stored: `messages` in their topics, `quarantined` put aside for a person to look at."""

    status: str = "accepted"
    messages: int
    quarantined: int


class Refused(BaseModel):
    """Nothing was stored for sure; `reason` says why."""

    status: str = "refused"
    reason: str


@lru_cache(maxsize=256)
def accepted(messages: int, quarantined: int) -> Response:
    """The answer to what is stored. Nearly all requests have the same, so it is made once."""
    return JSONResponse(Accepted(messages=messages, quarantined=quarantined).model_dump())


@lru_cache
def refused(reason: str) -> Response:
    """The answer with the status that belongs to the reason; 503 asks to send again."""
    status = STATUS[reason]
    headers = {"Retry-After": RETRY_AFTER_SECONDS} if status == 503 else None
    return JSONResponse(Refused(reason=reason).model_dump(), status_code=status, headers=headers)


class Refusal(Exception):
    """Ends a request with the status that belongs to the reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Metrics:
    """What is counted, by sender and outcome."""

    registry: CollectorRegistry
    requests: Counter
    messages: Counter
    seconds: Histogram
    in_flight: Gauge


def _metrics() -> Metrics:
    registry = CollectorRegistry()
    buckets = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
    metrics = Metrics(
        registry=registry,
        requests=Counter("webhook_requests", "requests", ["source", "outcome", "reason"], registry=registry),
        messages=Counter("webhook_messages", "acknowledged messages", ["topic"], registry=registry),
        seconds=Histogram("webhook_seconds", "time to answer", ["source"], buckets=buckets, registry=registry),
        in_flight=Gauge("webhook_in_flight", "requests being answered", registry=registry),
    )
    # an alert looks at these: they are 0 from the start, where other counters have no series before their first event
    for source, reason in product(("shopify", "stripe", "hubspot"), UNAVAILABLE):
        metrics.requests.labels(source, "refused", reason)
    return metrics


async def read_body(request: Request, limit: int) -> bytes:
    """The body, counted as it streams in. Raises `Refusal` before a signature is computed over too much."""
    announced = next((value for name, value in request.scope["headers"] if name == b"content-length"), b"")
    if announced.isdigit() and int(announced) > limit:
        raise Refusal("body_too_large")
    chunks, size, more = [], 0, True
    try:
        async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
            while more:
                event = await request.receive()
                if event["type"] == "http.disconnect":
                    raise Refusal("body_cut_off")
                chunk = event.get("body", b"")
                size += len(chunk)
                if size > limit:
                    raise Refusal("body_too_large")
                chunks.append(chunk)
                more = event.get("more_body", False)
    except TimeoutError as error:
        raise Refusal("body_cut_off") from error
    return b"".join(chunks)


def _plain(secrets: tuple[SecretStr, ...]) -> list[str]:
    return [secret.get_secret_value() for secret in secrets]


def _now() -> str:
    return f"{datetime.now(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _refuse_if(reason: str | None) -> None:
    if reason is not None:
        raise Refusal(reason)


def _headers(request: Request, *names: str) -> dict[str, str]:
    """Those of these headers that are there. One that is there twice decides nothing: who looked at the other?

    A longer one than any sender gives would not fit into a message either.
    """
    given: dict[str, str] = {}
    # the server gives names in lower case; one pass over them costs a third of a look-up for each name
    for raw, value in request.scope["headers"]:
        if (name := raw.decode("latin-1")) in names:
            if name in given:
                raise Refusal("repeated_header")
            given[name] = value.decode("latin-1")
    if any(len(value) > MAX_HEADER_BYTES for value in given.values()):
        raise Refusal("header_too_large")
    return given


def _shopify(request: Request, body: bytes, settings: Settings) -> list[Message]:
    given = _headers(request, *SHOPIFY_HEADERS)
    signature = given.get("x-shopify-hmac-sha256")
    _refuse_if(signatures.verify_shopify(_plain(settings.shopify_webhook_secrets), body, signature))
    route = "/".join((request.path_params["resource"], request.path_params["event"]))
    return messages.shopify(route, body, given, settings.shopify_shops, _now())


def _stripe(request: Request, body: bytes, settings: Settings) -> list[Message]:
    given = _headers(request, "stripe-signature").get("stripe-signature")
    _refuse_if(signatures.verify_stripe(_plain(settings.stripe_webhook_secrets), body, given, time.time()))
    return messages.stripe(body, _now())


def _target(request: Request) -> str:
    """Path and query as they stood in the request line, no escape decoded; bytes that are no text survive."""
    query: bytes = request.scope["query_string"]
    target: bytes = request.scope["raw_path"] + (b"?" + query if query else b"")
    return target.decode("utf-8", "surrogateescape")


def _hubspot(request: Request, body: bytes, settings: Settings) -> list[Message]:
    given = _headers(request, "x-hubspot-signature-v3", "x-hubspot-request-timestamp")
    # behind TLS termination the signed URI is the public one
    uri = f"{settings.public_base_url.rstrip('/')}{_target(request)}"
    reason = signatures.verify_hubspot(
        _plain(settings.hubspot_webhook_secrets),
        request.method,
        uri,
        body,
        given.get("x-hubspot-signature-v3"),
        given.get("x-hubspot-request-timestamp"),
        time.time(),
    )
    _refuse_if(reason)
    return messages.hubspot(body, _now())


Verify = Callable[[Request, bytes, Settings], list[Message]]
Handler = Callable[[Request], Awaitable[Response]]


class Endpoint:
    """What the three routes share: the limit on requests at once, the publishing, the counting."""

    def __init__(self, settings: Settings, publisher: Publisher, metrics: Metrics) -> None:
        self._settings, self._publisher, self._metrics = settings, publisher, metrics
        self._in_flight = 0
        # a counter's series is looked up under a lock each time; there are few, and none is ever removed
        self._requests, self._seconds = cache(metrics.requests.labels), cache(metrics.seconds.labels)
        self._stored = cache(metrics.messages.labels)
        metrics.in_flight.set_function(lambda: self._in_flight)

    async def answer(self, source: str, request: Request, verify: Verify) -> Response:
        """200 with counts, or the refusal with its reason."""
        began = time.perf_counter()
        try:
            found = await self._accept(request, verify)
            quarantined = sum(message.quarantined for message in found)
            response = accepted(len(found) - quarantined, quarantined)
            outcome, reason = "accepted", ""
        except Refusal as refusal:
            response = refused(refusal.reason)
            outcome, reason = "refused", refusal.reason
        self._requests(source, outcome, reason).inc()
        self._seconds(source).observe(time.perf_counter() - began)
        return response

    async def _accept(self, request: Request, verify: Verify) -> list[Message]:
        if self._in_flight >= self._settings.max_in_flight:
            raise Refusal("overloaded")
        self._in_flight += 1
        try:
            body = await read_body(request, self._settings.max_body_bytes)
            found = verify(request, body, self._settings)
            await self._publisher.publish(found)
        except NotAcknowledged as error:
            raise Refusal("broker_unavailable") from error
        finally:
            self._in_flight -= 1
        for message in found:
            self._stored(message.topic).inc()
        return found


class WebhookAPI(FastAPI):
    """FastAPI, but a webhook goes to its handler directly.

    What the framework does around a handler costs more than the handler, and there is nothing for it to do here: no
    parameter to validate, no middleware. All else, also another method on a webhook's path, goes the usual way.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._doors: list[tuple[re.Pattern[str], Handler]] = []

    def webhook(self, path: str, handler: Handler, **options: Any) -> None:
        """Take POST requests on a path; `options` are those of FastAPI's route, for the docs."""
        self.post(path, **options)(handler)
        self._doors.append((compile_path(path)[0], handler))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            for pattern, handler in self._doors:
                if found := pattern.match(scope["path"]):
                    scope["app"], scope["path_params"] = self, found.groupdict()
                    response = await handler(Request(scope, receive))
                    return await response(scope, receive, send)
        return await super().__call__(scope, receive, send)


ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": Accepted, "description": "stored; the broker acknowledged"},
    400: {"model": Refused, "description": "the body did not come in time"},
    401: {"model": Refused, "description": "the signature or its time is not valid, or given twice"},
    413: {"model": Refused, "description": "the body is over the limit"},
    431: {"model": Refused, "description": "a header is longer than a sender makes it"},
    503: {"model": Refused, "description": "send again: too many requests, or the broker did not acknowledge"},
}
BODY_SCHEMA = {"requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}}


def create_app(settings: Settings | None = None, topic_prefix: str = "") -> FastAPI:
    """The application; the producer is made when it starts and flushed when it ends.

    With a `topic_prefix` it writes to other topics than the pipeline reads: a receiver for trials.
    """
    s = settings or get_settings()
    metrics = _metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        publisher = Publisher(s, topic_prefix)
        app.state.publisher = publisher
        app.state.endpoint = Endpoint(s, publisher, metrics)
        yield
        publisher.close()

    app = WebhookAPI(
        title="Webhook ingestion",
        summary="Signed webhooks of Shopify, Stripe and HubSpot, stored before they are acknowledged.",
        lifespan=lifespan,
        # a redirect would lead to wherever the Host header says
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
    )
    add_docs_page(app)

    def route(path: str, source: str, verify: Verify, summary: str) -> None:
        async def handle(request: Request) -> Response:
            return await request.app.state.endpoint.answer(source, request, verify)

        options: dict[str, Any] = {"responses": ANSWERS, "openapi_extra": BODY_SCHEMA, "response_model": Accepted}
        app.webhook(path, handle, summary=summary, name=source, tags=["webhooks"], **options)

    route("/webhooks/shopify/{resource:str}/{event:str}", "shopify", _shopify, "One Shopify webhook")
    route("/webhooks/stripe", "stripe", _stripe, "One Stripe event")
    route("/webhooks/hubspot", "hubspot", _hubspot, "Up to 100 HubSpot events")

    @app.get("/health", tags=["state"], summary="The process answers")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready", tags=["state"], summary="The broker answers", responses={503: {"model": Refused}})
    async def ready(request: Request) -> Response:
        if await request.app.state.publisher.broker_answers():
            return JSONResponse({"status": "ready"})
        return JSONResponse(Refused(reason="broker_unavailable").model_dump(), status_code=503)

    @app.get("/metrics", tags=["state"], summary="Counters for Prometheus", response_class=Response)
    async def show_metrics() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return app
