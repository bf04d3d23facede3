"""What an account's benchmark returned over its periods, and the excess both ways (specification, section 7)."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.calculate.benchmark_definitions import Definitions
from jobs.calculate.benchmarks import with_excess, with_index_return
from jobs.calculate.periods import TRAILING
from jobs.platform.business_calendar import weekday_no
from jobs.platform.local_rows import local_rows

KEY = ["tenant_id", "account_id", "as_of_date", "period"]
OF_PERIOD = [*KEY, "start_date", "twrr", "twrr_gross", "twrr_annualised", "status", "epoch"]
EXCESS = ["excess_arithmetic", "excess_geometric", "excess_arithmetic_gross", "excess_geometric_gross"]
BASIS = T.StructType([T.StructField(name, T.StringType()) for name in ("tenant_id", "benchmark_id", "basis")])


def benchmark_returns(
    periods: DataFrame, benchmarks: DataFrame, days: DataFrame, definitions: Definitions | None = None
) -> DataFrame:
    """Rows of gold.account_benchmark_return, but run_id and run_no: one for each of `periods`.

    `periods`: rows of gold.account_performance_period. `benchmarks` and `days`: what `account_benchmarks` and
    `level_days` gave. The benchmark of a day counts for that day: a period is cut where the account's benchmark
    changes, each part is level(end) / level(begin), and the parts are linked. A part without a level at either end
    leaves the whole period without a return (no_level), as does a weekday without benchmark (no_benchmark).
    """
    parts = _parts(periods, benchmarks)
    in_period = f"{weekday_no('as_of_date')} - {weekday_no('start_date')}"
    known = with_index_return(parts, days, "benchmark_id", "part_return")
    linked = (
        _with_basis(known, definitions or {})
        .groupBy("ends_on", *[name for name in OF_PERIOD if name != "as_of_date"])
        .agg(
            F.expr("max(IF(as_of_date = ends_on, benchmark_id, NULL)) AS benchmark_id"),
            F.expr("CAST(count(benchmark_id) AS INT) AS benchmarks"),
            F.expr("IF(count(basis) = count(*) AND min(basis) = max(basis), min(basis), NULL) AS benchmark_basis"),
            F.expr(f"sum({weekday_no('as_of_date')} - {weekday_no('begin_date')}) AS covered_weekdays"),
            F.expr("count_if(benchmark_id IS NOT NULL AND part_return IS NULL) AS unknown_parts"),
            (F.product(1 + F.col("part_return")) - 1).alias("linked"),
        )
        .withColumnRenamed("ends_on", "as_of_date")
        .withColumn(
            "found",
            F.expr(f"""CASE WHEN status <> 'ok' THEN status WHEN start_date = as_of_date THEN 'no_period'
                           WHEN benchmarks = 0 OR covered_weekdays < {in_period} THEN 'no_benchmark'
                           WHEN unknown_parts > 0 THEN 'no_level' ELSE 'ok' END"""),
        )
        .withColumn("benchmark_return", F.expr("IF(found = 'ok', linked, NULL)"))
    )
    net = with_excess(linked, "twrr")
    both = with_excess(net, "twrr_gross", suffix="_gross")
    return both.selectExpr(
        *KEY,
        "start_date",
        "benchmark_id",
        "benchmarks",
        "benchmark_basis",
        "benchmark_return",
        f"{_annualised()} AS benchmark_annualised",
        *EXCESS,
        "found AS status",
        "epoch",
    )


def _parts(periods: DataFrame, benchmarks: DataFrame) -> DataFrame:
    """The periods (as_of_date: ends_on), each as often as it has benchmarks, with benchmark_id and the time for which
    it counts: after begin_date, up to as_of_date. Once and without benchmark_id where the account has none."""
    named = benchmarks.selectExpr(
        "tenant_id AS of_tenant", "account_id AS of_account", "benchmark_id", "from_date", "until_date"
    )
    meet = F.expr("""tenant_id = of_tenant AND account_id = of_account AND from_date <= as_of_date
                     AND (until_date > as_of_date OR until_date > date_add(start_date, 1))""")
    return periods.join(named, meet, "left").selectExpr(
        *[name for name in OF_PERIOD if name != "as_of_date"],
        "as_of_date AS ends_on",
        "benchmark_id",
        "greatest(start_date, date_sub(from_date, 1)) AS begin_date",
        "least(as_of_date, date_sub(until_date, 1)) AS as_of_date",
    )


def _with_basis(parts: DataFrame, definitions: Definitions) -> DataFrame:
    if not definitions:
        return parts.withColumn("basis", F.lit(None).cast("string"))
    declared = [(*key, one.basis) for key, one in sorted(definitions.items())]
    known = local_rows(parts.sparkSession, declared, BASIS)
    return parts.join(F.broadcast(known), ["tenant_id", "benchmark_id"], "left")


def _annualised() -> str:
    """As the account's own return: n years for an nY period, else calendar days / 365.25, beyond one year."""
    named = " ".join(f"WHEN '{name}' THEN {years}D" for name, years in TRAILING.items())
    years = f"(CASE period {named} ELSE datediff(as_of_date, start_date) / 365.25D END)"
    return f"IF(twrr_annualised IS NULL, NULL, power(1D + benchmark_return, 1D / {years}) - 1D)"
