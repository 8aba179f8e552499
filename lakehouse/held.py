"""Rows that several queries of a step are about, computed once."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FEW_ROWS = 100_000
"""So many rows or fewer are held without their plan, and so many keys sent to all readers of a table, which then need
not sort and send the table's rows."""
_LOST = "CHECKPOINT_RDD_BLOCK_ID_NOT_FOUND"


def few(rows: int | None) -> bool:
    """Whether rows are known to be few, of which there are at most so many; None: nobody knows."""
    return rows is not None and rows <= FEW_ROWS


def hold(frame: DataFrame, rows: int | None, kept: ExitStack) -> DataFrame:
    """The rows of `frame`, at most so many `rows` if that is known, to be asked for more than once.

    Few rows are taken out of the plan that made them, as they are now: that plan, a hundred expressions for an order,
    would be analysed and optimised anew in each query on them, which takes longer than the rows do. They go with their
    executor; see `lost`. If more come than were expected, they take more memory, and then disk. Many rows, or who knows
    how many, are kept by Spark beside their plan, compressed, until `kept` ends or a table that they were read from has
    a new snapshot.
    """
    if few(rows):
        return frame.localCheckpoint()
    cached = frame.persist()
    kept.callback(cached.unpersist)
    return cached


def lost(error: Exception) -> bool:
    """Whether rows that were held have gone with their executor: then what needed them is to be done again."""
    return _LOST in str(error)
