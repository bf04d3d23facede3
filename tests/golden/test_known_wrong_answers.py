"""Mistakes that users of other systems have reported in public: what dietz gives for them, worked by hand."""

from __future__ import annotations

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.calculate.currency import usable_rates
from jobs.calculate.daily import daily_performance
from jobs.calculate.flows import flows_and_fees
from jobs.calculate.money_weighted import with_money_weighted
from jobs.calculate.periods import period_returns
from tests import calculation
from tests.golden.cases import GOLDEN, Case, cases, differences, silver_rows

FAMILY = "known_wrong_answers"
CASES = list(cases(FAMILY))
OF_ACCOUNTS = [case for case in CASES if case.kind in ("daily", "periods")]
# Run by the tests of their own marts.
OF_OTHER_MARTS = {
    "household_joined_on_different_dates": "groups",
    "transfer_between_own_accounts": "groups",
    "winning_account_lowers_the_household": "groups",
    "calendar_days_over_252": "risk",
    "drawdown_of_the_first_day": "risk",
    "missing_price_is_a_total_loss": "risk",
}
Rows = dict[str, list[dict[str, object]]]


@pytest.fixture(scope="module")
def transactions(spark: SparkSession) -> DataFrame:
    return calculation.transactions(spark, silver_rows(OF_ACCOUNTS, "transactions"))


@pytest.fixture(scope="module")
def performance(spark: SparkSession, transactions: DataFrame) -> DataFrame:
    rates = calculation.fx_rates(spark, silver_rows(OF_ACCOUNTS, "fx_rates"))
    return daily_performance(
        None,
        calculation.valuations(spark, silver_rows(OF_ACCOUNTS, "valuations")),
        transactions,
        calculation.accounts(spark, silver_rows(OF_ACCOUNTS, "accounts")),
        rates=usable_rates(rates, None, {}),
    ).cache()


@pytest.fixture(scope="module")
def daily(performance: DataFrame) -> Rows:
    return calculation.by_account(performance)


@pytest.fixture(scope="module")
def periods(performance: DataFrame, transactions: DataFrame) -> Rows:
    """Rows at each account's last date."""
    names = [case.name for case in OF_ACCOUNTS if case.kind == "periods"]
    rows = performance.where(F.col("account_id").isin(names)).withColumn("epoch", F.lit(1))
    last = rows.groupBy("tenant_id", "account_id").agg(F.max("as_of_date").alias("as_of_date"))
    ends = rows.join(last, ["tenant_id", "account_id", "as_of_date"], "left_semi")
    flows = flows_and_fees(transactions, {}).where("NOT is_fee")
    return calculation.by_account(with_money_weighted(period_returns(ends, rows), flows))


@pytest.mark.parametrize("case", [case for case in CASES if case.kind == "daily"], ids=lambda case: case.name)
def test_daily(case: Case, daily: Rows) -> None:
    rows = daily[case.name]
    assert len(rows) == len(case.expected)
    assert [line for want, got in zip(case.expected, rows, strict=True) for line in differences(want, got)] == []


@pytest.mark.parametrize("case", [case for case in CASES if case.kind == "periods"], ids=lambda case: case.name)
def test_periods(case: Case, periods: Rows) -> None:
    rows = {str(row["period"]): row for row in periods[case.name]}
    found = [(want["period"], differences(want, rows[str(want["period"])])) for want in case.expected]
    assert found == [(period, []) for period, _ in found]


def test_every_case_is_told_and_run() -> None:
    """Each folder says who reported what; none is of a kind that nothing runs."""
    assert {case.name: case.kind for case in CASES if case not in OF_ACCOUNTS} == OF_OTHER_MARTS
    texts = {case.name: (GOLDEN / FAMILY / case.name / "README.md").read_text(encoding="utf-8") for case in CASES}
    assert [name for name, text in texts.items() if "Reported: " not in text or "**By hand.**" not in text] == []
