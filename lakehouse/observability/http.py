"""JSON of an engine's REST API, over one connection that is kept: a scrape asks dozens of times."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import httpx

from lakehouse.observability.samples import TIMEOUT_SECONDS, MetricsUnavailable


class JsonApi:
    """GET requests below a base address. Raises `MetricsUnavailable`; None is the answer for what is not there."""

    def __init__(self, base: str, next_step: str) -> None:
        self._client, self._next_step = httpx.Client(base_url=base, timeout=TIMEOUT_SECONDS), next_step

    def get(self, path: str, **query: str) -> Any:
        """The answer; None for 404: jobs and applications end while we look."""
        try:
            answer = self._client.get(path, params=query, follow_redirects=True)
            if answer.status_code == 404:
                return None
            return answer.raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            raise MetricsUnavailable(f"{self._client.base_url}{path}: {error!r}", self._next_step) from error


@lru_cache(maxsize=8)
def api(base: str, next_step: str) -> JsonApi:
    """The one client of an address."""
    return JsonApi(base, next_step)
