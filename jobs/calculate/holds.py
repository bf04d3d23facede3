"""Accounts that are held back: their rows are not published, and no group counts them."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window


def holds(held: DataFrame) -> DataFrame:
    """Accounts that are withheld at present: tenant_id, account_id, held_from (first date that is kept back).

    `held` are all rows of gold.held_account; per account, date and rule the latest run's state counts.
    """
    latest = Window.partitionBy("tenant_id", "account_id", "as_of_date", "rule").orderBy(F.desc("run_no"))
    return (
        held.withColumn("_place", F.row_number().over(latest))
        .where("_place = 1 AND state = 'held'")
        .groupBy("tenant_id", "account_id")
        .agg(F.min("as_of_date").alias("held_from"))
    )
