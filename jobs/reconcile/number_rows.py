"""New account numbers and what became of those proposed before, between the lake and gold.account_proposal."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from jobs.normalise.unknown_accounts import TABLE as UNKNOWN
from jobs.normalise.unknown_accounts import holdings_hash, is_held
from jobs.platform import account_decisions
from jobs.platform.lake import latest
from jobs.platform.logs import get_log
from jobs.platform.schemas import table
from jobs.reconcile import deliveries, proposals
from jobs.reconcile.account_night import AccountNight
from jobs.reconcile.deliveries import PAIR
from jobs.reconcile.proposals import PROPOSALS, RENUMBERED
from jobs.reconcile.renumbering import NUMBER, name_hash, proposed

FACTS = ["value", "currency", "holdings", "positions", "name"]


@dataclass
class Numbers:
    """The night's account numbers. `found` and `counts`: what `deliveries.notable` says of the night, if it came."""

    night: AccountNight
    found: DataFrame | None
    counts: Row | None
    asked_about: DataFrame | None = None  # PAIR of the accounts that are proposed under another number and undecided

    def differences(self) -> list[DataFrame]:
        """New numbers, and what became of earlier proposals; writes rows of gold.account_proposal."""
        night, found, counts = self.night, self.found, self.counts
        parts = [self._unknown()] if night.came(UNKNOWN) else []
        if found is not None and counts and counts["is_new"] and counts["is_absent"]:
            parts.append(self._new_accounts(found))
        decisions = account_decisions.taken_by(night.run.ledger.connection, night.run.run_no, since=night.first)
        opened = "SELECT EXISTS (SELECT FROM marts.account_proposal WHERE state = 'open' AND tenant_id = ANY (%s))"
        if not parts and not decisions and not night.asked(opened, list(night.progress)):
            return []
        earlier = night.lake.read(PROPOSALS).where(F.col("run_no") < night.run.run_no)
        before = proposals.latest_proposals(earlier).localCheckpoint()
        on = night.run.business_date
        by_person = proposals.decided(before, decisions, business_date=on)
        before = before.join(by_person, ["tenant_id", "proposal_id"], "left_anti")
        tonight = self._proposed(reduce(DataFrame.unionByName, parts), before).localCheckpoint() if parts else None
        delivered = None
        if night.values_came:
            delivered = night.pairs.select(*PAIR, F.element_at("dates", -1).alias("last_on"))
        back = proposals.withdrawn(before, delivered, self._known_numbers(), tonight, business_date=on)
        ended = by_person.unionByName(back).localCheckpoint()
        rows = ended.select(*proposals.NAMES)
        still = before.join(ended, ["tenant_id", "proposal_id"], "left_anti").where("state = 'open'")
        self.asked_about = proposals.accounts_in(still if tonight is None else still.unionByName(tonight, True))
        if tonight is not None:
            rows = rows.unionByName(tonight.select(*proposals.NAMES))
        self._write(rows)
        return [proposals.agreement(ended), *([proposals.differences(tonight)] if tonight is not None else [])]

    def _unknown(self) -> DataFrame:
        """Numbers that nobody knows, by what the night's files say of them; those of an earlier night that was not
        published may be known by now."""
        rows = self.night.lake.read(UNKNOWN).where(
            F.col("tenant_id").isin(list(self.night.progress)) & (F.col("run_no") >= self.night.since)
        )
        valued, holds = F.col("target") == "valuation", F.col("target") == "position"
        on = F.col("as_of_date")
        for known in self._known(F.lit(True)):
            rows = rows.join(known, NUMBER, "left_anti")
        return rows.groupBy(*NUMBER).agg(
            F.min("feed").alias("feed"),
            F.sum("waiting").alias("waiting"),
            F.min(on).alias("from_date"),
            F.min_by("market_value", F.when(valued, on)).alias("value"),
            F.min_by("currency", F.when(valued, on)).alias("currency"),
            F.min_by("holdings", F.when(holds, on)).alias("holdings"),
            F.min_by("positions", F.when(holds, on)).alias("positions"),
            F.lit(None).cast("string").alias("name"),
        )

    def _new_accounts(self, found: DataFrame) -> DataFrame:
        """Accounts of ours whose first value came now: it may be another account under a new number."""
        known = self.night.lake.read("account_state").select("tenant_id", "account_id")
        new = found.where("is_new").join(known, ["tenant_id", "account_id"], "left_anti")
        rows = new.select(*PAIR, F.element_at("dates", 1).alias("on"), F.col("first").alias("what"))
        return self._with_facts(rows).select(
            "tenant_id",
            "vendor",
            F.col("account_id").alias("account_number"),
            F.col("what.feed").alias("feed"),
            F.lit(0).cast("long").alias("waiting"),
            F.col("on").alias("from_date"),
            *FACTS,
        )

    def _proposed(self, numbers: DataFrame, before: DataFrame) -> DataFrame:
        asked = before.where((F.col("state") == "open") & (F.col("kind") == RENUMBERED)).select(
            "tenant_id", F.col("source_vendor").alias("vendor"), "account_number"
        )
        rejected = account_decisions.rejected(self.night.run.ledger.connection)
        no_account = [one for one in rejected if one.account_id is None]
        numbers = proposals.without(numbers.join(asked, NUMBER, "left_anti"), no_account).localCheckpoint()
        newest = numbers.groupBy("tenant_id", "vendor").agg(F.max("from_date").alias("_newest"))
        last_on = F.element_at("dates", -1)
        gone = self.night.pairs.join(F.broadcast(newest), ["tenant_id", "vendor"]).where(last_on < F.col("_newest"))
        accounts = self._with_facts(gone.select(*PAIR, last_on.alias("on"), F.col("last").alias("what")))
        resembling = proposed(
            numbers, accounts.withColumnRenamed("on", "last_on"), proposals.pairs_of(self.night.lake.spark, rejected)
        )
        return proposals.open_proposals(
            numbers, resembling, before, self.night.tolerances, business_date=self.night.run.business_date
        )

    def _with_facts(self, rows: DataFrame) -> DataFrame:
        """Accounts (PAIR, on, what: a valuation) with FACTS: value, currency, holdings on the day, and the name."""
        rows = rows.localCheckpoint()
        records = self.night.read("account").join(rows, ["tenant_id", "account_id"], "left_semi")
        last = F.max_by(name_hash(F.col("account_name")), F.struct("effective_from", "arrival_no"))
        named = records.groupBy("tenant_id", "account_id").agg(last.alias("name"))
        beside = rows.join(named, ["tenant_id", "account_id"], "left")
        if self.night.lake.exists("position"):
            day = F.col("as_of_date")
            recent = self.night.read("position").where(
                (day > F.lit(self.night.through - deliveries.LOOK_BACK)) & (day <= F.lit(self.night.through))
            )
            of_day = rows.select(*PAIR, F.col("on").alias("as_of_date"))
            held = latest(recent.join(of_day, [*PAIR, "as_of_date"], "left_semi"), table("position"))
            holdings = held.groupBy(*PAIR).agg(
                holdings_hash().alias("holdings"), F.count_if(is_held()).alias("positions")
            )
            beside = beside.join(holdings, PAIR, "left")
        else:
            beside = beside.withColumns({"holdings": F.lit(None).cast("string"), "positions": F.lit(None).cast("long")})
        return beside.select(
            *PAIR, "on", "what", F.col("what.market_value").alias("value"), F.col("what.currency").alias("currency"),
            "holdings", "positions", "name",
        )  # fmt: skip

    def _known_numbers(self) -> DataFrame | None:
        """Numbers that a file of the night says whose they are; None on nights without such."""
        came = self.night.came("account_xref") or self.night.came("account")
        return reduce(DataFrame.unionByName, self._known(F.col("run_no") >= self.night.since)) if came else None

    def _known(self, where: Column) -> list[DataFrame]:
        """NUMBER of the rows of account_xref and of account for which `where` holds."""
        meant, recorded = (self.night.read(name).where(where) for name in ("account_xref", "account"))
        number = F.col("vendor_account_number").alias("account_number")
        return [
            meant.select("tenant_id", F.col("source_vendor").alias("vendor"), number),
            recorded.select("tenant_id", "vendor", F.col("account_id").alias("account_number")),
        ]

    def _write(self, rows: DataFrame) -> None:
        counts = rows.groupBy("kind", "state").count().collect()
        for row in counts:
            get_log().info("account_proposals", kind=row["kind"], state=row["state"], count=row["count"])
        if counts or self.night.lake.last_run(PROPOSALS) >= self.night.run.run_no:
            run_no, run_id = self.night.run.run_no, self.night.run.run_id
            stamped = rows.withColumns({"run_no": F.lit(run_no).cast("long"), "run_id": F.lit(run_id)})
            self.night.lake.write_run(stamped, PROPOSALS, run_no, run_id)
