"""Watching: an exporter that asks the engines, VictoriaMetrics that scrapes and stores, vmalert that judges.

An add-on: `make observe`. What is scraped, the alerts and the pictures are in `stack/conf/`, where Prometheus and
Grafana read them, too.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from lakehouse.settings import PROJECT_ROOT, Settings
from stack.native import dashboards
from stack.native.service import CannotPrepare, NotHealthy, Service, stack_environment

TEMPLATES = PROJECT_ROOT / "stack" / "conf" / "prometheus"
PROFILE = "observe"
SLOW = 3
"""Trino's page is dear: it is asked every so many intervals."""
CACHES = "64MiB"


def _conf(settings: Settings) -> Path:
    return settings.conf_dir / "metrics"


def _binary(settings: Settings, name: str) -> Path:
    return settings.home / "metrics" / name


def _require(settings: Settings, name: str) -> None:
    if not _binary(settings, name).exists():
        raise CannotPrepare(f"{name} is not installed", "run `make observe`, which builds it once")


def _seconds(value: float) -> str:
    """A duration as Prometheus reads it: whole milliseconds, or seconds."""
    return f"{value:.0f}s" if value == int(value) else f"{value * 1000:.0f}ms"


def _address(url: str) -> str:
    return urlsplit(url).netloc


def scrape_values(settings: Settings) -> dict[str, str]:
    """What the template of scrape targets names, for native services. Addresses are host:port."""
    return {
        "interval": _seconds(settings.metrics_interval_seconds),
        "slow_interval": _seconds(settings.metrics_interval_seconds * SLOW),
        "ingestion": _address(settings.ingestion_url),
        "catalog": _address(settings.catalog_uri),
        "catalog_path": "/metrics",
        "object_store": f"{settings.host}:{settings.s3_metrics_port}",
        "trino": _address(settings.trino_url),
        "exporter": f"{settings.host}:{settings.metrics_exporter_port}",
        "metrics": _address(settings.metrics_url),
    }


def alert_values(settings: Settings) -> dict[str, str]:
    """What the template of alerts names. All follow from how far back an alert looks and what counts as stale."""
    window, interval = settings.alert_window_seconds, settings.metrics_interval_seconds
    return {
        "interval": _seconds(interval),
        "tick": _seconds(interval * 2),
        "window": _seconds(window),
        # it has to hold some samples of what is asked less often
        "slow_window": _seconds(max(window, interval * SLOW * 4)),
        "hold": _seconds(window / 2),
        "stale": str(settings.alert_stale_seconds),
        "raw_stale": f"{settings.checkpoint_interval_seconds + window / 5:.0f}",
        "checkpoint_stale": f"{settings.checkpoint_interval_seconds * 2 + window / 5:.0f}",
        # Airflow's scheduler tells of itself every five seconds, or as it can
        "heartbeat_stale": f"{15 + window / 5:.0f}",
    }


def fill_in(template: Path, values: Mapping[str, str]) -> str:
    """A template with its names in braces replaced; braces of PromQL and of annotations stay."""
    text = template.read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _prepare_store(settings: Settings) -> None:
    _require(settings, "victoria-metrics")
    pages = _conf(settings) / "dashboards"
    shutil.rmtree(pages, ignore_errors=True)
    pages.mkdir(parents=True)
    (settings.var_dir / "metrics").mkdir(parents=True, exist_ok=True)
    text = fill_in(TEMPLATES / "scrape.yml", scrape_values(settings))
    (_conf(settings) / "scrape.yml").write_text(text, encoding="utf-8")
    for number, board in enumerate(dashboards.load()):
        (pages / f"{number}-{board.name}.json").write_text(dashboards.vmui(board), encoding="utf-8")


def _prepare_alerts(settings: Settings) -> None:
    _require(settings, "vmalert")
    _conf(settings).mkdir(parents=True, exist_ok=True)
    text = fill_in(TEMPLATES / "alerts.yml", alert_values(settings))
    (_conf(settings) / "alerts.yml").write_text(text, encoding="utf-8")


