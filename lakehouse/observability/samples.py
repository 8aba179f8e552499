"""Samples, as Prometheus has them, and small rules over them.

A sample is a name, labels and a number. A rule over samples that nobody sends never fires, and looks just like one
that has no reason to; `Rule.state` tells the two apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from lakehouse.errors import LakehouseError

TIMEOUT_SECONDS = 15
FIRING, QUIET, NO_SERIES = "firing", "quiet", "no series"


class MetricsUnavailable(LakehouseError):
    """A part of the stack does not answer when it is asked for its metrics."""


@dataclass(frozen=True)
class Sample:
    """One number at one moment. Seconds, messages and bytes are plain; the name says which."""

    name: str
    labels: Mapping[str, str]
    value: float

    def matches(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether it is of that metric and has all these labels."""
        return self.name == name and all(self.labels.get(key) == value for key, value in labels.items())


@dataclass(frozen=True)
class Rule:
    """An alert: it fires when a series of `metric` with these labels is above a threshold."""

    name: str
    metric: str
    above: float
    labels: Mapping[str, str]

    def series(self, samples: Iterable[Sample]) -> list[Sample]:
        """What feeds the rule."""
        return [sample for sample in samples if sample.matches(self.metric, self.labels)]

    def state(self, samples: Iterable[Sample]) -> str:
        """`firing`, `quiet`, or `no series`: then it cannot fire, whatever happens."""
        found = self.series(samples)
        if not found:
            return NO_SERIES
        return FIRING if any(sample.value > self.above for sample in found) else QUIET


def parse(text: str) -> list[Sample]:
    """The samples of a page in Prometheus' text format. Raises `ValueError` for one that is none."""
    from prometheus_client.parser import text_string_to_metric_families

    return [
        Sample(sample.name, dict(sample.labels), float(sample.value))
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    ]


def age(moment: datetime) -> float:
    """Seconds since a moment with a time zone."""
    return (datetime.now(UTC) - moment).total_seconds()


def age_of(milliseconds: float) -> float:
    """Seconds since a moment that is given in milliseconds of the epoch."""
    return datetime.now(UTC).timestamp() - milliseconds / 1000
