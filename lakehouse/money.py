"""Currencies and how many digits their amounts have after the point.

Codes and digits are ISO 4217's. An amount in the lakehouse is DECIMAL(18,2) in major units: a currency with no minor
unit uses none of the two digits, and of three-digit ones the third must be 0 (which is what card networks require).
An amount that does not fit exactly is refused, never rounded: sums must agree with what was sent.
"""

from __future__ import annotations

AMOUNT_TYPE = "decimal(18,2)"
AMOUNT_DIGITS = 2

_TWO_DIGITS = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP"
    " CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES"
    " KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK"
    " NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB"
    " TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR ZMW ZWG"
)
_NO_DIGITS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND"

EXPONENTS: dict[str, int] = {
    **dict.fromkeys(_TWO_DIGITS.split(), 2),
    **dict.fromkeys(_NO_DIGITS.split(), 0),
    **dict.fromkeys(_THREE_DIGITS.split(), 3),
}
"""ISO 4217: currency code → digits of its minor unit."""

STRIPE_EXPONENTS: dict[str, int] = {**EXPONENTS, "ISK": 2, "UGX": 2, "MGA": 0}
"""What Stripe's integers count, where it differs from ISO 4217: it kept two digits for two currencies that lost theirs,
and counts whole ariary."""
