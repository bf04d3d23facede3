"""The members' rows that groups go on with, as gold holds them: no more of the history than that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.calculate.gold import Gold
from jobs.calculate.group_currency import revaluations, transfers_between_accounts
from jobs.calculate.inputs import ACCOUNT, Span, of_few
from jobs.calculate.member_events import ROW
from jobs.calculate.night import Night

KNOWN = ["as_of_date", "end_market_value", "status", "currency"]
NARROW = [*ACCOUNT, *KNOWN, *ROW]
WANTED = "struct(as_of_date, end_market_value, status, currency)"


@dataclass(frozen=True)
class Bounds:
    """Of the accounts that are asked for: from when on, and where their last rows before that are found."""

    after: date | None  # None: nobody is asked for
    looked_up: int  # accounts whose last published row is not the one before
    looked_up_through: date | None
    foreign: int
    carried_since: date | None  # the earliest last row of a foreign account


class Members:
    """Rows of the accounts `needed` (tenant_id, account_id, opened: the date after which they are needed).

    `touched`: tenant_id, account_id, from_date since when rows are not those that are published; `foreign`: tenant_id,
    account_id of the accounts to be taken from the chain in the reporting currency, None where there are none; `held`:
    rows of these (tenant_id, account_id, held_from) count in no group, None where there are none.
    """

    def __init__(
        self,
        night: Night,
        chains: tuple[Gold, Gold],
        needed: DataFrame,
        touched: DataFrame,
        *,
        foreign: DataFrame | None,
        held: DataFrame | None,
    ) -> None:
        self.night, self.held = night, held
        self.own, self.converted = chains
        is_foreign = F.lit(False)
        if foreign is not None:
            needed = needed.join(foreign.withColumn("_foreign", F.lit(True)), ACCOUNT, "left")
            is_foreign = F.coalesce("_foreign", F.lit(False))
        self.needed = self._with_last_rows(needed.withColumn("is_foreign", is_foreign), touched).localCheckpoint()
        self.bounds = self._bounds()

    def _with_last_rows(self, needed: DataFrame, touched: DataFrame) -> DataFrame:
        """`needed` with last (the account's last published row) and is_looked_up (another one is the row before).

        Of an account of which nothing is published all rows are new, and none is older than the first of these.
        """
        lake = self.night.lake
        states = self._state(lake.read(self.own.state), "false")
        if self.converted_exists:
            states = states.unionByName(self._state(lake.read(self.converted.state), "true"))
        since = touched.groupBy(*ACCOUNT).agg(F.min("from_date").alias("since"))
        return (
            needed.join(states, [*ACCOUNT, "is_foreign"], "left")
            .join(since, ACCOUNT, "left")
            .where("last IS NOT NULL OR since IS NOT NULL")
            .selectExpr(
                *ACCOUNT,
                "is_foreign",
                "IF(last IS NULL, greatest(opened, date_sub(since, 1)), opened) AS opened",
                "last",
                "coalesce(last.as_of_date > opened OR (last IS NOT NULL AND since <= opened), false) AS is_looked_up",
            )
        )

    @property
    def converted_exists(self) -> bool:
        return self.night.lake.exists(self.converted.daily)

    @staticmethod
    def _state(state: DataFrame, is_foreign: str) -> DataFrame:
        return state.selectExpr(*ACCOUNT, f"{is_foreign} AS is_foreign", f"{WANTED} AS last")

    def _bounds(self) -> Bounds:
        row = self.needed.selectExpr(
            "min(opened)",
            "count_if(is_looked_up)",
            "max(IF(is_looked_up, opened, NULL))",
            "count_if(is_foreign)",
            "min(IF(is_foreign, last.as_of_date, NULL))",
        ).first()
        assert row is not None
        return Bounds(*row)

    def rows(self) -> DataFrame:
        """The rows in the reporting currency, of accounts that are not foreign or as they are converted."""
        found = self._after(self.own, "NOT is_foreign")
        if self.bounds.foreign and self.converted_exists:
            found = found.unionByName(self._after(self.converted, "is_foreign"))
        return found

    def before(self) -> DataFrame:
        """Each account's last row up to `opened`."""
        known = self.needed.where("last IS NOT NULL AND NOT is_looked_up").select(*ACCOUNT, "last.*")
        if not self.bounds.looked_up:
            return known
        found = known.unionByName(self._looked_up(self.own, "NOT is_foreign"))
        if self.bounds.foreign and self.converted_exists:
            found = found.unionByName(self._looked_up(self.converted, "is_foreign"))
        return found

    def revalued(
        self, rows: DataFrame, before: DataFrame, opened: DataFrame, closed: DataFrame
    ) -> tuple[DataFrame, DataFrame]:
        """Carried values of foreign accounts: on the dates of `rows` and of the groups' opening rows (`opened`:
        tenant_id, as_of_date), and for each account the last one up to its own date, beside its last row."""
        foreign = self.needed.where("is_foreign").select(*ACCOUNT, "opened")
        own = rows.select(*ACCOUNT, *KNOWN).unionByName(before.select(*ACCOUNT, *KNOWN))
        own = own.join(foreign.drop("opened"), ACCOUNT, "left_semi").localCheckpoint()
        local = self._in_own_currency(foreign)
        of_groups = opened.unionByName(
            rows.where("status NOT IN ('no_fx', 'excluded')").select("tenant_id", "as_of_date")
        ).distinct().localCheckpoint()  # fmt: skip
        # A rate may be missing on the last date: the value is then that of an earlier day.
        earlier = foreign.groupBy("tenant_id").agg(F.max("opened").alias("last"))
        first = F.lit(self.bounds.carried_since or self.night.through)
        days = earlier.where(F.col("last") >= first).select(
            "tenant_id", F.explode(F.sequence(first, F.col("last"))).alias("as_of_date")
        )
        rates = self.night.rates(Span(self._carried_after(), self.night.through), self.night.calendar())
        values = revaluations(
            own, local, of_groups.unionByName(days).distinct(), closed, rates=rates, policies=self.night.policies
        )
        dated = values.join(foreign, ACCOUNT).localCheckpoint()
        after = dated.where("as_of_date > opened").join(of_groups, ["tenant_id", "as_of_date"], "left_semi")
        last = dated.where("as_of_date <= opened").groupBy(*ACCOUNT)
        last_values = last.agg(F.expr("max_by(struct(as_of_date, end_market_value, status), as_of_date) AS v"))
        return after.drop("opened"), last_values.select(*ACCOUNT, "v.*")

    def _in_own_currency(self, foreign: DataFrame) -> DataFrame:
        """Rows of foreign accounts in their own currencies, from the last one before on."""
        states = self.night.lake.read(self.own.state).select(*ACCOUNT, *KNOWN)
        gold = self.own.rows()
        after = self._carried_after()
        if after is not None:
            gold = gold.where(F.col("as_of_date") > after)
        every = self.own.current(gold).select(*ACCOUNT, *KNOWN).unionByName(states)
        return every.join(foreign, ACCOUNT, "left_semi").dropDuplicates([*ACCOUNT, "as_of_date"])

    def _carried_after(self) -> date | None:
        """A day before every row that a carried value comes from."""
        days = [day for day in (self.bounds.carried_since, self.bounds.after) if day is not None]
        return None if self.bounds.looked_up or not days else min(days) - timedelta(days=1)

    def transfers(self, rows: DataFrame, accounts: DataFrame) -> DataFrame | None:
        """Journals and transfers between accounts that `rows` cover; None where there are none."""
        silver, night = self.night.silver, self.night
        named = silver.every("transaction").where("counterparty_account_id IS NOT NULL")
        if named.isEmpty():
            return None
        first = rows.agg(F.min("begin_date")).first()
        if first is None or first[0] is None:
            return None
        begin = self.needed.select(*ACCOUNT, F.lit(None).cast("date").alias("opened"))
        span = Span(first[0], night.through)
        if named.where(F.col("performance_date").between(first[0], night.through)).isEmpty():
            return None
        transactions = silver.transactions(begin, span, night.policies)
        rates = night.rates(span, night.calendar())
        found = transfers_between_accounts(transactions, accounts, rates=rates, policies=night.policies)
        return found.localCheckpoint()

    def _after(self, chain: Gold, which: str) -> DataFrame:
        gold = chain.rows().where(F.col("as_of_date") > F.lit(self.bounds.after))
        needed = self.needed.where(which).select(*ACCOUNT, "opened")
        rows = chain.current(gold).select(*NARROW).join(needed, ACCOUNT).where("as_of_date > opened").drop("opened")
        return self._not_held(rows)

    def _looked_up(self, chain: Gold, which: str) -> DataFrame:
        gold = chain.rows().where(F.col("as_of_date") <= F.lit(self.bounds.looked_up_through))
        needed = self.needed.where(f"is_looked_up AND {which}").select(*ACCOUNT, "opened")
        gold = of_few(gold, needed)
        rows = chain.current(gold.where("status <> 'no_fx'")).select(*ACCOUNT, *KNOWN).join(needed, ACCOUNT)
        rows = self._not_held(rows.where("as_of_date <= opened"))
        return rows.groupBy(*ACCOUNT).agg(F.expr(f"max_by({WANTED}, as_of_date) AS row")).select(*ACCOUNT, "row.*")

    def _not_held(self, rows: DataFrame) -> DataFrame:
        if self.held is None:
            return rows
        is_held = "r.tenant_id = h.tenant_id AND r.account_id = h.account_id AND r.as_of_date >= h.held_from"
        return rows.alias("r").join(F.broadcast(self.held).alias("h"), F.expr(is_held), "left_anti")
