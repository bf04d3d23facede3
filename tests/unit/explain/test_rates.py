"""Which rate an amount is converted by: the last known one, direct, inverse or through the pivot, not too old."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from jobs.explain.rates import Rates
from jobs.platform.business_calendar import NO_HOLIDAYS

MON = date(2026, 3, 2)


def rate(source: str, target: str, value: str, day: date = MON, vendor: str = "ecb") -> dict[str, object]:
    return {"from_currency": source, "to_currency": target, "rate": Decimal(value), "as_of_date": day, "vendor": vendor}


RATES = Rates(
    [
        rate("EUR", "USD", "1.1"),
        rate("EUR", "USD", "9.9", vendor="zzz"),
        rate("EUR", "USD", "1.2", date(2026, 3, 4)),
        rate("EUR", "CHF", "0.95"),
        rate("GBP", "USD", "1.25"),
        rate("USD", "GBP", "0.5"),
    ],
    NO_HOLIDAYS,
    "EUR",
    str,
)


@pytest.mark.parametrize(
    ("amount", "source", "base", "day", "value"),
    [
        ("100", "EUR", "USD", MON, "110.00000000"),
        ("100", "EUR", "USD", date(2026, 3, 3), "110.00000000"),  # the last known one
        ("100", "EUR", "USD", date(2026, 3, 4), "120.00000000"),
        ("110", "USD", "EUR", MON, "100.00000000"),  # inverse
        ("100", "GBP", "USD", MON, "125.00000000"),  # direct before inverse
        ("110", "USD", "CHF", MON, "95.00000000"),  # through the pivot
        ("1", "USD", "EUR", MON, "0.90909091"),  # rounded once
        ("-0.00000001", "EUR", "CHF", MON, "-0.00000001"),  # halves away from zero, 0.95 up
        ("100", "EUR", "CHF", date(2026, 3, 9), "95.00000000"),  # five business days old
        ("100", "EUR", "CHF", date(2026, 3, 10), None),  # six
        ("100", "EUR", "CHF", date(2026, 3, 1), None),  # not known yet
        ("100", "JPY", "USD", MON, None),
        ("7", None, "USD", MON, "7"),  # the account's own
    ],
)
def test_converted(amount: str, source: str | None, base: str, day: date, value: str | None) -> None:
    found = RATES.converted(Decimal(amount), source, base, day).value
    assert (None if found is None else f"{found:f}") == value
