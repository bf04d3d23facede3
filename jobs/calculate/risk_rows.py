"""What a run's daily rows ask for in gold.account_month and gold.account_risk, read from the lake and written to it."""

from __future__ import annotations

from datetime import date, timedelta
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.calculate.benchmarks import with_benchmark
from jobs.calculate.epochs import current_rows, with_epoch
from jobs.calculate.inputs import ACCOUNT, Silver, of_few
from jobs.calculate.market import Market
from jobs.calculate.months import account_months, current_months, ended_months, with_month_end
from jobs.calculate.risk import daily_series, monthly_series, risk_statistics, risk_windows
from jobs.calculate.risk_carried import KEY, carried_forward
from jobs.platform.ledger import Run

DAILY, MONTH, RISK, EPOCH = "account_performance_daily", "account_month", "account_risk", "account_epoch"
# An account whose last risk row is older than this has had a month-end since: nothing of it can be carried forward.
LOOK_BACK = timedelta(days=62)


class RiskRows:
    """One run's risk: the months that its rows end, and the statistics at the accounts' last rows of each month.

    An ordinary night ends no month and carries last month's statistics forward; daily returns are looked at for rows
    at month-ends only, so that what a night costs does not grow with the history.
    """

    def __init__(self, silver: Silver, run: Run, ends: DataFrame, market: Market, asked: DataFrame) -> None:
        """`ends`: daily rows that are the last of their account in a month; `asked`: accounts of which something that
        the statistics are made from is another than it was, since a date (`again.accounts_asked_again`)."""
        self.lake, self.run, self.ends, self.market, self.asked = silver.lake, run, ends, market, asked
        self.epochs = self.lake.read(EPOCH)

    def write(self, rows: DataFrame, periods: DataFrame) -> int:
        """Write both tables; `rows`: the run's daily rows, `periods`: the rows of
        gold.account_performance_period that end with `ends`. Returns the number of risk rows."""
        self._write_months(rows)
        windows = self._windows(self.ends, periods, "monthly").localCheckpoint()
        parts = [*self._monthly(windows), *self._daily(periods)]
        found = reduce(DataFrame.unionByName, parts)
        return self.lake.write_run(self._stamped(found), RISK, self.run.run_no, self.run.run_id)

    def _stamped(self, rows: DataFrame) -> DataFrame:
        return rows.withColumns({"run_id": F.lit(self.run.run_id), "run_no": F.lit(self.run.run_no).cast("long")})

    def _gold(self, accounts: DataFrame, first: date, last: date) -> DataFrame:
        """Current daily rows of at least these accounts between two dates, those just written among them."""
        rows = self.lake.read(DAILY).where(F.col("as_of_date").between(first, last))
        return current_rows(of_few(rows, accounts), self.epochs)

    def _write_months(self, new: DataFrame) -> None:
        ended = ended_months(new, self.market.calendar).localCheckpoint()
        first, last = ended.agg(F.min("month"), F.max("month")).collect()[0]
        if first is not None:
            daily = self._gold(ended, first.replace(day=1), last).withColumn("month", F.last_day("as_of_date"))
            whole = daily.join(ended, [*ACCOUNT, "month"], "left_semi").drop("month")
            months = with_epoch(account_months(whole, self.market.calendar), self.epochs)
            self.lake.write_run(self._stamped(months), MONTH, self.run.run_no, self.run.run_id)

    def _windows(self, ends: DataFrame, periods: DataFrame, frequency: str) -> DataFrame:
        windows = risk_windows(ends, periods, frequency, self.market.calendar)  # type: ignore[arg-type]
        return with_benchmark(windows, self.market.benchmarks)

    def _monthly(self, windows: DataFrame) -> list[DataFrame]:
        """Monthly statistics of every end: carried forward where nothing in them can have changed."""
        carried, asked = None, windows
        previous = self._previous()
        if previous is not None:
            carried = carried_forward(windows, previous, self.market.calendar)
            asked = windows.join(carried.select(*KEY), KEY, "left_anti")
        months = current_months(of_few(self.lake.read(MONTH), self.ends), self.epochs)
        months = months.join(asked.select(*ACCOUNT).distinct(), ACCOUNT, "left_semi")
        series = monthly_series(months, self.market.benchmarks, self.market.days)
        computed = risk_statistics(asked, series, "monthly")
        return [computed] if carried is None else [computed, carried]

    def _previous(self) -> DataFrame | None:
        """The accounts' latest monthly rows of earlier runs, as far as they may be carried forward: of accounts with
        one end, for which nothing of the ended months is another."""
        if not self.lake.exists(RISK):
            return None
        single = self.ends.groupBy(*ACCOUNT).agg(F.count("*").alias("ends"), F.max("as_of_date").alias("end"))
        changed = F.col("since") < F.trunc("end", "MM")
        as_before = single.where("ends = 1").join(self.asked, ACCOUNT, "left").where(~F.coalesce(changed, F.lit(False)))
        first = as_before.agg(F.min("end")).collect()[0][0]
        if first is None:
            return None
        recent = (F.col("as_of_date") >= first - LOOK_BACK) & (F.col("run_no") < self.run.run_no)
        rows = of_few(self.lake.read(RISK), self.ends).where(recent & (F.col("frequency") == "monthly"))
        latest = Window.partitionBy(*KEY).orderBy(F.desc("as_of_date"), F.desc("run_no"))
        rows = current_rows(rows, self.epochs).withColumn("_place", F.row_number().over(latest))
        return rows.where("_place = 1").drop("_place").join(as_before.select(*ACCOUNT), ACCOUNT, "left_semi")

    def _daily(self, periods: DataFrame) -> list[DataFrame]:
        """Daily statistics of the ends at month-ends."""
        at_month_end = with_month_end(self.ends, "as_of_date", self.market.calendar).where("is_month_end")
        windows = self._windows(at_month_end.drop("is_month_end"), periods, "daily")
        first, last = windows.agg(F.min("since"), F.max("until")).collect()[0]
        if first is None:
            return []
        rows = self._gold(self.ends, first, last).join(windows.select(*ACCOUNT).distinct(), ACCOUNT, "left_semi")
        return [risk_statistics(windows, daily_series(rows, self.market.benchmarks, self.market.days), "daily")]
