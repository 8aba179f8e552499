"""Money as whole minor units. Formatted only when a sender writes it; never a float."""

from __future__ import annotations

from lakehouse.money import EXPONENTS


def step(currency: str) -> int:
    """The smallest amount that may be charged, in minor units: card networks want a 0 as the third digit."""
    return 10 if EXPONENTS[currency] == 3 else 1


def share(amount: int, numerator: int, denominator: int, currency: str) -> int:
    """`amount` × numerator / denominator in minor units, half up to what may be charged."""
    unit = step(currency)
    return (2 * amount * numerator + denominator * unit) // (2 * denominator * unit) * unit


def from_major(major: int, hundredths: int, currency: str) -> int:
    """A price of `major` units and `hundredths` in minor units; a currency without minor units has no hundredths."""
    exponent = EXPONENTS[currency]
    if exponent == 0:
        return major
    return major * 10**exponent + hundredths * 10 ** (exponent - 2)


def text(amount: int, currency: str) -> str:
    """Minor units in major units with the currency's digits: 1234 → "12.34" USD, "1234" JPY, "1.234" BHD."""
    exponent = EXPONENTS[currency]
    if exponent == 0:
        return str(amount)
    whole, rest = divmod(abs(amount), 10**exponent)
    return f"{'-' if amount < 0 else ''}{whole}.{rest:0{exponent}d}"
