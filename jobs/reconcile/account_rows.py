"""Vendors' accounts against our records: what concerns the night's rows, and nothing on other nights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from jobs.calculate.unpublished import Unpublished
from jobs.check.classes import tolerances_of
from jobs.platform.lake import Lake, latest
from jobs.platform.mapping import load_mappings
from jobs.platform.schemas import table
from jobs.platform.settings import Settings
from jobs.reconcile import deliveries, sources
from jobs.reconcile.account_night import AccountNight
from jobs.reconcile.breaks import BREAKS, as_differences, latest_breaks
from jobs.reconcile.changes import changes
from jobs.reconcile.deliveries import PAIR
from jobs.reconcile.levels import LIVING
from jobs.reconcile.number_rows import Numbers


@dataclass
class AccountMaster:
    """The account master of a night."""

    night: AccountNight

    def differences(self) -> list[DataFrame]:
        """All differences of the night; writes what is proposed about account numbers to gold.account_proposal."""
        if not self.night.progress:
            return []
        values_came = self.night.values_came
        found = self._notable() if values_came else None
        counts: Row | None = None
        parts: list[DataFrame] = []
        if found is not None:
            counts = found.agg(*[F.count_if(name).alias(name) for name in deliveries.FLAGS]).collect()[0]
            parts += self._of_deliveries(found, counts)
        if values_came or self.night.came("account"):
            parts += self._of_closings()
        numbers = Numbers(self.night, found, counts)
        parts += numbers.differences()
        if found is not None and counts and counts["is_missing"]:
            gone = deliveries.missing(found, self.night.tolerances)
            # One cause is said once: where it may go on under another number, that is what a person decides.
            asked = numbers.asked_about
            parts.append(gone if asked is None else gone.join(asked, PAIR, "left_anti"))
        if values_came:
            parts += self._of_sources()
        if self.night.came("account") and self.night.tolerances.has("account_changed"):
            parts.append(self._changes())
        return parts

    def _notable(self) -> DataFrame:
        night = self.night
        found = deliveries.notable(night.pairs, night.closed, since=night.since, through=night.published_through)
        return found.localCheckpoint()

    def _of_deliveries(self, found: DataFrame, counts: Row) -> list[DataFrame]:
        parts, night = [], self.night
        if counts["is_closed"]:
            parts.append(deliveries.closed_with_balance(found, night.tolerances))
        known = self._living("account_missing")
        if known is not None:
            parts.append(deliveries.back_again(known, night.pairs, night.closed))
        return parts

    def _of_closings(self) -> list[DataFrame]:
        """Of accounts that were closed with a balance: an account file alone may say otherwise."""
        night, known = self.night, self._living("account_closed_with_balance")
        if known is None:
            return []
        new = {"since": night.since, "through": night.published_through}
        return [deliveries.closed_otherwise(known, night.pairs, night.closed, **new)]

    def _living(self, type_: str) -> DataFrame | None:
        """The tenants' breaks of a type that live; None where the marts have none."""
        night = self.night
        lives = (
            "SELECT EXISTS (SELECT FROM marts.reconciliation_break WHERE type = %s"
            " AND state IN ('open', 'explained', 'accepted') AND tenant_id = ANY (%s))"
        )
        if not night.asked(lives, type_, list(night.progress)):
            return None
        of_type = (F.col("type") == type_) & F.col("tenant_id").isin(list(night.progress))
        rows = night.lake.read(BREAKS).where((F.col("run_no") < night.run.run_no) & of_type)
        return latest_breaks(rows).where(F.col("state").isin(LIVING))

    def _of_sources(self) -> list[DataFrame]:
        """Of tenants whose files of several vendors value accounts."""
        night = self.night
        feeds = [name for name, one in load_mappings().items() if any(t.table == "valuation" for t in one.targets)]
        several = night.run.ledger.connection.execute(
            "SELECT tenant_id FROM ops.file WHERE feed = ANY (%s) AND tenant_id = ANY (%s) AND status = 'accepted'"
            " GROUP BY tenant_id HAVING count(DISTINCT vendor) > 1",
            [feeds, list(night.progress)],
        ).fetchall()
        if not several or not night.tolerances.has("source_value_difference"):
            return []
        rows = night.read("valuation").where(
            F.col("tenant_id").isin([tenant for (tenant,) in several]) & (F.col("as_of_date") <= F.lit(night.through))
        )
        is_new = (F.col("run_no") >= night.since) | night.unpublished.is_ahead("as_of_date")
        touched = rows.where(is_new).select(*sources.ACCOUNT_DAY).distinct()
        bounds = touched.agg(F.min("as_of_date"), F.max("as_of_date")).first()
        if bounds is None or bounds[0] is None:
            return []
        concerned = rows.where(F.col("as_of_date").between(*bounds)).join(touched, sources.ACCOUNT_DAY, "left_semi")
        return [sources.source_values(latest(concerned, table("valuation")), night.policies, night.tolerances)]

    def _changes(self) -> DataFrame:
        night, rows = self.night, self.night.read("account")
        touched = rows.where(F.col("run_no") >= night.since).select(*PAIR).distinct()
        versions = rows.join(touched, PAIR, "left_semi")
        return changes(versions, night.tolerances, since=night.since, business_date=night.run.business_date)


def differences(lake: Lake, settings: Settings, unpublished: Unpublished) -> DataFrame | None:
    """The comparer of the step: vendors' accounts against our records; None where nothing is to be said."""
    night = AccountNight(
        lake,
        unpublished,
        tolerances_of(lake, settings),
        {tenant: settings.tenant(tenant) for tenant in unpublished.progress},
        unpublished.run.ledger.withheld_files(unpublished.run),
    )
    parts = [as_differences(rows) for rows in AccountMaster(night).differences()]
    return reduce(DataFrame.unionByName, parts) if parts else None
