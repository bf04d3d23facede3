"""Mistakes that users of other systems have reported in public: what dietz gives for them, worked by hand."""

from __future__ import annotations

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.calculate.benchmarks import LEVELS, account_benchmarks, level_days, with_benchmark
from jobs.calculate.currency import usable_rates
from jobs.calculate.daily import daily_performance
from jobs.calculate.flows import flows_and_fees
from jobs.calculate.money_weighted import with_money_weighted
from jobs.calculate.periods import period_returns
from jobs.calculate.risk import daily_series, risk_statistics, risk_windows
from tests import calculation
from tests.golden.cases import GOLDEN, Case, cases, differences, silver_rows

FAMILY = "known_wrong_answers"
CASES = list(cases(FAMILY))
OF_ACCOUNTS = [case for case in CASES if case.kind in ("daily", "periods", "risk")]
# Run by the test of the groups.
OF_GROUPS = {
    "household_joined_on_different_dates",
    "transfer_between_own_accounts",
    "winning_account_lowers_the_household",
}
Rows = dict[str, list[dict[str, object]]]
Found = dict[tuple[str, str], dict[str, object]]


@pytest.fixture(scope="module")
def transactions(spark: SparkSession) -> DataFrame:
    return calculation.transactions(spark, silver_rows(OF_ACCOUNTS, "transactions"))


@pytest.fixture(scope="module")
def accounts(spark: SparkSession) -> DataFrame:
    return calculation.accounts(spark, silver_rows(OF_ACCOUNTS, "accounts"))


@pytest.fixture(scope="module")
def performance(spark: SparkSession, transactions: DataFrame, accounts: DataFrame) -> DataFrame:
    rates = calculation.fx_rates(spark, silver_rows(OF_ACCOUNTS, "fx_rates"))
    rows = daily_performance(
        None,
        calculation.valuations(spark, silver_rows(OF_ACCOUNTS, "valuations")),
        transactions,
        accounts,
        rates=usable_rates(rates, None, {}),
    )
    return rows.withColumn("epoch", F.lit(1)).localCheckpoint()


@pytest.fixture(scope="module")
def ends(performance: DataFrame) -> DataFrame:
    """The accounts' last rows."""
    last = performance.groupBy("tenant_id", "account_id").agg(F.max("as_of_date").alias("as_of_date"))
    return performance.join(last, ["tenant_id", "account_id", "as_of_date"], "left_semi").localCheckpoint()


@pytest.fixture(scope="module")
def periods(performance: DataFrame, ends: DataFrame, transactions: DataFrame) -> DataFrame:
    flows = flows_and_fees(transactions, {}).where("NOT is_fee")
    return with_money_weighted(period_returns(ends, performance), flows).localCheckpoint()


@pytest.fixture(scope="module")
def risk(performance: DataFrame, ends: DataFrame, periods: DataFrame, accounts: DataFrame) -> DataFrame:
    benchmarks = account_benchmarks(accounts.withColumn("benchmark_id", F.lit(None).cast("string")))
    days = level_days(performance.sparkSession.createDataFrame([], LEVELS), None)
    windows = with_benchmark(risk_windows(ends, periods, "daily"), benchmarks)
    return risk_statistics(windows, daily_series(performance, benchmarks, days), "daily")


@pytest.fixture(scope="module")
def daily(performance: DataFrame) -> Rows:
    return calculation.by_account(performance)


@pytest.fixture(scope="module")
def by_period(periods: DataFrame) -> Found:
    return {(row["account_id"], row["period"]): row.asDict() for row in periods.collect()}


@pytest.fixture(scope="module")
def by_window(risk: DataFrame) -> Found:
    return {(row["account_id"], row["window_name"]): row.asDict() for row in risk.collect()}


def of_kind(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [case for case in CASES if case.kind == kind], ids=lambda case: case.name)


def found_in(case: Case, rows: Found, key: str) -> list[str]:
    """Where the case's rows differ, of which `key` says the period or window."""
    each = [(str(want[key]), want) for want in case.expected]
    return [f"{name} {line}" for name, want in each for line in differences(want, rows[case.name, name])]


@of_kind("daily")
def test_daily(case: Case, daily: Rows) -> None:
    rows = daily[case.name]
    assert len(rows) == len(case.expected)
    assert [line for want, got in zip(case.expected, rows, strict=True) for line in differences(want, got)] == []


@of_kind("periods")
def test_periods(case: Case, by_period: Found) -> None:
    assert found_in(case, by_period, "period") == []


@of_kind("risk")
def test_risk(case: Case, by_window: Found) -> None:
    assert found_in(case, by_window, "window_name") == []


def test_every_case_is_told_and_run() -> None:
    """Each folder says who reported what; none is of a kind that nothing runs."""
    assert {case.name for case in CASES if case not in OF_ACCOUNTS} == OF_GROUPS
    assert {case.kind for case in CASES if case.name in OF_GROUPS} == {"groups"}
    texts = {case.name: (GOLDEN / FAMILY / case.name / "README.md").read_text(encoding="utf-8") for case in CASES}
    assert [name for name, text in texts.items() if "Reported: " not in text or "**By hand.**" not in text] == []
