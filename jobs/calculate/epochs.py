"""Epochs: which rows of the history are current, and where a new calculation differs from them."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.platform.schemas import table

ACCOUNT = ["tenant_id", "account_id"]
KEY = [*ACCOUNT, "as_of_date"]
RETURN_TOLERANCE = 1e-12  # of the specification, section 9: a restatement gives what a full calculation gives
# Which run wrote a row, and what a check said of its inputs, does not make it another figure.
PROVENANCE = ["quality_flags", "epoch", "run_id", "run_no"]


def current_rows(rows: DataFrame, epochs: DataFrame, owner: Sequence[str] = ACCOUNT) -> DataFrame:
    """The daily rows that no later epoch of their owner supersedes; same columns.

    `rows`: gold.account_performance_daily, or a part of it; `epochs`: gold.account_epoch. For groups the like, with
    their `owner`.
    """
    same_owner = " AND ".join(f"r.{name} = e.{name}" for name in owner)
    superseded = f"{same_owner} AND r.epoch < e.epoch AND r.as_of_date >= e.from_date"
    return rows.alias("r").join(epochs.alias("e"), F.expr(superseded), "left_anti")


def first_differences(calculated: DataFrame, existing: DataFrame) -> DataFrame:
    """Per account the first date on which the calculated rows are not the existing ones: tenant_id, account_id,
    from_date. Rows after the last existing one are new, not different; money is compared exactly, returns to 1e-12.
    """
    both = (
        calculated.select(*KEY, F.struct(*_compared()).alias("new"))
        .join(existing.select(*KEY, F.struct(*_compared()).alias("old")), KEY, "full")
        .groupBy(*ACCOUNT)
        .agg(
            F.expr("max(IF(old IS NOT NULL, as_of_date, NULL)) AS last_existing"),
            F.expr(f"min(IF(old IS NOT NULL AND ({_differ()}), as_of_date, NULL)) AS changed"),
            F.expr("min(IF(old IS NULL, as_of_date, NULL)) AS added"),
        )
    )
    first = "least(changed, IF(added < last_existing, added, NULL))"  # NULL only where both are
    return both.selectExpr(*ACCOUNT, f"{first} AS from_date").where("from_date IS NOT NULL")


def rows_to_write(
    calculated: DataFrame, existing: DataFrame, differences: DataFrame, epochs: DataFrame | None
) -> DataFrame:
    """The calculated rows that gold does not hold, with their epoch: of an account that differs all rows from the
    first difference on under the next epoch, of the others the new rows under their present one.
    """
    known = existing.select(*KEY, F.lit(True).alias("_exists"))
    numbered = with_epoch(calculated, epochs).join(differences, ACCOUNT, "left").join(known, KEY, "left")
    is_restated = F.col("as_of_date") >= F.col("from_date")
    return (
        numbered.where(is_restated | F.col("_exists").isNull())
        .withColumn("epoch", F.col("epoch") + F.coalesce(is_restated, F.lit(False)).cast("int"))
        .drop("from_date", "_exists")
    )


def new_epochs(differences: DataFrame, epochs: DataFrame | None) -> DataFrame:
    """The epochs that the differences open: tenant_id, account_id, epoch, from_date."""
    return with_epoch(differences, epochs).withColumn("epoch", F.col("epoch") + F.lit(1))


def with_epoch(rows: DataFrame, epochs: DataFrame | None) -> DataFrame:
    """`rows` with their account's present epoch, 1 where it was never restated (`epochs` None: no account was)."""
    if epochs is None:
        return rows.withColumn("epoch", F.lit(1))
    latest = epochs.groupBy(*ACCOUNT).agg(F.max("epoch").alias("epoch"))
    return rows.join(latest, ACCOUNT, "left").withColumn("epoch", F.coalesce("epoch", F.lit(1)))


def _compared() -> list[str]:
    return [name for name in table("account_performance_daily").names if name not in {*KEY, *PROVENANCE}]


def _differ() -> str:
    """Whether new and old figures of one date differ; a row that is no more differs."""
    different = ["new IS NULL"]
    for column in table("account_performance_daily").columns:
        new, old = f"new.{column.name}", f"old.{column.name}"
        if column.name not in _compared():
            continue
        close = f"coalesce(abs({new} - {old}) <= {RETURN_TOLERANCE} * greatest(abs({old}), 1D), false)"
        differs = f"NOT ({new} <=> {old})"
        different.append(f"({differs} AND NOT {close})" if column.type == "double" else differs)
    return " OR ".join(different)
