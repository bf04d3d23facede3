"""The class of an account, by which a rule of conf/tolerances.yaml may differ: which model portfolio it follows."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.check.tolerances import Measure, Tolerances
from jobs.platform.lake import Lake

ACCOUNT = ["tenant_id", "account_id"]


def classified(rows: DataFrame, lake: Lake, tolerances: Tolerances, *measures: Measure) -> DataFrame:
    """`rows` (tenant_id, account_id, ...) with account_class where a rule of these measures asks for it, else as they
    are: the account master is not looked at for nothing."""
    if not any(rule.account_class for rule in tolerances.of(*measures)):
        return rows
    return with_class(rows, lake.current("account"), tolerances)


def with_class(rows: DataFrame, accounts: DataFrame, tolerances: Tolerances) -> DataFrame:
    """`rows` with account_class, NULL for accounts of no class.

    accounts: current rows of silver.account; of several dates and vendors the latest counts.
    """
    last = F.max_by("model_id", F.struct("effective_from", "vendor"))
    known = accounts.groupBy(*ACCOUNT).agg(last.alias("_model"))
    return rows.join(known, ACCOUNT, "left").withColumn("account_class", _class(tolerances)).drop("_model")


def _class(tolerances: Tolerances) -> Column:
    found = F.lit(None).cast("string")
    for one in reversed(tolerances.account_classes):
        found = F.when(F.col("_model").isin(one.model_id), one.name).otherwise(found)
    return found
