"""The worked cases of the daily chain, all in one Spark run: money exactly, returns to 1e-10."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from pyspark.sql import SparkSession

from jobs.calculate.daily import daily_performance
from jobs.platform.business_calendar import Calendar, calendar_days
from jobs.sample.reference import Booking, daily_rows
from tests import calculation
from tests.golden.cases import Case, cases, differences, silver_rows

CASES = list(cases("daily"))


@pytest.fixture(scope="module")
def calculated(spark: SparkSession) -> dict[str, list[dict[str, object]]]:
    """Rows per case: a case is an account."""
    calendars = {case.name: Calendar(name=case.name, holidays=case.holidays) for case in CASES}
    return calculation.by_account(
        daily_performance(
            None,
            calculation.valuations(spark, silver_rows(CASES, "valuations")),
            calculation.transactions(spark, silver_rows(CASES, "transactions")),
            calculation.accounts(spark, silver_rows(CASES, "accounts")),
            calendar=calendar_days(spark, calendars, date(2026, 12, 31)),
        )
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case, calculated: dict[str, list[dict[str, object]]]) -> None:
    rows = calculated[case.name]
    assert len(rows) == len(case.expected)
    assert [line for want, got in zip(case.expected, rows, strict=True) for line in differences(want, got)] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_reference(case: Case) -> None:
    """The reference that the random books are compared with is itself right about the worked cases."""
    values = [(date.fromisoformat(v["as_of_date"]), Decimal(v["market_value"])) for v in case.rows("valuations")]
    bookings = [
        Booking(date.fromisoformat(t["trade_date"]), Decimal(t["amount"]), t["type"] == "FEE", t["flow_timing"] or None)
        for t in case.rows("transactions")
    ]
    rows = daily_rows(values, bookings, flow_timing=case.flow_timing, holidays=case.holidays)
    assert [line for want, got in zip(case.expected, rows, strict=True) for line in differences(want, got)] == []
