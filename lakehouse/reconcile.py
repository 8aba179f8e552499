"""The ledger of the whole way: nothing lost, nothing twice, no money made or gone between webhook and mart.

Every line compares two places at matching snapshots, so a stack that is at work balances too. What has not been
taken by the next step yet is a note; what is missing, too much or of another amount is an imbalance with names.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lakehouse import incremental, metadata
from lakehouse.checks.appended import deliveries
from lakehouse.checks.check import Check
from lakehouse.checks.deliveries import Cut
from lakehouse.checks.engines import engine_checks
from lakehouse.checks.layers import layer_checks
from lakehouse.checks.money import money_checks
from lakehouse.engines.catalog import iceberg_catalog
from lakehouse.engines.kafka import end_offsets
from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings, get_settings
from lakehouse.streaming.jobs import wait_until_caught_up
from lakehouse.streaming.tables import raw_table
from lakehouse.tables import create_all

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from lakehouse.checks.forward import Forward

log = logging.getLogger(__name__)

RAW_TIMEOUT_SECONDS = 60.0
"""Without a new row in raw for so long, Flink is taken to be at a stop, and the ledger names what is missing."""


class NotBalanced(LakehouseError):
    """Lines of the ledger do not agree; the message names them."""


def take_cut(settings: Settings) -> Cut:
    """The topics' ends now, and raw's snapshots once they hold all of it, or once Flink does not move any more."""
    from lakehouse.streaming.jobs import StreamingError

    ends = end_offsets(settings)
    try:
        wait_until_caught_up(settings, timeout=RAW_TIMEOUT_SECONDS)
    except StreamingError as error:
        # the comparison below will say what is missing, with offsets; this is only why
        log.warning("%s", error.message)
    return Cut(ends, incremental.snapshots(sorted({raw_table(topic) for topic, _ in ends})))


def reconcile(
    spark: SparkSession,
    settings: Settings | None = None,
    report: Callable[[str], None] = lambda _: None,
    forward: Forward | None = None,
) -> list[Check]:
    """All lines of the ledger, in the order of the way of the data. `report` hears what is being compared.

    `forward`: what the last balanced ledger has counted of raw, which is not counted again; it gets what this one has.
    """
    s = settings or get_settings()
    create_all(iceberg_catalog(s))
    parts: dict[str, Callable[[], list[Check]]] = {
        "webhooks and raw": lambda: deliveries(spark, s.world_dir, take_cut(s), forward),
        "layers": lambda: layer_checks(spark, forward),
        "money": lambda: money_checks(spark, forward),
        "engines": lambda: engine_checks(spark),
    }
    checks: list[Check] = []
    # each part is many small questions to several services: most of its time it waits for an answer
    with ThreadPoolExecutor(len(parts), "ledger") as threads:
        for name, part in [(name, threads.submit(part)) for name, part in parts.items()]:
            report(name)
            checks += part.result()
    return checks


def record(checks: list[Check], run_id: str | None = None) -> None:
    """Keep the lines in `metadata.reconciliation`."""
    now = datetime.now(UTC)
    run = run_id or f"reconcile-{uuid.uuid4()}"
    metadata.append(
        metadata.RECONCILIATION,
        [
            {
                "run_id": run,
                "check": check.check,
                "left_name": check.left_name,
                "left_count": check.left,
                "right_name": check.right_name,
                "right_count": check.right,
                "currency": check.currency,
                "balanced": check.balanced,
                "detail": check.detail or None,
                "checked_at": now,
            }
            for check in checks
        ],
    )


def require_balanced(checks: list[Check]) -> None:
    """Raises `NotBalanced` that names every line that does not agree, and the rows."""
    wrong = [check for check in checks if not check.balanced]
    if not wrong:
        return
    lines = [
        f"  {check.check}: {check.left_name} {check.left:,}{_of(check)}, {check.right_name} {check.right:,}{_of(check)}"
        + (f" — {check.detail}" if check.detail else "")
        for check in wrong
    ]
    raise NotBalanced(
        f"{len(wrong)} of {len(checks)} lines of the ledger do not balance:\n" + "\n".join(lines),
        "see Troubleshooting in README.md, “The ledger does not balance”",
    )


def _of(check: Check) -> str:
    return f" {check.currency}" if check.currency else ""
