"""Account numbers that a person has accepted as an account of ours: new rows are read as that account's, and what was
loaded under the number before goes over to it."""

from __future__ import annotations

from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.platform.account_decisions import Decision
from jobs.platform.lake import latest
from jobs.platform.local_rows import local_rows
from jobs.platform.schemas import Table, table

MOVED = ["valuation", "position", "transaction", "reported_performance"]
ENTRY = T.StructType([
    T.StructField("tenant_id", T.StringType()),
    T.StructField("vendor", T.StringType()),
    T.StructField("_number", T.StringType()),
    T.StructField("_account", T.StringType()),
    T.StructField("_since", T.DateType()),
    T.StructField("_decision_no", T.LongType()),
])  # fmt: skip


def under_their_account(rows: DataFrame, accepted: list[Decision], on_date: str | None) -> DataFrame:
    """Rows whose account_id is a number that was accepted as another account: under that, from its date on."""
    entries = _entries(rows.sparkSession, accepted)
    joined = rows.join(
        F.broadcast(entries.withColumnRenamed("_number", "account_id")), ["tenant_id", "vendor", "account_id"], "left"
    )
    since = F.lit(True) if on_date is None else F.col(on_date).isNull() | (F.col(on_date) >= F.col("_since"))
    meant = F.when(F.col("_account").isNotNull() & since, F.col("_account")).otherwise(F.col("account_id"))
    return joined.withColumn("account_id", meant).select(*rows.columns)


def xref_rows(known: DataFrame, accepted: list[Decision], run_no: int) -> DataFrame:
    """Rows of silver.account_xref by which each number is the account that it was accepted as, from the date on.

    known: rows of silver.account_xref. Where the number is an account_id of ours, the vendor's numbers that meant it
    are taken over too.
    """
    entries = _entries(known.sparkSession, accepted)
    meant = known.select("tenant_id", F.col("source_vendor").alias("vendor"), "vendor_account_number", "account_id")
    under = meant.withColumnRenamed("account_id", "_number").distinct()
    numbers = entries.withColumn("vendor_account_number", F.col("_number")).unionByName(
        under.join(F.broadcast(entries), ["tenant_id", "vendor", "_number"]).select(
            *entries.columns, "vendor_account_number"
        )
    )
    lineage: dict[str, Any] = {
        "source_vendor": F.col("vendor"),
        "account_id": F.col("_account"),
        "from_date": F.col("_since"),
        "feed": F.lit("account_decision"),
        "file_id": F.concat(F.lit("account_decision/"), F.col("_decision_no")),
        "line_no": F.lit(1).cast("long"),
        "record_no": F.lit(1),
        "mapping_version": F.lit(""),
        "arrival_no": F.col("_decision_no"),
        "run_no": F.lit(run_no).cast("long"),
        "retired": F.lit(None).cast("boolean"),
    }
    described = table("account_xref")
    return numbers.distinct().withColumns(lineage).dropDuplicates(described.key).select(*described.names)


def moved_rows(every: DataFrame, described: Table, accepted: list[Decision], run_no: int) -> DataFrame:
    """Rows that take what was loaded under each number over to its account: one that retires the row there, and one
    that is equal but for the account. A booking has its own identifier, so a new version of it does both.

    every: rows of earlier runs, without those of withheld files. The rows keep the file and line that they come from;
    they count as having arrived when the person decided.
    """
    entries = F.broadcast(_entries(every.sparkSession, accepted))
    concerned = every.join(
        entries.select("tenant_id", "vendor", F.col("_number").alias("account_id")).distinct(),
        ["tenant_id", "vendor", "account_id"],
        "left_semi",
    )
    under = latest(concerned, described).join(
        entries.withColumnRenamed("_number", "account_id"), ["tenant_id", "vendor", "account_id"]
    )
    dated = under.where(F.col(str(described.date)) >= F.col("_since")).withColumns(
        {"arrival_no": F.col("_decision_no"), "run_no": F.lit(run_no).cast("long")}
    )
    over = dated.withColumn("account_id", F.col("_account")).select(*described.names)
    if "account_id" not in described.key:
        return over
    retiring = dated.withColumns({"retired": F.lit(True), "line_no": F.lit(0).cast("long"), "record_no": F.lit(0)})
    return over.unionByName(retiring.select(*described.names))


def _entries(spark: SparkSession, accepted: list[Decision]) -> DataFrame:
    rows = [(d.tenant_id, d.vendor, d.account_number, d.account_id, d.from_date, d.decision_no) for d in accepted]
    return local_rows(spark, rows, ENTRY)
