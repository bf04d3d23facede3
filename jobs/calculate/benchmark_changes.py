"""Which benchmark returns that are published already may be others now: by late levels, or another benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.calculate.due import is_fresh
from jobs.calculate.epochs import current_rows
from jobs.calculate.inputs import ACCOUNT, Silver
from jobs.platform.ledger import Progress
from jobs.platform.schemas import table

LEVELS = ("benchmark_level", "benchmark_return")
FIRST_DAY = date(1000, 1, 1)  # before any row; four digits, or the way to the JVM loses the zeros


class BenchmarkChanges:
    """What came about benchmarks since each tenant's last publication, dated within what is published.

    `levels`: tenant -> the earliest date of a level, or of a return; `accounts`: tenant -> the earliest date from which
    an account has another benchmark. Tenants without are left out: on most nights both are empty.
    """

    def __init__(self, silver: Silver, progress: Mapping[str, Progress]) -> None:
        self.silver, self.progress = silver, progress
        published = {
            tenant_id: done.calculated_through
            for tenant_id, done in progress.items()
            if done.calculated_through is not None
        }
        self.levels: dict[str, date] = {}
        self.accounts: dict[str, date] = {}
        if not published:
            return
        kinds = [(self.levels, silver.every(name), "as_of_date") for name in LEVELS]
        kinds.append((self.accounts, self._accounts(), "since"))
        each = [
            rows.where(is_fresh(progress)).selectExpr("tenant_id", f"{place} AS kind", f"{day} AS since")
            for place, (_, rows, day) in enumerate(kinds)
        ]
        first = reduce(DataFrame.unionByName, each).groupBy("tenant_id", "kind").agg(F.min("since"))
        for tenant_id, place, since in first.collect():
            if tenant_id in published and since <= published[tenant_id]:
                found = kinds[place][0]
                found[tenant_id] = min(since, found.get(tenant_id, since))

    def concerned(self, periods: DataFrame, epochs: DataFrame) -> DataFrame | None:
        """Of earlier runs' rows of gold.account_performance_period the current ones, as far as their benchmark's return
        may be another now; None where there is none."""
        since = {**self.accounts, **self.levels}
        if not since:
            return None
        rows = current_rows(periods.where(F.col("as_of_date") >= min(since.values())), epochs)
        concerned = _dated_from(self.levels)
        if not self.accounts:
            return rows.where(concerned)
        changed = self._accounts().where(is_fresh(self.progress))
        since_then = changed.groupBy(*ACCOUNT).agg(F.min("since").alias("since"))
        joined = rows.join(since_then, ACCOUNT, "left")
        return joined.where(concerned | F.coalesce(F.col("as_of_date") >= F.col("since"), F.lit(False))).drop("since")

    def _accounts(self) -> DataFrame:
        """Versions of the accounts that came anew, with run_no and since, the day from which their benchmark holds,
        where the version before (of the same day, else of the day before) had another."""
        key = [name for name in table("account").key if name != "effective_from"]
        every = self.silver.every("account")
        anew = every.where(is_fresh(self.progress)).select(*key).distinct()
        whole = f"OVER (PARTITION BY {', '.join(key)})"
        in_order = f"OVER (PARTITION BY {', '.join(key)} ORDER BY effective_from, arrival_no, line_no)"
        versions = every.join(anew, key, "left_semi").selectExpr(
            *ACCOUNT,
            "run_no",
            "benchmark_id",
            # The first version holds before its date too.
            f"IF(effective_from = min(effective_from) {whole}, DATE '{FIRST_DAY}', effective_from) AS since",
            f"lag(struct(benchmark_id)) {in_order} AS before",
            f"min(run_no) {whole} AS first_run_no",
        )
        return versions.where("IF(before IS NULL, run_no > first_run_no, NOT before.benchmark_id <=> benchmark_id)")


def last_of_month(rows: DataFrame) -> DataFrame:
    """Of rows of gold.account_performance_period those that the mart keeps: each account's last of a month, and of two
    runs' the later."""
    account = ", ".join(ACCOUNT)
    place = f"rank() OVER (PARTITION BY {account}, trunc(as_of_date, 'MM') ORDER BY as_of_date DESC, run_no DESC)"
    return rows.selectExpr("*", f"{place} AS place").where("place = 1").drop("place")


def _dated_from(since: Mapping[str, date]) -> Column:
    tests = [
        (F.col("tenant_id") == tenant_id) & (F.col("as_of_date") >= day) for tenant_id, day in sorted(since.items())
    ]
    return reduce(or_, tests, F.lit(False))
