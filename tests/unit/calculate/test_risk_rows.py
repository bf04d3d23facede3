"""Rows of the risk mart from daily rows: months, windows and series, in one Spark run over a small book."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from math import prod
from random import Random
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.calculate.benchmarks import account_benchmarks, benchmark_levels, level_days, with_benchmark
from jobs.calculate.daily import daily_performance
from jobs.calculate.months import account_months, current_months, ended_months
from jobs.calculate.periods import period_returns
from jobs.calculate.risk import FrequencyName, daily_series, monthly_series, risk_statistics, risk_windows
from jobs.calculate.risk_carried import carried_forward
from jobs.platform.business_calendar import Calendar, calendar_days
from tests import calculation, risk_reference
from tests.calculation import TENANT

FIRST, LAST, MID = date(2025, 1, 31), date(2026, 3, 31), date(2026, 3, 17)
MONTH_END = date(2026, 2, 27)  # a Friday, the last business day of its month
CALENDAR = Calendar(name="test", holidays=[date(2025, 12, 25)])
DAYS = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
BUSINESS_DAYS = [day for day in DAYS if CALENDAR.is_business_day(day)]
ENDS = [MONTH_END, MID, LAST]
KEY = ("account_id", "as_of_date", "window_name", "frequency")


def month_ends() -> list[date]:
    return [day for day in BUSINESS_DAYS if CALENDAR.next_business_day(day).month != day.month]


def walk(seed: int, days: list[date]) -> dict[date, Decimal]:
    """A value on each day, from 1000 on, in cents."""
    random, value, values = Random(seed), 1000.0, {}
    for day in days:
        values[day] = Decimal(round(value * 100)) / 100
        value *= 1 + random.gauss(0.0004, 0.01)
    return values


BOOK = {
    "daily": walk(1, BUSINESS_DAYS),
    "month-ends only": walk(2, month_ends()),
    "a hole": walk(3, [day for day in BUSINESS_DAYS if not date(2025, 6, 23) <= day <= date(2025, 7, 4)]),
    "lost all": {
        **walk(4, BUSINESS_DAYS[:200]),
        BUSINESS_DAYS[200]: Decimal(0),
        MONTH_END: Decimal(0),
        LAST: Decimal(0),
    },
    "funded again": {
        **walk(5, BUSINESS_DAYS[:100]),
        BUSINESS_DAYS[100]: Decimal(0),
        **walk(6, [day for day in BUSINESS_DAYS if day >= date(2026, 2, 2)]),
    },
    "excluded": walk(7, BUSINESS_DAYS),
}
LEVELS = {day: 100 + 0.1 * place + (place % 7) for place, day in enumerate(BUSINESS_DAYS)}

Rows = dict[tuple[Any, ...], dict[str, Any]]


@pytest.fixture(scope="module")
def daily(spark: SparkSession) -> DataFrame:
    """Rows of gold.account_performance_daily."""
    emptied, funded = BUSINESS_DAYS[100], date(2026, 2, 2)
    flows = [(emptied, -BOOK["funded again"][BUSINESS_DAYS[99]]), (funded, BOOK["funded again"][funded])]
    accounts = [{"account_id": name, "base_currency": "USD"} for name in BOOK]
    accounts.append({"account_id": "excluded", "in_performance": False, "effective_from": date(2026, 1, 1)})
    rows = daily_performance(
        None,
        calculation.valuations(
            spark,
            [
                {"account_id": name, "as_of_date": day, "market_value": value}
                for name, values in BOOK.items()
                for day, value in values.items()
            ],
        ),
        calculation.transactions(
            spark,
            [{"account_id": "funded again", "performance_date": day, "amount": amount} for day, amount in flows],
        ),
        calculation.accounts(spark, accounts),
        calendar=calendar_of_tenant(spark),
    )
    return rows.withColumn("epoch", F.lit(1)).localCheckpoint()


@pytest.fixture(scope="module")
def months(daily: DataFrame) -> DataFrame:
    return account_months(daily, calendar_of_tenant(daily.sparkSession)).localCheckpoint()


@pytest.fixture(scope="module")
def windows(daily: DataFrame) -> dict[FrequencyName, DataFrame]:
    """Of each account's last rows up to the end of February, a day in March and the end of March."""
    calendar = calendar_of_tenant(daily.sparkSession)
    ends = daily.where(F.col("as_of_date").isin(ENDS))
    periods = period_returns(ends, daily, calendar=calendar)
    named = account_benchmarks(accounts_with_benchmark(daily.sparkSession))
    return {
        frequency: with_benchmark(risk_windows(ends, periods, frequency, calendar), named).localCheckpoint()
        for frequency in ("daily", "monthly")
    }


