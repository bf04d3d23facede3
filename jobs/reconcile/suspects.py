"""The run's results that break a rule, read with what the rules ask beside them; a handful of rows."""

from __future__ import annotations

from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.calculate.benchmarks import with_benchmark, with_index_return
from jobs.calculate.epochs import current_rows
from jobs.calculate.inputs import Silver, named_few
from jobs.calculate.market import market
from jobs.calculate.policies import source_rank
from jobs.calculate.unpublished import Unpublished
from jobs.check.classes import classified
from jobs.check.holds import flagged_where_published, not_let_through_before
from jobs.check.tolerances import Tolerances
from jobs.platform.lake import Lake, latest
from jobs.platform.schemas import table
from jobs.platform.settings import Settings
from jobs.reconcile.results import ACCOUNT, MEASURES, beside_the_past, days_back, findings, suspects

DAILY, EPOCH, STATE, HELD = "account_performance_daily", "account_epoch", "account_state", "held_account"


class Suspects:
    """The suspects among the rows that the run has calculated. Without a rule nothing is read; without a suspect, as on
    most nights, no more than the run's own files."""

    def __init__(self, lake: Lake, settings: Settings, unpublished: Unpublished, tolerances: Tolerances) -> None:
        self.lake, self.settings, self.tolerances = lake, settings, tolerances
        self.unpublished, self.run = unpublished, unpublished.run

    @property
    def calculated(self) -> DataFrame | None:
        """The current daily rows that no publication has shown: the run's, and those of runs that died before they were
        judged; None where there are none, or no rule asks."""
        if not self.tolerances.has(*MEASURES) or self.lake.last_run(DAILY) < self.unpublished.first:
            return None
        rows = self.unpublished.of_table(self.lake, DAILY)
        if self.unpublished.first == self.run.run_no or not self.lake.exists(EPOCH):
            return rows
        return current_rows(rows, self.lake.read(EPOCH))

    def found(self) -> DataFrame | None:
        """tenant_id, account_id, as_of_date, rule, reason, severity, state; None where there are no suspects.

        What is published already cannot be held back: it is flagged, and the classes of restatements say whether it
        goes out.
        """
        rows = self.calculated
        if rows is None:
            return None
        rows = suspects(rows, self.tolerances).localCheckpoint()
        bounds = rows.agg(F.min("as_of_date"), F.max("as_of_date")).first()
        if bounds is None or bounds[0] is None:
            return None
        first, last = bounds
        named = named_few(rows)
        few = F.lit(True) if named is None else F.col("account_id").isin(named)
        rows = self._with_source(rows, F.col("as_of_date").between(first, last) & few)
        rows = self._with_benchmark(rows, last)
        rows = classified(rows, self.tolerances, *MEASURES)
        past = self._past(few, first, last)
        if past is not None:  # each rule that asks for it judges the rows by itself
            rows = rows.localCheckpoint()
        found = findings(rows, past, self.tolerances)
        found = flagged_where_published(found, self.lake.read(STATE))
        return not_let_through_before(found, self.lake.read(HELD)) if self.lake.exists(HELD) else found

    def _silver(self) -> Silver:
        return Silver(
            self.lake,
            list(self.unpublished.progress),
            self.run.ledger.withheld_files(self.run),
        )

    def _with_source(self, rows: DataFrame, wanted: F.Column) -> DataFrame:
        """With vendor and feed of the value that counts on the row's date."""
        silver = self._silver()
        policies = {tenant: self.settings.tenant(tenant) for tenant in silver.tenants}
        values = latest(silver.every("valuation").where(wanted), table("valuation"))
        first = F.min_by(F.struct("vendor", "feed"), source_rank(policies)).alias("source")
        source = values.groupBy(*ACCOUNT, "as_of_date").agg(first)
        joined = rows.join(source, [*ACCOUNT, "as_of_date"], "left")
        return joined.select(*rows.columns, "source.vendor", "source.feed")

    def _past(self, few: F.Column, first: date, last: date) -> DataFrame | None:
        """The accounts' returns before, as far back as any rule looks; None where none compares with them."""
        asked = beside_the_past(self.tolerances)
        if not asked:
            return None
        since = first - timedelta(days=max(days_back(rule) for rule in asked))
        daily = self.lake.read(DAILY).where(F.col("as_of_date").between(since, last) & few & (F.col("days") == 1))
        past = current_rows(daily, self.lake.read(EPOCH)) if self.lake.exists(EPOCH) else daily
        return past.select(*ACCOUNT, "as_of_date", "twrr_daily")

    def _with_benchmark(self, rows: DataFrame, last: date) -> DataFrame:
        """With what the account's benchmark did meanwhile, where a rule compares with that."""
        if not any(limit.unit == "excess" for rule in self.tolerances.of("return_beyond") for limit in rule.limits):
            return rows.withColumn("benchmark_return", F.lit(None).cast("double"))
        beside = market(self._silver(), self.settings, last)
        named = with_benchmark(rows, beside.benchmarks)
        return with_index_return(named, beside.days, "benchmark_id", "benchmark_return").drop("benchmark_id")
