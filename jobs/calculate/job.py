"""The step `calculate`: the due accounts' rows from the row before the first change on, those of their groups, and
the periods and risk that end with them, appended to gold."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession

from jobs.calculate import due as due_accounts
from jobs.calculate.account_chain import AccountChain
from jobs.calculate.again import Late, accounts_asked_again, ends_again, late_benchmarks
from jobs.calculate.benchmark_changes import LEVELS, BenchmarkChanges
from jobs.calculate.benchmark_rows import BENCHMARK, write_benchmark_returns
from jobs.calculate.daily import daily_performance
from jobs.calculate.gold import Gold, clear
from jobs.calculate.group_currency import foreign_accounts, in_group_currency
from jobs.calculate.group_rows import GroupRows
from jobs.calculate.inputs import ACCOUNT, Silver, Span
from jobs.calculate.market import market
from jobs.calculate.night import Night, end_of_month
from jobs.calculate.period_rows import flows_in_base_currency, month_ends, period_rows
from jobs.calculate.reporting import affected_foreign, late_rates
from jobs.calculate.restatement_rows import Restatements, with_waiting
from jobs.calculate.risk_rows import MONTH, RISK, RiskRows
from jobs.calculate.unpublished import Unpublished
from jobs.platform.lake import Lake, latest
from jobs.platform.ledger import Progress, Run
from jobs.platform.logs import get_log
from jobs.platform.schemas import table
from jobs.platform.settings import Settings

INPUTS = ["valuation", "transaction", "account", "account_group_member", "fx_rate", *LEVELS, "held_account"]
ACCOUNTS = ("account_performance_daily", "account_state", "account_epoch")
CONVERTED = ("account_performance_reporting", "account_reporting_state", "account_reporting_epoch")
PERIOD = "account_performance_period"


def run(spark: SparkSession, settings: Settings, run: Run) -> dict[str, int | str]:
    """Calculate all that is due up to the business date and write what gold does not hold already.

    Reads silver.valuation, transaction, account, account_group_member, fx_rate and gold.held_account; of gold's own
    rows the last published ones (account_state, account_reporting_state, group_state) and what is concerned of
    account_performance_daily, account_performance_reporting and group_performance_daily, which it writes with their
    epochs, periods and risk. The states and the tenants' progress advance when the rows are published.
    """
    nothing: dict[str, int | str] = {"accounts": 0, "rows": 0, "restated": 0}
    night = _night(spark, settings, run)
    if night is None:
        return nothing
    lake = night.lake
    restatements = Restatements.of(night)
    if restatements.waiting is None and _nothing_came(lake, run, night.progress):
        return nothing
    own, converted = Gold(lake, run, *ACCOUNTS), Gold(lake, run, *CONVERTED)
    affected = _affected(night, restatements.waiting).localCheckpoint()
    counters = AccountChain(night, own, daily_performance, restatements).write(affected)
    late = late_benchmarks(night)
    if counters["accounts"] or late or night.wrote_since("account"):
        counters |= _write_periods_and_risk(night, own, affected, late)
    else:
        counters |= _write_late_benchmarks(night)
    foreign = _foreign(night)
    if foreign is not None:
        counters |= _write_converted(night, own, converted, restatements.without_held(affected), foreign)
    counters |= GroupRows(night, own, converted, foreign).write(restatements)
    get_log().info("calculated", **counters)
    return counters


def groups_again(spark: SparkSession, settings: Settings, run: Run) -> dict[str, int | str]:
    """The run's groups once more, after a later step has held accounts for what came out, or let them through."""
    night = _night(spark, settings, run)
    if night is None:
        return {}
    own, converted = Gold(night.lake, run, *ACCOUNTS), Gold(night.lake, run, *CONVERTED)
    return GroupRows(night, own, converted, _foreign(night)).write_again()


def _night(spark: SparkSession, settings: Settings, run: Run) -> Night | None:
    """None where there is nothing to calculate from, or the run is published already: nothing is due then, and its rows
    must stay."""
    lake = Lake(spark, settings.lake_root)
    progress = Unpublished.of(run).progress
    tenants = list(progress)
    if not tenants or not lake.exists("valuation"):
        return None
    if all(done.run_no >= run.run_no for done in progress.values()):
        return None
    withheld = run.ledger.withheld_files(run)
    policies = {tenant: settings.tenant(tenant) for tenant in tenants}
    return Night(Silver(lake, tenants, withheld), settings, run, policies, progress)


