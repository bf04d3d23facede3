"""Cash and holdings that a run touched, out of the lake: what was delivered, what before it, and what was booked since.

An ordinary night reads its own rows and those of the dates on which the accounts and their tenants were published last.
An account that is held or valued monthly was delivered since its own: on its tenant's, mostly. Only accounts that were
not delivered then, or that something of the past has come for, are looked for over LOOK_BACK days.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import cached_property, reduce
from typing import NamedTuple

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.calculate.due import is_published
from jobs.calculate.inputs import named_few
from jobs.calculate.policies import Policies, per_tenant
from jobs.calculate.unpublished import Unpublished
from jobs.check.classes import tolerances_of
from jobs.check.tolerances import Tolerances
from jobs.platform.lake import Lake, latest
from jobs.platform.local_rows import local_rows
from jobs.platform.mapping import load_mappings
from jobs.platform.schemas import table
from jobs.platform.settings import Settings
from jobs.reconcile.cash import base_currencies, cash_balances, cash_rolls, custodian_cash, statements
from jobs.reconcile.movements import traders
from jobs.reconcile.positions import HOLDER, delivered_pairs, position_quantities, position_values

LOOK_BACK = 40  # days in which an account's delivery before is looked for: monthly ones are found
PENDING = 10  # days from trade to settlement at most
DELIVERED = ("position", "valuation", "cash_balance")
ACCOUNT = ["tenant_id", "account_id"]
FRESH = T.StructType(
    [T.StructField(name, T.StringType()) for name in (*HOLDER, "source")]
    + [T.StructField(name, T.DateType()) for name in ("since", "last")]
    + [T.StructField("base_currency", T.StringType())]
)


def differences(lake: Lake, settings: Settings, unpublished: Unpublished) -> DataFrame | None:
    """The comparer of the step: cash and holdings of what this run touched; None where nothing came."""
    withheld = unpublished.run.ledger.withheld_files(unpublished.run)
    policies = {tenant: settings.tenant(tenant) for tenant in unpublished.progress}
    found = HoldingsRows(lake, unpublished, withheld, policies).differences(tolerances_of(lake, settings))
    return reduce(DataFrame.unionByName, found) if found else None


class Dates(NamedTuple):
    """Which dates of a source concern the run: all from `since` on, and those of `before`; and how many of its accounts
    were never published."""

    since: date
    before: list[date]
    new: int


class HoldingsRows:
    """What one run has to compare; `differences` gives a frame for each kind that something has come for."""

    def __init__(
        self, lake: Lake, unpublished: Unpublished, withheld: list[str], policies: Policies | None = None
    ) -> None:
        self.lake, self.run, self.unpublished, self.withheld = lake, unpublished.run, unpublished, withheld
        self.policies = policies or {}

    def differences(self, tolerances: Tolerances) -> list[DataFrame]:
        """Frames in the columns of a difference; none where no rule asks, or where neither came anything."""
        rolls_cash = tolerances.has("cash_difference")
        rolls_units = tolerances.has("position_quantity_difference")
        values = tolerances.has("position_value_difference")
        if not (rolls_cash or rolls_units or values) or not self._dates:
            return []
        found = []
        if "position" in self._dates:
            if rolls_units:
                pairs = delivered_pairs(self.positions, self._since("position")).localCheckpoint()
                found.append(position_quantities(self.positions, self.bookings, self.traders, pairs, tolerances))
            if values:
                found.append(position_values(self.positions, self._since("position"), tolerances))
        if rolls_cash and {"position", "valuation"} & set(self._dates):
            rolled = custodian_cash(self.valuations, self.positions, self._based("position", "valuation"))
            found.append(cash_rolls(rolled, self.bookings, self.traders, tolerances, table="valuation"))
        if rolls_cash and "cash_balance" in self._dates:
            since = self._since("cash_balance")
            rolled = statements(self.balances, since)
            found.append(cash_rolls(rolled, self.bookings, self.traders, tolerances, table="cash_balance"))
            found.append(cash_balances(self.balances, since, tolerances))
        return found

    # What came

    @cached_property
    def _fresh(self) -> DataFrame:
        """HOLDER, source (position, valuation, cash_balance), since (the first date of it that came, or of a booking
        that came late), last and base_currency (of the account's last published row; NULL: none)."""
        parts = [self._dated(name, "as_of_date") for name in DELIVERED if self._came(name)]
        there = [F.lit(name) for name in DELIVERED if self.lake.exists(name)]
        if there and self._came("transaction"):
            # What a late booking explains may have been a break since.
            late = self._dated("transaction", "performance_date").where(is_published(self.unpublished.progress, "on"))
            parts.append(late.withColumn("source", F.explode(F.array(*there))))
        if not parts:
            return local_rows(self.lake.spark, [], FRESH)
        came = reduce(DataFrame.unionByName, parts).groupBy(*HOLDER, "source").agg(F.min("on").alias("since"))
        state = self.lake.read("account_state").select(
            *ACCOUNT, F.col("as_of_date").alias("last"), F.col("currency").alias("base_currency")
        )
        return came.join(state, ACCOUNT, "left").localCheckpoint()

    @cached_property
    def _dates(self) -> dict[str, Dates]:
        """By source that something came for: the first date, and the last dates that were published of the accounts and
        of their tenants."""
        before = F.when(F.col("last") < F.col("since"), F.col("last"))
        found = self._fresh.groupBy("source").agg(
            F.min("since").alias("since"),
            F.collect_set(F.when(before >= F.date_sub("since", LOOK_BACK), before)).alias("before"),
            F.collect_set("tenant_id").alias("tenants"),
            F.count_if(F.col("last").isNull()).alias("new"),
        )
        return {row["source"]: self._dates_of(row) for row in found.collect()}

    def _dates_of(self, row: Row) -> Dates:
        since, progress = row["since"], self.unpublished.progress.items()
        days = {done.calculated_through for tenant, done in progress if tenant in row["tenants"]}
        near = {day for day in days if day is not None and since - timedelta(LOOK_BACK) <= day < since}
        return Dates(since, sorted(near.union(row["before"])), row["new"])

    def _since(self, *sources: str) -> DataFrame:
        of_these = self._fresh.where(F.col("source").isin(list(sources)))
        return of_these.groupBy(*HOLDER).agg(F.min("since").alias("since"))

    def _based(self, *sources: str) -> DataFrame:
        """`_since` with base_currency, the account's; only what was never published is looked for in its records."""
        of_these = self._fresh.where(F.col("source").isin(list(sources)))
        based = of_these.groupBy(*HOLDER).agg(F.min("since").alias("since"), F.first("base_currency").alias("_known"))
        if any(self._dates[name].new for name in sources if name in self._dates):
            new = of_these.where("last IS NULL").select(*ACCOUNT).distinct()
            accounts = self.lake.read("account").where(~F.col("file_id").isin(self.withheld))
            theirs = latest(accounts.join(new, ACCOUNT, "left_semi"), table("account"))
            based = based.join(base_currencies(theirs, self.run.business_date, self.policies), ACCOUNT, "left")
            based = based.withColumn("_known", F.coalesce("_known", "base_currency"))
        own = F.coalesce("_known", F.expr(per_tenant(self.policies, "reporting_currency")))
        return based.select(*HOLDER, "since", own.alias("base_currency"))

    def _came(self, name: str) -> bool:
        return self.unpublished.came(self.lake, name)

    def _dated(self, name: str, day: str) -> DataFrame:
        rows = self._counting(self.unpublished.of_table(self.lake, name, day), name)
        dated = rows.select(*HOLDER, F.lit(name).alias("source"), F.col(day).alias("on"))
        return dated.where(F.col("on") <= self.run.business_date)

    def _counting(self, rows: DataFrame, name: str) -> DataFrame:
        """Rows of the run's tenant, of files that were not withheld, and of valuations those that state cash."""
        if self.run.tenant is not None:
            rows = rows.where(F.col("tenant_id") == self.run.tenant)
        if self.withheld:
            rows = rows.where(~F.col("file_id").isin(self.withheld))
        if name == "valuation":  # a bank statement's is its closing balance, which stands in cash_balance
            rows = rows.where(F.col("cash_value").isNotNull() & ~F.col("feed").isin(_bank_feeds()))
        return rows

    # What it is compared with

    @cached_property
    def positions(self) -> DataFrame:
        return self._delivered("position")

    @cached_property
    def valuations(self) -> DataFrame:
        return self._delivered("valuation")

    @cached_property
    def balances(self) -> DataFrame:
        return self._delivered("cash_balance")

    def _delivered(self, name: str) -> DataFrame:
        """The touched accounts' rows that count, from the delivery before `since` on."""
        if name not in self._dates:
            return self.lake.read(name).where("false")
        first, before = self._dates[name].since, self._dates[name].before
        accounts = self._fresh.where(F.col("source") == name).drop("source")
        on = F.col("as_of_date")
        dated = self._rows(name, on.isin(before) | (on >= F.lit(first)))
        rows = _counted(dated.join(accounts, HOLDER).where("as_of_date >= least(since, last)"), name)
        # Known, and not delivered on the days looked at, or maybe once more after what is found: these are mostly few.
        newest = rows.where("as_of_date < since").groupBy(*HOLDER).agg(F.max("as_of_date").alias("_newest"))
        sought = F.coalesce(F.date_add("_newest", 1), F.date_sub("since", LOOK_BACK))
        lost = accounts.where(f"last >= date_sub(since, {LOOK_BACK})").join(newest, HOLDER, "left")
        lost = lost.withColumn("_from", sought).drop("_newest").where("_from < since")
        lost = lost.where(is_published(self.unpublished.progress, "_from"))
        bounds = lost.agg(F.min("_from"), F.max("since")).collect()[0]
        if bounds[0] is None:
            return rows.drop("since", "last", "base_currency")
        dated, few = self._rows(name, on.between(bounds[0], bounds[1] - timedelta(1))), named_few(lost)
        if few is not None:
            dated, lost = dated.where(F.col("account_id").isin(few)), F.broadcast(lost)
        further = dated.join(lost, HOLDER).where("as_of_date >= _from AND as_of_date < since")
        further = _counted(further.drop("_from"), name)
        return rows.unionByName(further).drop("since", "last", "base_currency")

    def _rows(self, name: str, dated: Column) -> DataFrame:
        rows = self.lake.read(name).where(dated & (F.col("as_of_date") <= self.run.business_date))
        return self._counting(rows, name)

    @cached_property
    def bookings(self) -> DataFrame:
        """The touched accounts' bookings since the deliveries before."""
        booked = self._booked(LOOK_BACK + PENDING).join(self._fresh.select(*HOLDER).distinct(), HOLDER, "left_semi")
        return latest(booked, table("transaction")).localCheckpoint()

    @cached_property
    def traders(self) -> DataFrame:
        """Vendors that have booked more than flows lately."""
        return traders(self._booked(LOOK_BACK))

    def _booked(self, days: int) -> DataFrame:
        first = min(dates.since for dates in self._dates.values()) - timedelta(days)
        dated = F.col("performance_date").between(first, self.run.business_date)
        return self._counting(self.lake.read("transaction").where(dated), "transaction")


def _counted(rows: DataFrame, name: str) -> DataFrame:
    """The rows that count, worked out once: several comparisons look at them."""
    return latest(rows, table(name)).localCheckpoint()


def _bank_feeds() -> list[str]:
    return [feed for feed, one in load_mappings().items() if any(t.table == "cash_balance" for t in one.targets)]
