"""The exporter: what a source said is served as Prometheus reads it, and what it no longer says is gone."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from lakehouse.observability import MetricsUnavailable, Sample, exporter, parse
from lakehouse.observability.exporter import Answers, Source, ask
from lakehouse.settings import Settings, secrets_file
from lakehouse.waiting import wait_until
from stack.native.secrets import ensure_secrets
from tests.stack.conftest import free_port

GAUGE = Sample("kafka_group_lag", {"group": "g", "topic": "t", "partition": "0"}, 3.0)
COUNTER = Sample("spark_gc_seconds_total", {"executor": "0"}, 1.5)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    ensure_secrets(tmp_path)
    return Settings(
        _env_file=secrets_file(tmp_path),
        data_dir=tmp_path,
        metrics_exporter_port=free_port(),
        metrics_interval_seconds=0.05,
    )


def page(*samples: Sample) -> str:
    answers, registry = Answers(), CollectorRegistry()
    answers.put("test", list(samples))
    registry.register(answers)
    return generate_latest(registry).decode()


def test_samples_come_back_as_they_were_with_their_type_and_meaning() -> None:
    text = page(GAUGE, COUNTER)

    assert parse(text) == [GAUGE, COUNTER]
    assert "# TYPE kafka_group_lag gauge" in text
    assert "# TYPE spark_gc_seconds_total counter" in text
    assert f"# HELP kafka_group_lag {exporter.HELP['kafka_group_lag']}" in text


def test_a_metric_that_says_nothing_of_itself_is_refused() -> None:
    with pytest.raises(KeyError):
        page(Sample("nobody_described_this", {}, 1))


def test_no_metric_is_described_twice() -> None:
    named = [name for module in exporter.MODULES for name in module.HELP]
    assert len(named) == len(set(named))


def test_a_source_that_fails_is_down_and_has_no_samples(settings: Settings) -> None:
    def collect(_: Settings) -> list[Sample]:
        raise MetricsUnavailable("it is away", "start it")

    found = {sample.name: sample.value for sample in ask(Source("broken", collect), settings)}
    assert found.pop("exporter_source_seconds") >= 0
    assert found == {"exporter_source_up": 0.0}


def test_old_samples_of_a_source_that_went_away_are_not_served(settings: Settings) -> None:
    away, stop = threading.Event(), threading.Event()

    def collect(_: Settings) -> list[Sample]:
        if away.is_set():
            raise MetricsUnavailable("it is away", "start it")
        return [GAUGE]

    def served() -> dict[str, float]:
        text = httpx.get(f"http://{settings.host}:{settings.metrics_exporter_port}/metrics").text
        return {sample.name: sample.value for sample in parse(text)}

    def answers() -> bool:
        try:
            return served().get("kafka_group_lag") == 3.0
        except httpx.TransportError:
            return False

    thread = threading.Thread(target=exporter.run, args=(settings, [Source("test", collect)], stop))
    thread.start()
    try:
        wait_until(answers, timeout=20, what="the exporter to serve", every=0.05)
        away.set()
        wait_until(lambda: served()["exporter_source_up"] == 0.0, timeout=20, what="the source to be down", every=0.05)
        assert "kafka_group_lag" not in served()
    finally:
        stop.set()
        thread.join(20)
