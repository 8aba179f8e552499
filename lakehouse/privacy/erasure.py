"""Erase a person: rows of every layer, then every snapshot and file that could still hold them, then one line of books.

Raw is read by nothing again, so that no later run brings the person back. What follows from many people's rows (sums
of a day) is made anew by the pipeline's next run; readers of tables that lost only the person's rows go on from where
they were. Every part can be repeated: a crash in between is mended by the same call.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pyiceberg.expressions import And, BooleanExpression, EqualTo, In, Or
from pyiceberg.transforms import IdentityTransform

from lakehouse import maintenance, manifests, metadata, row_delta
from lakehouse.privacy.books import body_hash, subject_hash, topic_of
from lakehouse.privacy.person import RAW_KEYS, Person, Place, Scope

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable

    from lakehouse.tables import Table

PURGED_AT_ONCE = 4
FLINK_MARKS = ("flink.job-id", "flink.operator-id", "flink.max-committed-checkpoint-id")
REBUILT = ("analytics.order_summary", "analytics.payment_metrics", "marts.sales_dashboard_daily")
"""Hold sums over people and nobody's values: the pipeline's next run makes them anew."""


@dataclass(frozen=True)
class Erased:
    """What an erasure did. `rows` by table; `files` deleted from the object store. No rows: nobody was there.

    `receipt` is the key of `subject_hash`, kept by whoever asked: with it they can show later that this line is about
    them. It is stored nowhere.
    """

    erasure_id: str
    rows: Mapping[str, int]
    files: int
    receipt: str

    @property
    def changed(self) -> bool:
        return any(self.rows.values())


# -- which rows of which table ------------------------------------------------------------------------------------


def _in(column: str, values: Iterable[Any]) -> BooleanExpression | None:
    wanted = sorted(set(values))
    return In(column, wanted) if wanted else None


def _any(*parts: BooleanExpression | None) -> BooleanExpression | None:
    found = [part for part in parts if part is not None]
    return None if not found else found[0] if len(found) == 1 else Or(*found)


def _with(column: str, value: str, part: BooleanExpression | None) -> BooleanExpression | None:
    return None if part is None else And(EqualTo(column, value), part)


def _numbers(ids: Iterable[str]) -> list[int]:
    return [int(one) for one in ids]


def _records(person: Person, source: str, source_id: str) -> BooleanExpression | None:
    parts = (_with(source, of, _in(source_id, person.ids[of])) for of in ("shopify", "stripe", "hubspot"))
    return _any(*parts)


def _places(places: Sequence[Place]) -> BooleanExpression | None:
    partitions = {place.partition for place in places}
    return _any(
        *(
            And(EqualTo("_kafka_partition", partition), In("_kafka_offset", {p.offset for p in places
                                                                            if p.partition == partition}))
            for partition in sorted(partitions)
        )
    )  # fmt: skip


def rows_of(person: Person) -> dict[str, BooleanExpression | None]:
    """Table → which of its rows are the person's, in the order in which they go; None: none is.

    What is found by the rows of raw goes before these, and what the person is found by last of all: so a repeat after
    a crash finds the rest. `semantic.entity_events` keeps its ids: it holds no value.
    """
    ids = person.ids
    pairs = _any(_records(person, "left_source", "left_id"), _records(person, "right_source", "right_id"))
    places = person.places.items()
    requests = (place.webhook_id for place in person.places.get("raw.privacy_requests", ()))
    events = (_with("raw_table", name, _in("webhook_id", (place.webhook_id for place in of))) for name, of in places)
    return {
        "staging.webhook_events": _any(*events),
        "staging.rejects": _any(*(_with("raw_table", name, _places(of)) for name, of in places)),
        "staging.stg_privacy_requests": _in("request_id", requests),
        **{name: _places(person.places.get(name, ())) for name in RAW_KEYS},
        "staging.stg_shopify_orders": _in("order_id", _numbers(ids["orders"])),
        "staging.stg_shopify_customers": _in("customer_id", _numbers(ids["shopify"])),
        "staging.stg_stripe_charges": _in("charge_id", ids["charges"]),
        "staging.stg_stripe_customers": _in("customer_id", ids["stripe"]),
        "staging.stg_hubspot_contacts": _in("contact_id", _numbers(ids["hubspot"])),
        "staging.hubspot_properties": _with("object_type", "contact", _in("object_id", _numbers(ids["hubspot"]))),
        "semantic.entity_overrides": pairs,
        "semantic.entity_edges": pairs,
        "semantic.blocking_index": _records(person, "source", "source_id"),
        "core.orders": _in("order_id", _numbers(ids["orders"])),
        "core.customers": _in("entity_id", person.entities),
        "analytics.customer_metrics": _in("entity_id", person.entities),
        "marts.customer_360": _in("entity_id", person.entities),
        "semantic.normalized_records": _records(person, "source", "source_id"),
        "semantic.entity_index": _records(person, "source", "source_id"),
    }


def tables_of_people() -> tuple[str, ...]:
    """All tables that hold rows of a person, in the order in which an erasure goes through them."""
    nobody = Person(frozenset(), dict.fromkeys(("shopify", "stripe", "hubspot", "orders", "charges"), frozenset()),
                    (), (), {})  # fmt: skip
    return tuple(rows_of(nobody))


# -- the tables ---------------------------------------------------------------------------------------------------


def flink_marks(current: IcebergTable) -> dict[str, str]:
    """By which Flink knows its last commit after a restart. They go along into a snapshot that takes its place."""
    for snapshot in sorted(current.snapshots(), key=lambda s: -(s.sequence_number or 0)):
        said = snapshot.summary.additional_properties if snapshot.summary is not None else {}
        if FLINK_MARKS[0] in said:
            return {mark: said[mark] for mark in FLINK_MARKS if mark in said}
    return {}


def erase_rows(scope: Scope, name: str, where: BooleanExpression, erasure_id: str) -> int:
    """Write the files anew that hold such rows; returns how many rows went. A table that is not there has none."""
    gone, settled = 0, dict[str, int]()

    def change(current: IcebergTable) -> None:
        nonlocal gone
        before = current.current_snapshot()
        gone = current.scan(row_filter=where, selected_fields=_key(current)).to_arrow().num_rows
        if before is None or not gone:
            return
        summary = {**flink_marks(current), "lakehouse.erasure-id": erasure_id}
        if _pyiceberg_writes(current):
            current.delete(where, snapshot_properties=summary)
        else:
            _delete_in_spark(table, where, summary)
        settled["from"] = before.snapshot_id

    if scope.load(name) is None:
        return 0
    table = scope.table(name)
    metadata.retried(table, lambda: change(maintenance.load(table)))
    if "from" in settled:
        _follow(table, settled["from"], erasure_id)
    return gone


def _pyiceberg_writes(current: IcebergTable) -> bool:
    """Whether its partitions are of values as they are, and not by month and the like."""
    return all(isinstance(part.transform, IdentityTransform) for part in current.spec().fields)


def _delete_in_spark(table: str, where: BooleanExpression, summary: Mapping[str, str]) -> None:
    """For partitions that pyiceberg does not write."""
    from lakehouse.engines.spark import spark_session

    spark, prefix = spark_session(), "spark.sql.iceberg.snapshot-property."
    try:
        for key, value in summary.items():
            spark.conf.set(prefix + key, value)
        maintenance.again(f"erasure in {table}", lambda: spark.sql(f"DELETE FROM {table} WHERE {as_sql(where)}"))
    finally:
        for key in summary:
            spark.conf.unset(prefix + key)


def as_sql(where: BooleanExpression) -> str:
    """A predicate of `rows_of` in SQL."""
    if isinstance(where, And | Or):
        word = "AND" if isinstance(where, And) else "OR"
        return f"({as_sql(where.left)} {word} {as_sql(where.right)})"
    if not isinstance(where, EqualTo | In):
        raise TypeError(f"no predicate of an erasure: {where}")
    values = where.literals if isinstance(where, In) else [where.literal]
    texts = (_text(v.value) if isinstance(v.value, str) else str(v.value) for v in values)
    return f"{where.term.name} IN ({', '.join(sorted(texts))})"


def _text(value: str) -> str:
    """A text as Spark SQL reads it. Ids come from senders: none may end the literal."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _key(current: IcebergTable) -> tuple[str, ...]:
    """One column is enough to count rows."""
    return (current.schema().column_names[0],)


