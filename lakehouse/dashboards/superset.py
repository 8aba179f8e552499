"""Superset's REST API: sign in, import the bundle, ask a chart."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import yaml

from lakehouse.dashboards import bundle
from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings

TIMEOUT_SECONDS = 300.0
PAGE = 1000


class SupersetUnavailable(LakehouseError):
    """Superset does not answer."""


class SupersetRefused(LakehouseError):
    """Superset answered with an error; the message is its own."""


class Superset:
    """A session of one user, made by `signed_in`."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def call(self, method: str, path: str, **request: Any) -> httpx.Response:
        """One request. Raises `SupersetUnavailable` or `SupersetRefused`."""
        try:
            answer = self.client.request(method, path, **request)
        except httpx.HTTPError as error:
            raise SupersetUnavailable(
                f"Superset does not answer at {self.client.base_url}: {error!r}",
                "start it with `lakehouse stack up dashboards`",
            ) from error
        if answer.is_error:
            is_json = "json" in answer.headers.get("content-type", "")
            raise SupersetRefused(
                f"{method} {path}: {answer.status_code} {answer.text[:1500] if is_json else answer.reason_phrase}",
                "`lakehouse stack logs superset` says why; ClickHouse and Trino must be up: `lakehouse stack status`",
            )
        return answer

    def listed(self, kind: str, *columns: str) -> list[dict[str, Any]]:
        """All objects of a kind (`chart`, `dashboard`, `dataset`, `database`), with some of their columns."""
        question = f"(columns:!({','.join(('id', 'uuid', *columns))}),page_size:{PAGE})"
        found: list[dict[str, Any]] = self.call("GET", f"/api/v1/{kind}/", params={"q": question}).json()["result"]
        return found

    def import_bundle(self, archive: bytes, passwords: dict[str, str]) -> None:
        """Make all objects of the bundle as it says, those that are there too; others stay as they are."""
        self.call(
            "POST",
            "/api/v1/assets/import/",
            files={"bundle": ("lakehouse.zip", archive, "application/zip")},
            data={"passwords": json.dumps(passwords)},
        )

    def exported(self) -> dict[str, dict[str, Any]]:
        """All that Superset holds, by uuid, as it exports it."""
        content = self.call("GET", "/api/v1/assets/export/").content
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            parts = [yaml.safe_load(file.read(name)) for name in file.namelist()]
        return {part["uuid"]: part for part in parts if "uuid" in part}

    def ask(self, chart: int) -> list[dict[str, Any]]:
        """The rows that answer the saved query of a chart, fetched anew."""
        answer = self.call("GET", f"/api/v1/chart/{chart}/data/", params={"force": "true"}).json()
        rows: list[dict[str, Any]] = answer["result"][0]["data"]
        return rows


@contextmanager
def signed_in(settings: Settings) -> Iterator[Superset]:
    """A session of the stack's user. Raises `SupersetUnavailable` or `SupersetRefused`."""
    with httpx.Client(base_url=settings.superset_url, timeout=TIMEOUT_SECONDS, follow_redirects=True) as client:
        superset = Superset(client)
        who = {"username": settings.superset_user, "password": settings.superset_password.get_secret_value()}
        token = superset.call("POST", "/api/v1/security/login", json={**who, "provider": "db"}).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        client.headers["X-CSRFToken"] = superset.call("GET", "/api/v1/security/csrf_token/").json()["result"]
        client.headers["Referer"] = settings.superset_url
        yield superset


def import_all(settings: Settings) -> list[str]:
    """Import the bundle of the project; returns the addresses of its dashboards."""
    parts = bundle.load()
    with signed_in(settings) as superset:
        superset.import_bundle(bundle.archive(parts, settings), bundle.passwords(settings))
    return [
        f"{settings.superset_url}/superset/dashboard/{dashboard['slug']}/"
        for dashboard in bundle.of_kind(parts, "dashboards").values()
    ]
