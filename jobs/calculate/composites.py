"""What a composite's presentation says beside its return: dispersion, high and low, members and assets (GIPS)."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

PERIOD = ["tenant_id", "as_of_date", "period"]


def composite_statistics(
    composites: DataFrame, returns: DataFrame, memberships: DataFrame, firm: DataFrame
) -> DataFrame:
    """Statistics over the period returns of the accounts that were in the composite for the whole period.

    `composites`: rows of composites over periods: tenant_id, group_type, group_id, as_of_date, period, start_date,
    end_market_value, members (of the composite's row of that date); `returns`: rows of
    gold.account_performance_period in the reporting currency: tenant_id, account_id, as_of_date, period,
    begin_market_value, twrr, is_partial, status; `memberships` as `membership.memberships` gives them; `firm`:
    tenant_id, as_of_date and end_market_value of the group `tenant`.

    Columns: tenant_id, group_type, group_id, as_of_date, period, members (at the end), full_period_members,
    dispersion_equal_weighted (sample standard deviation; NULL below two members), dispersion_asset_weighted (square
    root of sum(w (r - sum(w r))^2) with w the share in the begin values; NULL below two members or without assets),
    high, low (fractions; NULL without a member), composite_assets, firm_assets, share_of_firm (NULL where the firm's
    assets are not positive). A member whose own period is not whole (`is_partial`, or a status but `ok`) has no return
    to compare.
    """
    key = [*PERIOD, "group_type", "group_id"]
    belongs = memberships.select("tenant_id", "group_type", "group_id", "account_id", "from_date", "to_date")
    whole = (
        composites.join(belongs, ["tenant_id", "group_type", "group_id"])
        .where("from_date <= date_add(start_date, 1) AND coalesce(to_date >= as_of_date, true)")
        .join(returns.where("status = 'ok' AND NOT is_partial AND twrr IS NOT NULL").select(
            *PERIOD, "account_id", "twrr", F.col("begin_market_value").cast("double").alias("weight")
        ), [*PERIOD, "account_id"])
    )  # fmt: skip
    mean = "sum(weight * twrr) / sum(weight)"
    spread = whole.groupBy(*key).agg(
        F.expr("CAST(count(*) AS INT) AS full_period_members"),
        F.expr("IF(count(*) > 1, stddev_samp(twrr), NULL) AS dispersion_equal_weighted"),
        F.expr(f"IF(count(*) > 1 AND min(weight) >= 0 AND sum(weight) > 0, struct({mean} AS mean), NULL) AS weighted"),
        F.expr("collect_list(struct(weight, twrr)) AS each"),
        F.max("twrr").alias("high"),
        F.min("twrr").alias("low"),
    )
    squares = "aggregate(each, 0D, (a, x) -> a + x.weight * power(x.twrr - weighted.mean, 2))"
    weights = "aggregate(each, 0D, (a, x) -> a + x.weight)"
    firms = firm.selectExpr("tenant_id", "as_of_date", "end_market_value AS firm_assets")
    share = "CAST(end_market_value AS DOUBLE) / CAST(firm_assets AS DOUBLE)"
    return (
        composites.join(spread, key, "left")
        .join(firms, ["tenant_id", "as_of_date"], "left")
        .selectExpr(
            "tenant_id",
            "group_type",
            "group_id",
            "as_of_date",
            "period",
            "members",
            "coalesce(full_period_members, 0) AS full_period_members",
            "dispersion_equal_weighted",
            f"IF(weighted IS NULL, NULL, sqrt({squares} / {weights})) AS dispersion_asset_weighted",
            "high",
            "low",
            "end_market_value AS composite_assets",
            "firm_assets",
            f"IF(firm_assets > 0, {share}, NULL) AS share_of_firm",
        )
    )
