"""From a raw row's payload bytes to typed columns. Ids and money are read as text first: no float ever holds one.

A parsed frame has, beside the table's own columns, what every staging step needs to know of a delivery: `_entity_id`,
`_event_time` (the sender's), `_version` (see `lakehouse.staging.state`) and `_reject` (why the row cannot be typed).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING

from lakehouse.money import AMOUNT_DIGITS, AMOUNT_TYPE

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from lakehouse.tables import Table

CORRUPT = "_corrupt"
DELIVERY = ("_webhook_id", "_webhook_topic", "_source", "_kafka_partition", "_kafka_offset", "_raw_id")
PARSED = (*DELIVERY, "_entity_id", "_event_time", "_version", "_reject")
_LATEST_MILLIS = 253_402_300_799_999


def read_payload(raw: DataFrame, ddl: str) -> DataFrame:
    """Raw rows with the payload as the struct `p` of the given DDL and the delivery's own columns filled in."""
    from pyspark.sql import functions as F

    schema = f"{ddl}, {CORRUPT} STRING"
    raw_id = F.concat_ws("/", "_source_topic", "_kafka_partition", "_kafka_offset")
    return (
        raw.withColumn(
            "p", F.from_json(F.col("_payload").cast("string"), schema, {"columnNameOfCorruptRecord": CORRUPT})
        )
        .withColumn("_raw_id", raw_id)
        # ingestion always sends an id; without one each delivery counts as an event of its own
        .withColumn("_webhook_id", F.coalesce("_webhook_id", F.concat(F.lit("raw:"), raw_id)))
    )


def text(column: str) -> Column:
    """Text without blanks around it; null when nothing is left."""
    from pyspark.sql import functions as F

    return F.nullif(F.trim(F.col(column)), F.lit(""))


def number(column: str) -> Column:
    """A whole number of up to 64 bits from its text; null when it is not one."""
    from pyspark.sql import functions as F

    return F.when(F.col(column).rlike(r"^-?\d+$"), F.expr(f"try_cast({column} AS BIGINT)"))


def flag(column: str) -> Column:
    """true or false from its text; null when it is neither."""
    from pyspark.sql import functions as F

    return F.expr(f"try_cast({column} AS BOOLEAN)")


def iso_time(column: str) -> Column:
    """An ISO-8601 time with its offset; null when it is not one."""
    from pyspark.sql import functions as F

    return F.expr(f"try_cast({column} AS TIMESTAMP)")


def epoch_time(column: str, per_second: int) -> Column:
    """Seconds (`per_second` 1) or milliseconds (1000) since 1970 as a time; null outside the years 1970 to 9999."""
    from pyspark.sql import functions as F

    millis = number(column) * F.lit(1000 // per_second)
    return F.when(number(column).between(0, _LATEST_MILLIS * per_second // 1000), F.timestamp_millis(millis))


def currency(column: str) -> Column:
    """A currency code in capitals."""
    from pyspark.sql import functions as F

    return F.upper(text(column))


def digits_of(column: str, exponents: Mapping[str, int]) -> Column:
    """Digits after the point of a currency code's amounts; null for an unknown code."""
    from pyspark.sql import functions as F

    pairs = F.create_map(*(F.lit(item) for item in chain.from_iterable(sorted(exponents.items()))))
    return F.try_element_at(pairs, F.col(column))


def major_units(column: str) -> Column:
    """An amount as written in major units ("12.30"), exact to six digits; null when it is not a number."""
    from pyspark.sql import functions as F

    return F.when(F.col(column).rlike(r"^\s*-?\d+(\.\d{1,6})?\s*$"), F.expr(f"try_cast({column} AS DECIMAL(24,6))"))


def minor_units(column: str, digits: str) -> Column:
    """An integer of minor units ("1230") in major units, exact; null when it is not one or the currency is unknown."""
    from pyspark.sql import functions as F

    factor = F.when(F.col(digits) == 0, "1").when(F.col(digits) == 2, "0.01").when(F.col(digits) == 3, "0.001")
    return (number(column).cast("decimal(19,0)") * factor.cast("decimal(4,3)")).cast("decimal(28,6)")


def amount(column: str) -> Column:
    """The amount as it is stored; null where it does not fit, which `amount_problem` has said before."""
    from pyspark.sql import functions as F

    return F.expr(f"try_cast({column} AS {AMOUNT_TYPE})")


def amount_problem(name: str, given: str | None, value: str, digits: str) -> Column:
    """Why an amount is refused: not a number, too large, or more digits than its currency or the column has."""
    from pyspark.sql import functions as F

    number = F.col(value)
    exact = F.when(F.col(digits) == 0, F.round(number, 0)).otherwise(F.round(number, AMOUNT_DIGITS))
    problem = F.when(
        F.abs(number) >= F.lit(str(10**16)).cast("decimal(28,6)"), F.lit(f"amount_too_large: {name}")
    ).when(number != exact, F.lit(f"amount_precision: {name}"))
    if given is None:
        return problem
    return F.coalesce(F.when(text(given).isNotNull() & number.isNull(), F.lit(f"bad_amount: {name}")), problem)


def currency_problem(code: str, digits: str) -> Column:
    """Why a currency is refused: none was given, or it is not in ISO 4217."""
    from pyspark.sql import functions as F

    return F.when(F.col(code).isNull(), F.lit("missing_currency")).when(
        F.col(digits).isNull(), F.concat(F.lit("unknown_currency: "), F.substring(F.col(code), 1, 10))
    )


def time_problem(name: str, given: str, value: str, required: bool = False) -> Column:
    """Why a time is refused: something was given and it is no time, or it is required and was not given."""
    from pyspark.sql import functions as F

    problem = F.when(text(given).isNotNull() & F.col(value).isNull(), F.lit(f"bad_time: {name}"))
    if not required:
        return problem
    return F.coalesce(problem, F.when(F.col(value).isNull(), F.lit(f"missing_time: {name}")))


def unparsable() -> Column:
    """Why a whole payload is refused: it is not a JSON object."""
    from pyspark.sql import functions as F

    return F.when(F.col("p").isNull() | F.col(f"p.{CORRUPT}").isNotNull(), F.lit("unparsable_json"))


def select_parsed(rows: DataFrame, table: Table) -> DataFrame:
    """What a staging step needs of parsed rows: the delivery, and the table's columns but the derived `is_deleted`."""
    from pyspark.sql import functions as F

    own = [name for name in table.column_names if name not in (*PARSED, "is_deleted", "_staged_at")]
    return rows.select(*PARSED, *own, F.current_timestamp().alias("_staged_at"))
