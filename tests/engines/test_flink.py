"""The SQL Gateway: the rows of a query, and what is wrong with a statement."""

from __future__ import annotations

import pytest

from lakehouse.engines.flink import FlinkError, SqlGateway

pytestmark = pytest.mark.stack


def test_a_query_gives_all_its_rows_page_by_page() -> None:
    # more rows than a page holds, and a job that is still starting when the first page is asked for
    with SqlGateway() as gateway:
        gateway.execute(
            "CREATE TEMPORARY TABLE numbers (n INT) WITH ('connector'='datagen', 'fields.n.kind'='sequence',"
            " 'fields.n.start'='1', 'fields.n.end'='12000', 'rows-per-second'='100000')"
        )
        rows = gateway.execute("SELECT n FROM numbers", {"pipeline.name": "test-rows"})
    assert sorted(row[0] for row in rows) == list(range(1, 12_001))


def test_a_query_that_fails_says_why() -> None:
    with SqlGateway(properties={"restart-strategy.type": "none"}) as gateway:
        gateway.execute("CREATE TEMPORARY VIEW words (word) AS VALUES ('7'), ('seven')")
        with pytest.raises(FlinkError, match=r"NumberFormatException.*seven"):
            gateway.execute("SELECT CAST(word AS INT) FROM words")
        with pytest.raises(FlinkError, match="ParseException"):
            gateway.execute("SELECT FROM WHERE")
