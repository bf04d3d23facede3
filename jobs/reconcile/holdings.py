"""What an account holds, added up, beside what its vendor says it is worth."""

from __future__ import annotations

from datetime import timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.calculate.currency import in_base_currency, usable_rates
from jobs.calculate.inputs import Silver, Span
from jobs.calculate.policies import Policies
from jobs.calculate.unpublished import Unpublished
from jobs.check.account_days import CASH_SECURITY
from jobs.check.classes import classified, tolerances_of
from jobs.check.tolerances import Tolerances
from jobs.check.verdict import verdict
from jobs.platform.business_calendar import calendar_days, calendars_of
from jobs.platform.lake import Lake, latest
from jobs.platform.schemas import MONEY, table
from jobs.platform.settings import Settings

HOLDER = ["tenant_id", "vendor", "account_id", "as_of_date"]
RECENT = timedelta(days=31)  # a history that is loaded at once is not added up day by day
NOT_VALUED = "a position has no value"
NO_CASH = "the vendor does not say how much of the value is cash"
NO_RATE = "a position is in a currency that has no exchange rate to that of the value"


def differences(lake: Lake, settings: Settings, unpublished: Unpublished) -> DataFrame | None:
    """For the accounts and dates of the positions that were loaded since the last publication; None where none came, or
    no rule asks."""
    tolerances, run = tolerances_of(lake, settings), unpublished.run
    if not tolerances.has("holdings_difference") or not unpublished.came(lake, "position"):
        return None
    if not lake.exists("valuation"):
        return None
    tenants = list(unpublished.progress)
    withheld = run.ledger.withheld_files(run)
    silver = Silver(lake, tenants, withheld)
    first = run.business_date - RECENT
    new = unpublished.of_table(lake, "position", "as_of_date").where(
        F.col("as_of_date").between(first, run.business_date)
    )
    touched = new.select(*HOLDER).distinct().localCheckpoint()
    bounds = touched.agg(F.min("as_of_date"), F.max("as_of_date")).first()
    if bounds is None or bounds[0] is None:
        return None
    between = F.col("as_of_date").between(*bounds)
    positions, valuations = (
        latest(silver.every(name).where(between), table(name)).join(touched, HOLDER, "left_semi")
        for name in ("position", "valuation")
    )
    policies = {tenant: settings.tenant(tenant) for tenant in tenants}
    calendar = calendar_days(lake.spark, calendars_of(settings, tenants), bounds[1])
    delivered = silver.fx_rates(Span(bounds[0], bounds[1]))
    rates = None if delivered is None else usable_rates(delivered, calendar, policies)
    return holdings(valuations, positions, rates, tolerances, policies)


def holdings(
    valuations: DataFrame, positions: DataFrame, rates: DataFrame | None, tolerances: Tolerances, policies: Policies
) -> DataFrame:
    """The positions of each account and date with their accrued income and the account's cash (`ours`) beside its value
    (`theirs`), in the value's currency: columns of a difference, type holdings_value.

    valuations, positions: current rows of silver of the same vendors, accounts and dates. rates: as `usable_rates`
    gives them. Some vendors list cash among the positions, some give it beside them: the sum that is nearer counts. Of
    one that does neither only a sum that is the value says something: the rest may be cash.
    """
    value = valuations.selectExpr(
        *HOLDER,
        "feed",
        "market_value AS value",
        "cash_value",
        "accrued_income AS accrued",
        "currency AS value_currency",
    )
    held = positions.groupBy(*HOLDER, "currency").agg(
        F.sum("market_value").alias("amount"),
        F.sum("accrued_income").alias("own_accrued"),
        F.count_if(F.col("market_value").isNull()).alias("not_valued"),
        F.count_if(F.col("security_id").rlike(CASH_SECURITY)).alias("cash_positions"),
    )
    only = f"min(currency) OVER (PARTITION BY {', '.join(HOLDER)})"
    beside = held.join(value, HOLDER).selectExpr("*", f"coalesce(value_currency, {only}, '') AS base_currency")
    legs = beside.selectExpr(
        *HOLDER, "feed", "value", "cash_value", "accrued", "not_valued", "cash_positions",
        "as_of_date AS event_date", "base_currency",
        "coalesce(currency, base_currency) AS currency",
        "CAST(amount + IF(accrued IS NULL, coalesce(own_accrued, 0), 0) AS DECIMAL(28,8)) AS amount",
    )  # fmt: skip
    summed = (
        in_base_currency(legs, rates, policies)
        .groupBy(*HOLDER, "feed", "value", "cash_value", "accrued")
        .agg(
            F.sum("amount").alias("amount"),
            F.sum("not_valued").alias("not_valued"),
            F.sum("cash_positions").alias("cash_positions"),
            F.count_if(F.col("amount").isNull()).alias("not_converted"),
        )
        .selectExpr("*", "amount + coalesce(accrued, 0) AS listed")
        .selectExpr("*", "listed + coalesce(cash_value, 0) AS with_cash")
        .selectExpr("*", "IF(abs(with_cash - value) <= abs(listed - value), with_cash, listed) AS ours")
    )
    tells_no_cash = F.col("cash_value").isNull() & (F.col("cash_positions") == 0) & (F.col("ours") != F.col("value"))
    obstacle = F.when(F.col("not_valued") > 0, NOT_VALUED).when(F.col("not_converted") > 0, NO_RATE)
    obstacle = obstacle.when(tells_no_cash, NO_CASH)
    difference = F.when(F.col("obstacle").isNull(), (F.col("ours") - F.col("value")).cast(MONEY))
    bps = F.try_divide(F.col("difference").cast("double") * 10_000, F.abs("value").cast("double"))
    amounts = {"money": F.abs("difference"), "bps": F.abs("difference_bps")}
    broken = verdict(tolerances, "holdings_difference", amounts, table="position", on=F.col("as_of_date"))
    return (
        classified(summed, tolerances, "holdings_difference")
        .withColumn("obstacle", obstacle)
        .withColumn("difference", difference)
        .withColumn("difference_bps", bps)
        .select(
            "tenant_id",
            "account_id",
            "as_of_date",
            "vendor",
            "feed",
            F.lit("holdings_value").alias("type"),
            F.lit(None).cast("string").alias("item"),
            F.when(F.col("obstacle").isNull(), F.col("ours").cast("double")).alias("ours"),
            F.col("value").cast("double").alias("theirs"),
            "difference",
            "difference_bps",
            "obstacle",
            F.when(F.col("difference") != 0, broken).alias("verdict"),
        )
    )
