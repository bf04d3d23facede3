"""Current rows of silver for the accounts that are due, and no more of the history than they need."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.calculate.currency import LONGEST_SERVICE_DAYS
from jobs.calculate.policies import Policies, source_rank_sql
from jobs.platform.lake import Lake, latest
from jobs.platform.schemas import table

ACCOUNT = ["tenant_id", "account_id"]


@dataclass(frozen=True)
class Span:
    """The dates whose inputs are needed: after `after` (None: from the first input on) up to `through`."""

    after: date | None
    through: date


@dataclass(frozen=True)
class Silver:
    """The silver tables as far as their files may be used, for some tenants."""

    lake: Lake
    tenants: list[str]
    withheld: list[str]

    def every(self, name: str) -> DataFrame:
        """Every version of every row, but those of files that the gate withheld."""
        rows = self.lake.read(name).where(F.col("tenant_id").isin(self.tenants))
        return rows.where(~F.col("file_id").isin(self.withheld)) if self.withheld else rows

    def valuations(self, begin: DataFrame, span: Span) -> DataFrame:
        """Current valuations of the due accounts after their opening row."""
        return _after_opening(self.every("valuation"), "as_of_date", begin, span).transform(latest, table("valuation"))

    def transactions(self, begin: DataFrame, span: Span, policies: Policies) -> DataFrame:
        """Current transactions of the due accounts after their opening row, of the vendor that counts for each."""
        every, day = self.every("transaction"), "performance_date"
        # A version that moved a transaction elsewhere was loaded no earlier than the one that is in the dates.
        first = _after_opening(every, day, begin, span).agg(F.min("run_no")).first()
        since = first[0] if first and first[0] is not None else 0
        current = latest(every.where(F.col("run_no") >= since), table("transaction"))
        wanted = _after_opening(current, day, begin, span)
        return _of_counting_vendor(wanted, every, policies)

    def bookings(self, accounts_of: DataFrame, through: date, policies: Policies) -> DataFrame:
        """All current transactions of these accounts (tenant_id, account_id) up to `through`, of the vendor that
        counts for each."""
        every = self.every("transaction")
        current = latest(every, table("transaction")).where(F.col("performance_date") <= through)
        return _of_counting_vendor(current.join(accounts_of, ACCOUNT, "left_semi"), every, policies)

    def accounts(self, begin: DataFrame) -> DataFrame:
        """All dated versions of the due accounts' attributes."""
        return self.every("account").join(begin, ACCOUNT, "left_semi").transform(latest, table("account"))

    def fx_rates(self, span: Span) -> DataFrame | None:
        """Rates that the amounts can need; None where no rate was ever delivered."""
        if not self.lake.exists("fx_rate"):
            return None
        wanted = F.col("as_of_date") <= span.through
        if span.after is not None:
            wanted &= F.col("as_of_date") > span.after - timedelta(days=LONGEST_SERVICE_DAYS)
        return latest(self.every("fx_rate").where(wanted), table("fx_rate"))


def _of_counting_vendor(wanted: DataFrame, every: DataFrame, policies: Policies) -> DataFrame:
    deliverers = every.select("tenant_id", "vendor").distinct().collect()
    if len({row["tenant_id"] for row in deliverers}) == len(deliverers):
        return wanted
    best = every.groupBy(*ACCOUNT).agg(F.expr(f"min_by(vendor, {source_rank_sql(policies)}) AS vendor"))
    return wanted.join(best, [*ACCOUNT, "vendor"], "left_semi")


def _after_opening(rows: DataFrame, day: str, begin: DataFrame, span: Span) -> DataFrame:
    """The rows of due accounts dated after their opening row; `begin`: tenant_id, account_id, opened."""
    wanted = F.col(day) <= span.through
    if span.after is not None:
        wanted &= F.col(day) > span.after
    return (
        rows.where(wanted)
        .join(begin, ACCOUNT)
        .where(F.col("opened").isNull() | (F.col(day) > F.col("opened")))
        .drop("opened")
    )
