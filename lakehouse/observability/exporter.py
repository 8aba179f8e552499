"""The exporter: asks each part of the stack at its own pace and serves the last answers to Prometheus.

A scrape waits for nobody. What a part said is served until it is asked again; when it does not answer, its samples
are gone and `exporter_source_up` is 0: an old number would look like a live one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.registry import Collector

from lakehouse.observability import airflow, clickhouse, flink, freshness, log, postgres, services, spark, tables
from lakehouse.observability.samples import Sample
from lakehouse.settings import Settings, get_settings

logger = logging.getLogger("lakehouse.exporter")


@dataclass(frozen=True)
class Source:
    """A part of the stack: what asks it, and every how many intervals."""

    name: str
    collect: Callable[[Settings], list[Sample]]
    every: int = 1


SOURCES = (
    Source("services", services.collect),
    Source("log", log.collect),
    Source("flink", flink.collect),
    Source("spark", spark.collect),
    Source("postgres", postgres.collect),
    Source("clickhouse", clickhouse.collect),
    Source("airflow", airflow.collect),
    # loads every table: the dearest of all
    Source("tables", freshness.collect, every=3),
)
OWN_HELP: Mapping[str, str] = {
    "exporter_source_up": "1 if a part of the stack answered when it was asked last",
    "exporter_source_seconds": "how long it took to ask a part of the stack",
}
MODULES = (airflow, clickhouse, flink, freshness, log, postgres, services, spark, tables)
HELP = {name: text for said in (*(module.HELP for module in MODULES), OWN_HELP) for name, text in said.items()}
"""Every metric that the exporter has, and what it says."""


def metrics(samples: Iterable[Sample]) -> Iterator[Metric]:
    """Samples grouped as Prometheus' text format wants them. A name that ends in `_total` is a counter."""
    families: dict[str, Metric] = {}
    for sample in samples:
        kind = "counter" if sample.name.endswith("_total") else "gauge"
        family = families.setdefault(sample.name, Metric(sample.name.removesuffix("_total"), HELP[sample.name], kind))
        family.add_sample(sample.name, dict(sample.labels), sample.value)
    yield from families.values()


class Answers(Collector):
    """The last samples of each source."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._samples: dict[str, list[Sample]] = {}

    def put(self, source: str, samples: list[Sample]) -> None:
        """Replace what a source said."""
        with self._lock:
            self._samples[source] = samples

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            found = [sample for samples in self._samples.values() for sample in samples]
        yield from metrics(found)


_said: dict[str, str] = {}


def log_once(source: str, problem: str) -> None:
    """Say what is wrong with a source when it begins, and when it has ended: not with each question."""
    known = _said.get(source, "")
    _said[source] = problem
    if bool(problem) != bool(known):
        logger.warning("%s: %s", source, problem or "answers again")


def ask(source: Source, settings: Settings) -> list[Sample]:
    """What a source says now, and whether it did."""
    labels, began, up = {"source": source.name}, time.perf_counter(), 1.0
    try:
        samples = source.collect(settings)
    except Exception as error:  # noqa: BLE001 - whatever stops a part from answering is the finding, and is shown as one
        log_once(source.name, f"{type(error).__name__}: {error}")
        samples, up = [], 0.0
    else:
        log_once(source.name, "")
    took = time.perf_counter() - began
    return [*samples, Sample("exporter_source_up", labels, up), Sample("exporter_source_seconds", labels, took)]


def run(settings: Settings, sources: Iterable[Source] = SOURCES, stop: threading.Event | None = None) -> None:
    """Serve until `stop` is set; without it for ever."""
    ended, answers, registry = stop or threading.Event(), Answers(), CollectorRegistry()
    registry.register(answers)

    def follow(source: Source) -> None:
        while not ended.is_set():
            answers.put(source.name, ask(source, settings))
            ended.wait(settings.metrics_interval_seconds * source.every)

    threads = [threading.Thread(target=follow, args=(source,), daemon=True) for source in sources]
    for thread in threads:
        thread.start()
    server, _ = start_http_server(settings.metrics_exporter_port, settings.host, registry)
    ended.wait()
    server.shutdown()


if __name__ == "__main__":
    logging.basicConfig(level=logging.CRITICAL, format="%(asctime)s %(name)s %(message)s")
    # the clients of the engines would tell of each try
    logger.setLevel(logging.WARNING)
    run(get_settings())
