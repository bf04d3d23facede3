"""What is due: the accounts that new or changed inputs touch, each with the earliest date concerned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from jobs.calculate.currency import LONGEST_SERVICE_DAYS
from jobs.calculate.epochs import current_rows
from jobs.calculate.inputs import of_few
from jobs.calculate.policies import Policies, per_tenant, source_rank_sql
from jobs.platform.ledger import Progress
from jobs.platform.schemas import table

ACCOUNT = ["tenant_id", "account_id"]
OF_ACCOUNTS = "account_state"
ATTRIBUTES = ["base_currency", "flow_timing", "in_performance"]
LOOK_BACK = timedelta(days=62)  # within which an account has its row before another one, but for rare ones
FROM_THE_FIRST = "DATE '1000-01-01'"  # before any row: the whole history is concerned


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
    several_vendors: bool = False,
) -> DataFrame:
    """tenant_id, account_id, from_date (the earliest date whose row may change or is new), has_input (more than its
    attributes is due), booked_from (the earliest date of its due transactions, NULL without).

    All inputs are rows of silver with every version of them. An input dated up to `business_date` is due if a run
    after the tenant's published one loaded it, if it is dated after what is published, or if it is dated on or after
    `from_date`. A version of a transaction makes the dates and accounts of its earlier versions due too; new
    attributes are due from the day they hold, where they differ, an account's first ones for its whole history; a rate
    that came late is due for the amounts in its currencies that it can serve. `several_vendors`: whether a tenant has
    transactions of more than one, so that the one that counts for an account may have become another.
    """
    due = _is_due("as_of_date", progress, business_date, from_date)
    inputs = [valuations.where(due).select(*ACCOUNT, F.col("as_of_date").alias("from_date"))]
    booked = [_by_transaction(transactions, progress, business_date, from_date)]
    has_history = any(done.calculated_through is not None for done in progress.values())
    if has_history and several_vendors:
        booked.append(_by_another_vendor(transactions, progress, policies))
    if has_history and fx_rates is not None:
        inputs += _by_rate(fx_rates, valuations, transactions, accounts, progress, business_date, policies)
    every = reduce(DataFrame.unionByName, inputs).selectExpr("*", "true AS has_input", "false AS is_booking")
    every = every.unionByName(
        reduce(DataFrame.unionByName, booked).selectExpr("*", "true AS has_input", "true AS is_booking")
    )
    if has_history:
        attributes = new_attributes(accounts, ATTRIBUTES, progress).where(F.col("from_date") <= business_date)
        every = every.unionByName(attributes.selectExpr("*", "false AS has_input", "false AS is_booking"))
    return every.groupBy(*ACCOUNT).agg(
        F.min("from_date").alias("from_date"),
        F.bool_or("has_input").alias("has_input"),
        F.expr("min(IF(is_booking, from_date, NULL)) AS booked_from"),
    )


def with_state(affected: DataFrame, state: DataFrame, kept: str = OF_ACCOUNTS) -> DataFrame:
    """`affected` with `state`, the account's row of gold.account_state as a struct (NULL without one), and goes_back:
    something on or before the state's date is due, so that the state cannot be gone on from. `kept`: the table that the
    state is in, here and below by default that of accounts."""
    owner = table(kept).key
    row = ", ".join(name for name in table(kept).names if name not in owner)
    known = state.selectExpr(*owner, f"struct({row}) AS state")
    return (
        affected.join(known, owner, "left")
        .where("has_input OR state IS NOT NULL")  # attributes alone give an account no row
        .selectExpr(*owner, "from_date", "state", "coalesce(from_date <= state.as_of_date, false) AS goes_back")
    )


def opening_from_state(due: DataFrame, kept: str = OF_ACCOUNTS) -> DataFrame:
    """Opening rows of the accounts whose due inputs are all later than their state."""
    known = due.where("state IS NOT NULL AND NOT goes_back")
    return known.select(*table(kept).key, "state.*").select(*table(kept).names)


def opening_from_gold(due: DataFrame, gold: DataFrame, epochs: DataFrame, kept: str = OF_ACCOUNTS) -> DataFrame:
    """Opening rows of the accounts that go back: the current row before the earliest date that is due.

    An account whose first row is due has none and begins anew. Looked for in the months before the first of those
    dates; only what has no row there is looked for in the whole history.
    """
    owner = table(kept).key
    wanted = due.where(f"goes_back AND from_date > {FROM_THE_FIRST}").select(*owner, "from_date")
    gold = of_few(gold, wanted, owner[-1])
    first, last = wanted.agg(F.min("from_date"), F.max("from_date")).collect()[0]
    if first is None:
        return _last_before(gold.limit(0), epochs, wanted, kept)
    near = first - LOOK_BACK
    day = F.col("as_of_date")
    found = _last_before(gold.where((day >= F.lit(near)) & (day < F.lit(last))), epochs, wanted, kept).localCheckpoint()
    further = wanted.join(found, owner, "left_anti")
    if further.isEmpty():
        return found
    return found.unionByName(_last_before(gold.where(day < F.lit(near)), epochs, further, kept))


def _last_before(gold: DataFrame, epochs: DataFrame, wanted: DataFrame, kept: str) -> DataFrame:
    owner = table(kept).key
    earlier = current_rows(gold, epochs, owner).where("status <> 'no_fx'").join(wanted, owner)
    row = F.struct(*[name for name in table(kept).names if name not in owner])
    last = (
        earlier.where(F.col("as_of_date") < F.col("from_date"))
        .groupBy(*owner)
        .agg(F.max_by(row, "as_of_date").alias("row"))
    )
    return last.select(*owner, "row.*").select(*table(kept).names)


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


def _by_another_vendor(transactions: DataFrame, progress: Mapping[str, Progress], policies: Policies) -> DataFrame:
    """Accounts for whose transactions another vendor counts than before, so that all of theirs are others."""
    fresh = is_fresh(progress)
    ranked = transactions.selectExpr(*ACCOUNT, f"{source_rank_sql(policies)} AS source_rank", "run_no")
    anew = ranked.where(fresh).groupBy(*ACCOUNT).agg(F.min("source_rank").alias("best_of_new"))
    before = ranked.where(~fresh).join(F.broadcast(anew.select(*ACCOUNT)), ACCOUNT, "left_semi")
    found = before.groupBy(*ACCOUNT).agg(F.min("source_rank").alias("best_before")).join(anew, ACCOUNT)
    return found.where("best_of_new < best_before").select(*ACCOUNT, F.expr(FROM_THE_FIRST).alias("from_date"))


def new_attributes(accounts: DataFrame, names: Sequence[str], progress: Mapping[str, Progress]) -> DataFrame:
    """tenant_id, account_id, from_date of the account versions that came anew and say something else in the columns
    `names` than the version before: from the day on which they hold.

    A vendor's first version of an account holds before its date too. So does another one, once the first is retired.
    """
    order = Window.partitionBy(*table("account").key).orderBy("arrival_no", "line_no", "record_no")
    of_vendor = Window.partitionBy("tenant_id", "vendor", "account_id")
    is_retired = F.coalesce("retired", F.lit(False))
    what = F.struct(*names, is_retired)
    concerned = accounts.where(is_fresh(progress)).select(*ACCOUNT).distinct()
    versions = accounts.join(concerned, ACCOUNT, "left_semi").withColumns({
        "_what": what,
        "_before": F.lag(what).over(order),
        "_first": F.min("effective_from").over(of_vendor),
        "_retires": F.bool_or(is_retired).over(of_vendor),
    })  # fmt: skip
    anew = versions.where(is_fresh(progress))
    differing = anew.where(F.col("_before").isNull() | ~F.col("_what").eqNullSafe(F.col("_before")))
    holds_before = F.col("_retires") | (F.col("effective_from") <= F.col("_first"))
    since = F.when(holds_before, F.expr(FROM_THE_FIRST)).otherwise(F.col("effective_from"))
    return differing.select(*ACCOUNT, since.alias("from_date"))


def _by_rate(  # noqa: PLR0917
    fx_rates: DataFrame,
    valuations: DataFrame,
    transactions: DataFrame,
    accounts: DataFrame,
    progress: Mapping[str, Progress],
    business_date: date,
    policies: Policies,
) -> list[DataFrame]:
    """Amounts in foreign currency that a rate can serve which came later than it was used; no frame without such a
    rate, as on most nights.

    A rate serves the days from its own on, for as long as 5 business days can be; a pair counts for the amounts whose
    currency, base and pivot are its two.
    """
    late = fx_rates.where(is_fresh(progress) & is_published(progress, "as_of_date"))
    bounds = late.agg(F.min("as_of_date"), F.max("as_of_date")).first()
    if bounds is None or bounds[0] is None:
        return []
    served = F.col("from_date").between(
        F.lit(bounds[0]), F.lit(min(bounds[1] + timedelta(days=LONGEST_SERVICE_DAYS), business_date))
    )
    pairs = late.selectExpr("tenant_id", "as_of_date AS rate_date", "from_currency AS leg", "to_currency").distinct()
    foreign = _foreign_amounts(valuations, transactions, accounts, policies, served)
    ways = f"array_distinct(array(currency, base, {per_tenant(policies, 'pivot_currency')})) AS way"
    legs = foreign.selectExpr(*ACCOUNT, "from_date", ways).selectExpr("*", "explode(way) AS leg")
    concerned = legs.join(F.broadcast(pairs), ["tenant_id", "leg"])
    serves = f"""array_contains(way, to_currency)
                 AND from_date BETWEEN rate_date AND date_add(rate_date, {LONGEST_SERVICE_DAYS})"""
    return [concerned.where(serves).select(*ACCOUNT, "from_date")]


def _foreign_amounts(
    valuations: DataFrame, transactions: DataFrame, accounts: DataFrame, policies: Policies, dated: Column
) -> DataFrame:
    """tenant_id, account_id, from_date, currency and base of amounts in another currency than the account's; `dated`
    says of which dates."""
    amounts = (
        valuations.withColumnRenamed("as_of_date", "from_date")
        .where(dated)
        .select(*ACCOUNT, "from_date", "currency")
        .unionByName(
            transactions.withColumnRenamed("performance_date", "from_date")
            .where(dated)
            .select(*ACCOUNT, "from_date", "currency")
        )
    )
    own = accounts.select(*ACCOUNT, "base_currency").distinct()
    base = f"coalesce(base_currency, {per_tenant(policies, 'reporting_currency')}) AS base"
    based = amounts.where("currency IS NOT NULL").join(own, ACCOUNT, "left").selectExpr(*amounts.columns, base)
    return based.where("currency <> base")


def is_fresh(progress: Mapping[str, Progress]) -> Column:
    """Whether a row was written by a run after the one that its tenant has published."""
    tests = [
        (F.col("tenant_id") == tenant_id) & (F.col("run_no") > done.run_no)
        for tenant_id, done in sorted(progress.items())
    ]
    return reduce(or_, tests, F.lit(False))


def is_published(progress: Mapping[str, Progress], day: str) -> Column:
    """Whether the date `day` of a row is among those that its tenant has published."""
    tests = [
        (F.col("tenant_id") == tenant_id) & (F.col(day) <= done.calculated_through)
        for tenant_id, done in sorted(progress.items())
        if done.calculated_through is not None
    ]
    return reduce(or_, tests, F.lit(False))
