"""The quarantine: what did not fit, why, and what became of it. Of a record's rows that of the latest run counts."""

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
    only_price = F.forall("failed_rules", lambda failed: failed["rule"] == "in_kind_without_price")
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
        F.when(only_account, "account").when(only_price, "price").alias("waits_for"),
        F.lit("open").alias("state"),
        "mapping_version",
        "run_no",
    )


def closed_rows(opened: DataFrame, state: str, run_no: int) -> DataFrame:
    """The rows that close open quarantine rows, written by the run that took them through."""
    return opened.withColumns({"state": F.lit(state), "run_no": F.lit(run_no).cast("long")})


def still_open(quarantine: DataFrame) -> DataFrame:
    """Records whose latest row is open: that row, with the columns of the table."""
    others = [name for name in table("quarantine").names if name not in RECORD]
    newest = quarantine.groupBy(*RECORD).agg(F.max_by(F.struct(*others), "run_no").alias("_newest"))
    return newest.where("_newest.state = 'open'").select(*RECORD, "_newest.*").select(*table("quarantine").names)
