"""The bundle in `stack/conf/superset/assets`: databases, datasets, charts and dashboards in Superset's own form.

Nothing in it is of one machine: addresses are filled in from the settings, passwords are given beside it. The uuid of
each part follows from its path, so that an import always meets the same objects.
"""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import urlsplit

import yaml

from lakehouse.dashboards.question import query_context
from lakehouse.settings import PROJECT_ROOT, Settings

ASSETS = PROJECT_ROOT / "stack" / "conf" / "superset" / "assets"
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://workbook-demo.myshopify.com/dashboards")
CLICKHOUSE = "databases/clickhouse.yaml"
_FIXED_TIME = (2026, 1, 1, 0, 0, 0)
"""Of all files in the archive, so that equal bundles are equal bytes."""

Bundle = Mapping[str, dict[str, Any]]
"""Path below the folder of the bundle → what the file says."""


def expected_uuid(path: str) -> str:
    """The uuid of the part in the file `path`, as `charts/sales_orders.yaml`."""
    return str(uuid.uuid5(NAMESPACE, path.removesuffix(".yaml")))


def load(folder: Path = ASSETS) -> Bundle:
    """All files of the bundle, in the order of their paths."""
    return {
        str(path.relative_to(folder)): yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in sorted(folder.rglob("*.yaml"))
    }


def of_kind(bundle: Bundle, kind: str) -> dict[str, dict[str, Any]]:
    """The parts in one folder (`charts`, …) by their uuid."""
    return {part["uuid"]: part for path, part in bundle.items() if path.startswith(f"{kind}/")}


def charts_of(dashboard: Mapping[str, Any]) -> list[str]:
    """The uuids of the charts on a dashboard."""
    parts = [part for part in dashboard["position"].values() if isinstance(part, dict)]
    return [part["meta"]["uuid"] for part in parts if part["type"] == "CHART"]


def _places(settings: Settings) -> dict[str, str]:
    clickhouse, lake = urlsplit(settings.clickhouse_url), urlsplit(settings.trino_url)
    return {
        "clickhouse_user": settings.clickhouse_user,
        "clickhouse_scheme": clickhouse.scheme,
        "clickhouse_host": clickhouse.hostname or settings.host,
        "clickhouse_port": str(clickhouse.port or settings.clickhouse_port),
        "trino_user": settings.trino_user,
        "trino_scheme": lake.scheme,
        "trino_host": lake.hostname or settings.host,
        "trino_port": str(lake.port or settings.trino_port),
    }


def _filled_in(part: dict[str, Any], places: Mapping[str, str]) -> dict[str, Any]:
    text: dict[str, Any] = json.loads(Template(json.dumps(part)).substitute(places))
    return text


def archive(bundle: Bundle, settings: Settings) -> bytes:
    """The bundle as Superset's import wants it: a zip with this stack's addresses, each chart with its query."""
    target = io.BytesIO()
    places = _places(settings)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for path, said in bundle.items():
            part = said
            if path.startswith("databases/"):
                part = _filled_in(said, places)
            elif path.startswith("charts/"):
                part = {**said, "query_context": json.dumps(query_context(said["params"]))}
            text = yaml.safe_dump(part, sort_keys=False, allow_unicode=True)
            file.writestr(zipfile.ZipInfo(f"lakehouse/{path}", _FIXED_TIME), text)
    return target.getvalue()


def passwords(settings: Settings) -> dict[str, str]:
    """The passwords of the databases, by file of the bundle. Trino's listener on the loopback address has none."""
    return {CLICKHOUSE: settings.clickhouse_password.get_secret_value()}
