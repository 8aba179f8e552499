"""What an earlier resolution has left: entities of records, and the edges that a change has not touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from lakehouse.semantic.records import Key

    Numbers = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Carried:
    """Edges as they were, by the positions of now, and a mask of records whose component may not be what it was.

    These are the touched ones and those which have lost an edge.
    """

    edges: pa.Table
    loosened: Numbers


def show(con: DuckDBPyConnection, name: str, people: pa.Table) -> None:
    """Keys, merges and positions (`idx`) of all of a table's people, as a view in DuckDB."""
    columns = people.select(["source", "source_id", "merged_into"])
    con.register(name, columns.append_column("idx", pa.array(np.arange(people.num_rows))))


def entities_before(now: Numbers, entity: Numbers, records: int) -> Numbers:
    """The entity that each record of now had; None for a new one."""
    result = np.full(records, None, dtype=object)
    here = now >= 0
    result[now[here]] = entity[here]
    return result


def merge_links(con: DuckDBPyConnection, people: str = "everyone") -> list[tuple[int, int]]:
    """Positions of pairs that the sender itself merged: a contact and the one it was merged into, both known.

    `people` is a view that `show` has made.
    """
    return con.execute(
        f"SELECT a.idx, b.idx FROM {people} a JOIN {people} b ON a.source = b.source AND a.merged_into = b.source_id"
        " WHERE a.merged_into IS NOT NULL AND a.idx <> b.idx ORDER BY ALL"
    ).fetchall()


def positions(con: DuckDBPyConnection, pairs: Sequence[tuple[Key, Key]]) -> list[tuple[int, int]]:
    """Positions in `everyone` of pairs given by their keys; a pair with a record that is not there is left out."""
    if not pairs:
        return []
    columns = zip(*((*a, *b) for a, b in pairs), strict=True)
    con.register("said", pa.table(dict(zip(("ls", "li", "rs", "ri"), map(list, columns), strict=True))))
    found = con.execute(
        "SELECT DISTINCT l.idx, r.idx FROM said JOIN everyone l ON ls = l.source AND li = l.source_id"
        " JOIN everyone r ON rs = r.source AND ri = r.source_id WHERE l.idx <> r.idx ORDER BY ALL"
    ).fetchall()
    con.unregister("said")
    return found


def take_over(con: DuckDBPyConnection, edges: pa.Table, now: Numbers, records: int) -> Carried:
    """The edges of before whose records are both there and untouched.

    Needs the table `touched`, and the view `before`, as `show` makes it.
    """
    touched = np.zeros(records, dtype=bool)
    touched[np.asarray(con.execute("SELECT DISTINCT idx FROM touched").fetchnumpy()["idx"], dtype=np.int64)] = True
    gone_or_touched = now < 0
    gone_or_touched[~gone_or_touched] = touched[now[~gone_or_touched]]
    left, right = edges.column("l").to_numpy(), edges.column("r").to_numpy()
    kept = ~(gone_or_touched[left] | gone_or_touched[right])
    loosened = touched.copy()
    merged = np.array(merge_links(con, "before"), dtype=np.int64).reshape(-1, 2)
    lost = np.concatenate([left[~kept], right[~kept], merged[gone_or_touched[merged].any(axis=1)].ravel()])
    loosened[now[lost[now[lost] >= 0]]] = True
    carried = edges.filter(pa.array(kept))
    for side, values in (("l", left), ("r", right)):
        carried = carried.set_column(carried.column_names.index(side), side, pa.array(now[values[kept]]))
    return Carried(carried, loosened)
