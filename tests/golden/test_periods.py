"""The worked periods, time-weighted and money-weighted."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.calculate.daily import daily_performance
from jobs.calculate.flows import flows_and_fees
from jobs.calculate.money_weighted import with_money_weighted
from jobs.calculate.periods import period_returns
from tests import calculation
from tests.golden.cases import Case, cases, differences, silver_rows

CASES = list(cases("periods"))


@pytest.fixture(scope="module")
def calculated(spark: SparkSession) -> dict[tuple[str, str], dict[str, object]]:
    """Rows by account and period, at each account's last date."""
    transactions = calculation.transactions(spark, silver_rows(CASES, "transactions"))
    rows = daily_performance(
        None,
        calculation.valuations(spark, silver_rows(CASES, "valuations")),
        transactions,
        calculation.accounts(spark, silver_rows(CASES, "accounts")),
    )
    flows = flows_and_fees(transactions, {}).where("NOT is_fee")
    last = rows.groupBy("tenant_id", "account_id").agg(F.max("as_of_date").alias("as_of_date"))
    rows = rows.withColumn("epoch", F.lit(1))
    ends = rows.join(last, ["tenant_id", "account_id", "as_of_date"], "left_semi")
    periods = with_money_weighted(period_returns(ends, rows), flows)
    return {(row["account_id"], row["period"]): row.asDict() for row in periods.collect()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case, calculated: dict[tuple[str, str], dict[str, object]]) -> None:
    found = []
    for row in case.expected:
        got = calculated[case.name, str(row["period"])]
        found += [f"{row['period']} {line}" for line in differences(row, got)]
    assert found == []
