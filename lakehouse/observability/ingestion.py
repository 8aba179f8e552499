"""The webhook API counts by itself; its page is scraped as it is."""

from __future__ import annotations

import httpx

from lakehouse.observability.samples import TIMEOUT_SECONDS, MetricsUnavailable, Sample, parse
from lakehouse.settings import Settings, get_settings


def ingestion_samples(settings: Settings | None = None) -> list[Sample]:
    """What the webhook API counts since it started. A counter has no series before its first event."""
    url = f"{(settings or get_settings()).ingestion_url}/metrics"
    try:
        answer = httpx.get(url, timeout=TIMEOUT_SECONDS).raise_for_status()
    except httpx.HTTPError as error:
        raise MetricsUnavailable(f"{url}: {error!r}", "start it with `lakehouse stack up ingestion`") from error
    return parse(answer.text)
