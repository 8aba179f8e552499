"""Tables of `lakehouse er person` and `lakehouse er explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Column, Table

if TYPE_CHECKING:
    from rich.console import Console

    from lakehouse.semantic.records import Key

BAR = 8


def print_person(console: Console, key: Key) -> None:
    """Records, edges and events of the entity of a record."""
    from lakehouse.semantic import inspection

    one = inspection.person(key)
    console.print(f"[bold]{one.entity_id}")
    table = Table(
        Column("record", no_wrap=True), *(Column(name, overflow="fold") for name in ("name", "email", "phone")), "%"
    )
    for row in one.records:
        named = f"{row['source']}:{row['source_id']}"
        table.add_row(
            named, row["full_name"] or "", row["email"] or "", row["phone"] or "", f"{row['match_confidence']}"
        )
    console.print(table)
    if one.edges:
        edges = Table("record", "record", "weight", "", title="what holds them together")
        for row in one.edges:
            ends = (f"{row[f'{side}_source']}:{row[f'{side}_id']}" for side in ("left", "right"))
            edges.add_row(*ends, f"{row['match_weight']:+.1f}", "" if row["is_held"] else "cut by a guard")
        console.print(edges)
    events = Table("when", "event", Column("entity", overflow="fold"), Column("other", overflow="fold"), "records",
                   title="what has happened")  # fmt: skip
    for row in one.events:
        events.add_row(
            f"{row['created_at']:%Y-%m-%d %H:%M:%S}", row["event"], row["entity_id"], row["another_id"] or "",
            str(row["records"]),
        )  # fmt: skip
    console.print(events)


def print_explanation(console: Console, a: Key, b: Key) -> None:
    """The waterfall of a pair as bars."""
    from lakehouse.semantic import inspection

    pair = inspection.explain(a, b)
    console.print(f"{pair.left[0]}:{pair.left[1]} and {pair.right[0]}:{pair.right[1]}")
    table = Table(
        "", Column("one says", overflow="fold"), Column("the other", overflow="fold"), "agreement", "weight", ""
    )
    widest = max(abs(part.weight) for part in pair.parts) or 1.0
    for part in pair.parts:
        bar = "█" * max(1, round(BAR * abs(part.weight) / widest)) if part.weight else ""
        color = "green" if part.weight > 0 else "red"
        table.add_row(part.field, part.left, part.right, part.agreement, f"{part.weight:+.1f}", f"[{color}]{bar}")
    console.print(table)
    console.print(
        f"Weight {pair.weight:+.1f}: a probability of {pair.probability:.4f}."
        f" Pairs from {pair.threshold:g} on are matches. {pair.verdict}"
    )
