"""semantic.entity_overrides: what people have decided of pairs of records. The model never overrules them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lakehouse import metadata
from lakehouse.arrow_merge import upsert_arrow
from lakehouse.errors import LakehouseError
from lakehouse.semantic.resolution import Overrides
from lakehouse.semantic.tables import ENTITY_INDEX, ENTITY_OVERRIDES
from lakehouse.tables import iceberg_schema

if TYPE_CHECKING:
    from lakehouse.semantic.records import Key

MUST_LINK, CANNOT_LINK, DROPPED = "must_link", "cannot_link", "dropped"


class UnknownDecision(LakehouseError):
    """A word in `decision` that says nothing."""


class UnknownRecord(LakehouseError):
    """A record that semantic.entity_index does not have, or a text that names none."""


def parse_key(text: str) -> Key:
    """The record that `shopify:9100000000001234` names. Raises `UnknownRecord`."""
    source, colon, source_id = text.partition(":")
    if not (source and colon and source_id):
        raise UnknownRecord(f"{text!r} names no record", "write SOURCE:ID, as in hubspot:9300000000000042")
    return source, source_id


def _known(key: Key) -> bool:
    from pyiceberg.expressions import And, EqualTo

    found = metadata.load(ENTITY_INDEX).scan(row_filter=And(EqualTo("source", key[0]), EqualTo("source_id", key[1])))
    return bool(found.to_arrow().num_rows)


def _check(decision: str, a: Key, b: Key) -> None:
    if decision not in (MUST_LINK, CANNOT_LINK, DROPPED):
        raise UnknownDecision(
            f"{decision!r} is no decision on {a[0]}:{a[1]} and {b[0]}:{b[1]}",
            f"lakehouse er decide {a[0]}:{a[1]} {b[0]}:{b[1]} {MUST_LINK}, {CANNOT_LINK} or {DROPPED}",
        )


def decide(a: Key, b: Key, decision: str, reason: str | None = None) -> None:
    """Write down what was decided of two records; a later decision takes the place of an earlier one.

    It holds from the next run of the step on. Raises `UnknownRecord` and `UnknownDecision`.
    """
    import pyarrow as pa

    _check(decision, a, b)
    for key in (a, b):
        if not _known(key):
            raise UnknownRecord(
                f"semantic.entity_index has no record {key[0]}:{key[1]}", "`lakehouse er person SOURCE:ID` shows one"
            )
    if a == b:
        raise UnknownRecord(f"{a[0]}:{a[1]} was named twice", "a decision is on two records")
    left, right = sorted((a, b))
    row = {
        "left_source": left[0], "left_id": left[1], "right_source": right[0], "right_id": right[1],
        "decision": decision, "reason": reason, "decided_at": datetime.now(UTC),
    }  # fmt: skip
    upsert_arrow(ENTITY_OVERRIDES, pa.Table.from_pylist([row], schema=iceberg_schema(ENTITY_OVERRIDES).as_arrow()))


def rows(snapshot: int | None = None) -> list[dict[str, Any]]:
    """All decisions, newest first."""
    found = metadata.load(ENTITY_OVERRIDES).scan(snapshot_id=snapshot).to_arrow().to_pylist()
    return sorted(found, key=lambda row: row["decided_at"], reverse=True)


def read(snapshot: int | None) -> Overrides:
    """The decisions at a snapshot of the table; None: there are none yet. Raises `UnknownDecision`."""
    found: dict[str, list[tuple[Key, Key]]] = {MUST_LINK: [], CANNOT_LINK: [], DROPPED: []}
    for row in rows(snapshot) if snapshot is not None else ():
        pair = ((row["left_source"], row["left_id"]), (row["right_source"], row["right_id"]))
        _check(row["decision"], *pair)
        found[row["decision"]].append(pair)
    return Overrides(found[MUST_LINK], found[CANNOT_LINK], found[DROPPED])
