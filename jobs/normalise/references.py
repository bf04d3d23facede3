"""Rows that name an account: the vendor's number becomes the firm's account_id, and the account must be known."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.normalise.records import rule_struct


def with_account_of_number(rows: DataFrame, xref: DataFrame, on_date: str | None) -> DataFrame:
    """Fills account_id of rows that carry a vendor's account_number; a number nobody knows is a failed rule.

    xref: current account_xref (tenant_id, source_vendor, vendor_account_number, account_id, from_date). The entry
    in force on the row's `on_date` counts, the latest from_date not after it; without a date the latest.
    """
    entries = xref.groupBy(
        "tenant_id", F.col("source_vendor").alias("vendor"), F.col("vendor_account_number").alias("_number")
    ).agg(F.sort_array(F.collect_list(F.struct("from_date", "account_id"))).alias("_entries"))
    joined = rows.withColumn("_number", F.col("account_number")).join(
        entries, ["tenant_id", "vendor", "_number"], "left"
    )
    in_force = F.col("_entries")
    if on_date:
        in_force = F.filter(in_force, lambda e: F.col(on_date).isNull() | (e["from_date"] <= F.col(on_date)))
    found = F.get(in_force, F.size(in_force) - 1)["account_id"]
    missing = F.col("account_number").isNotNull() & found.isNull()
    unknown = rule_struct("unknown_account", "account_number", F.col("account_number"), "a number in account_xref")
    return (
        joined.withColumn("account_id", F.coalesce("account_id", found))
        .withColumn("failed_rules", _also(missing, unknown))
        .drop("_number", "_entries")
    )


def with_known_account(rows: DataFrame, accounts: DataFrame) -> DataFrame:
    """Adds the failed rule unknown_account to rows whose account_id is in no account file of the tenant."""
    known = accounts.select("tenant_id", "account_id", F.lit(True).alias("_known")).distinct()
    missing = F.col("account_id").isNotNull() & F.col("_known").isNull()
    unknown = rule_struct("unknown_account", "account_id", F.col("account_id"), "an account in an accounts file")
    joined = rows.join(known, ["tenant_id", "account_id"], "left")
    return joined.withColumn("failed_rules", _also(missing, unknown)).drop("_known")


def _also(test: F.Column, failed: F.Column) -> F.Column:
    return F.when(test, F.array_append("failed_rules", failed)).otherwise(F.col("failed_rules"))
