"""Conversion at the rate of the amount's own date: direct, inverse, through the pivot, not too old."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from pyspark.sql import SparkSession

from jobs.calculate.currency import in_base_currency, usable_rates
from jobs.platform.settings import Tenant
from tests import calculation

MON, TUE, SUN = date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 8)
POLICIES = {calculation.TENANT: Tenant(pivot_currency="EUR", source_priority=["bank"])}
# What is asked for -> what it must be worth; 1000 each.
CASES = {
    ("direct", "EUR", "USD", MON): Decimal("1100"),
    ("direct rather than inverse", "GBP", "EUR", MON): Decimal("1200"),
    ("inverse", "USD", "EUR", MON): Decimal("909.09090909"),
    ("through the pivot: inverse, then direct", "CHF", "USD", MON): Decimal("1145.83333333"),
    ("through the pivot: inverse, then the direct one", "USD", "GBP", MON): Decimal("727.27272727"),
    ("through the pivot: both inverse", "USD", "NOK", MON): Decimal("10101.01010101"),
    ("the last known rate serves the weekend", "EUR", "USD", SUN): Decimal("1110"),
    ("five business days old", "EUR", "CHF", date(2026, 3, 9)): Decimal("960"),
    ("six business days old", "EUR", "CHF", date(2026, 3, 10)): None,
    ("not yet known", "EUR", "CHF", date(2026, 3, 1)): None,
    ("no rate at all", "JPY", "USD", MON): None,
    ("no conversion", "USD", "USD", MON): Decimal("1000"),
    ("the better source", "EUR", "SEK", MON): Decimal("11000"),
}


@pytest.fixture(scope="module")
def worth(spark: SparkSession) -> dict[str, Decimal | None]:
    rates = calculation.fx_rates(
        spark,
        [
            {"as_of_date": MON, "from_currency": "EUR", "to_currency": "USD", "rate": Decimal("1.1")},
            {"as_of_date": TUE, "from_currency": "EUR", "to_currency": "USD", "rate": Decimal("1.11")},
            {"as_of_date": MON, "from_currency": "EUR", "to_currency": "CHF", "rate": Decimal("0.96")},
            {"as_of_date": MON, "from_currency": "GBP", "to_currency": "EUR", "rate": Decimal("1.2")},
            {"as_of_date": MON, "from_currency": "EUR", "to_currency": "GBP", "rate": Decimal("0.8")},
            {"as_of_date": MON, "from_currency": "NOK", "to_currency": "EUR", "rate": Decimal("0.09")},
            {"as_of_date": MON, "from_currency": "EUR", "to_currency": "SEK", "rate": Decimal(11), "vendor": "bank"},
            {"as_of_date": MON, "from_currency": "EUR", "to_currency": "SEK", "rate": Decimal(10), "vendor": "ecb"},
        ],
    )
    rows = spark.createDataFrame(
        [(calculation.TENANT, name, source, base, day, Decimal(1000)) for name, source, base, day in CASES],
        "tenant_id string, name string, currency string, base_currency string, event_date date, amount decimal(28,8)",
    )
    converted = in_base_currency(rows, usable_rates(rates, None, POLICIES), POLICIES)
    return {row["name"]: row["amount"] for row in converted.collect()}


@pytest.mark.parametrize(("case", "expected"), CASES.items(), ids=[case[0] for case in CASES])
def test_conversion(case: tuple[str, str, str, date], expected: Decimal | None, worth: dict[str, Decimal]) -> None:
    assert worth[case[0]] == expected
