"""Values and prices that have not moved for days, and accounts that a vendor has stopped valuing."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.check.account_days import ACCOUNT, DAY
from jobs.platform.business_calendar import with_business_days

SECURITY = ["tenant_id", "vendor", "security_id"]
MONTHLY = 15  # business days from which on an account is valued by months or longer, of which none is like the last
OTHERS_MOVE = 0.5  # share of a vendor's series that must have moved: else its market was closed
CLOSED_AT_MOST = 5  # days on end, or it is no market that was closed but the same file again each night


def unchanged(history: DataFrame, owner: Sequence[str], value: str, calendar: DataFrame | None) -> DataFrame:
    """The owner, as_of_date (the vendor's last date), days: business days for which each series has had its last value
    by then, delivered again or carried, and is_open: whether the vendor's market was.

    history: the owner (tenant_id, vendor and what the series is of), as_of_date, `value`; at most one row a day, of
    some weeks. A series that has never changed in it counts from its first date. A market is closed where fewer than
    half of the vendor's series that have a row on the last date have moved on it, for CLOSED_AT_MOST days.
    """
    by = ", ".join(owner)
    whole = f"OVER (PARTITION BY {by} ORDER BY as_of_date ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)"
    followed = history.selectExpr(
        *owner,
        "as_of_date",
        f"{value} AS value",
        f"last({value}) {whole} AS last_value",
        f"lead(as_of_date) OVER (PARTITION BY {by} ORDER BY as_of_date) AS next_date",
    )
    found = followed.groupBy(*owner).agg(
        F.expr("coalesce(max(IF(value <> last_value, next_date, NULL)), min(as_of_date)) AS since"),
        F.max("as_of_date").alias("last_date"),
    )
    of_vendor = "OVER (PARTITION BY tenant_id, vendor)"
    live = (
        found.selectExpr("*", f"max(last_date) {of_vendor} AS tonight")
        .selectExpr("*", "IF(last_date = tonight, datediff(tonight, since), NULL) AS still")
        .selectExpr("*", f"percentile_approx(still, {OTHERS_MOVE}) {of_vendor} AS half_still")
        .selectExpr("*", f"coalesce(half_still = 0 OR half_still > {CLOSED_AT_MOST}, false) AS is_open")
        .where("since < tonight")
    )
    counted = days_between(live, "since", "tonight", calendar)
    return counted.select(*owner, F.col("tonight").alias("as_of_date"), "days", "is_open")


def overdue(days: DataFrame, state: DataFrame, closed: DataFrame, calendar: DataFrame | None) -> DataFrame:
    """Accounts that should have a value by the night's last date and have none.

    days: DAY of the night's valuations. state: tenant_id, account_id, as_of_date, end_market_value, days, begin_date,
    inception_date, vendor: the last published row per account with the vendor that valued it. closed: tenant_id,
    account_id, closed_on. An account is expected again after as many business days as its last row covered, so that one
    valued monthly is not missed in between: March has four more than February. What is valued for the second time has
    no rhythm yet. Gives DAY and overdue (business days, from 1): as_of_date and feed are those of the vendor's last
    values.
    """
    delivered = days.groupBy("tenant_id", "vendor").agg(
        F.max("as_of_date").alias("tonight"), F.max_by("feed", "as_of_date").alias("feed")
    )
    gone = closed.where("closed_on IS NOT NULL").groupBy(*ACCOUNT).agg(F.max("closed_on").alias("closed_on"))
    lost = (
        state.where("end_market_value <> 0")
        .withColumnsRenamed({"as_of_date": "last_date", "days": "covered"})
        .join(days.select(*ACCOUNT).distinct(), ACCOUNT, "left_anti")
        .join(F.broadcast(delivered), ["tenant_id", "vendor"])
        .join(gone, ACCOUNT, "left")
        .where("last_date < tonight AND (closed_on IS NULL OR closed_on > tonight)")
        .where("coalesce(begin_date > inception_date, true)")
    )
    counted = days_between(lost, "last_date", "tonight", calendar)
    return (
        counted.withColumn("overdue", F.expr(f"days - covered - IF(covered >= {MONTHLY}, covered DIV 4, 0) + 1"))
        .where("overdue > 0")
        .withColumnRenamed("tonight", "as_of_date")
        .select(*DAY, "overdue", F.col("last_date"))
    )


def days_between(rows: DataFrame, first: str, last: str, calendar: DataFrame | None) -> DataFrame:
    """`rows` with days: business days after `first` up to `last`. calendar: as `calendar_days` gave it."""
    ended = with_business_days(rows, last, calendar).withColumnRenamed("business_day_no", "last_no")
    both = with_business_days(ended.drop("is_business_day"), first, calendar)
    return both.withColumn("days", F.col("last_no") - F.col("business_day_no")).drop(
        "last_no", "business_day_no", "is_business_day"
    )
