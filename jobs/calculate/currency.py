"""Amounts in the account's base currency, at the rate of their own date (specification, section 8)."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from jobs.calculate.money import MONEY, RATE, converted
from jobs.calculate.policies import Policies, per_tenant, source_rank
from jobs.platform.business_calendar import with_business_days

MAX_AGE_BUSINESS_DAYS = 5
LONGEST_SERVICE_DAYS = 40  # calendar days that 5 business days can span, whatever the holidays
PRODUCT = "decimal(35,16)"


def usable_rates(fx_rates: DataFrame, calendar: DataFrame | None, policies: Policies) -> DataFrame:
    """For each currency pair and day the rate to use: the last known one, at most 5 business days old.

    `fx_rates` are current rows of silver.fx_rate; of several vendors the tenant's source_priority decides. A pair is
    there by its direct rate (multiplier = rate) or, without one, by its inverse (divisor = rate). Columns: tenant_id,
    from_currency, to_currency, rate_date, multiplier, divisor (the unused one is 1). Small, to be broadcast.
    """
    pair = ["tenant_id", "from_currency", "to_currency"]
    rates = fx_rates.select(
        *pair, "as_of_date", F.col("rate").try_cast(RATE).alias("rate"), source_rank(policies).alias("rank")
    )
    best = rates.where("rate > 0").groupBy(*pair, "as_of_date").agg(F.min_by("rate", "rank").alias("rate"))
    until = F.date_sub(F.lead("as_of_date").over(Window.partitionBy(*pair).orderBy("as_of_date")), 1)
    longest = F.date_add(F.col("as_of_date"), LONGEST_SERVICE_DAYS)
    served = best.withColumn("until", F.coalesce(F.least(until, longest), longest))
    served = with_business_days(served, "as_of_date", calendar).withColumnRenamed("business_day_no", "rate_day_no")
    served = served.withColumn("rate_date", F.explode(F.sequence("as_of_date", "until")))
    served = with_business_days(served.drop("is_business_day"), "rate_date", calendar)
    young = served.where(F.col("business_day_no") - F.col("rate_day_no") <= MAX_AGE_BUSINESS_DAYS)
    one = F.lit(1).cast(PRODUCT)
    direct = young.select(
        *pair, "rate_date", F.lit(0).alias("way"), F.col("rate").cast(PRODUCT).alias("multiplier"), one.alias("divisor")
    )
    inverse = young.select(
        "tenant_id",
        F.col("to_currency").alias("from_currency"),
        F.col("from_currency").alias("to_currency"),
        "rate_date",
        F.lit(1).alias("way"),
        one.alias("multiplier"),
        F.col("rate").cast(PRODUCT).alias("divisor"),
    )
    ways = direct.unionByName(inverse).groupBy(*pair, "rate_date")
    return ways.agg(F.min_by("multiplier", "way").alias("multiplier"), F.min_by("divisor", "way").alias("divisor"))


def in_base_currency(rows: DataFrame, rates: DataFrame | None, policies: Policies) -> DataFrame:
    """`rows` with `amount` converted from `currency` to `base_currency` at the rate of `event_date`, by tenant_id.

    Direct or inverse, else through the tenant's pivot currency, each leg alike; rounded once to 8 decimals. NULL
    where there is no usable rate. `rates` is what `usable_rates` gave, None where there are none at all.
    """
    same = F.col("currency") == F.col("base_currency")
    if rates is None:
        return rows.withColumn("amount", F.when(same, F.col("amount")))
    pivot = per_tenant(policies, "pivot_currency")
    joined = rows.withColumn("_pivot", pivot)
    for name, source, target in (
        ("_d", "currency", "base_currency"),
        ("_p", "currency", "_pivot"),
        ("_q", "_pivot", "base_currency"),
    ):
        joined = _with_leg(joined, rates, name, F.when(same, F.lit(None)).otherwise(F.col(source)), F.col(target))
    crossed = converted(
        F.col("amount"),
        (F.col("_p_multiplier").cast(RATE) * F.col("_q_multiplier").cast(RATE)).cast(PRODUCT),
        (F.col("_p_divisor").cast(RATE) * F.col("_q_divisor").cast(RATE)).cast(PRODUCT),
    )
    amount = (
        F.when(same, F.col("amount"))
        .when(
            F.col("_d_multiplier").isNotNull(), converted(F.col("amount"), F.col("_d_multiplier"), F.col("_d_divisor"))
        )
        .otherwise(crossed)
    )
    return joined.withColumn("amount", amount.cast(MONEY)).select(*rows.columns)


def _with_leg(rows: DataFrame, rates: DataFrame, name: str, source: Column, target: Column) -> DataFrame:
    """`rows` with the rate of one pair on event_date as <name>_multiplier and <name>_divisor, NULL without one."""
    leg = rates.select(
        F.col("tenant_id").alias("_tenant"),
        F.col("from_currency").alias("_from"),
        F.col("to_currency").alias("_to"),
        F.col("rate_date").alias("_on"),
        F.col("multiplier").alias(f"{name}_multiplier"),
        F.col("divisor").alias(f"{name}_divisor"),
    )
    match = (
        (F.col("tenant_id") == F.col("_tenant"))
        & (source == F.col("_from"))
        & (target == F.col("_to"))
        & (F.col("event_date") == F.col("_on"))
    )
    return rows.join(F.broadcast(leg), match, "left").drop("_tenant", "_from", "_to", "_on")
