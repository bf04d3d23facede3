"""What rules have caught: accounts that are held back, which no group counts, and the flags of those that are not."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.check.holds import ACCOUNT, CHECK, latest_findings, present_holds


def holds(held: DataFrame) -> DataFrame:
    """Accounts that are withheld at present: tenant_id, account_id, held_from (first date that is kept back).

    `held` are all rows of gold.held_account.
    """
    return present_holds(held).groupBy(*ACCOUNT).agg(F.min("as_of_date").alias("held_from"))


def flags(held: DataFrame) -> DataFrame:
    """What stands against the inputs of a row: tenant_id, account_id, as_of_date, quality_flags (the rules of the gate
    that flag the date at present, comma-separated).

    `held`: rows of gold.held_account, of a date all or none. What `reconcile` flags is about a result, and whether it
    is so of the new one nobody knows before it is there: its flags are added when the row is published.
    """
    of_inputs = F.coalesce("step", F.lit(CHECK)) == CHECK
    flagged = latest_findings(held).where(of_inputs & (F.col("state") == "flagged"))
    rules = F.array_join(F.array_sort(F.collect_set("rule")), ",").alias("quality_flags")
    return flagged.groupBy(*ACCOUNT, "as_of_date").agg(rules)