@pytest.fixture(scope="module")
def calculated(daily: DataFrame, months: DataFrame, windows: dict[FrequencyName, DataFrame]) -> DataFrame:
    spark = daily.sparkSession
    levels = spark.createDataFrame(
        [(TENANT, "canonical", "INDEX", day, Decimal(str(round(level, 4)))) for day, level in LEVELS.items()],
        "tenant_id string, vendor string, benchmark_id string, as_of_date date, level decimal(28,8)",
    )
    days = level_days(benchmark_levels(levels, None, {}), calendar_of_tenant(spark)).localCheckpoint()
    named = account_benchmarks(accounts_with_benchmark(spark))
    by_day = risk_statistics(windows["daily"], daily_series(daily, named, days), "daily")
    by_month = risk_statistics(windows["monthly"], monthly_series(months, named, days), "monthly")
    return by_day.unionByName(by_month).localCheckpoint()


@pytest.fixture(scope="module")
def rows(calculated: DataFrame) -> Rows:
    return {tuple(row[name] for name in KEY): row.asDict() for row in calculated.collect()}


def calendar_of_tenant(spark: SparkSession) -> DataFrame | None:
    return calendar_days(spark, {TENANT: CALENDAR}, date(2026, 12, 31), date(2024, 1, 1))


def accounts_with_benchmark(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame(
        [(TENANT, "canonical", name, date(1900, 1, 1), "INDEX") for name in ("daily", "month-ends only")],
        "tenant_id string, vendor string, account_id string, effective_from date, benchmark_id string",
    )


def returns(name: str, after: date, through: date) -> list[float]:
    """From value to value, of the values after one date up to another."""
    values = sorted(BOOK[name].items())
    return [
        float(value) / float(before) - 1 for (_, before), (day, value) in pairwise(values) if after < day <= through
    ]


def same(found: dict[str, Any], wanted: dict[str, float]) -> None:
    for name, value in wanted.items():
        if name not in {"peak", "trough", "recovery"}:
            assert found[name] == pytest.approx(value, abs=1e-9), name


def monthly_returns(name: str, first: date, through: date) -> tuple[list[float], list[float]]:
    """Of the account and of the index, from month-end to month-end."""
    ends = [day for day in month_ends() if first <= day <= through]
    pairs = list(pairwise(ends))
    own = [prod(1 + r for r in returns(name, since, until)) - 1 for since, until in pairs]
    index = [round(LEVELS[until], 4) / round(LEVELS[since], 4) - 1 for since, until in pairs]
    return own, index


@pytest.mark.parametrize(("window", "since"), [("ITD", FIRST), ("1Y", date(2025, 3, 31))])
def test_daily_statistics(window: str, since: date, rows: Rows) -> None:
    found, own = rows["daily", LAST, window, "daily"], returns("daily", since, LAST)
    index = [
        round(LEVELS[day], 4) / round(LEVELS[before], 4) - 1 for before, day in pairwise(BUSINESS_DAYS) if day > since
    ]
    assert (found["since_date"], found["observations"], found["status"]) == (since, len(own), "ok")
    same(found, risk_reference.own(own, 252))
    same(found, risk_reference.beside(own, index, [0.0] * len(own), 252))


def test_monthly_statistics(rows: Rows) -> None:
    found = rows["daily", LAST, "ITD", "monthly"]
    own, index = monthly_returns("daily", FIRST, LAST)
    assert (found["observations"], found["status"], found["benchmark_id"]) == (14, "ok", "INDEX")
    same(found, risk_reference.own(own, 12))
    same(found, risk_reference.beside(own, index, [0.0] * 14, 12))


def test_the_month_that_goes_on_does_not_count(rows: Rows) -> None:
    own, _ = monthly_returns("daily", FIRST, MONTH_END)
    for end in (MID, MONTH_END):
        found = rows["daily", end, "ITD", "monthly"]
        assert found["observations"] == 13
        same(found, risk_reference.own(own, 12))
    assert rows["daily", MID, "ITD", "daily"]["observations"] > rows["daily", MONTH_END, "ITD", "daily"]["observations"]


def test_a_year_back_from_a_month_end_and_from_another_day(rows: Rows) -> None:
    assert rows["daily", MONTH_END, "1Y", "monthly"]["since_date"] == date(2025, 2, 28)
    assert rows["daily", MID, "1Y", "monthly"]["since_date"] == date(2025, 3, 17)
    assert [rows["daily", end, "1Y", "monthly"]["observations"] for end in ENDS] == [12, 12, 12]


@pytest.mark.parametrize("frequency", ["daily", "monthly"])
def test_years_that_the_track_does_not_reach_back(frequency: str, rows: Rows) -> None:
    for window in ("3Y", "5Y"):
        found = rows["daily", LAST, window, frequency]
        assert (found["status"], found["volatility"]) == ("insufficient_history", None)


def test_rows_over_more_than_a_day_are_in_no_daily_statistic(rows: Rows) -> None:
    found = rows["month-ends only", LAST, "ITD", "daily"]
    assert (found["observations"], found["status"], found["volatility"]) == (0, "insufficient_returns", None)
    same(
        rows["month-ends only", LAST, "ITD", "monthly"], risk_reference.own(returns("month-ends only", FIRST, LAST), 12)
    )


def test_a_month_whose_start_is_not_valued_is_absent(rows: Rows, months: DataFrame) -> None:
    """June ends with the row of the 20th: it counts. July begins from it: it does not."""
    is_full = {row["month"]: row["is_full"] for row in months.where("account_id = 'a hole'").collect()}
    assert [month for month, full in is_full.items() if not full] == [date(2025, 1, 31), date(2025, 7, 31)]
    assert rows["a hole", LAST, "ITD", "monthly"]["observations"] == 13


def test_a_total_loss_is_a_return_of_minus_one(rows: Rows) -> None:
    found = rows["lost all", LAST, "ITD", "daily"]
    assert (found["worst"], found["max_drawdown"], found["observations"]) == (-1.0, -1.0, 200)


def test_only_the_current_track_counts(rows: Rows) -> None:
    found = rows["funded again", LAST, "ITD", "daily"]
    own = returns("funded again", date(2026, 2, 2), LAST)
    assert found["observations"] == len(own)  # the row that funds it covers months
    assert found["worst"] == pytest.approx(min(own), abs=1e-9)
    assert rows["funded again", LAST, "ITD", "monthly"]["status"] == "insufficient_returns"


def test_a_row_without_track_has_no_statistics(rows: Rows) -> None:
    found = rows["excluded", LAST, "ITD", "daily"]
    assert (found["status"], found["observations"], found["volatility"]) == ("excluded", 0, None)


def test_every_end_has_its_windows_once(rows: Rows, calculated: DataFrame, daily: DataFrame) -> None:
    ends = daily.where(F.col("as_of_date").isin(ENDS)).count()
    assert calculated.count() == len(rows) == ends * 4 * 2


def test_carried_forward_is_what_would_be_computed(
    rows: Rows, calculated: DataFrame, windows: dict[FrequencyName, DataFrame]
) -> None:
    """At a day in March every row that February's end had; at the end of March, a month later, none."""
    previous = calculated.where(f"as_of_date = DATE '{MONTH_END}'")
    calendar = calendar_of_tenant(calculated.sparkSession)
    carried = carried_forward(windows["monthly"].where(f"as_of_date = DATE '{MID}'"), previous, calendar).collect()
    found = {tuple(row[name] for name in KEY): row.asDict() for row in carried}
    assert found == {key: rows[key] for key in found}
    with_track = {key for key in rows if key[1] == MID and key[3] == "monthly" and rows[key]["status"] != "excluded"}
    assert set(found) == with_track
    later = windows["monthly"].where(f"as_of_date = DATE '{LAST}'")
    assert carried_forward(later, previous, calendar).count() == 0


def test_months_are_ended_by_their_last_business_day_or_a_later_row(daily: DataFrame) -> None:
    calendar = calendar_of_tenant(daily.sparkSession)

    def ended(name: str, day: date) -> list[date]:
        new = daily.where((F.col("account_id") == name) & (F.col("as_of_date") == day))
        return [row["month"] for row in ended_months(new, calendar).orderBy("month").collect()]

    assert ended("daily", MONTH_END) == [date(2026, 2, 28)]
    assert ended("daily", date(2026, 3, 2)) == []
    assert ended("a hole", date(2025, 7, 7)) == [date(2025, 6, 30)]
    assert ended("month-ends only", MONTH_END) == [date(2026, 2, 28)]


def test_the_month_that_counts_after_restatements(spark: SparkSession) -> None:
    """A later run's row of a month, a restated month, and a month that has lost its last rows."""
    schema = "tenant_id string, account_id string, track_no int, month date, as_of_date date, epoch int, run_no long"
    ends = {1: date(2026, 1, 31), 2: date(2026, 2, 28), 3: date(2026, 3, 31)}
    kept = [(1, 30, 1, 7), (1, 31, 1, 8), (2, 26, 1, 9), (2, 20, 2, 12), (3, 20, 1, 10), (3, 31, 1, 11)]
    months = spark.createDataFrame(
        [(TENANT, "a", 1, ends[m], date(2026, m, day), epoch, run) for m, day, epoch, run in kept], schema
    )
    epochs = spark.createDataFrame(
        [(TENANT, "a", 2, date(2026, 2, 10)), (TENANT, "a", 3, date(2026, 3, 25))],
        "tenant_id string, account_id string, epoch int, from_date date",
    )
    found = {row["month"]: (row["as_of_date"], row["run_no"]) for row in current_months(months, epochs).collect()}
    assert found == {ends[1]: (ends[1], 8), ends[2]: (date(2026, 2, 20), 12)}
