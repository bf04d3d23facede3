"""Groups' published rows with what a few restated members change in them: a group's row is a sum over its members, so
only the rows of those members are read, as they were published and as they are now.

What this cannot tell from the sums alone (dates that come or go, transfers between members, carried foreign values,
holds, changed memberships) is left to the calculation from all members' rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.calculate.due import is_fresh, opening_from_gold
from jobs.calculate.epochs import current_rows
from jobs.calculate.gold import Gold
from jobs.calculate.group_members import KNOWN, NARROW
from jobs.calculate.groups import rows_of
from jobs.calculate.inputs import ACCOUNT, of_few
from jobs.calculate.member_changes import GROUP, KINDS, WEIGHTED, member_changes
from jobs.calculate.member_events import member_events
from jobs.calculate.night import Night
from jobs.calculate.windows import Sorted

MANY_SHARE = 4  # beyond a quarter of the accounts all members' rows are read as well
BY_DATE = Sorted(tuple(GROUP), ("as_of_date",))


def published_changes(rows: DataFrame, opening: DataFrame) -> DataFrame:
    """What members have changed in each of the groups' published `rows`, in the columns of
    `member_changes.member_changes`, and is_row (true). Rows come after the group's `opening` one, which is none of
    them; what happened between two rows is in the later one. Internal flows are taken out already."""
    before = {name: f"lag({name}) OVER ({BY_DATE.by})" for name in ("end_market_value", "valued_members")}
    changes = rows.unionByName(opening, allowMissingColumns=True).selectExpr(
        *GROUP,
        "as_of_date AS event_date",
        "CAST(NULL AS DATE) AS begin_date",
        "members - carried_members AS own_rows",
        "valued_members - carried_members AS valued_rows",
        f"valued_members - {before['valued_members']} AS valued_members",
        "contributions",
        "distributions",
        "fees",
        "gain_loss AS gain",
        f"weighted_capital - {before['end_market_value']} AS capital",
        f"end_market_value - {before['end_market_value']} AS value",
        # Of a row from before this was kept, all that may be carried counts as carried.
        "coalesce(end_market_value - carried_value, IF(carried_members = 0, end_market_value, 0)) AS row_value",
        f"CAST(NULL AS {WEIGHTED}) AS internal",
        "true AS is_row",
    )
    return changes.join(
        opening.select(*GROUP, F.col("as_of_date").alias("event_date")), [*GROUP, "event_date"], "left_anti"
    )


def corrected_changes(published: DataFrame, old: DataFrame, new: DataFrame, opening: DataFrame) -> DataFrame:
    """The groups' `published` changes without the `old` and with the `new` ones of the restated members, between each
    group's `opening` row and its last published one; is_row: whether a row was published for the date (else NULL)."""

    def signed(changes: DataFrame, sign: str) -> DataFrame:
        figures = [f"CAST({sign}{name} AS {kind}) AS {name}" for name, kind in KINDS.items()]
        return changes.selectExpr(*GROUP, "event_date", *figures, "CAST(NULL AS BOOLEAN) AS is_row")

    bounds = published.groupBy(*GROUP).agg(F.max("event_date").alias("through"))
    bounds = bounds.join(opening.select(*GROUP, F.col("as_of_date").alias("opened")), GROUP)
    every = published.selectExpr(*GROUP, "event_date", *KINDS, "is_row")
    every = every.unionByName(signed(old, "-")).unionByName(signed(new, ""))
    return (
        every.join(F.broadcast(bounds), GROUP)
        .where("event_date > opened AND event_date <= through")
        .groupBy(*GROUP, "event_date")
        .agg(
            *[F.expr(f"CAST(sum({name}) AS {kind}) AS {name}") for name, kind in KINDS.items()],
            F.expr("CAST(NULL AS DATE) AS begin_date"),
            F.bool_or("is_row").alias("is_row"),
        )
    )


