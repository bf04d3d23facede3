"""Month-ends whose periods and risk are to be calculated again although their daily rows are as before."""

from __future__ import annotations

from datetime import date
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.calculate.benchmark_changes import LEVELS
from jobs.calculate.benchmark_definitions import benchmark_definitions
from jobs.calculate.benchmarks import RISK_FREE
from jobs.calculate.due import FROM_THE_FIRST, is_fresh, new_attributes
from jobs.calculate.gold import Gold
from jobs.calculate.inputs import ACCOUNT, of_few
from jobs.calculate.night import Night
from jobs.calculate.period_rows import month_ends
from jobs.calculate.policies import per_tenant
from jobs.platform.local_rows import local_rows

LATE = T.StructType(
    [
        T.StructField("tenant_id", T.StringType()),
        T.StructField("benchmark_id", T.StringType()),
        T.StructField("since", T.DateType()),
    ]
)
Late = list[tuple[str, str, date]]


def accounts_asked_again(night: Night, own: Gold, affected: DataFrame, late: Late) -> DataFrame:
    """tenant_id, account_id, since: accounts whose periods and risk follow from more than their new daily rows.

    A booking that moved within a sub-period can leave the daily row as it was, not the period's money-weighted return.
    A restatement that takes a month's last row away makes the row before it the month-end. Another benchmark, or a
    level that came `late`, changes the statistics that compare with it. A run with `from_date` calculates anew whatever
    is dated since. `affected`: the due accounts of `due.affected_accounts`; `late`: what `late_benchmarks` found.
    """
    lake, accounts, progress = night.lake, night.silver.every("account"), night.progress
    state = lake.read(own.state).select(*ACCOUNT, "as_of_date")
    booked = affected.join(state, ACCOUNT).where("booked_from <= as_of_date")
    parts = [booked.selectExpr(*ACCOUNT, "booked_from AS since")]
    if night.run.from_date is not None:
        parts.append(affected.select(*ACCOUNT, F.lit(night.run.from_date).alias("since")))
    if night.wrote_since(own.epochs):
        opened = lake.read(own.epochs).where(is_fresh(progress))
        parts.append(opened.selectExpr(*ACCOUNT, "CAST(trunc(from_date, 'MM') AS DATE) AS since"))
    if night.has_history and night.wrote_since("account"):
        moved = new_attributes(accounts, ["benchmark_id"], progress)
        parts.append(moved.where(F.col("from_date") <= night.through).withColumnRenamed("from_date", "since"))
    if late:
        base = f"coalesce(base_currency, {per_tenant(night.policies, 'reporting_currency')})"
        measured = accounts.selectExpr(
            *ACCOUNT, f"explode(array(benchmark_id, concat('{RISK_FREE}', {base}))) AS benchmark_id"
        )
        came = F.broadcast(local_rows(lake.spark, late, LATE))
        parts.append(measured.join(came, ["tenant_id", "benchmark_id"]).select(*ACCOUNT, "since"))
    return reduce(DataFrame.unionByName, parts).groupBy(*ACCOUNT).agg(F.min("since").alias("since"))


def late_benchmarks(night: Night) -> Late:
    """Benchmarks, blends among them, of which a level or return came after rows that it belongs to were published:
    (tenant_id, benchmark_id, first date concerned). Benchmarks are few."""
    silver, progress = night.silver, night.progress
    first: dict[tuple[str, str], date] = {}
    for name in LEVELS:
        if not night.wrote_since(name):
            continue
        rows, of = silver.every(name), ["tenant_id", "benchmark_id", "vendor"]
        came = rows.where(is_fresh(progress)).groupBy(*of).agg(F.min("as_of_date").alias("since"))
        known = rows.where(~is_fresh(progress)).select(*of).distinct().withColumn("is_known", F.lit(True))
        # Of a vendor that is new for the benchmark it is not said that the old one still counts, for any date.
        since = F.when(F.col("is_known"), F.col("since")).otherwise(F.expr(FROM_THE_FIRST))
        found = came.join(F.broadcast(known), of, "left").select("tenant_id", "benchmark_id", since.alias("since"))
        for tenant_id, benchmark_id, day in found.collect():
            done = progress[tenant_id].calculated_through
            if done is not None and day <= done:
                first[tenant_id, benchmark_id] = min(first.get((tenant_id, benchmark_id), day), day)
    if first:
        for (tenant_id, blend), definition in benchmark_definitions(night.settings, silver.tenants).items():
            dates = [first[tenant_id, one] for one in definition.components if (tenant_id, one) in first]
            if dates:
                first[tenant_id, blend] = min(dates)
    return [(*key, since) for key, since in sorted(first.items())]


def ends_again(own: Gold, asked: DataFrame) -> DataFrame | None:
    """Current daily rows of gold that are the last of their account in a month, dated since `asked` says; None where
    nothing is asked for, as on most nights."""
    first = asked.agg(F.min("since")).collect()[0][0]
    if first is None or not own.lake.exists(own.daily):
        return None
    rows = of_few(own.lake.read(own.daily).where(F.col("as_of_date") >= F.lit(first)), asked)
    rows = rows.join(asked, ACCOUNT).where("as_of_date >= since").drop("since")
    return month_ends(own.current(rows))
