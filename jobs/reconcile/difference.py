"""The columns that every comparer gives, whatever it compares."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.check.classes import classified
from jobs.check.tolerances import Measure, Tolerances
from jobs.check.verdict import verdict
from jobs.platform.schemas import MONEY

DIFFERENCE = [
    "tenant_id", "account_id", "as_of_date", "vendor", "feed", "type", "item", "ours", "theirs", "difference",
    "difference_bps", "obstacle", "verdict",
]  # fmt: skip


def differences(
    beside: DataFrame,
    kind: str,
    item: str,
    measure: Measure,
    tolerances: Tolerances,
    *,
    table: str,
    unit: str = "money",
    obstacle: Column | None = None,
) -> DataFrame:
    """The columns of a difference from `ours` and `theirs` in `beside`, an amount in `unit` each.

    beside: tenant_id, account_id, as_of_date, vendor, feed, ours, theirs and the column `item`. obstacle: why the two
    cannot be compared where they differ (NULL: they can); figures that are equal need no excuse.
    """
    apart = (F.col("ours") - F.col("theirs")).cast(MONEY)
    sized = beside.withColumns(
        {
            "difference": apart,
            "difference_bps": F.try_divide(apart.cast("double") * 10_000, F.abs("theirs").cast("double")),
        }
    )
    why = F.lit(None).cast("string") if obstacle is None else F.when(F.col("difference") != 0, obstacle)
    amounts = {unit: F.abs("difference"), "bps": F.abs("difference_bps")}
    broken = verdict(tolerances, measure, amounts, table=table, on=F.col("as_of_date"))
    judged = classified(sized, tolerances, measure).withColumns(
        {
            "type": F.lit(kind),
            "item": F.col(item),
            "obstacle": why,
            "verdict": F.when(why.isNull() & (F.col("difference") != 0), broken),
            "ours": F.col("ours").cast("double"),
            "theirs": F.col("theirs").cast("double"),
        }
    )
    comparable = F.col("obstacle").isNull()
    said = {name: F.when(comparable, F.col(name)) for name in ("difference", "difference_bps")}
    return judged.withColumns(said).select(*DIFFERENCE)