def _follow(table: str, before: int, erasure_id: str) -> None:
    """Readers that had read all go on after the erasure: their tables lose the same rows. Sums are made anew."""
    for snapshot in maintenance.load(table).snapshots():
        said = snapshot.summary.additional_properties if snapshot.summary is not None else {}
        if said.get("lakehouse.erasure-id") == erasure_id and snapshot.parent_snapshot_id == before:
            metadata.follow(table, [before], snapshot.snapshot_id, but=REBUILT)
            before = snapshot.snapshot_id


def purge(scope: Scope, name: str, orphan_age: timedelta = maintenance.ORPHAN_AGE) -> int:
    """Leave nothing stored of a table but its rows of now; returns how many files were deleted.

    Deleted rows that still lie in files, manifests that name files that are gone, all older snapshots, and orphans.
    """
    if scope.load(name) is None:
        return 0
    table = scope.table(name)
    before = maintenance.reachable(maintenance.load(table))
    metadata.retried(table, lambda: _without_traces(table, maintenance.load(table)))
    maintenance.settle_watermarks(table)
    loaded = maintenance.load(table)
    current = loaded.current_snapshot()
    old = [s.snapshot_id for s in loaded.snapshots() if current is not None and s.snapshot_id != current.snapshot_id]
    if old:
        loaded.maintenance.expire_snapshots().by_ids(old).commit()
    loaded = maintenance.load(table)
    left = before - maintenance.reachable(loaded)
    for path in left:
        _delete(loaded, path)
    return len(left) + maintenance.remove(table, maintenance.orphans(table, orphan_age))


