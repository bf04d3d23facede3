"""The step `calculate`: the due accounts' rows from the row before the first change on, appended to gold."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.calculate import due as due_accounts
from jobs.calculate.benchmark_changes import LEVELS, BenchmarkChanges
from jobs.calculate.benchmark_rows import BENCHMARK, write_benchmark_returns
from jobs.calculate.currency import usable_rates
from jobs.calculate.daily import daily_performance
from jobs.calculate.due import is_fresh
from jobs.calculate.epochs import current_rows, first_differences, new_epochs, rows_to_write, with_epoch
from jobs.calculate.inputs import ACCOUNT, Silver, Span
from jobs.calculate.market import market
from jobs.calculate.period_rows import flows_in_base_currency, month_ends, period_rows
from jobs.calculate.policies import Policies
from jobs.calculate.risk_rows import MONTH, RISK, RiskRows, end_of_month
from jobs.platform.business_calendar import calendar_days, calendars_of
from jobs.platform.lake import Lake
from jobs.platform.ledger import Run
from jobs.platform.logs import get_log
from jobs.platform.settings import Settings

INPUTS = ["valuation", "transaction", "account", "fx_rate", *LEVELS]
DAILY, STATE, EPOCH = "account_performance_daily", "account_state", "account_epoch"
PERIOD = "account_performance_period"


def run(spark: SparkSession, settings: Settings, run: Run) -> dict[str, int | str]:
    """Calculate all that is due up to the business date and write what gold does not hold already.

    Reads silver.valuation, transaction, account, fx_rate and gold.account_state, account_performance_daily,
    account_epoch, held_account; writes gold.account_performance_daily and account_epoch. The state and the tenants'
    progress advance when the rows are published.
    """
    lake = Lake(spark, settings.lake_root)
    tenants = [run.tenant] if run.tenant else sorted({file.tenant_id for file in run.ledger.files(run=run)})
    nothing: dict[str, int | str] = {"accounts": 0, "rows": 0, "restated": 0}
    if not tenants or not lake.exists("valuation"):
        return nothing
    if all(run.ledger.progress(tenant).run_no >= run.run_no for tenant in tenants):
        return nothing  # published already: nothing is due, and its rows must stay
    if _nothing_came(lake, run, tenants):
        return nothing
    policies = {tenant: settings.tenant(tenant) for tenant in tenants}
    withheld = [file.file_id for file in run.ledger.files(status=["withheld"])]
    silver = Silver(lake, tenants, withheld)
    due = _due(silver, run, policies).persist()
    try:
        counts = _counted(due)
        if counts["accounts"] == 0:
            return nothing | _write_late_benchmarks(silver, settings, run)
        opening = _opening(due, counts, lake, run)
        begin = _begin(due, opening).persist()
        span = _span(begin, run, tenants)
        # To the end of the month, since whether a row is a month-end depends on the business days after it.
        calendar = calendar_days(spark, calendars_of(settings, tenants), end_of_month(span.through))
        rates = _rates(silver, span, calendar, policies)
        calculated = daily_performance(
            opening,
            silver.valuations(begin, span),
            silver.transactions(begin, span, policies),
            silver.accounts(begin),
            calendar=calendar,
            rates=rates,
            policies=policies,
        )
        rows = _with_flags(calculated, lake, span).withColumns(
            {"run_id": F.lit(run.run_id), "run_no": F.lit(run.run_no).cast("long")}
        )
        if run.from_date is not None:
            rows = rows.where(F.col("as_of_date") >= run.from_date)
        counters: dict[str, int | str] = {**counts, **_write(rows, _existing(begin, span, lake, run), lake, run)}
        counters |= _write_periods_and_risk(silver, settings, run, span, calendar=calendar, policies=policies)
        begin.unpersist()
        if rates is not None:
            rates.unpersist()
    finally:
        due.unpersist()
    get_log().info("calculated", **counters)
    return counters


def _nothing_came(lake: Lake, run: Run, tenants: list[str]) -> bool:
    """Whether it is plain without a look at the rows: no run wrote inputs since what is published, up to this date."""
    if run.from_date is not None:
        return False
    written = max(lake.last_run(name) for name in INPUTS)
    done = [run.ledger.progress(tenant) for tenant in tenants]
    return all(
        one.calculated_through is not None and one.calculated_through >= run.business_date and one.run_no >= written
        for one in done
    )


def _due(silver: Silver, run: Run, policies: Policies) -> DataFrame:
    affected = due_accounts.affected_accounts(
        silver.every("valuation"),
        silver.every("transaction"),
        silver.every("account"),
        silver.every("fx_rate") if silver.lake.exists("fx_rate") else None,
        progress={tenant: run.ledger.progress(tenant) for tenant in silver.tenants},
        business_date=run.business_date,
        from_date=run.from_date,
        policies=policies,
    )
    return due_accounts.with_state(affected, silver.lake.read(STATE))


def _counted(due: DataFrame) -> dict[str, int]:
    row = due.agg(
        F.count("*").alias("accounts"),
        F.count_if(F.col("state").isNull()).alias("new_accounts"),
        F.count_if("goes_back").alias("accounts_going_back"),
    ).first()
    assert row is not None
    return row.asDict()


def _opening(due: DataFrame, counts: dict[str, int], lake: Lake, run: Run) -> DataFrame | None:
    if counts["accounts"] == counts["new_accounts"]:
        return None
    opening = due_accounts.opening_from_state(due)
    if not counts["accounts_going_back"]:
        return opening
    gold, epochs = _gold(lake, run)
    return opening.unionByName(due_accounts.opening_from_gold(due, gold, epochs))


def _begin(due: DataFrame, opening: DataFrame | None) -> DataFrame:
    """tenant_id, account_id, opened (date of the opening row; NULL: the account begins with its first input)."""
    if opening is None:
        return due.select(*ACCOUNT, F.lit(None).cast("date").alias("opened"))
    opened = opening.select(*ACCOUNT, F.col("as_of_date").alias("opened"))
    return due.select(*ACCOUNT).join(opened, ACCOUNT, "left")


def _span(begin: DataFrame, run: Run, tenants: list[str]) -> Span:
    """An account that goes back is calculated through to the last published date, also by a run of an earlier one."""
    first = begin.agg(F.min("opened"), F.bool_or(F.col("opened").isNull())).first()
    assert first is not None
    done = [run.ledger.progress(tenant).calculated_through for tenant in tenants]
    return Span(
        after=None if first[1] else first[0],
        through=max([run.business_date, *[day for day in done if day is not None]]),
    )


def _rates(silver: Silver, span: Span, calendar: DataFrame | None, policies: Policies) -> DataFrame | None:
    """Kept, since three legs look rates up: planned once instead of three times, and a small table."""
    delivered = silver.fx_rates(span)
    return None if delivered is None else usable_rates(delivered, calendar, policies).persist()


def _gold(lake: Lake, run: Run) -> tuple[DataFrame, DataFrame]:
    """Daily rows and epochs of earlier runs: what an earlier attempt of this run wrote is about to be replaced."""
    earlier = F.col("run_no") != run.run_no
    return lake.read(DAILY).where(earlier), lake.read(EPOCH).where(earlier)


def _existing(begin: DataFrame, span: Span, lake: Lake, run: Run) -> DataFrame | None:
    """Current gold rows of the due accounts after their opening row; None where there are none, as on most nights."""
    if not lake.exists(DAILY):
        return None
    gold, epochs = _gold(lake, run)
    if span.after is not None:
        gold = gold.where(F.col("as_of_date") > span.after)
    if run.from_date is not None:
        gold = gold.where(F.col("as_of_date") >= run.from_date)
    rows = current_rows(gold, epochs).join(begin, ACCOUNT)
    rows = rows.where("opened IS NULL OR as_of_date > opened").drop("opened").persist()
    return None if rows.isEmpty() else rows


def _with_flags(rows: DataFrame, lake: Lake, span: Span) -> DataFrame:
    """quality_flags: the rules that only warn and that caught the account on that date."""
    if lake.exists("held_account"):
        caught = lake.read("held_account").where("severity = 'warn'")
        if span.after is not None:
            caught = caught.where(F.col("as_of_date") > span.after)
        if not caught.isEmpty():
            flags = caught.groupBy(*ACCOUNT, "as_of_date").agg(
                F.array_join(F.array_sort(F.collect_set("rule")), ",").alias("quality_flags")
            )
            joined = rows.join(flags, [*ACCOUNT, "as_of_date"], "left")
            return joined.withColumn("quality_flags", F.coalesce("quality_flags", F.lit("")))
    return rows.withColumn("quality_flags", F.lit(""))


def _write(calculated: DataFrame, existing: DataFrame | None, lake: Lake, run: Run) -> dict[str, int | str]:
    known = lake.read(EPOCH).where(F.col("run_no") != run.run_no) if lake.exists(EPOCH) else None
    if existing is None:
        written = lake.write_run(with_epoch(calculated, known), DAILY, run.run_no, run.run_id)
        if known is not None:
            _clear(lake, EPOCH, run)
        return {"rows": written, "restated": 0}
    calculated = calculated.persist()
    try:
        differences = first_differences(calculated, existing).persist()
        restated = differences.count()
        new = rows_to_write(calculated, existing, differences, known)
        written = lake.write_run(new, DAILY, run.run_no, run.run_id)
        if restated:
            opened = new_epochs(differences, known).withColumn("run_no", F.lit(run.run_no).cast("long"))
            lake.write_run(opened, EPOCH, run.run_no, run.run_id)
        else:
            _clear(lake, EPOCH, run)
        differences.unpersist()
    finally:
        calculated.unpersist()
        existing.unpersist()
    return {"rows": written, "restated": restated}


def _write_periods_and_risk(
    silver: Silver, settings: Settings, run: Run, span: Span, *, calendar: DataFrame | None, policies: Policies
) -> dict[str, int | str]:
    """Periods and risk that end at the rows just written, from what gold holds with them."""
    lake = silver.lake
    rows = _unpublished(silver, run)
    ends = month_ends(rows).persist()
    if ends.isEmpty():
        for name in (PERIOD, MONTH, RISK):
            _clear(lake, name, run)
        return {"periods": 0, "risk": 0, **_write_late_benchmarks(silver, settings, run)}
    rates = _rates(silver, Span(None, span.through), calendar, policies)
    try:
        flows = flows_in_base_currency(silver, ends.select(*ACCOUNT).distinct(), span.through, rates, policies)
        epochs = lake.read(EPOCH) if lake.exists(EPOCH) else None
        found = period_rows(ends, lake.read(DAILY), epochs, flows, policies=policies, calendar=calendar)
        found = found.withColumns({"run_id": F.lit(run.run_id), "run_no": F.lit(run.run_no).cast("long")})
        periods = lake.write_run(found, PERIOD, run.run_no, run.run_id)
        written = lake.written_by(PERIOD, [run.run_no])
        beside = market(silver, settings, end_of_month(span.through))
        changes = BenchmarkChanges(silver, {tenant: run.ledger.progress(tenant) for tenant in silver.tenants})
        days = beside.days.persist()
        try:
            benchmarks = write_benchmark_returns(silver, run, beside, written, changes)
            risk = RiskRows(silver, run, ends, beside, changes.levels).write(rows, written)
        finally:
            days.unpersist()
        return {"periods": periods, "benchmarks": benchmarks, "risk": risk}
    finally:
        ends.unpersist()
        if rates is not None:
            rates.unpersist()


def _write_late_benchmarks(silver: Silver, settings: Settings, run: Run) -> dict[str, int | str]:
    """What late levels, or another benchmark, change beside published periods in a run without new ones."""
    changes = BenchmarkChanges(silver, {tenant: run.ledger.progress(tenant) for tenant in silver.tenants})
    if not (changes.levels or changes.accounts):
        _clear(silver.lake, BENCHMARK, run)
        return {"benchmarks": 0}
    through = max(done.calculated_through or run.business_date for done in changes.progress.values())
    none = silver.lake.read(PERIOD).limit(0)
    beside = market(silver, settings, end_of_month(through))
    return {"benchmarks": write_benchmark_returns(silver, run, beside, none, changes)}


def _unpublished(silver: Silver, run: Run) -> DataFrame:
    """Current daily rows that no publication has shown yet: the run's own, and those of runs that died before it."""
    lake = silver.lake
    progress = {tenant: run.ledger.progress(tenant) for tenant in silver.tenants}
    first = min(done.run_no for done in progress.values()) + 1
    rows = lake.written_by(DAILY, list(range(first, run.run_no + 1))).where(is_fresh(progress))
    return current_rows(rows, lake.read(EPOCH)) if lake.exists(EPOCH) else rows


def _clear(lake: Lake, name: str, run: Run) -> None:
    """Remove the run's own rows, where it has any."""
    if lake.exists(name) and not lake.read(name).where(F.col("run_no") == run.run_no).isEmpty():
        lake.write_run(lake.read(name).limit(0), name, run.run_no, run.run_id)


if __name__ == "__main__":
    from jobs.cli.step import submit

    submit("calculate")