def _nothing_came(lake: Lake, run: Run, progress: dict[str, Progress]) -> bool:
    """Whether it is plain without a look at the rows: no run wrote inputs since what is published, up to this date."""
    if run.from_date is not None:
        return False
    written = max(lake.last_run(name) for name in INPUTS)
    return all(
        one.calculated_through is not None and one.calculated_through >= run.business_date and one.run_no >= written
        for one in progress.values()
    )


def _affected(night: Night, waiting: DataFrame | None) -> DataFrame:
    silver = night.silver
    affected = due_accounts.affected_accounts(
        silver.every("valuation"),
        silver.every("transaction"),
        silver.every("account"),
        silver.every("fx_rate") if silver.lake.exists("fx_rate") else None,
        progress=night.progress,
        business_date=night.run.business_date,
        from_date=night.run.from_date,
        policies=night.policies,
        several_vendors=silver.several_vendors,
    )
    return affected if waiting is None else with_waiting(affected, waiting)


def _foreign(night: Night) -> DataFrame | None:
    """tenant_id, account_id of the accounts in another currency than the reporting one; None where there are none."""
    accounts = latest(night.silver.every("account"), table("account"))
    foreign = foreign_accounts(accounts, night.policies).localCheckpoint()
    return None if foreign.isEmpty() else foreign


def _write_converted(
    night: Night, own: Gold, converted: Gold, affected: DataFrame, foreign: DataFrame
) -> dict[str, int | str]:
    """The foreign accounts' rows in the reporting currency, a chain of its own."""
    known, before = night.lake.read(own.state), night.lake.read(converted.state)
    due = affected_foreign(affected, foreign, late_rates(night), known, before)
    counts = AccountChain(night, converted, in_group_currency).write(due)
    return {"converted_rows": counts.get("rows", 0), "converted_restated": counts.get("restated", 0)}


def _write_periods_and_risk(night: Night, own: Gold, affected: DataFrame, late: Late) -> dict[str, int | str]:
    """Periods and risk that end at the rows just written or are asked for again, from what gold holds with them."""
    lake, run, silver = night.lake, night.run, night.silver
    asked = accounts_asked_again(night, own, affected, late).localCheckpoint()
    rows = own.unpublished(night.progress)
    ends = month_ends(rows)
    again = ends_again(own, asked)
    if again is not None:
        further = again.join(rows.select(*ACCOUNT, "as_of_date"), [*ACCOUNT, "as_of_date"], "left_anti")
        ends = month_ends(ends.unionByName(further))
    ends = ends.localCheckpoint()
    if ends.isEmpty():
        for name in (PERIOD, MONTH, RISK):
            clear(lake, name, run)
        return {"periods": 0, "risk": 0, **_write_late_benchmarks(night)}
    calendar = night.calendar()
    rates = night.rates(Span(None, night.through), calendar)
    accounts = ends.select(*ACCOUNT).distinct()
    flows = flows_in_base_currency(silver, accounts, night.through, rates, night.policies)
    epochs = lake.read(own.epochs) if lake.exists(own.epochs) else None
    found = period_rows(ends, lake.read(own.daily), epochs, flows, policies=night.policies, calendar=calendar)
    periods = lake.write_run(own.stamped(found), PERIOD, run.run_no, run.run_id)
    written = lake.written_by(PERIOD, [run.run_no])
    beside = market(silver, night.settings, end_of_month(night.through))
    changes = BenchmarkChanges(silver, night.progress)
    benchmarks = write_benchmark_returns(silver, run, beside, written, changes)
    risk = RiskRows(silver, run, ends, beside, asked).write(rows, written)
    return {"periods": periods, "benchmarks": benchmarks, "risk": risk}


def _write_late_benchmarks(night: Night) -> dict[str, int | str]:
    """What late levels, or another benchmark, change beside published periods in a run without new ones."""
    lake, silver, run = night.lake, night.silver, night.run
    changes = BenchmarkChanges(silver, night.progress)
    if not (changes.levels or changes.accounts):
        clear(lake, BENCHMARK, run)
        return {"benchmarks": 0}
    beside = market(silver, night.settings, end_of_month(night.through))
    return {"benchmarks": write_benchmark_returns(silver, run, beside, lake.read(PERIOD).limit(0), changes)}


if __name__ == "__main__":
    from jobs.cli.step import submit

    submit("calculate")
