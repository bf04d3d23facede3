"""The quarantine: what did not fit, why, and which of it waits only for its account to arrive."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.platform.schemas import table

RECORD = ["tenant_id", "file_id", "line_no", "record_no", "target"]


def quarantine_rows(rows: DataFrame, target: str) -> DataFrame:
    """Rows of the quarantine table from rows with outcome `quarantined`: state open, reasons as JSON."""
    names = set(rows.columns)
    account = F.coalesce("account_id", "account_number") if "account_id" in names else F.lit(None)
    only_account = F.forall("failed_rules", lambda failed: failed["rule"] == "unknown_account")
    return rows.select(
        "tenant_id",
        "vendor",
        "feed",
        "file_id",
        "line_no",
        "record_no",
        F.lit(target).alias("target"),
        account.cast("string").alias("account_id"),
        F.to_json("failed_rules").alias("failed_rules"),
        "raw",
        F.when(only_account, "account").alias("waits_for"),
        F.lit("open").alias("state"),
        "mapping_version",
        "run_no",
    )


def taken_rows(opened: DataFrame, run_no: int) -> DataFrame:
    """The rows that close open quarantine rows, written by the run that took them through."""
    return opened.withColumns({"state": F.lit("taken"), "run_no": F.lit(run_no).cast("long")})


def still_open(quarantine: DataFrame) -> DataFrame:
    """Open rows that no `taken` row names; the columns of the table."""
    taken = quarantine.where("state = 'taken'").select(*RECORD)
    return quarantine.where("state = 'open'").join(taken, RECORD, "left_anti").select(*table("quarantine").names)
