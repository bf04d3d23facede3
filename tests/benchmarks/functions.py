"""Rows per second of each function of the calculation: python -m tests.benchmarks.functions [--account-days 1000000]

Accounts with 250 business days each, a flow a month, one in ten in euros, all with a benchmark; input is read from
Parquet, the result is thrown away (`noop`). The faster of two runs is told: the first compiles. Only account-days are
counted, whatever the number of rows that come out.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.calculate.benchmark_definitions import BenchmarkDefinition, Definitions
from jobs.calculate.benchmark_periods import benchmark_returns
from jobs.calculate.benchmarks import account_benchmarks, benchmark_levels, level_days, with_benchmark
from jobs.calculate.currency import in_base_currency, usable_rates
from jobs.calculate.daily import daily_performance
from jobs.calculate.flows import flows_and_fees
from jobs.calculate.groups import group_daily
from jobs.calculate.membership import closed_times, memberships
from jobs.calculate.money_weighted import with_money_weighted
from jobs.calculate.months import account_months
from jobs.calculate.periods import period_returns
from jobs.calculate.risk import FrequencyName, daily_series, monthly_series, risk_statistics, risk_windows
from jobs.platform.settings import Settings
from jobs.platform.spark import get_spark
from tests.benchmarks.processor import seconds_below

FIRST, DAYS = date(2025, 1, 1), 250
TENANT = "firm"
MONTH = 21  # business days
BLEND = {
    "benchmark_id": "MIX", "name": "Mix", "basis": "total_return", "currency": "USD", "kind": "blended",
    "history": [{"effective_from": "2020-01-01", "weights": {"A": "0.5", "B": "0.5"}}],
}  # fmt: skip


class Book:
    """The inputs, made by formula and kept as Parquet below `folder`."""

    def __init__(self, spark: SparkSession, accounts: int, folder: Path) -> None:
        self.spark, self.folder, self.accounts_number = spark, folder, accounts
        days = [FIRST + timedelta(days=n) for n in range(DAYS * 7 // 5 + 7)]
        self.days = [day for day in days if day.weekday() < 5][:DAYS]
        dates = ", ".join(f"DATE '{day}'" for day in self.days)
        day_rows = spark.range(accounts * DAYS).selectExpr(
            f"'{TENANT}' AS tenant_id",
            "'canonical' AS vendor",
            f"format_string('A%07d', id DIV {DAYS}) AS account_id",
            f"id DIV {DAYS} AS a",
            f"CAST(id % {DAYS} AS INT) AS n",
            f"element_at(array({dates}), CAST(id % {DAYS} AS INT) + 1) AS day",
        )
        currency = "IF(a % 10 = 0, 'EUR', 'USD') AS currency"
        growth = f"exp(0.0003 * n + 0.03 * sin(n / 7.0 + a)) + n DIV {MONTH} * 0.001"
        self.valuations = self.kept(
            "valuations",
            day_rows.selectExpr(
                "tenant_id", "vendor", "account_id", "day AS as_of_date",
                f"CAST(100000 * ({growth}) AS DECIMAL(28,8)) AS market_value", currency,
            ),
        )  # fmt: skip
        self.transactions = self.kept(
            "transactions",
            day_rows.where(f"n % {MONTH} = 0 AND n > 0").selectExpr(
                "tenant_id", "vendor", "account_id", "day AS performance_date", "'DEPOSIT' AS type",
                "CAST(NULL AS STRING) AS subtype", "CAST(100 AS DECIMAL(28,8)) AS amount", currency,
                "CAST(NULL AS DECIMAL(28,8)) AS quantity", "CAST(NULL AS DECIMAL(28,8)) AS price",
                "CAST(NULL AS STRING) AS flow_timing", "CAST(NULL AS STRING) AS feed_flow_timing",
                "CAST(NULL AS STRING) AS counterparty_account_id", "'new' AS status",
            ),
        )  # fmt: skip
        self.accounts = self.kept(
            "accounts",
            spark.range(accounts).selectExpr(
                f"'{TENANT}' AS tenant_id", "'canonical' AS vendor", "format_string('A%07d', id) AS account_id",
                "DATE '2020-01-01' AS effective_from", "'USD' AS base_currency",
                "CAST(NULL AS STRING) AS flow_timing", "true AS in_performance",
                "format_string('H%06d', id DIV 4) AS household_id", "format_string('ADV%03d', id % 500) AS advisor_id",
                "format_string('M%02d', id % 20) AS model_id", "CAST(NULL AS DATE) AS closed_on",
                "IF(id % 2 = 0, 'MIX', 'A') AS benchmark_id",
            ),
        )  # fmt: skip
        every = [(name, n, day) for n, day in enumerate(self.days) for name in ("A", "B")]
        self.levels = spark.createDataFrame(
            [(TENANT, "canonical", name, day, 100.0 + n * (0.1 if name == "A" else 0.05)) for name, n, day in every],
            "tenant_id string, vendor string, benchmark_id string, as_of_date date, level double",
        ).withColumn("level", F.col("level").cast("decimal(28,8)"))
        self.rates = usable_rates(
            spark.createDataFrame(
                [(TENANT, "ecb", day, "EUR", "USD", 1.1 + n / 10000) for n, day in enumerate(self.days)],
                "tenant_id string, vendor string, as_of_date date, from_currency string, to_currency string,"
                " rate double",
            ).withColumn("rate", F.col("rate").cast("decimal(28,8)")),
            None,
            {},
        ).localCheckpoint()

    def kept(self, name: str, rows: DataFrame) -> DataFrame:
        """`rows` written and read again, so that what made them is not measured with what they are for."""
        path = str(self.folder / name)
        rows.write.mode("overwrite").parquet(path)
        return self.spark.read.parquet(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--account-days", type=int, default=1_000_000)
    accounts = max(1, parser.parse_args().account_days // DAYS)
    spark = get_spark(Settings(), "functions")
    with tempfile.TemporaryDirectory() as folder:
        book = Book(spark, accounts, Path(folder))
        print(f"{accounts * DAYS:,} account-days of {accounts:,} accounts")
        for name, function in _functions(book):
            taken, processor = min(_measured(function) for _ in range(2))
            rate = accounts * DAYS / taken
            print(f"{name:<40} {taken:7.2f} s {rate:12,.0f} account-days/s {processor:7.1f} processor s", flush=True)


def _functions(book: Book) -> list[tuple[str, Callable[[], DataFrame]]]:
    """Each function with the frames before it ready."""
    definitions: Definitions = {(TENANT, "MIX"): BenchmarkDefinition.model_validate(BLEND)}
    inputs = (None, book.valuations, book.transactions, book.accounts)
    daily = book.kept("daily", daily_performance(*inputs, rates=book.rates).withColumn("epoch", F.lit(1)))
    month_end = "max(as_of_date) OVER (PARTITION BY account_id, trunc(as_of_date, 'MM')) AS last"
    ends = book.kept("ends", daily.selectExpr("*", month_end).where("as_of_date = last").drop("last"))
    flows = flows_and_fees(book.transactions, {}).where("NOT is_fee")
    returns = book.kept("returns", period_returns(ends, daily))
    periods = book.kept("periods", with_money_weighted(returns, flows))
    members = memberships(None, book.accounts, {}).localCheckpoint()
    closed = closed_times(book.accounts, {}).localCheckpoint()
    named = account_benchmarks(book.accounts).localCheckpoint()
    days = level_days(benchmark_levels(book.levels, None, definitions), None).localCheckpoint()
    months = book.kept("months", account_months(daily))
    last = ends.where(f"as_of_date = DATE '{book.days[-1]}'")
    amounts = book.valuations.selectExpr(
        "tenant_id", "account_id", "as_of_date AS event_date", "market_value AS amount", "currency",
        "'USD' AS base_currency",
    )  # fmt: skip

    def risk(frequency: FrequencyName, series: DataFrame) -> DataFrame:
        windows = with_benchmark(risk_windows(last, periods, frequency), named)
        return risk_statistics(windows, series, frequency)

    return [
        ("read and throw away", lambda: book.valuations),
        ("in_base_currency", lambda: in_base_currency(amounts, book.rates, {})),
        ("daily_performance", lambda: daily_performance(*inputs, rates=book.rates)),
        ("period_returns (at 12 month-ends)", lambda: period_returns(ends, daily)),
        ("with_money_weighted (8 periods x 12)", lambda: with_money_weighted(returns, flows)),
        ("benchmark_returns (8 periods x 12)", lambda: benchmark_returns(periods, named, days, definitions)),
        ("group_daily (household to tenant)", lambda: group_daily(None, daily, None, members, closed=closed)),
        ("account_months", lambda: account_months(daily)),
        ("risk, monthly (4 windows)", lambda: risk("monthly", monthly_series(months, named, days))),
        ("risk, daily (4 windows)", lambda: risk("daily", daily_series(daily, named, days))),
        ("benchmark_levels and level_days, a blend", lambda: level_days(_levels(book, definitions), None)),
    ]


def _levels(book: Book, definitions: Definitions) -> DataFrame:
    return benchmark_levels(book.levels, None, definitions)


def _measured(function: Callable[[], DataFrame]) -> tuple[float, float]:
    """Seconds by the clock and of the processor."""
    begun, used = time.perf_counter(), seconds_below(os.getpid())
    function().write.format("noop").mode("overwrite").save()
    return time.perf_counter() - begun, seconds_below(os.getpid()) - used


if __name__ == "__main__":
    main()
