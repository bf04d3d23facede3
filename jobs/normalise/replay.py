"""Rows that waited in quarantine for their account: taken through when the account arrives, exactly once."""

from __future__ import annotations

from collections import defaultdict

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.normalise.quarantine import RECORD, still_open
from jobs.platform.lake import Lake
from jobs.platform.ledger import FileRecord, Ledger


def ready_rows(lake: Lake, tenants: list[str], run_no: int) -> DataFrame | None:
    """Open quarantine rows of earlier runs whose only fault was an account that is known by now; None without any.

    The account column of a quarantine row holds the account_id, or the vendor's number where that is all there is.
    """
    if not lake.exists("quarantine"):
        return None
    waiting = still_open(lake.read("quarantine").where(F.col("tenant_id").isin(tenants) & (F.col("run_no") <= run_no)))
    waiting = waiting.where((F.col("waits_for") == "account") & (F.col("run_no") < run_no))
    accounts = lake.read("account").select("tenant_id", "account_id").distinct()
    numbers = lake.read("account_xref").select(
        "tenant_id", F.col("source_vendor").alias("vendor"), F.col("vendor_account_number").alias("account_id")
    )
    by_id = waiting.join(accounts, ["tenant_id", "account_id"], "left_semi")
    by_number = waiting.join(numbers.distinct(), ["tenant_id", "vendor", "account_id"], "left_semi")
    return by_id.unionByName(by_number).dropDuplicates(RECORD)


def files_of(ready: DataFrame, ledger: Ledger) -> dict[str, list[FileRecord]]:
    """The files that ready rows stand in, by feed (a row per file comes to the driver)."""
    ids = [row["file_id"] for row in ready.select("file_id").distinct().collect()]
    by_feed: dict[str, list[FileRecord]] = defaultdict(list)
    for file in ledger.files_by_id(ids):
        by_feed[str(file.feed)].append(file)
    return by_feed


def only_ready(rows: DataFrame, ready: DataFrame, target: str, run_no: int) -> DataFrame:
    """Of rows made from whole files, those that waited; they now belong to the run that takes them through."""
    waited = ready.where(F.col("target") == target).select("tenant_id", "file_id", "line_no", "record_no")
    again = rows.join(F.broadcast(waited), ["tenant_id", "file_id", "line_no", "record_no"], "left_semi")
    return again.withColumn("run_no", F.lit(run_no).cast("long"))


def is_replayed(files: dict[str, list[FileRecord]]) -> Column:
    """Whether a row comes from one of these files."""
    return F.col("file_id").isin([file.file_id for group in files.values() for file in group])
