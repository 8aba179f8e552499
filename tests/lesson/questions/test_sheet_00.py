"""What suffers without a service follows from what the stack's services require."""

from __future__ import annotations

import pytest

from lakehouse.lesson.questions.sheet_00 import AWAY, Keepers, service_names, suffers


@pytest.mark.parametrize(
    ("service", "letter"),
    [("kafka", "A"), ("catalog", "B"), ("object-store", "B"), ("postgres", "B"), ("spark-worker", "C"),
     ("airflow-scheduler", "C"), ("trino", "D"), ("clickhouse", "D")],
)  # fmt: skip
def test_the_first_part_that_suffers(service: str, letter: str) -> None:
    assert suffers(service) == letter


def test_the_sheet_speaks_of_services_that_there_are() -> None:
    known = set(service_names())
    assert set(AWAY) <= known
    assert set(Keepers.right.values()) <= known
    assert {service for _, service in Keepers.objections} <= known
