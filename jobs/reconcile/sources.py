"""One account from two vendors: the value of the one that the tenant puts first counts, the others' stand beside it."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.calculate.policies import Policies, source_rank
from jobs.check.classes import classified
from jobs.check.tolerances import Tolerances
from jobs.check.verdict import verdict
from jobs.platform.schemas import MONEY

ACCOUNT_DAY = ["tenant_id", "account_id", "as_of_date"]


def source_values(valuations: DataFrame, policies: Policies, tolerances: Tolerances) -> DataFrame:
    """Differences of type source_value: per account and day each further vendor's value beside the one that counts.

    valuations: rows of silver.valuation that count, all vendors' of the days concerned. The first by source_priority
    counts, as in `calculate.events`. Basis points are of the other vendor's value. Values in two currencies are not
    compared.
    """
    by_rank = Window.partitionBy(*ACCOUNT_DAY).orderBy("_rank").rowsBetween(
        Window.unboundedPreceding, Window.unboundedFollowing
    )  # fmt: skip
    counts = F.first(F.struct("vendor", "market_value", "currency")).over(by_rank)
    beside = (
        valuations.withColumn("_rank", source_rank(policies))
        .withColumn("_counts", counts)
        .where("vendor <> _counts.vendor")
    )
    other_currency = ~F.coalesce(F.col("currency") == F.col("_counts.currency"), F.lit(True))
    obstacle = F.when(
        other_currency,
        F.concat(
            F.lit("theirs is in "), F.col("currency"), F.lit(", that of "), F.col("_counts.vendor"), F.lit(" in "),
            F.col("_counts.currency"),
        ),
    )  # fmt: skip
    difference = F.when(obstacle.isNull(), (F.col("_counts.market_value") - F.col("market_value")).cast(MONEY))
    rows = beside.select(
        *ACCOUNT_DAY,
        "vendor",
        "feed",
        F.lit("source_value").alias("type"),
        F.col("_counts.market_value").cast("double").alias("ours"),
        F.col("market_value").cast("double").alias("theirs"),
        difference.alias("difference"),
        F.try_divide(difference.cast("double") * 10_000, F.abs("market_value").cast("double")).alias("difference_bps"),
        obstacle.alias("obstacle"),
    )
    amounts = {"money": F.abs("difference"), "bps": F.abs("difference_bps")}
    broken = verdict(tolerances, "source_value_difference", amounts, table="valuation", on=F.col("as_of_date"))
    rows = classified(rows, tolerances, "source_value_difference")
    return rows.withColumn("verdict", F.when(F.col("obstacle").isNull() & (F.col("difference") != 0), broken))
