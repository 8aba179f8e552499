"""What a notebook calls: run a step and say what it did, show a contract, a sample, a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse import metadata
from lakehouse.engines.spark import spark_session
from lakehouse.errors import LakehouseError
from lakehouse.lesson.question import BLANK
from lakehouse.merge import StepResult
from lakehouse.pipeline import run_step
from lakehouse.tables import find_table

if TYPE_CHECKING:
    import pandas as pd
    from pandas.io.formats.style import Styler

PICTURE_TEMPLATE = "workbook"
COLOURS = ("#2a9d8f", "#457b9d", "#e9a23b", "#d1495b", "#8d6cab", "#64748b", "#7fb069", "#c77dba")
"""Of pictures that name none: the first is the teal that means *good* where red means *bad*."""


def use_style() -> None:
    """One look for all pictures and tables of a notebook."""
    import pandas as pd
    import plotly.graph_objects as go
    import plotly.io as pio

    template = go.layout.Template(pio.templates["plotly_white"])
    template.layout.colorway = COLOURS
    # a little room between an axis and its labels, and no crowd of digits between the powers of a logarithmic one;
    # numbers on bars stand upright, however small the bar is
    for axis in (template.layout.xaxis, template.layout.yaxis):
        axis.update(ticks="outside", tickcolor="rgba(0,0,0,0)", minorloglabels="none")
    template.data.bar[0].textangle = 0
    pio.templates[PICTURE_TEMPLATE] = template
    pio.templates.default = PICTURE_TEMPLATE
    pd.set_option("display.max_columns", 30, "display.max_colwidth", 60, "display.width", 160)


class QueryFailed(LakehouseError):
    """Spark refused a query; the message is Spark's own, without the server's stack trace."""


def query(sql: str) -> pd.DataFrame:
    """The rows of a Spark SQL query: for a few thousand of them, to be looked at or drawn.

    A text with a gap (`____`) gives the gap. Raises `QueryFailed`.
    """
    from pyspark.errors import PySparkException

    if "____" in sql:
        return BLANK  # type: ignore[return-value]
    try:
        return spark_session().sql(sql).toPandas()
    except PySparkException as error:
        # what follows the first lines are the plan and the server's stack
        said = str(error).partition("\n\nJVM stacktrace")[0].split(";\n")[0]
        raise QueryFailed(said, "mend the query and run the cell again") from error


def number(sql: str) -> int:
    """The one number that a query gives."""
    rows = spark_session().sql(sql).collect()
    return int(rows[0][0])


def contract(table: str) -> Styler:
    """What a table promises: its columns, their types and meanings; the key is marked."""
    import pandas as pd

    promised = find_table(table)
    rows = [
        {
            "column": column.name,
            "type": column.type,
            "key": "●" if column.name in promised.key else "",
            "meaning": column.doc,
        }
        for column in promised.columns
    ]
    left = [{"selector": "th, td", "props": "text-align: left"}, {"selector": "caption", "props": "text-align: left"}]
    shown = pd.DataFrame(rows).style.hide(axis="index").set_caption(f"{table}: {promised.grain}")
    return shown.set_table_styles(left)  # type: ignore[arg-type]


def sample(table: str, rows: int = 5, columns: str = "*", where: str = "true") -> pd.DataFrame:
    """A few rows of a table, the ones with the smallest keys: the same ones each time."""
    key = ", ".join(find_table(table).key)
    return query(f"SELECT {columns} FROM {table} WHERE {where} ORDER BY {key} LIMIT {rows}")


def outcome(result: StepResult) -> pd.DataFrame:
    """What a step did, as a table of one row."""
    import pandas as pd

    names = ("read", "inserted", "updated", "deleted", "rejected", "changed", "snapshot_id", "seconds")
    row: dict[str, Any] = {name: getattr(result, name) for name in names}
    row["snapshot_id"] = str(result.snapshot_id or "")
    row["seconds"] = round(result.seconds, 1)
    return pd.DataFrame([row], index=[result.table])


def rows_per_key(table: str) -> int:
    """The most rows that share one key: 1 when the table keeps its promise, 0 when it is empty."""
    key = ", ".join(find_table(table).key)
    return number(f"SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM {table} GROUP BY {key})")


@dataclass(frozen=True)
class Repeat:
    """A step that was run once more: what it did, and whether one of its sources had got new rows meanwhile."""

    result: StepResult
    sources_moved: bool

    @property
    def harmless(self) -> bool:
        """Nothing new, nothing written."""
        return self.sources_moved or not self.result.changed


def _sources_read(step: str) -> dict[str, int | None]:
    return {source: mark.last_snapshot_id for source, mark in metadata.watermarks(step).items()}


def repeat(step: str, run_id: str) -> Repeat:
    """Run a step again. On a live stack new rows may have come in between; then it has a reason to write."""
    before = _sources_read(step)
    result = run_step(step, run_id)
    return Repeat(result, sources_moved=_sources_read(step) != before)
