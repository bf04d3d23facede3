"""Accounts that are held back: their rows are not published, and no group counts them."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.check.holds import ACCOUNT, present_holds


def holds(held: DataFrame) -> DataFrame:
    """Accounts that are withheld at present: tenant_id, account_id, held_from (first date that is kept back).

    `held` are all rows of gold.held_account.
    """
    return present_holds(held).groupBy(*ACCOUNT).agg(F.min("as_of_date").alias("held_from"))
