"""What is due: the accounts that new or changed inputs touch, each with the earliest date concerned."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from jobs.calculate.epochs import current_rows
from jobs.calculate.policies import Policies, per_tenant
from jobs.platform.ledger import Progress
from jobs.platform.schemas import table

ACCOUNT = ["tenant_id", "account_id"]
ATTRIBUTES = ["base_currency", "flow_timing", "in_performance"]


def affected_accounts(
    valuations: DataFrame,
    transactions: DataFrame,
    accounts: DataFrame,
    fx_rates: DataFrame | None,
    *,
    progress: Mapping[str, Progress],
    business_date: date,
    from_date: date | None,
    policies: Policies,
) -> DataFrame:
    """tenant_id, account_id, from_date (the earliest date whose row may change or is new), has_input (more than its
    attributes is due).

    All inputs are rows of silver with every version of them. An input dated up to `business_date` is due if a run
    after the tenant's published one loaded it, if it is dated after what is published, or if it is dated on or after
    `from_date`. A version of a transaction makes the dates and accounts of its earlier versions due too; new
    attributes are due from the day they hold, where they differ; a rate that came late is due for the amounts in
    foreign currency since its date.
    """
    due = _is_due("as_of_date", progress, business_date, from_date)
    inputs = [valuations.where(due).select(*ACCOUNT, F.col("as_of_date").alias("from_date"))]
    inputs.append(_by_transaction(transactions, progress, business_date, from_date))
    has_history = any(done.calculated_through is not None for done in progress.values())
    if has_history and fx_rates is not None:
        foreign = _foreign_amounts(valuations, transactions, accounts, policies)
        inputs.append(_by_rate(fx_rates, foreign.where(F.col("from_date") <= business_date), progress))
    every = reduce(DataFrame.unionByName, inputs).withColumn("has_input", F.lit(True))
    if has_history:
        every = every.unionByName(
            _by_attributes(accounts, progress, business_date).withColumn("has_input", F.lit(False))
        )
    return every.groupBy(*ACCOUNT).agg(F.min("from_date").alias("from_date"), F.bool_or("has_input").alias("has_input"))


def with_state(affected: DataFrame, state: DataFrame) -> DataFrame:
    """`affected` with `state`, the account's row of gold.account_state as a struct (NULL without one), and goes_back:
    something on or before the state's date is due, so that the state cannot be gone on from."""
    row = ", ".join(name for name in _names() if name not in ACCOUNT)
    known = state.selectExpr(*ACCOUNT, f"struct({row}) AS state")
    return (
        affected.join(known, ACCOUNT, "left")
        .where("has_input OR state IS NOT NULL")  # attributes alone give an account no row
        .selectExpr(*ACCOUNT, "from_date", "state", "coalesce(from_date <= state.as_of_date, false) AS goes_back")
    )


def opening_from_state(due: DataFrame) -> DataFrame:
    """Opening rows of the accounts whose due inputs are all later than their state."""
    return due.where("state IS NOT NULL AND NOT goes_back").select(*ACCOUNT, "state.*").select(*_names())


def opening_from_gold(due: DataFrame, gold: DataFrame, epochs: DataFrame) -> DataFrame:
    """Opening rows of the accounts that go back: the current row before the earliest date that is due.

    An account whose first row is due has none and begins anew.
    """
    wanted = due.where("goes_back").select(*ACCOUNT, "from_date")
    earlier = current_rows(gold, epochs).where("status <> 'no_fx'").join(wanted, ACCOUNT)
    row = F.struct(*[name for name in _names() if name not in ACCOUNT])
    last = (
        earlier.where(F.col("as_of_date") < F.col("from_date"))
        .groupBy(*ACCOUNT)
        .agg(F.max_by(row, "as_of_date").alias("row"))
    )
    return last.select(*ACCOUNT, "row.*").select(*_names())


def _names() -> list[str]:
    return table("account_state").names


