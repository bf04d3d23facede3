"""Amounts in the account's base currency, at the rate of their own date (specification, section 8)."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.calculate.money import MONEY, RATE, converted
from jobs.calculate.policies import Policies, per_tenant, source_rank_sql
from jobs.platform.business_calendar import with_business_days

MAX_AGE_BUSINESS_DAYS = 5
LONGEST_SERVICE_DAYS = 40  # calendar days that 5 business days can span, whatever the holidays
PRODUCT = "DECIMAL(35,16)"


def usable_rates(fx_rates: DataFrame, calendar: DataFrame | None, policies: Policies) -> DataFrame:
    """For each currency pair and day the rate to use: the last known one, at most 5 business days old.

    `fx_rates` are current rows of silver.fx_rate; of several vendors the tenant's source_priority decides. A pair is
    there by its direct rate (multiplier = rate) or, without one, by its inverse (divisor = rate). Columns: tenant_id,
    from_currency, to_currency, rate_date, multiplier, divisor (the unused one is 1). Small, to be broadcast.
    """
    pair = ["tenant_id", "from_currency", "to_currency"]
    best = (
        fx_rates.selectExpr(
            *pair, "as_of_date", f"TRY_CAST(rate AS {RATE}) AS rate", f"{source_rank_sql(policies)} AS source_rank"
        )
        .where("rate > 0")
        .groupBy(*pair, "as_of_date")
        .agg(F.expr("min_by(rate, source_rank) AS rate"))
    )
    next_rate = f"lead(as_of_date) OVER (PARTITION BY {', '.join(pair)} ORDER BY as_of_date)"
    served = best.selectExpr(
        "*", f"coalesce(date_sub({next_rate}, 1), date_add(as_of_date, {LONGEST_SERVICE_DAYS})) AS until"
    ).selectExpr("*", f"least(until, date_add(as_of_date, {LONGEST_SERVICE_DAYS})) AS last_day")
    aged = with_business_days(served, "as_of_date", calendar).selectExpr(
        *pair, "rate", "business_day_no AS rate_day_no", "explode(sequence(as_of_date, last_day)) AS rate_date"
    )
    young = with_business_days(aged, "rate_date", calendar).where(
        f"business_day_no - rate_day_no <= {MAX_AGE_BUSINESS_DAYS}"
    )
    rate, one = f"CAST(rate AS {PRODUCT})", f"CAST(1 AS {PRODUCT})"
    direct = young.selectExpr(*pair, "rate_date", "0 AS way", f"{rate} AS multiplier", f"{one} AS divisor")
    inverse = young.selectExpr(
        "tenant_id", "to_currency AS from_currency", "from_currency AS to_currency", "rate_date", "1 AS way",
        f"{one} AS multiplier", f"{rate} AS divisor",
    )  # fmt: skip
    ways = direct.unionByName(inverse).groupBy(*pair, "rate_date")
    return ways.agg(F.expr("min_by(multiplier, way) AS multiplier"), F.expr("min_by(divisor, way) AS divisor"))


def in_base_currency(rows: DataFrame, rates: DataFrame | None, policies: Policies) -> DataFrame:
    """`rows` with `amount` converted from `currency` to `base_currency` at the rate of `event_date`, by tenant_id.

    Direct or inverse, else through the tenant's pivot currency, each leg alike; rounded once to 8 decimals. NULL
    where there is no usable rate. `rates` is what `usable_rates` gave, None where there are none at all.
    """
    others = [name for name in rows.columns if name != "amount"]
    if rates is None:
        return rows.selectExpr(*others, "IF(currency = base_currency, amount, NULL) AS amount")
    # An amount that needs no conversion looks nothing up.
    joined = rows.selectExpr(
        "*",
        "IF(currency = base_currency, NULL, currency) AS source_currency",
        f"{per_tenant(policies, 'pivot_currency')} AS pivot_currency",
    )
    for name, source, target in (
        ("direct", "source_currency", "base_currency"),
        ("in_leg", "source_currency", "pivot_currency"),
        ("out_leg", "IF(source_currency IS NULL, NULL, pivot_currency)", "base_currency"),
    ):
        joined = _with_leg(joined, rates, name, source, target)
    crossed = converted(
        "amount",
        f"CAST(CAST(in_leg.multiplier AS {RATE}) * CAST(out_leg.multiplier AS {RATE}) AS {PRODUCT})",
        f"CAST(CAST(in_leg.divisor AS {RATE}) * CAST(out_leg.divisor AS {RATE}) AS {PRODUCT})",
    )
    return joined.selectExpr(
        *others,
        f"""CAST(CASE WHEN source_currency IS NULL THEN amount
                      WHEN direct IS NOT NULL THEN {converted("amount", "direct.multiplier", "direct.divisor")}
                      ELSE {crossed} END AS {MONEY}) AS amount""",
    )


def _with_leg(rows: DataFrame, rates: DataFrame, name: str, source: str, target: str) -> DataFrame:
    """`rows` with `name`, the struct (multiplier, divisor) of one pair on event_date, NULL without a rate."""
    leg = rates.selectExpr(
        "tenant_id AS leg_tenant", "from_currency AS leg_from", "to_currency AS leg_to", "rate_date AS leg_on",
        f"struct(multiplier, divisor) AS {name}",
    )  # fmt: skip
    match = F.expr(f"tenant_id = leg_tenant AND {source} = leg_from AND {target} = leg_to AND event_date = leg_on")
    return rows.join(F.broadcast(leg), match, "left").drop("leg_tenant", "leg_from", "leg_to", "leg_on")
