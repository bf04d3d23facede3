"""All worked cases of accounts, of every family, through the calculation at once: few Spark plans for many cases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.calculate.benchmark_definitions import BenchmarkDefinition
from jobs.calculate.benchmark_periods import benchmark_returns
from jobs.calculate.benchmarks import account_benchmarks, benchmark_levels, level_days, with_benchmark
from jobs.calculate.currency import in_base_currency, usable_rates
from jobs.calculate.daily import daily_performance
from jobs.calculate.events import FLOW, account_events
from jobs.calculate.money_weighted import with_money_weighted
from jobs.calculate.months import account_months
from jobs.calculate.periods import period_returns
from jobs.calculate.risk import FrequencyName, daily_series, monthly_series, risk_statistics, risk_windows
from jobs.platform.business_calendar import Calendar, calendar_days
from jobs.platform.yaml_model import load_yaml
from tests import calculation
from tests.golden.cases import Case, cases, silver_rows

FAMILIES = (
    "daily", "periods", "money_weighted", "currency", "excluded", "benchmarks", "risk", "known_wrong_answers",
)  # fmt: skip
Row = dict[str, object]


def of_accounts() -> Iterator[Case]:
    """The cases of all families but those of groups, which have a test of their own."""
    return (case for family in FAMILIES for case in cases(family) if case.kind != "groups")


@dataclass(frozen=True)
class Worked:
    """Rows by case, and within it by date, by period, or by window and frequency."""

    daily: dict[str, list[Row]]
    periods: dict[str, dict[str, Row]]
    benchmarks: dict[str, dict[str, Row]]
    risk: dict[str, dict[str, Row]]


@pytest.fixture(scope="session")
def worked(spark: SparkSession) -> Worked:
    """Each case is a tenant; periods, benchmarks and risk are of its account's last row."""
    book = list(of_accounts())
    transactions = calculation.transactions(spark, silver_rows(book, "transactions"))
    accounts = calculation.accounts(spark, silver_rows(book, "accounts"))
    calendars = {case.name: Calendar(name=case.name, holidays=case.holidays) for case in book}
    calendar = calendar_days(spark, calendars, date(2026, 12, 31))
    rates = usable_rates(calculation.fx_rates(spark, silver_rows(book, "fx_rates")), calendar, {}).localCheckpoint()
    valuations = calculation.valuations(spark, silver_rows(book, "valuations"))
    rows = daily_performance(None, valuations, transactions, accounts, calendar=calendar, rates=rates)
    daily = rows.withColumn("epoch", F.lit(1)).localCheckpoint()

    last = daily.groupBy("tenant_id", "account_id").agg(F.max("as_of_date").alias("as_of_date"))
    ends = daily.join(last, ["tenant_id", "account_id", "as_of_date"], "left_semi").localCheckpoint()
    events = account_events(None, valuations.where("false"), transactions, accounts, {}).where(f"kind = {FLOW}")
    flows = in_base_currency(events, rates, {}).where("amount IS NOT NULL")
    periods = with_money_weighted(period_returns(ends, daily, calendar=calendar), flows).localCheckpoint()

    definitions = dict(_definitions(book))
    levels = calculation.benchmark_levels(spark, silver_rows(book, "benchmark_levels"))
    known = benchmark_levels(levels, None, definitions, calendars=calendars, calendar=calendar)
    days = level_days(known, calendar).localCheckpoint()
    named = account_benchmarks(accounts)

    def risk(frequency: FrequencyName, series: DataFrame) -> DataFrame:
        windows = with_benchmark(risk_windows(ends, periods, frequency, calendar), named)
        return risk_statistics(windows, series, frequency)

    months = account_months(daily, calendar)
    statistics = risk("daily", daily_series(daily, named, days)).unionByName(
        risk("monthly", monthly_series(months, named, days))
    )
    return Worked(
        daily={tenant: found for (tenant, _), found in calculation.by_tenant_and_account(daily).items()},
        periods=_by(periods, "period"),
        benchmarks=_by(benchmark_returns(periods, named, days, definitions), "period"),
        risk=_by(statistics.withColumn("which", F.concat_ws(" ", "window_name", "frequency")), "which"),
    )


def _definitions(book: list[Case]) -> Iterator[tuple[tuple[str, str], BenchmarkDefinition]]:
    for case in book:
        for path in sorted((case.folder / "benchmarks").glob("*.yaml")):
            yield (case.name, path.stem), load_yaml(path, BenchmarkDefinition)


def _by(rows: DataFrame, key: str) -> dict[str, dict[str, Row]]:
    found: dict[str, dict[str, Row]] = {}
    for row in rows.collect():
        found.setdefault(row["tenant_id"], {})[row[key]] = row.asDict()
    return found
