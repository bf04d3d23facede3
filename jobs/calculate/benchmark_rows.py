"""The rows of gold.account_benchmark_return that a run asks for, read from the lake and written to it."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.calculate.benchmark_changes import BenchmarkChanges, last_of_month
from jobs.calculate.benchmark_periods import benchmark_returns
from jobs.calculate.inputs import ACCOUNT, Silver
from jobs.calculate.market import Market
from jobs.platform.ledger import Run

PERIOD, BENCHMARK, EPOCH = "account_performance_period", "account_benchmark_return", "account_epoch"


def write_benchmark_returns(
    silver: Silver, run: Run, market: Market, written: DataFrame, changes: BenchmarkChanges
) -> int:
    """Benchmark returns beside the period rows that the run has written, and beside those of earlier runs that the
    mart keeps and whose benchmark's return may be another now. Returns the number of rows.

    A late level restates no account: only what is beside its benchmark is calculated again.
    """
    lake = silver.lake
    # Who never had a benchmark has no rows; who has one no more has rows that say so.
    named = silver.every("account").where("benchmark_id IS NOT NULL").select(*ACCOUNT).distinct()
    if named.isEmpty():
        return 0
    wanted = written
    earlier = changes.concerned(lake.read(PERIOD).where(F.col("run_no") != run.run_no), lake.read(EPOCH))
    if earlier is not None:
        wanted = last_of_month(written.unionByName(earlier))
    rows = benchmark_returns(
        wanted.join(named, ACCOUNT, "left_semi"), market.benchmarks, market.days, market.definitions
    )
    stamped = rows.withColumns({"run_id": F.lit(run.run_id), "run_no": F.lit(run.run_no).cast("long")})
    return lake.write_run(stamped, BENCHMARK, run.run_no, run.run_id)
