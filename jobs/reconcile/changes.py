"""Attributes of accounts that figures depend on and that a vendor now gives otherwise; accounts that are open again."""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.check.classes import classified
from jobs.check.tolerances import Tolerances
from jobs.check.verdict import verdict
from jobs.platform.schemas import table

# What returns are made of. All other attributes are in the history, and are no difference that a person must look at.
WATCHED = ["base_currency", "flow_timing", "in_performance", "opened_on", "closed_on"]
ALWAYS = date(1900, 1, 1)


def changes(accounts: DataFrame, tolerances: Tolerances, *, since: Column, business_date: date) -> DataFrame:
    """Differences of type account_changed (item: the attribute) and account_reopened (a closing taken back).

    accounts: every version of the accounts of which some are new (run_no from `since` on). A new version is set beside
    the one before it of the same vendor: that of the same day, else of the day before it. They are dated by the day
    from which the new attributes hold, or by the night where they always did.
    """
    order = Window.partitionBy("tenant_id", "vendor", "account_id").orderBy(
        "effective_from", "arrival_no", "line_no", "record_no"
    )
    present = F.struct(*WATCHED)
    beside = (
        accounts.withColumn("_retired", F.coalesce("retired", F.lit(False)))
        .where("NOT _retired")
        .withColumns({"_now": present, "_before": F.lag(present).over(order), "_place": F.row_number().over(order)})
        .where(F.col("run_no") >= since)
        .where("_place > 1")
    )
    each = F.array(*[
        F.struct(
            F.lit(name).alias("item"),
            (~F.col(f"_now.{name}").eqNullSafe(F.col(f"_before.{name}"))).alias("_differs"),
            F.lit(name == "closed_on").alias("_closing"),
        )
        for name in WATCHED
    ])  # fmt: skip
    since = F.when(F.col("effective_from") > F.lit(ALWAYS), F.col("effective_from")).otherwise(F.lit(business_date))
    found = (
        beside.select("tenant_id", "vendor", "feed", "account_id", since.alias("as_of_date"), "_now", "_before",
                      F.explode(each).alias("_one"))
        .select("*", "_one.*")
        .where("_differs")
        .withColumn("_opens", F.col("_closing") & F.col("_now.closed_on").isNull())
        .where("NOT _closing OR _before.closed_on IS NOT NULL")  # closing an account is no contradiction
    )  # fmt: skip
    found = found.withColumn("type", F.when(F.col("_opens"), "account_reopened").otherwise("account_changed"))
    found = found.withColumn("item", F.when(~F.col("_opens"), F.col("item")))
    one = {"rows": F.lit(1)}
    of = table("account").table
    broken = F.when(
        F.col("_opens"), verdict(tolerances, "account_reopened", one, table=of, on=F.col("as_of_date"))
    ).otherwise(verdict(tolerances, "account_changed", one, table=of, on=F.col("as_of_date")))
    found = classified(found, tolerances, "account_reopened", "account_changed")
    return found.select(
        "tenant_id", "vendor", "feed", "account_id", "as_of_date", "type", "item", broken.alias("verdict")
    )