@dataclass(frozen=True)
class GroupHistory:
    """`groups`, `accounts`: the chains; `closed` and `calendar` as for `groups.group_daily`."""

    night: Night
    groups: Gold
    accounts: Gold
    memberships: DataFrame
    closed: DataFrame
    calendar: DataFrame | None

    def rows(self, due: DataFrame, opening: DataFrame, restated: DataFrame) -> DataFrame | None:
        """Rows of the groups of `due` (those that go back, see `due.with_state`) after their `opening` rows up to their
        last published ones, after the accounts `restated` (tenant_id, account_id, from_date) have become others.

        None where that takes more than these accounts' rows.
        """
        back = due.where("goes_back").select(*GROUP)
        known = opening.join(back, GROUP, "left_semi").localCheckpoint()
        counts = (back.count(), known.count(), restated.count(), self.memberships.select(*ACCOUNT).distinct().count())
        if counts[0] != counts[1] or counts[2] * MANY_SHARE > counts[3]:
            return None
        published = self._published(known)
        if published is None:
            return None
        members = self.memberships.join(known.select(*GROUP), GROUP, "left_semi")
        members = members.join(F.broadcast(restated.select(*ACCOUNT)), ACCOUNT, "left_semi").localCheckpoint()
        old, new = self._changes(restated, members)
        if old is None or new is None:
            return None
        changes = corrected_changes(published, old, new, known).localCheckpoint()
        if not changes.where("coalesce(is_row, false) <> (own_rows > 0)").isEmpty():
            return None  # a date that comes or goes moves what lies between two rows
        return rows_of(changes.drop("is_row"), known, self.calendar, self.night.policies)

    def _published(self, opening: DataFrame) -> DataFrame | None:
        """Changes of the rows that are published; None where one has no capital to add to."""
        fresh = is_fresh(self.night.progress)
        gold, epochs = (self.night.lake.read(name).where(~fresh) for name in (self.groups.daily, self.groups.epochs))
        since = opening.select(*GROUP, F.col("as_of_date").alias("opened"))
        first = since.agg(F.min("opened")).first()
        assert first is not None
        rows = current_rows(gold.where(F.col("as_of_date") > F.lit(first[0])), epochs, GROUP)
        rows = rows.join(F.broadcast(since), GROUP).where("as_of_date > opened").drop("opened").localCheckpoint()
        return published_changes(rows, opening) if rows.where("weighted_capital IS NULL").isEmpty() else None

    def _changes(self, restated: DataFrame, members: DataFrame) -> tuple[DataFrame | None, DataFrame | None]:
        """What the restated members changed in their groups as published, and what they change now; None where a row
        of theirs counts in no plain way, or a transfer does."""
        gold, epochs = self.night.lake.read(self.accounts.daily), self.night.lake.read(self.accounts.epochs)
        first = restated.agg(F.min("from_date")).first()
        assert first is not None
        transfers = self.night.silver.every("transaction").where("counterparty_account_id IS NOT NULL")
        transfers = transfers.where(F.col("performance_date") >= F.lit(first[0]))
        named = transfers.selectExpr("tenant_id", "explode(array(account_id, counterparty_account_id)) AS account_id")
        if not named.join(F.broadcast(restated.select(*ACCOUNT)), ACCOUNT, "left_semi").isEmpty():
            return None, None
        gold = of_few(gold, restated)
        back = restated.withColumn("goes_back", F.lit(True))
        before = opening_from_gold(back, gold, epochs, self.accounts.state).select(*ACCOUNT, *KNOWN).localCheckpoint()
        since = gold.where(F.col("as_of_date") >= F.lit(first[0])).join(F.broadcast(restated), ACCOUNT)
        since = since.where("as_of_date >= from_date").select(*NARROW, "epoch", "run_no").localCheckpoint()
        if not since.where("status IN ('no_fx', 'excluded')").isEmpty():
            return None, None
        fresh = is_fresh(self.night.progress)
        old = current_rows(since.where(~fresh), epochs.where(~fresh))
        return self._changed(old, before, members), self._changed(current_rows(since, epochs), before, members)

    def _changed(self, rows: DataFrame, before: DataFrame, members: DataFrame) -> DataFrame:
        events = member_events(rows, before, members, transfers=None, closed=self.closed, calendar=self.calendar)
        return member_changes(events).localCheckpoint()
