"""From a chart's form to its query."""

from __future__ import annotations

from typing import Any

import pytest

from lakehouse.dashboards.question import UnknownChart, metrics, query_context


def query(**form: Any) -> dict[str, Any]:
    return query_context({"adhoc_filters": [], **form})["queries"][0]


def test_a_number_has_no_columns_and_one_row() -> None:
    asked = query(viz_type="big_number_total", metric="orders")
    assert (asked["columns"], asked["metrics"], asked["orderby"], asked["row_limit"]) == ([], ["orders"], [], 1)


def test_a_series_over_time_cuts_its_axis_to_the_grain() -> None:
    asked = query(viz_type="echarts_timeseries_bar", x_axis="day", time_grain_sqla="P1D", metrics=["net"],
                  groupby=["currency"])  # fmt: skip
    axis, group = asked["columns"]
    assert (axis["label"], axis["timeGrain"], axis["columnType"]) == ("day", "P1D", "BASE_AXIS")
    assert group == "currency"
    assert asked["orderby"] == [["net", False]]


def test_bars_over_names_take_the_name_as_it_is() -> None:
    asked = query(viz_type="echarts_timeseries_bar", x_axis="product", metrics=["units"], groupby=[], row_limit=15)
    assert (asked["columns"], asked["row_limit"]) == (["product"], 15)


def test_a_table_of_rows_has_no_metrics_and_its_own_order() -> None:
    asked = query(viz_type="table", query_mode="raw", all_columns=["a", "b"], order_by_cols=['["a", false]'])
    assert (asked["columns"], asked["metrics"], asked["orderby"]) == (["a", "b"], [], [["a", False]])


def test_a_table_of_groups_is_ordered_by_what_it_is_said_to_be() -> None:
    form = {"viz_type": "table", "query_mode": "aggregate", "groupby": ["a"], "metrics": ["n", "m"]}
    assert query(**form, timeseries_limit_metric="m")["orderby"] == [["m", False]]
    assert metrics(form) == ["n", "m"]


def test_filters_of_both_kinds() -> None:
    simple = {"expressionType": "SIMPLE", "subject": "deleted", "operator": "==", "comparator": False}
    written = [{"expressionType": "SQL", "sqlExpression": text} for text in ("a OR b", "c")]
    asked = query(viz_type="big_number_total", metric="n", adhoc_filters=[simple, *written])
    assert asked["filters"] == [{"col": "deleted", "op": "==", "val": False}]
    assert asked["extras"]["where"] == "(a OR b) AND (c)"


def test_a_kind_of_chart_that_is_not_known_is_refused() -> None:
    with pytest.raises(UnknownChart, match="word_cloud"):
        query(viz_type="word_cloud")
