"""One run's daily rows of groups, read from the lake and written to it."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.calculate.account_chain import AccountChain
from jobs.calculate.due import is_fresh
from jobs.calculate.gold import Gold, Proposal, clear
from jobs.calculate.group_currency import in_group_currency
from jobs.calculate.group_due import changed_holds, due_groups, first_changes, renamed_counterparties
from jobs.calculate.group_history import GroupHistory
from jobs.calculate.group_members import Members
from jobs.calculate.group_periods import GroupPeriods
from jobs.calculate.group_restatements import GroupRestatements
from jobs.calculate.groups import group_daily, needed_after
from jobs.calculate.holds import holds
from jobs.calculate.inputs import ACCOUNT
from jobs.calculate.member_changes import GROUP
from jobs.calculate.membership import MEMBERSHIP, closed_times, memberships
from jobs.calculate.night import Night
from jobs.calculate.reporting import late_rates
from jobs.calculate.restatement_rows import Restatements
from jobs.platform.lake import latest
from jobs.platform.local_rows import local_rows
from jobs.platform.schemas import table

GROUPS = ("group_performance_daily", "group_state", "group_epoch")


class GroupRows:
    """The groups that members with new or changed rows, memberships, closings, holds and rates make due.

    `accounts`, `converted`: the accounts' chains, in their own currencies and in the reporting currency, whose rows of
    this run are written already; `foreign`: tenant_id, account_id of the accounts that the latter is of, None where
    there are none.
    """

    def __init__(self, night: Night, accounts: Gold, converted: Gold, foreign: DataFrame | None) -> None:
        self.night, self.lake, self.foreign = night, night.lake, foreign
        self.chains = (accounts, converted)
        self.gold = Gold(self.lake, night.run, *GROUPS)
        every, members = night.silver.every("account"), night.silver.every("account_group_member")
        self.accounts = latest(every, table("account"))
        self.members = latest(members, table("account_group_member"))
        self.memberships = memberships(self.members, self.accounts, night.policies).localCheckpoint()
        self.held = self._holds(F.lit(True))
        self.beside = self._touched_beside_their_rows() if night.has_history else []
        self.changed = self._changed_memberships()

    def write(self, restatements: Restatements) -> dict[str, int | str]:
        """Calculate the due groups from their last rows before the first change on and write what is new, with what
        the `restatements` of this run's accounts change in them, or would."""
        counts, touched, judge = self._write_due()
        if restatements.proposal is not None:
            self._preview(restatements.proposal, touched, judge)
        if restatements.waiting is not None:
            judge.withdraw(restatements.waiting, restatements.still_waiting())
        judge.write()
        return counts

    def write_again(self) -> dict[str, int | str]:
        """The same once more, after accounts were held or let through for what came out."""
        counts, _, judge = self._write_due()
        judge.write_again()
        return counts

    def _write_due(self) -> tuple[dict[str, int | str], DataFrame, GroupRestatements]:
        """Counters, the touched accounts, and what judges the restated groups."""
        touched = self._touched().localCheckpoint()
        judge = GroupRestatements(self.night, self.memberships, touched, self.changed)
        due = self.gold.with_state(due_groups(touched, self.memberships, self.changed)).localCheckpoint()
        return self._write_rows(due, touched, judge), touched, judge

    def _write_rows(self, due: DataFrame, touched: DataFrame, judge: GroupRestatements) -> dict[str, int | str]:
        periods = GroupPeriods(self.night, self.gold, *self.chains, self.foreign, self.memberships)
        counts = _counted(due)
        if counts["groups"] == 0:
            for name in (self.gold.daily, self.gold.epochs):
                clear(self.lake, name, self.night.run)
            periods.clear()
            return {"groups": 0, "group_rows": 0, "groups_restated": 0}
        opening = self._opening(due, counts)
        rows = self.gold.stamped(self._rows(due, opening, touched, goes_back=counts["going_back"] > 0))
        if self.night.run.from_date is not None:
            rows = rows.where(F.col("as_of_date") >= self.night.run.from_date)
        existing = self._existing(due, opening, goes_back=counts["going_back"] > 0)
        written = self.gold.write(rows, existing, judge)
        return {
            "groups": counts["groups"],
            "group_rows": written["rows"],
            "groups_restated": written["restated"],
            **periods.write(),
        }

    def _rows(self, due: DataFrame, opening: DataFrame | None, touched: DataFrame, *, goes_back: bool) -> DataFrame:
        """The due groups' rows after their opening ones: where some go back, what is published corrected by the members
        that have changed, if that can be told, and the rest from there."""
        history = self._history(due, opening, touched) if goes_back and opening is not None else None
        if history is None or opening is None:
            return self._calculated(due, opening, touched, self.chains)
        names = table(self.gold.state).names
        since = history.unionByName(opening, allowMissingColumns=True).groupBy(*GROUP)
        last = since.agg(F.max_by(F.struct(*[n for n in names if n not in GROUP]), "as_of_date").alias("row"))
        new = self._calculated(due, last.select(*GROUP, "row.*").select(*names).localCheckpoint(), touched, self.chains)
        return history.unionByName(new)

    def _history(self, due: DataFrame, opening: DataFrame, touched: DataFrame) -> DataFrame | None:
        night = self.night
        beside = [frame for frame in (*self.beside, self.changed) if frame is not None]
        if any(not frame.isEmpty() for frame in beside):
            return None
        restated = touched.where(night.is_published("from_date")).localCheckpoint()
        for others in (self.foreign, self.held):
            if others is not None and not restated.join(others, ACCOUNT, "left_semi").isEmpty():
                return None
        closed = closed_times(self.accounts, night.policies)
        history = GroupHistory(night, self.gold, self.chains[0], self.memberships, closed, night.calendar())
        rows = history.rows(due, opening, restated)
        return None if rows is None else rows.withColumn("quality_flags", F.lit("")).localCheckpoint()

    def _preview(self, proposal: Proposal, touched: DataFrame, judge: GroupRestatements) -> None:
        """What the groups of accounts that wait would be, had these gone out with this run."""
        since = proposal.opened.select(*ACCOUNT, "from_date")
        concerned = due_groups(since, self.memberships, None).select(*GROUP)
        every = touched.unionByName(since)
        due = due_groups(every, self.memberships, self.changed).join(concerned, GROUP, "left_semi")
        due = self.gold.with_state(due).localCheckpoint()
        own, converted = self.chains
        chains = replace(own, proposal=proposal), replace(converted, proposal=self._converted(since))
        opening = self._opening(due, _counted(due))
        calculated = self.gold.stamped(self._calculated(due, opening, every, chains)).localCheckpoint()
        judge.preview(self.gold, calculated, opening)

    def _converted(self, since: DataFrame) -> Proposal | None:
        """The foreign accounts of `since` (tenant_id, account_id, from_date) in the reporting currency."""
        if self.foreign is None:
            return None
        waits = since.join(self.foreign, ACCOUNT, "left_semi").withColumn("has_input", F.lit(True)).localCheckpoint()
        if waits.isEmpty():
            return None
        return AccountChain(self.night, self.chains[1], in_group_currency).proposed(waits)

    def _opening(self, due: DataFrame, counts: dict[str, int]) -> DataFrame | None:
        opening = self.gold.opening(due, known=counts["known"] > 0, going_back=counts["going_back"] > 0)
        return opening.localCheckpoint() if opening is not None and counts["going_back"] else opening

    def _calculated(
        self, due: DataFrame, opening: DataFrame | None, touched: DataFrame, chains: tuple[Gold, Gold]
    ) -> DataFrame:
        night = self.night
        wanted = self.memberships.join(due.select(*GROUP), GROUP, "left_semi")
        known = local_rows(night.spark, [], table(self.gold.state).struct) if opening is None else opening
        needed = needed_after(known, wanted)
        members = Members(night, chains, needed, touched, foreign=self.foreign, held=self.held)
        if members.bounds.after is None:  # groups that have lost all their members
            return local_rows(night.spark, [], table(self.gold.daily).struct).drop("epoch", "run_id", "run_no")
        rows, before = members.rows(), members.before()
        closed = closed_times(self.accounts, night.policies)
        transfers = members.transfers(rows, self.accounts)
        if members.bounds.foreign:
            revalued, last_values = members.revalued(rows, before, known.select("tenant_id", "as_of_date"), closed)
            rows = rows.unionByName(revalued, allowMissingColumns=True)
            before = before.unionByName(last_values, allowMissingColumns=True)
            before = before.groupBy(*ACCOUNT).agg(
                F.expr("max_by(struct(as_of_date, end_market_value, status), as_of_date) AS row")
            ).select(*ACCOUNT, "row.*")  # fmt: skip
        found = group_daily(
            opening, rows, before, wanted,
            transfers=transfers, closed=closed, calendar=night.calendar(), policies=night.policies,
        )  # fmt: skip
        return found.withColumn("quality_flags", F.lit(""))

    def _touched(self) -> DataFrame:
        """tenant_id, account_id, from_date since when what an account brings its groups is not what is published."""
        night, progress = self.night, self.night.progress
        parts = []
        for chain in self.chains:
            if night.wrote_since(chain.daily):
                parts.append(chain.written(progress).select(*ACCOUNT, F.col("as_of_date").alias("from_date")))
            if night.wrote_since(chain.epochs):
                opened = self.lake.read(chain.epochs).where(is_fresh(progress))
                parts.append(opened.select(*ACCOUNT, "from_date"))
        parts += self.beside
        if not parts:
            return local_rows(night.spark, [], table("account_epoch").struct).select(*ACCOUNT, "from_date")
        every = reduce(DataFrame.unionByName, parts)
        return every.groupBy(*ACCOUNT).agg(F.min("from_date").alias("from_date"))

    def _touched_beside_their_rows(self) -> list[DataFrame]:
        """Accounts whose rows are as they were, but not what groups make of them."""
        night, parts = self.night, []
        if night.wrote_since("account"):
            now = closed_times(self.accounts, night.policies)
            before = closed_times(self._known_before("account"), night.policies)
            parts.append(first_changes(now, before, ACCOUNT))
        if night.wrote_since("held_account") and self.lake.exists("held_account"):
            held_before = self._holds(~is_fresh(night.progress))
            none = holds(self.lake.read("held_account").where("false"))
            now, before = (none if held is None else held for held in (self.held, held_before))
            parts.append(changed_holds(now, before))
        late = late_rates(night) if self.foreign is not None else None
        if self.foreign is not None and late is not None:
            parts.append(self.foreign.join(F.broadcast(late), "tenant_id").select(*ACCOUNT, "from_date"))
        if night.wrote_since("transaction"):
            every = night.silver.every("transaction")
            late_transfers = every.where(is_fresh(night.progress) & night.is_published("performance_date"))
            if not late_transfers.isEmpty():
                parts.append(renamed_counterparties(every, late_transfers, table("transaction").key))
        return parts

    def _changed_memberships(self) -> DataFrame | None:
        """Memberships that are others than those that the published rows were made of."""
        night = self.night
        if not night.has_history or not (night.wrote_since("account") or night.wrote_since("account_group_member")):
            return None
        before = memberships(self._known_before("account_group_member"), self._known_before("account"), night.policies)
        return first_changes(self.memberships, before, MEMBERSHIP)

    def _known_before(self, name: str) -> DataFrame:
        """Current rows of a table of silver as they were when the tenants were published last."""
        return latest(self.night.silver.every(name).where(~is_fresh(self.night.progress)), table(name))

    def _holds(self, which: Column) -> DataFrame | None:
        """tenant_id, account_id, held_from as these rows of gold.held_account say; None where nothing is held."""
        if not self.lake.exists("held_account"):
            return None
        tenants = F.col("tenant_id").isin(self.night.silver.tenants)
        rows = self.lake.read("held_account").where(tenants & which & F.col("state").isin("held", "released"))
        return None if rows.isEmpty() else holds(rows)

    def _existing(self, due: DataFrame, opening: DataFrame | None, *, goes_back: bool) -> DataFrame | None:
        """What gold holds after the opening rows: on an ordinary night, whose opening rows are its last, nothing."""
        is_unpublished = self.night.wrote_since(self.gold.daily)
        if not goes_back and not is_unpublished and self.night.run.from_date is None:
            return None
        begin = self.gold.begin(due, opening)
        first = begin.selectExpr("min(opened)", "bool_or(opened IS NULL)").first()
        assert first is not None
        return self.gold.existing(begin, F.lit(True) if first[1] else F.col("as_of_date") > first[0])


def _counted(due: DataFrame) -> dict[str, int]:
    row = due.selectExpr("count(*) AS groups", "count(state) AS known", "count_if(goes_back) AS going_back").first()
    assert row is not None
    return row.asDict()
