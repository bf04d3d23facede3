"""The periods of groups that a run's daily rows ask for, and the statistics of composites."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.calculate.composites import composite_statistics
from jobs.calculate.gold import Gold, clear
from jobs.calculate.inputs import ACCOUNT
from jobs.calculate.member_changes import GROUP
from jobs.calculate.night import Night
from jobs.calculate.period_rows import month_ends, period_rows

PERIOD, STATISTICS = "group_performance_period", "composite_statistics"
OF_ACCOUNTS = "account_performance_period"
END = [*GROUP, "as_of_date"]


@dataclass(frozen=True)
class GroupPeriods:
    """What ends at the groups' new rows; `groups`, `accounts`, `converted`: their chain and those of their members,
    `foreign`: see `group_rows.GroupRows`, `memberships` as they are now."""

    night: Night
    groups: Gold
    accounts: Gold
    converted: Gold
    foreign: DataFrame | None
    memberships: DataFrame

    def write(self) -> dict[str, int | str]:
        """Write the periods of each group's last new row of a month, and the statistics of composites."""
        night, gold, lake, run = self.night, self.groups, self.night.lake, self.night.run
        ends = month_ends(gold.unpublished(night.progress), GROUP).localCheckpoint()
        if ends.isEmpty():
            self.clear()
            return {"group_periods": 0}
        epochs = lake.read(gold.epochs) if lake.exists(gold.epochs) else None
        found = period_rows(
            ends, lake.read(gold.daily), epochs, group_flows(gold, ends),
            policies=night.policies, calendar=night.calendar(), owner=GROUP,
        )  # fmt: skip
        counted = found.join(ends.select(*END, "members", "carried_members"), END)
        periods = lake.write_run(gold.stamped(counted), PERIOD, run.run_no, run.run_id)
        composites = ends.where("group_type = 'composite'").select("tenant_id", "as_of_date").distinct()
        return {"group_periods": periods, "composites": self._write_statistics(composites)}

    def clear(self) -> None:
        """Remove what an earlier attempt of the run has written."""
        for name in (PERIOD, STATISTICS):
            clear(self.night.lake, name, self.night.run)

    def _write_statistics(self, dates: DataFrame) -> int:
        """`dates`: tenant_id, as_of_date on which composites have new rows."""
        gold, lake, run = self.groups, self.night.lake, self.night.run
        if dates.isEmpty():
            clear(lake, STATISTICS, run)
            return 0
        written = lake.written_by(PERIOD, [run.run_no]).where("group_type = 'composite'")
        firm = lake.read(gold.daily).where("group_type = 'tenant'").join(F.broadcast(dates), dates.columns, "left_semi")
        composites = written.where("status = 'ok'").select(*END, "period", "start_date", "end_market_value", "members")
        statistics = composite_statistics(composites, self._member_periods(dates), self.memberships, gold.current(firm))
        numbered = statistics.join(written.select(*END, "period", "epoch"), [*END, "period"])
        return lake.write_run(gold.stamped(numbered), STATISTICS, run.run_no, run.run_id)

    def _member_periods(self, dates: DataFrame) -> DataFrame:
        """Periods of the composites' members in the reporting currency, on these dates."""
        lake, on_dates = self.night.lake, F.broadcast(dates)
        members = self.memberships.where("group_type = 'composite'").select(*ACCOUNT).distinct()
        rows = lake.read(OF_ACCOUNTS).join(on_dates, dates.columns, "left_semi")
        rows = self.accounts.current(rows).join(members, ACCOUNT, "left_semi")
        # Of several runs that looked at one date the last one counts.
        key = [*ACCOUNT, "as_of_date", "period"]
        figures = ["begin_market_value", "twrr", "is_partial", "status"]
        last = rows.groupBy(*key).agg(F.expr(f"max_by(struct({', '.join(figures)}), run_no) AS row"))
        own = last.select(*key, "row.*")
        if self.foreign is None or not lake.exists(self.converted.daily):
            return own
        own = own.join(self.foreign, ACCOUNT, "left_anti")
        daily = self.converted.current(lake.read(self.converted.daily))
        of_members = daily.join(self.foreign.join(members, ACCOUNT, "left_semi"), ACCOUNT, "left_semi")
        ends = of_members.join(on_dates, dates.columns, "left_semi").localCheckpoint()
        if ends.isEmpty():
            return own
        no_flows = ends.limit(0).selectExpr(*ACCOUNT, "as_of_date AS event_date", "net_flow AS amount")
        found = period_rows(
            ends, lake.read(self.converted.daily), lake.read(self.converted.epochs), no_flows,
            policies=self.night.policies, calendar=self.night.calendar(),
        )  # fmt: skip
        return own.unionByName(found.select(*key, *figures))


def group_flows(gold: Gold, ends: DataFrame) -> DataFrame:
    """tenant_id, group_type, group_id, event_date, amount: what came into and left the groups of `ends`, as their own
    rows have it. A group knows of a flow when its member is valued, with the date of that row."""
    rows = gold.lake.read(gold.daily).where("net_flow <> 0").join(ends.select(*GROUP).distinct(), GROUP, "left_semi")
    return gold.current(rows).selectExpr(*GROUP, "as_of_date AS event_date", "net_flow AS amount")