def _is_due(day: str, progress: Mapping[str, Progress], business_date: date, from_date: date | None) -> Column:
    """Up to the business date, and loaded or dated after what the tenant has published."""
    tests = []
    for tenant_id, done in sorted(progress.items()):
        fresh = F.col("run_no") > done.run_no
        pending = F.lit(True) if done.calculated_through is None else F.col(day) > done.calculated_through
        tests.append((F.col("tenant_id") == tenant_id) & (fresh | pending))
    wanted = reduce(or_, tests, F.lit(False))
    if from_date is not None:
        wanted |= F.col("tenant_id").isin(list(progress)) & (F.col(day) >= from_date)
    return (F.col(day) <= business_date) & wanted


def _by_transaction(
    transactions: DataFrame, progress: Mapping[str, Progress], business_date: date, from_date: date | None
) -> DataFrame:
    """The due transactions, and the earlier versions of those that came anew."""
    key = table("transaction").key
    day = "performance_date"
    rows = transactions.select(*dict.fromkeys([*key, "account_id", day, "run_no"]))
    due = rows.where(_is_due(day, progress, business_date, from_date))
    parts = [due.select(*ACCOUNT, F.col(day).alias("from_date"))]
    if any(done.run_no > 0 for done in progress.values()):
        anew = rows.where(is_fresh(progress)).select(*key).distinct()
        before = rows.where(~is_fresh(progress)).join(anew, key, "left_semi")
        parts.append(before.where(F.col(day) <= business_date).select(*ACCOUNT, F.col(day).alias("from_date")))
    return reduce(DataFrame.unionByName, parts)


def _by_attributes(accounts: DataFrame, progress: Mapping[str, Progress], business_date: date) -> DataFrame:
    """Accounts whose file says something new about what matters here, from the day on which it holds."""
    order = Window.partitionBy(*table("account").key).orderBy("arrival_no", "line_no")
    what = F.struct(*ATTRIBUTES)
    versions = accounts.withColumns({"_what": what, "_before": F.lag(what).over(order)})
    anew = versions.where(is_fresh(progress) & (F.col("effective_from") <= business_date))
    differing = anew.where(F.col("_before").isNull() | ~F.col("_what").eqNullSafe(F.col("_before")))
    return differing.select(*ACCOUNT, F.col("effective_from").alias("from_date"))


def _foreign_amounts(
    valuations: DataFrame, transactions: DataFrame, accounts: DataFrame, policies: Policies
) -> DataFrame:
    """Accounts and dates of amounts in another currency than the account's."""
    amounts = valuations.selectExpr(*ACCOUNT, "as_of_date AS from_date", "currency").unionByName(
        transactions.selectExpr(*ACCOUNT, "performance_date AS from_date", "currency")
    )
    base = accounts.selectExpr(
        *ACCOUNT, f"coalesce(base_currency, {per_tenant(policies, 'reporting_currency')}) AS base"
    ).distinct()
    foreign = amounts.where("currency IS NOT NULL").join(base, ACCOUNT).where("currency <> base")
    return foreign.select(*ACCOUNT, "from_date")


def _by_rate(fx_rates: DataFrame, foreign: DataFrame, progress: Mapping[str, Progress]) -> DataFrame:
    """Amounts in foreign currency dated on or after a rate that came later than it was used."""
    published = [
        (F.col("tenant_id") == tenant_id) & (F.col("as_of_date") <= done.calculated_through)
        for tenant_id, done in sorted(progress.items())
        if done.calculated_through is not None
    ]
    late = fx_rates.where(is_fresh(progress) & reduce(or_, published, F.lit(False)))
    since = late.groupBy("tenant_id").agg(F.min("as_of_date").alias("since"))
    concerned = foreign.join(F.broadcast(since), "tenant_id").where("from_date >= since")
    return concerned.select(*ACCOUNT, "from_date")


def is_fresh(progress: Mapping[str, Progress]) -> Column:
    """Whether a row was written by a run after the one that its tenant has published."""
    tests = [
        (F.col("tenant_id") == tenant_id) & (F.col("run_no") > done.run_no)
        for tenant_id, done in sorted(progress.items())
    ]
    return reduce(or_, tests, F.lit(False))
