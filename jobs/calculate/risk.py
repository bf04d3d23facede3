"""Rows of marts.account_risk: windows of an account's track and their statistics (specification, section 7).

The statistics are NumPy on Arrow batches: one Python call per batch of accounts, none per account. On a million returns
all of them take 3.0 s so, nearly all of it to bring each account's returns together; a third of them by Spark's own
array functions takes 10 s. The workers import this package: on a cluster it is installed there, or shipped with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.calculate.benchmarks import with_benchmark, with_market_returns
from jobs.calculate.months import with_month_end
from jobs.calculate.risk_batches import STATISTICS, Frequency, statistics_of_batch
from jobs.platform.schemas import table

ACCOUNT = ["tenant_id", "account_id"]
YEARS = {"1Y": 1, "3Y": 3, "5Y": 5}
FREQUENCIES = {"daily": Frequency("daily", 252, 20), "monthly": Frequency("monthly", 12, 12)}
LAST = ["benchmark_id", "status", "epoch"]
FrequencyName = Literal["daily", "monthly"]
SERIES = ["as_of_date", "own_return", "benchmark_return", "risk_free_return"]
WINDOW = ["as_of_date", "window_name", "since", "until", "benchmark_id", "status", "epoch"]


def risk_windows(
    ends: DataFrame, periods: DataFrame, frequency: FrequencyName, calendar: DataFrame | None = None
) -> DataFrame:
    """The windows ITD, 1Y, 3Y and 5Y of each end row: tenant_id, account_id, as_of_date, window_name, since (the
    returns dated after it count), until (and up to it), status (ok, insufficient_history, why the row has no track) and
    epoch.

    `ends` are current rows of gold.account_performance_daily; `periods` their rows of the period mart, which say
    whether the track reaches back far enough (section 4: one rule for both marts). Monthly windows end with the last
    ended month, which is the row's own where the row is on or after its last business day.
    """
    own = with_month_end(ends.select(*ACCOUNT, "as_of_date", "track_no", "status", "epoch"), "as_of_date", calendar)
    chosen = periods.where(F.col("period").isin("ITD", *YEARS)).selectExpr(
        *ACCOUNT, "as_of_date", "period AS window_name", "start_date", "status AS period_status"
    )
    back = "add_months(as_of_date, -12 * years)"
    until = (
        "IF(is_month_end, as_of_date, last_day(add_months(as_of_date, -1)))" if frequency == "monthly" else "as_of_date"
    )
    years = " ".join(f"WHEN '{name}' THEN {n}" for name, n in YEARS.items())
    return (
        chosen.join(own, [*ACCOUNT, "as_of_date"])
        .selectExpr("*", f"CASE window_name {years} END AS years")
        .selectExpr(
            *ACCOUNT,
            "as_of_date",
            "window_name",
            f"IF(years IS NULL, start_date, IF(is_month_end, last_day({back}), {back})) AS since",
            f"{until} AS until",
            """CASE WHEN track_no IS NULL THEN status
                    WHEN period_status = 'insufficient_history' THEN period_status ELSE 'ok' END AS status""",
            "epoch",
        )
    )


def daily_series(rows: DataFrame, benchmarks: DataFrame, days: DataFrame) -> DataFrame:
    """The daily returns that count: tenant_id, account_id, as_of_date, own_return, benchmark_return, risk_free_return.

    `rows` are current rows of gold.account_performance_daily, `benchmarks` and `days` what `account_benchmarks` and
    `level_days` gave. Rows over more than one business day and rows without a return are left out.
    """
    counted = rows.where("days = 1 AND track_no IS NOT NULL AND twrr_daily IS NOT NULL")
    return _series(counted, "twrr_daily", benchmarks, days)


def monthly_series(months: DataFrame, benchmarks: DataFrame, days: DataFrame) -> DataFrame:
    """As `daily_series`, from current rows of gold.account_month: the full months that have a return."""
    return _series(months.where("is_full AND return_net IS NOT NULL"), "return_net", benchmarks, days)


def risk_statistics(
    windows: DataFrame, series: DataFrame, frequency: FrequencyName, *, acceptable: float = 0.0
) -> DataFrame:
    """Rows of gold.account_risk, but run_id and run_no: one per window.

    `windows` is what `risk_windows` gave, with benchmark_id (`benchmarks.with_benchmark`); `series` the accounts'
    returns of the same frequency. `acceptable` is the minimum acceptable return per period, a fraction. A statistic
    that cannot be computed is NULL and takes no other down. status: ok; why the row has no track;
    insufficient_history; insufficient_returns (fewer than 20 daily or 12 monthly); insufficient_pairs (of benchmark or
    risk-free returns: what needs them is NULL); division_by_zero (some statistic's divisor is 0).
    """
    wanted = windows.groupBy(*ACCOUNT).agg(F.collect_list(F.struct(*WINDOW)).alias("windows"))
    returns = series.groupBy(*ACCOUNT).agg(F.collect_list(F.struct(*SERIES)).alias("series"))
    both = wanted.join(returns, ACCOUNT, "left").select(*ACCOUNT, "windows", "series")
    return both.mapInArrow(_worker(FREQUENCIES[frequency], acceptable), _result())


def result_columns() -> list[str]:
    """The columns of gold.account_risk, but run_id and run_no."""
    return [*ACCOUNT, "as_of_date", "window_name", "frequency", "since_date", "observations", *STATISTICS, *LAST]


def _series(rows: DataFrame, value: str, benchmarks: DataFrame, days: DataFrame) -> DataFrame:
    # A total loss is a loss of everything, also where the row's own figure is below -1.
    named = with_benchmark(
        rows.selectExpr(
            *ACCOUNT, "as_of_date", "begin_date", "currency", f"greatest({value}, -1D) AS own_return"
        ),
        benchmarks,
    )  # fmt: skip
    return with_market_returns(named, days).select(*ACCOUNT, *SERIES)


def _result() -> T.StructType:
    described = table("account_risk").struct
    return T.StructType([T.StructField(name, described[name].dataType) for name in result_columns()])


Batches = Iterator[pa.RecordBatch]


def _worker(frequency: Frequency, acceptable: float) -> Callable[[Iterable[pa.RecordBatch]], Batches]:
    def statistics(batches: Iterable[pa.RecordBatch]) -> Batches:
        return (statistics_of_batch(batch, frequency, acceptable) for batch in batches)

    return statistics