def _store_command(settings: Settings) -> list[str]:
    return [
        str(_binary(settings, "victoria-metrics")),
        f"-httpListenAddr={settings.host}:{settings.metrics_port}",
        f"-storageDataPath={settings.var_dir / 'metrics'}",
        f"-retentionPeriod={settings.metrics_retention_days}d",
        f"-promscrape.config={_conf(settings) / 'scrape.yml'}",
        # a target that is down is an alert, not a line a second in the log
        "-promscrape.suppressScrapeErrors",
        f"-memory.allowedBytes={CACHES}",
        "-search.latencyOffset=1s",
        f"-vmui.customDashboardsPath={_conf(settings) / 'dashboards'}",
        f"-vmalert.proxyURL=http://{settings.host}:{settings.metrics_alerts_port}",
        "-loggerLevel=WARN",
    ]


def _alerts_command(settings: Settings) -> list[str]:
    return [
        str(_binary(settings, "vmalert")),
        f"-rule={_conf(settings) / 'alerts.yml'}",
        f"-datasource.url={settings.metrics_url}",
        # the state of alerts is a series like any other, and is read back after a restart
        f"-remoteWrite.url={settings.metrics_url}",
        f"-remoteRead.url={settings.metrics_url}",
        "-notifier.blackhole",
        f"-httpListenAddr={settings.host}:{settings.metrics_alerts_port}",
        f"-evaluationInterval={_seconds(settings.metrics_interval_seconds)}",
        "-rule.evalDelay=1s",
        "-loggerLevel=WARN",
    ]


def _ask(url: str) -> httpx.Response:
    try:
        return httpx.get(url, timeout=5).raise_for_status()
    except httpx.HTTPError as error:
        raise NotHealthy(f"{url}: {error!r}") from error


def _exporter_healthy(settings: Settings) -> None:
    """It has asked at least one part of the stack."""
    page = _ask(f"http://{settings.host}:{settings.metrics_exporter_port}/metrics").text
    if "exporter_source_up{" not in page:
        raise NotHealthy("the exporter has asked nobody yet")


def _store_healthy(settings: Settings) -> None:
    """It answers a query with what it scraped itself."""
    found = _ask(f"{settings.metrics_url}/api/v1/query?query=count(up)").json()["data"]["result"]
    if not found:
        raise NotHealthy("nothing was scraped yet")


def _alerts_healthy(settings: Settings) -> None:
    """Every rule has been evaluated without an error."""
    groups = _ask(f"http://{settings.host}:{settings.metrics_alerts_port}/api/v1/rules").json()["data"]["groups"]
    problems = {rule["name"]: rule["lastError"] for group in groups for rule in group["rules"] if rule["lastError"]}
    if not groups or problems:
        raise NotHealthy(f"rules that cannot be evaluated: {problems}" if problems else "no rules were read")


def _of_victoria(name: str, title: str, *, requires: str, port: str, page: str, **how: Any) -> Service:
    """A program of VictoriaMetrics's: one port, and a page that the store shows."""
    return Service(
        name=name,
        title=title,
        profile=PROFILE,
        requires=(requires,),
        ports={"http": port},
        start_timeout_seconds=60,
        url=lambda s: f"{s.metrics_url}{page}",
        **how,
    )


SERVICES = (
    Service(
        name="metrics-exporter",
        title="Exporter of the engines' metrics",
        profile=PROFILE,
        ports={"http": "metrics_exporter_port"},
        command=lambda s: [str(s.home / "env" / "bin" / "python"), "-m", "lakehouse.observability.exporter"],
        environment=stack_environment,
        healthy=_exporter_healthy,
        start_timeout_seconds=90,
    ),
    _of_victoria(
        "metrics-store", "Metrics (VictoriaMetrics)", requires="metrics-exporter", port="metrics_port",
        prepare=_prepare_store, command=_store_command, healthy=_store_healthy, page="/vmui/#/dashboards",
    ),
    _of_victoria(
        "metrics-alerts", "Alerts (vmalert)", requires="metrics-store", port="metrics_alerts_port",
        prepare=_prepare_alerts, command=_alerts_command, healthy=_alerts_healthy, page="/vmalert/groups",
    ),
)  # fmt: skip
