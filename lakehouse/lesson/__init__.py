"""What a notebook calls: run a step and say what it did, show a contract, a sample, a picture; check an exercise."""

from lakehouse.lesson.exercise import ____, check, hint, progress, solution
from lakehouse.lesson.scratch import drop_scratch, scratch
from lakehouse.lesson.steps import (
    QueryFailed,
    Repeat,
    contract,
    number,
    outcome,
    query,
    repeat,
    rows_per_key,
    run_step,
    sample,
    spark_session,
    use_style,
)
from lakehouse.waiting import wait_until

__all__ = [
    "QueryFailed",
    "Repeat",
    "____",
    "check",
    "contract",
    "drop_scratch",
    "hint",
    "number",
    "outcome",
    "progress",
    "query",
    "repeat",
    "rows_per_key",
    "run_step",
    "sample",
    "scratch",
    "solution",
    "spark_session",
    "use_style",
    "wait_until",
]
