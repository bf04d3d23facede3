"""Epochs: which rows of the history are current, and where a new calculation differs from them."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.platform.schemas import Table, table

ACCOUNT = ["tenant_id", "account_id"]
RETURN_TOLERANCE = 1e-12  # of the specification, section 9: a restatement gives what a full calculation gives
OF_ACCOUNTS = "account_performance_daily"
# Which run wrote a row, what a check said of its inputs, and how much of a group's value is old do not make it another
# figure.
PROVENANCE = ["quality_flags", "carried_value", "epoch", "run_id", "run_no"]


def current_rows(rows: DataFrame, epochs: DataFrame, owner: Sequence[str] = ACCOUNT) -> DataFrame:
    """The daily rows that no later epoch of their owner supersedes; same columns.

    `rows`: gold.account_performance_daily, or a part of it; `epochs`: gold.account_epoch. For groups the like, with
    their `owner`.
    """
    same_owner = " AND ".join(f"r.{name} = e.{name}" for name in owner)
    superseded = f"{same_owner} AND r.epoch < e.epoch AND r.as_of_date >= e.from_date"
    return rows.alias("r").join(epochs.alias("e"), F.expr(superseded), "left_anti")


def first_differences(calculated: DataFrame, existing: DataFrame, daily: str = OF_ACCOUNTS) -> DataFrame:
    """Per owner the first date on which the calculated rows are not the existing ones: its key (tenant_id, account_id)
    and from_date. Rows after the last existing one are new, not different; money is compared exactly, returns to 1e-12.

    `daily`: the table in gold that the rows are of; here and below by default that of accounts.
    """
    described = table(daily)
    names = compared_columns(described)
    both = (
        calculated.select(*described.key, F.struct(*names).alias("new"))
        .join(existing.select(*described.key, F.struct(*names).alias("old")), described.key, "full")
        .groupBy(*owner_of(daily))
        .agg(
            F.expr("max(IF(old IS NOT NULL, as_of_date, NULL)) AS last_existing"),
            F.expr(f"min(IF(old IS NOT NULL AND ({differ(described)}), as_of_date, NULL)) AS changed"),
            F.expr("min(IF(old IS NULL, as_of_date, NULL)) AS added"),
        )
    )
    first = "least(changed, IF(added < last_existing, added, NULL))"  # NULL only where both are
    return both.selectExpr(*owner_of(daily), f"{first} AS from_date").where("from_date IS NOT NULL")


def rows_to_write(
    calculated: DataFrame,
    existing: DataFrame,
    differences: DataFrame,
    epochs: DataFrame | None,
    daily: str = OF_ACCOUNTS,
) -> DataFrame:
    """The calculated rows that gold does not hold, with their epoch: of an owner that differs all rows from the
    first difference on under the next epoch, of the others the new rows under their present one.
    """
    key, owner = table(daily).key, owner_of(daily)
    known = existing.select(*key, F.lit(True).alias("_exists"))
    numbered = with_epoch(calculated, epochs, owner).join(differences, owner, "left").join(known, key, "left")
    is_restated = F.col("as_of_date") >= F.col("from_date")
    return (
        numbered.where(is_restated | F.col("_exists").isNull())
        .withColumn("epoch", F.col("epoch") + F.coalesce(is_restated, F.lit(False)).cast("int"))
        .drop("from_date", "_exists")
    )


def new_epochs(differences: DataFrame, epochs: DataFrame | None, owner: Sequence[str] = ACCOUNT) -> DataFrame:
    """The epochs that the differences open: the owner's key, epoch, from_date."""
    return with_epoch(differences, epochs, owner).withColumn("epoch", F.col("epoch") + F.lit(1))


def with_epoch(rows: DataFrame, epochs: DataFrame | None, owner: Sequence[str] = ACCOUNT) -> DataFrame:
    """`rows` with their owner's present epoch, 1 where it was never restated (`epochs` None: none was)."""
    if epochs is None:
        return rows.withColumn("epoch", F.lit(1))
    latest = epochs.groupBy(*owner).agg(F.max("epoch").alias("epoch"))
    return rows.join(latest, list(owner), "left").withColumn("epoch", F.coalesce("epoch", F.lit(1)))


def owner_of(daily: str) -> list[str]:
    """The columns that say whose row a row of the table is."""
    return [name for name in table(daily).key if name != "as_of_date"]


def compared_columns(described: Table) -> list[str]:
    """The figures of a daily table: its columns but the key and what says where a row comes from."""
    return [name for name in described.names if name not in {*described.key, *PROVENANCE}]


def differ(described: Table) -> str:
    """SQL: whether the structs `new` and `old`, figures of one date, differ; a row that is no more differs."""
    different = ["new IS NULL"]
    compared = compared_columns(described)
    for column in described.columns:
        new, old = f"new.{column.name}", f"old.{column.name}"
        if column.name not in compared:
            continue
        close = f"coalesce(abs({new} - {old}) <= {RETURN_TOLERANCE} * greatest(abs({old}), 1D), false)"
        differs = f"NOT ({new} <=> {old})"
        different.append(f"({differs} AND NOT {close})" if column.type == "double" else differs)
    return " OR ".join(different)
