"""Worked examples of where periods start; each account is one, all in one Spark run, and end on 31 March 2026."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.calculate.daily import daily_performance
from jobs.calculate.periods import period_returns, trailing_starts
from jobs.platform.settings import Tenant
from tests import calculation

END = date(2026, 3, 31)
A_YEAR_BEFORE = date(2025, 3, 31)
POLICIES = {calculation.TENANT: Tenant(fiscal_year_start_month=2)}
Day = tuple[date, str]

VALUES: dict[str, list[Day]] = {
    "a_week_before": [(date(2025, 1, 31), "90"), (date(2025, 3, 24), "100"), (END, "110")],
    "eight_days_before": [(date(2025, 1, 31), "90"), (date(2025, 3, 23), "100"), (END, "110")],
    "funded_the_day_after": [(date(2025, 4, 1), "100"), (END, "125")],
    "opens_on_it": [(A_YEAR_BEFORE, "100"), (END, "104")],
    "emptied_since": [(A_YEAR_BEFORE, "100"), (date(2025, 6, 30), "0"), (date(2025, 7, 15), "50"), (END, "60")],
    "lost_all_and_funded_within": [(A_YEAR_BEFORE, "100"), (date(2026, 3, 2), "0"), (END, "10")],
    "lost_all": [(A_YEAR_BEFORE, "100"), (date(2026, 3, 2), "120"), (END, "0")],
    "over_a_year": [(date(2024, 3, 31), "100"), (A_YEAR_BEFORE, "110"), (END, "121")],
    "within_the_month": [(date(2026, 3, 10), "100"), (date(2026, 3, 20), "105"), (END, "107")],
}
FLOWS: dict[str, list[Day]] = {
    "funded_the_day_after": [(date(2025, 4, 1), "100")],
    "emptied_since": [(date(2025, 6, 30), "-105"), (date(2025, 7, 15), "50")],
    "over_a_year": [(END, "-11")],
    "within_the_month": [(date(2026, 3, 10), "100")],
}


@pytest.fixture(scope="module")
def daily(spark: SparkSession) -> Any:
    values = [
        {"account_id": name, "as_of_date": day, "market_value": Decimal(value)}
        for name, days in VALUES.items()
        for day, value in days
    ]
    flows = [
        {"account_id": name, "performance_date": day, "amount": Decimal(amount)}
        for name, days in FLOWS.items()
        for day, amount in days
    ]
    accounts = calculation.accounts(spark, [{"account_id": name} for name in VALUES])
    rows = daily_performance(
        None, calculation.valuations(spark, values), calculation.transactions(spark, flows), accounts, policies=POLICIES
    )
    return rows.withColumn("epoch", F.lit(1)).localCheckpoint()


@pytest.fixture(scope="module")
def periods(daily: Any) -> dict[tuple[str, str], dict[str, Any]]:
    ends = daily.where(F.col("as_of_date") == END)
    ranges = [("since August", date(2025, 8, 1)), ("since the year", A_YEAR_BEFORE)]
    rows = period_returns(ends, daily, policies=POLICIES, ranges=ranges).collect()
    return {(row["account_id"], row["period"]): row.asDict() for row in rows}


def test_a_trailing_year_starts_at_a_row_up_to_a_week_before_it(periods: dict[tuple[str, str], dict[str, Any]]) -> None:
    near, far = periods["a_week_before", "1Y"], periods["eight_days_before", "1Y"]
    assert (near["status"], near["start_date"], near["begin_market_value"]) == ("ok", date(2025, 3, 24), 100)
    assert near["twrr"] == pytest.approx(0.1, abs=1e-12)
    assert (far["status"], far["start_date"], far["twrr"], far["end_market_value"]) == (
        "insufficient_history", None, None, None,
    )  # fmt: skip


@pytest.mark.parametrize(("name", "begin", "net_flow"), [("funded_the_day_after", 0, 100), ("opens_on_it", 100, 0)])
def test_a_track_may_begin_where_the_year_does(
    periods: dict[tuple[str, str], dict[str, Any]], name: str, begin: int, net_flow: int
) -> None:
    for period in ("1Y", "ITD", "since the year"):
        row = periods[name, period]
        assert (row["status"], row["start_date"]) == ("ok", A_YEAR_BEFORE), period
        assert (row["begin_market_value"], row["net_flow"], row["is_partial"]) == (begin, net_flow, False)


def test_no_period_reaches_over_the_end_of_a_track(periods: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert periods["emptied_since", "1Y"]["status"] == "insufficient_history"
    assert periods["emptied_since", "since August"]["status"] == "insufficient_history"  # no row in the week before it
    to_date = periods["emptied_since", "ITD"]
    assert (to_date["start_date"], to_date["begin_market_value"]) == (date(2025, 6, 30), 0)
    assert to_date["twrr"] == pytest.approx(0.2, abs=1e-12)


def test_a_total_loss_within_the_period_is_all_of_it(periods: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert {period: periods["lost_all", period]["twrr"] for period in ("MTD", "1Y", "ITD")} == {
        "MTD": -1.0,
        "1Y": -1.0,
        "ITD": -1.0,
    }


def test_a_value_after_a_total_loss_begins_a_record_of_its_own(
    periods: dict[tuple[str, str], dict[str, Any]],
) -> None:
    assert periods["lost_all_and_funded_within", "1Y"]["status"] == "insufficient_history"
    month = periods["lost_all_and_funded_within", "MTD"]
    assert (month["start_date"], month["begin_market_value"], month["twrr"]) == (END, 10, 0)


def test_beyond_a_year_returns_are_annualised_and_up_to_one_they_are_not(
    periods: dict[tuple[str, str], dict[str, Any]],
) -> None:
    row = periods["over_a_year", "ITD"]
    assert row["twrr"] == pytest.approx(1.1 * 1.2 - 1, abs=1e-12)
    assert row["twrr_annualised"] == pytest.approx(1.32 ** (365.25 / 730) - 1, abs=1e-12)
    assert (row["net_flow"], row["gain_loss"]) == (-11, 32)
    year = periods["over_a_year", "1Y"]
    assert (year["twrr"], year["twrr_annualised"]) == (pytest.approx(0.2, abs=1e-12), None)


def test_a_track_that_begins_within_a_period_makes_it_partial(periods: dict[tuple[str, str], dict[str, Any]]) -> None:
    partial = {period: periods["within_the_month", period]["is_partial"] for period in ("MTD", "QTD", "YTD", "ITD")}
    assert partial == {"MTD": True, "QTD": True, "YTD": True, "ITD": False}
    row = periods["within_the_month", "QTD"]
    assert (row["start_date"], row["begin_market_value"], row["net_flow"]) == (date(2026, 3, 9), 0, 100)
    assert row["twrr"] == pytest.approx(0.07, abs=1e-12)


def test_the_fiscal_year_of_the_tenant_decides_where_its_year_starts(
    periods: dict[tuple[str, str], dict[str, Any]],
) -> None:
    """From February: the account's row of 31 January 2025 is before it, but none is of January 2026."""
    assert periods["a_week_before", "YTD"]["start_date"] == date(2025, 3, 24)
    assert periods["a_week_before", "YTD"]["is_partial"] is False


def test_only_the_starts_that_lie_within_a_track_are_looked_up(daily: Any) -> None:
    ends = daily.where((F.col("as_of_date") == END) & F.col("account_id").isin("emptied_since", "within_the_month"))
    assert trailing_starts(ends, policies=POLICIES).collect() == []
    longer = daily.where((F.col("as_of_date") == END) & (F.col("account_id") == "over_a_year"))
    assert [row["since"] for row in trailing_starts(longer, policies=POLICIES).collect()] == [A_YEAR_BEFORE]
