"""How a raw table becomes staging tables: state first, then the books, the watermark last.

Each write compares by key, so whatever a crash left half done, the repeat completes it and changes nothing twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lakehouse import incremental, metadata
from lakehouse.held import hold
from lakehouse.merge import Made, StepResult, batch_id, merge, of_the_same_keys
from lakehouse.staging.events import REJECTS, WEBHOOK_EVENTS, rejects, webhook_events
from lakehouse.staging.state import latest_state
from lakehouse.tables import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Parse = Callable[["DataFrame"], "DataFrame"]


@dataclass(frozen=True)
class Batch:
    """What one step reads, and what all its writes share."""

    spark: SparkSession
    run_id: str
    raw_table: str
    target: Table
    snapshot_id: int | None
    mark: str
    rows: int
    """Raw rows that were read."""

    @property
    def sources(self) -> dict[str, int | None]:
        return {self.raw_table: self.snapshot_id}

    def write(
        self, table: Table, frame: DataFrame | Made, within: str | None = None, rows: int | None = None
    ) -> StepResult:
        """Merge into one of the step's tables, at most so many `rows`; the watermark stays until all are written."""
        return merge(
            self.spark,
            table,
            frame,
            sources=self.sources,
            delete_missing=False,
            run_id=self.run_id,
            within=within,
            rows=rows,
            watermark=False,
            batch=self.mark,
        )

    def write_state(
        self, table: Table, candidates: DataFrame, rows: int | None = None, within: str | None = None
    ) -> StepResult:
        """Merge the state after `candidates`, of which there are at most so many `rows`, if that is known.

        The table's rows of the same keys are read once, for making the state and for comparing with it.
        """

        def state(kept: ExitStack) -> tuple[DataFrame, DataFrame]:
            touched = self.stored(table, candidates, table.key, rows, within, kept)
            return latest_state(table, candidates, touched), touched

        return self.write(table, state, within, rows)

    def stored(self, table: Table, others: DataFrame, key: Sequence[str], rows: int | None, within: str | None,
               kept: ExitStack) -> DataFrame:  # fmt: skip
        """The table's rows whose key is in `others`, of which there are at most so many `rows`; held."""
        everything = self.spark.table(table.name)
        everything = everything.where(within) if within else everything
        return hold(of_the_same_keys(everything, others, key, rows), rows, kept)


WriteState = Callable[["Batch", "DataFrame"], "tuple[StepResult, DataFrame]"]
"""Writes the state tables from the rows that could be typed; gives the result and the applied `_webhook_id`s."""


def run_step(
    spark: SparkSession,
    run_id: str,
    *,
    raw_table: str,
    target: Table,
    entity_type: str,
    parse: Parse,
    write_state: WriteState,
    also: tuple[Table, ...] = (),
) -> StepResult:
    """Read what is new in a raw table and bring staging up to it. Nothing new: nothing is read and nothing written.

    `also` are tables beside the target which `write_state` writes.
    """
    from pyspark.sql import functions as F

    began = time.monotonic()
    new = incremental.read_new(spark, raw_table, target.name)
    sources = {raw_table: new.window.end}
    mark = batch_id(target.name, metadata.watermarks(target.name), sources)
    # also where nothing came yet: who reads staging finds an empty table, not none
    for table in (target, WEBHOOK_EVENTS, REJECTS, *also):
        metadata.load(table)
    if new.window.empty:
        metadata.advance(target.name, sources, mark)
        return StepResult(target.name, seconds=time.monotonic() - began)
    with ExitStack() as kept:
        parsed = hold(parse(new.frame), new.window.rows, kept)
        counts = parsed.agg(F.count("*").alias("rows"), F.count("_reject").alias("rejected")).collect()[0]
        batch = Batch(spark, run_id, raw_table, target, new.window.end, mark, counts["rows"])
        result, applied = write_state(batch, parsed.where(F.col("_reject").isNull()))
        mine = f"raw_table = '{raw_table}'"
        ids = parsed.select(F.col("_webhook_id").alias("webhook_id"))

        def events(while_written: ExitStack) -> tuple[DataFrame, DataFrame]:
            known = batch.stored(WEBHOOK_EVENTS, ids, ("webhook_id",), batch.rows, mine, while_written)
            return webhook_events(parsed, applied, known, raw_table, entity_type), known

        booked = batch.write(WEBHOOK_EVENTS, events, mine, batch.rows)
        refused = batch.write(REJECTS, rejects(parsed, raw_table), mine, batch.rows) if counts["rejected"] else None
    metadata.advance(target.name, sources, mark)
    return replace(
        result,
        read=counts["rows"],
        rejected=refused.inserted if refused else 0,
        changed=result.changed or booked.changed or bool(refused and refused.changed),
        seconds=time.monotonic() - began,
    )


def write_latest(batch: Batch, rows: DataFrame) -> tuple[StepResult, DataFrame]:
    """State of entities whose events carry all of them: the latest event wins, over all batches."""
    from pyspark.sql import functions as F

    table, key = batch.target, list(batch.target.key)
    result = batch.write_state(table, rows, batch.rows)
    made = of_the_same_keys(batch.spark.table(table.name), rows, key, batch.rows)
    made = made.select(*key, F.col("_version").alias("_made"))
    # a deletion without attributes has no version of its own: it always takes part in the state
    applied = rows.join(made, key, "left").where("_version IS NULL OR _version = _made").select("_webhook_id")
    return result, applied
