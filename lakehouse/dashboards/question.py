"""What a chart asks its dataset, from the form that a person filled in: Superset's query context.

Superset's browser code makes the query from the form each time it draws; a chart that nobody has opened yet has none,
and its API has nothing to ask. So each chart is imported with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Form = Mapping[str, Any]


class UnknownChart(ValueError):
    """A kind of chart that the bundle has not used so far."""


def _axis(form: Form) -> Any:
    """The column of the x axis; with a grain of time it is cut to it."""
    name, grain = form["x_axis"], form.get("time_grain_sqla")
    if not grain:
        return name
    expression = {"label": name, "sqlExpression": name, "expressionType": "SQL", "isColumnReference": True}
    return {**expression, "columnType": "BASE_AXIS", "timeGrain": grain}


def _columns(form: Form) -> list[Any]:
    kind = form["viz_type"]
    if kind == "big_number_total":
        return []
    if kind.startswith("echarts_timeseries"):
        return [_axis(form), *form["groupby"]]
    if kind == "histogram_v2":
        return [*form["groupby"], form["column"]]
    if kind == "table":
        return list(form["all_columns"] if form["query_mode"] == "raw" else form["groupby"])
    raise UnknownChart(kind)


def metrics(form: Form) -> list[str]:
    """Names of the dataset's metrics that the chart shows; none for a table of rows."""
    return [form["metric"]] if "metric" in form else list(form.get("metrics", []))


def _order(form: Form) -> list[list[Any]]:
    if form.get("order_by_cols"):
        return [json.loads(column) for column in form["order_by_cols"]]
    first = form.get("timeseries_limit_metric") or next(iter(metrics(form)), None)
    return [[first, not form.get("order_desc", True)]] if first and form["viz_type"] != "big_number_total" else []


def query_context(form: Form) -> dict[str, Any]:
    """The query of a chart. Its dataset's number is 0: Superset puts in the number that the dataset gets there."""
    filters = form["adhoc_filters"]
    query: dict[str, Any] = {
        "columns": _columns(form),
        "metrics": metrics(form) or None,
        "filters": [
            {"col": f["subject"], "op": f["operator"], "val": f["comparator"]}
            for f in filters
            if f["expressionType"] == "SIMPLE"
        ],
        "extras": {"where": " AND ".join(f"({f['sqlExpression']})" for f in filters if f["expressionType"] == "SQL")},
        "orderby": _order(form),
        "row_limit": form.get("row_limit", 1),
        "annotation_layers": [],
    }
    if form["viz_type"] == "table" and form["query_mode"] == "raw":
        query["metrics"] = []
    return {
        "datasource": {"id": 0, "type": "table"},
        "force": False,
        "queries": [query],
        "form_data": dict(form),
        "result_format": "json",
        "result_type": "full",
    }
