"""The steps from raw to the published marts, in order, and running one or all of them.

A step takes what is new since its own last time and is safe to repeat. Airflow runs the steps through the
notebooks; `lakehouse pipeline run` runs the same steps directly.
"""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lakehouse.errors import LakehouseError
from lakehouse.held import lost
from lakehouse.settings import get_settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from lakehouse.merge import StepResult

log = logging.getLogger(__name__)
ATTEMPTS = 3
_RESULT_COUNTS = ("table", "read", "inserted", "updated", "deleted", "rejected")


@dataclass(frozen=True)
class Step:
    """One step: the table it writes (or an action's name) and the module whose `run` does it."""

    name: str
    module: str
    also: tuple[str, ...] = ()
    """Tables that it writes beside its own, and that other steps read."""
    asked: str = ""
    """The service whose copy the step compares with its sources each time; empty: watermarks tell what is new."""

    @property
    def sources(self) -> tuple[str, ...]:
        """The tables it reads."""
        found: tuple[str, ...] = import_module(self.module).SOURCES
        return found

    @property
    def layer(self) -> str:
        return self.name.split(".")[0]

    def run(self, spark: SparkSession, run_id: str) -> StepResult:
        """Bring the step's table up to its sources. Of two runs at once the second waits for the first."""
        function: Callable[[SparkSession, str], StepResult] = import_module(self.module).run
        with _alone(self.name):
            return function(spark, run_id)


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """One process of this machine at a time is in a step; the lock goes with the process, however that ends.

    A run that read its sources earlier and wrote later than another would put old rows in the place of new ones, and
    two first loads would both append. Runs on several machines need a scheduler that lets one run at a time, as
    Airflow's `max_active_runs=1` does.
    """
    folder = get_settings().run_dir / "steps"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w", encoding="ascii") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("%s waits: another run is in this step", name)
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _tables(layer: str, *names: str) -> tuple[Step, ...]:
    return tuple(Step(f"{layer}.{name}", f"lakehouse.{layer}.{name}") for name in names)


STEPS: tuple[Step, ...] = (
    *_tables(
        "staging",
        "stg_shopify_orders",
        "stg_shopify_customers",
        "stg_stripe_charges",
        "stg_stripe_customers",
        "stg_hubspot_contacts",
        "stg_hubspot_companies",
        "stg_privacy_requests",
    ),
    Step("semantic.blocking_index", "lakehouse.semantic.blocking_index", also=("semantic.normalized_records",)),
    *_tables("semantic", "entity_index"),
    *_tables("core", "customers", "orders"),
    *_tables("analytics", "customer_metrics", "order_summary", "payment_metrics"),
    *_tables("marts", "customer_360", "sales_dashboard_daily"),
    Step("marts.publish", "lakehouse.marts.publish", asked="ClickHouse"),
)


class UnknownStep(LakehouseError):
    """There is no step of that name; the message lists those there are."""


def find_step(name: str) -> Step:
    """The step that writes a table. Raises `UnknownStep`."""
    for step in STEPS:
        if step.name == name:
            return step
    raise UnknownStep(f"there is no step {name!r}", f"use one of: {', '.join(s.name for s in STEPS)}")


class RunRecord:
    """What one step reports when it is done."""

    def __init__(self) -> None:
        self.result: StepResult | None = None

    def finish(self, result: StepResult) -> None:
        self.result = result


@contextmanager
def record_run(spark: SparkSession, run_id: str, step: str) -> Iterator[RunRecord]:
    """Leave a row in `metadata.pipeline_runs` for a step that changed something or failed, and none otherwise."""
    from lakehouse import metadata

    record, started = RunRecord(), datetime.now(UTC)
    row: dict[str, Any] = {"run_id": run_id, "step": step, "started_at": started}
    try:
        yield record
    except Exception as error:
        reason = (str(error).strip() or repr(error)).splitlines()[0][:1000]
        metadata.append(metadata.RUNS, [{**row, "finished_at": datetime.now(UTC), "status": "failed", "error": reason}])
        raise
    result = record.result
    if result is not None and result.changed:
        counts = {name: getattr(result, name) for name in _RESULT_COUNTS}
        outcome = {"snapshot_id": result.snapshot_id, "finished_at": datetime.now(UTC), "status": "succeeded"}
        metadata.append(metadata.RUNS, [{**row, **counts, **outcome}])


def run_step(name: str, run_id: str, spark: SparkSession | None = None) -> StepResult:
    """Run one step and record it in `metadata.pipeline_runs` if it changed something.

    A failed step is recorded too, and its error raised again. Raises `UnknownStep`.
    """
    from lakehouse.engines.spark import spark_session

    step = find_step(name)
    session = spark or spark_session()
    with record_run(session, run_id, step.name) as record:
        result = _run_again_if_lost(step, session, run_id)
        record.finish(result)
    return result


def _run_again_if_lost(step: Step, spark: SparkSession, run_id: str) -> StepResult:
    """A step can be repeated; it has to be where an executor died with rows that it held for the step."""
    for _ in range(ATTEMPTS - 1):
        try:
            return step.run(spark, run_id)
        except Exception as error:
            if not lost(error):
                raise
            log.warning("%s begins again: an executor is gone, and rows with it", step.name)
    return step.run(spark, run_id)


def run_pipeline(run_id: str, spark: SparkSession | None = None) -> Iterator[StepResult]:
    """Run all steps in order; yields each result as it is there, so that a caller can show progress."""
    from lakehouse.engines.spark import spark_session

    session = spark or spark_session()
    for step in STEPS:
        yield run_step(step.name, run_id, session)