def _without_traces(table: str, current: IcebergTable) -> None:
    """Write rows anew where deleted ones lie beside them, then manifests where they name files that are gone."""
    from lakehouse.engines.spark import spark_session

    if any(task.delete_files for task in current.scan().plan_files()):
        if _pyiceberg_writes(current):
            row_delta.commit(current, row_delta.read(current).data, {}, flink_marks(current), whole=True)
        else:
            maintenance.compact(spark_session(), table)
        current = current.refresh()
    if manifests.has_entries_of_deleted_files(current):
        manifests.clean(current, flink_marks(current))


def _delete(loaded: IcebergTable, path: str) -> None:
    try:
        loaded.io.delete(path)
    except FileNotFoundError:
        return


# -- all of it ----------------------------------------------------------------------------------------------------


def erase(
    person: Person,
    subject: str,
    *,
    requested_by: str,
    reason: str,
    scope: Scope | None = None,
    orphan_age: timedelta = maintenance.ORPHAN_AGE,
    report: Callable[[str, int], None] = lambda table, rows: None,
) -> Erased:
    """Erase a person from every table, and all that is stored of them there. Repeatable; a second time does nothing.

    `subject` is what the person was named by: the books get a keyed hash of it. `report` hears of each table.
    The places are written before the rows of raw go, so that the ledger never misses one.
    """
    scope, erasure_id, receipt = scope or Scope(), str(uuid.uuid4()), secrets.token_hex(16)
    rows, wanted = dict[str, int](), rows_of(person)
    if not person.entities and not person.raw_rows:
        return Erased(erasure_id, {}, 0, receipt)
    _write_places(scope, person, erasure_id)
    *others, index = wanted
    files = 0
    for names in (others, [index]):
        for name in names:
            where = wanted[name]
            rows[name] = erase_rows(scope, name, where, erasure_id) if where is not None else 0
            report(name, rows[name])
        with ThreadPoolExecutor(max_workers=PURGED_AT_ONCE) as pool:
            files += sum(pool.map(lambda name: purge(scope, name, orphan_age), names))
    rows = {name: count for name, count in rows.items() if count}
    line = {
        "erasure_id": erasure_id,
        "subject_hash": subject_hash(receipt, subject),
        "requested_by": requested_by,
        "reason": reason,
        "erased_at": datetime.now(UTC),
    }
    metadata.append(_books(scope, metadata.ERASURES), [{**line, "table": name, "rows": n} for name, n in rows.items()])
    return Erased(erasure_id, rows, files, receipt)


def book_topics(
    erased: Erased,
    subject: str,
    messages: Mapping[str, int],
    gone_by: datetime,
    *,
    requested_by: str,
    reason: str,
    scope: Scope | None = None,
) -> None:
    """Write a line for each topic that lost messages of the person, with the day on which the last byte is gone."""
    line = {
        "erasure_id": erased.erasure_id,
        "subject_hash": subject_hash(erased.receipt, subject),
        "requested_by": requested_by,
        "reason": reason,
        "erased_at": datetime.now(UTC),
        "gone_by": gone_by,
    }
    lines = [{**line, "table": topic, "rows": count} for topic, count in messages.items()]
    metadata.append(_books(scope or Scope(), metadata.ERASURES), lines)


def _books(scope: Scope, table: Table) -> Table:
    return replace(table, name=scope.table(table.name))


def _write_places(scope: Scope, person: Person, erasure_id: str) -> None:
    """Which messages have no row in raw any more; those that an interrupted erasure has written are not repeated."""
    books = _books(scope, metadata.ERASED_PLACES)
    known = {
        (row["source_topic"], row["kafka_partition"], row["kafka_offset"])
        for row in metadata.load(books).scan().to_arrow().to_pylist()
    }
    rows = [
        {"source_topic": topic, "kafka_partition": place.partition, "kafka_offset": place.offset,
         "erasure_id": erasure_id, "body_hash": body_hash(erasure_id, place.body)}
        for name, places in person.places.items()
        for topic in [topic_of(name)]
        for place in places
        if (topic, place.partition, place.offset) not in known
    ]  # fmt: skip
    metadata.append(books, rows)
