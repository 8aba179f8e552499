"""US dollars per unit of other currencies: one fixed table, so that the same orders give the same sums every time.

These are illustrative rates of the workbook, rounded, of the order of size that was usual in 2025. They are no market
data and follow no source: a real lakehouse would keep a table of daily rates and convert at the day of the order.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import Column

AS_OF = "2026-01-01"
"""The day for which the table is taken to hold; it is used for every day."""

USD_PER_UNIT: dict[str, Decimal] = {
    currency: Decimal(rate)
    for currency, rate in {
        "USD": "1", "EUR": "1.09", "GBP": "1.27", "CAD": "0.735", "JPY": "0.0067", "BHD": "2.66", "KWD": "3.26",
        "AUD": "0.66", "NZD": "0.61", "CHF": "1.13", "SEK": "0.095", "NOK": "0.094", "DKK": "0.146", "PLN": "0.25",
        "CZK": "0.043", "INR": "0.012", "BRL": "0.19", "MXN": "0.055", "SGD": "0.75", "HKD": "0.128", "KRW": "0.00073",
        "CNY": "0.14", "AED": "0.2723", "SAR": "0.2667", "ZAR": "0.054",
    }.items()
}  # fmt: skip
RATE_TYPE = "decimal(18,8)"


def rate(currency: Column) -> Column:
    """US dollars for one unit of a currency; null for one that is not in the table."""
    from pyspark.sql import functions as F

    pairs = chain.from_iterable((code, str(value)) for code, value in sorted(USD_PER_UNIT.items()))
    return F.try_element_at(F.create_map(*(F.lit(item) for item in pairs)), currency).cast(RATE_TYPE)


def to_usd(amount: Column, currency: Column) -> Column:
    """An amount in US dollars, half up to cents; null where the amount is null or the currency not in the table."""
    from pyspark.sql import functions as F

    return F.round(amount * rate(currency), 2).cast("decimal(18,2)")
