"""Rows that waited in the quarantine, through normalise again: of their account's arrival or a mended mapping, once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.normalise.batch import Batch
from jobs.normalise.quarantine import RECORD, closed_rows, quarantine_rows, still_open
from jobs.platform.lake import Lake

IN_TARGET = RECORD[:-1]
LINE = ["tenant_id", "file_id", "line_no"]
# What a row that still does not fit must say anew to be worth a row of its own.
VERDICT = ["failed_rules", "waits_for", "account_id", "mapping_version"]

Rows = list[tuple[str, DataFrame]]


def open_rows(lake: Lake, run_no: int) -> DataFrame | None:
    """What an earlier run left open and no later one than `run_no` has judged; of `run_no` itself, which may be a
    second attempt, nothing counts. None without a quarantine."""
    if not lake.exists("quarantine"):
        return None
    opened = still_open(lake.read("quarantine").where(F.col("run_no") != run_no))
    return opened.where(F.col("run_no") < run_no)


def waits_for_known_account(opened: DataFrame, lake: Lake) -> DataFrame:
    """Open rows whose only fault was an account that is known by now.

    The account column of a quarantine row holds the account_id, or the vendor's number where that is all there is.
    """
    waiting = opened.where("waits_for = 'account'")
    accounts = lake.read("account").select("tenant_id", "account_id").distinct()
    numbers = lake.read("account_xref").select(
        "tenant_id", F.col("source_vendor").alias("vendor"), F.col("vendor_account_number").alias("account_id")
    )
    by_id = waiting.join(accounts, ["tenant_id", "account_id"], "left_semi")
    by_number = waiting.join(numbers.distinct(), ["tenant_id", "vendor", "account_id"], "left_semi")
    return by_id.unionByName(by_number).dropDuplicates(RECORD)


def waits_for_price(opened: DataFrame, prices: list[DataFrame]) -> DataFrame:
    """Open rows whose only fault was that no price of their security was there; the failed rule names the security."""
    security = F.get_json_object("failed_rules", "$[0].value")
    waiting = opened.where("waits_for = 'price'").withColumn("security_id", security)
    come = reduce(DataFrame.unionByName, [rows.select("tenant_id", "security_id") for rows in prices]).distinct()
    return waiting.join(come, ["tenant_id", "security_id"], "left_semi").drop("security_id")


def only_waiting(rows: DataFrame, waiting: DataFrame, target: str, run_no: int) -> DataFrame:
    """Of rows made from whole files, those that waited; they now belong to the run that takes them through."""
    return _chosen(rows, waiting.where(F.col("target") == target), run_no)


@dataclass(frozen=True)
class Reread:
    """Whole files read by a mended mapping, as far as their waiting lines go.

    made      RECORD of every record that the mapping makes of a waiting line
    gone      waiting rows (of the quarantine) whose record it makes no longer: it takes the line for something else
    further   RECORD of the records that it makes of those lines instead, as far as they are not in silver
    """

    made: DataFrame
    gone: DataFrame
    further: DataFrame
    few: bool

    def chosen(self, rows: DataFrame, waiting: DataFrame, target: str, run_no: int) -> DataFrame:
        """Of one target's rows those to be taken through: their record waited, or their line did as a whole."""
        wanted = waiting.select(*RECORD).unionByName(self.further).where(F.col("target") == target)
        return _chosen(rows, F.broadcast(wanted) if self.few else wanted, run_no)

    def closed(self, run_no: int) -> DataFrame:
        """Rows that close `gone`: moved, or taken where the line is declared to be no record."""
        lines = self.made.select(*LINE).distinct()
        moved = closed_rows(self.gone.join(lines, LINE, "left_semi"), "moved", run_no)
        return moved.unionByName(closed_rows(self.gone.join(lines, LINE, "left_anti"), "taken", run_no))

    def books(self) -> list[tuple[str, str, int]]:
        """(what, file_id, number) of records that are `gone`, `further` records, and lines that are `no_record` now."""
        lines = self.made.select(*LINE).distinct()
        no_record = self.gone.select(*LINE).distinct().join(lines, LINE, "left_anti")
        frames = {"gone": self.gone, "further": self.further, "no_record": no_record}
        every = [rows.select(F.lit(what).alias("what"), "file_id") for what, rows in frames.items()]
        counted = reduce(DataFrame.unionByName, every).groupBy("what", "file_id").count()
        return [(row["what"], row["file_id"], row["count"]) for row in counted.collect()]


def reread(parts: Rows, waiting: DataFrame, batch: Batch, *, few: bool) -> Reread:
    """What the mappings make of the waiting lines; parts: (table, rows) of their files as a whole. `few`: whether every
    task may get all waiting rows.

    What is found is cut off from where it came from: Spark would work out anew, after each write to a table, whatever
    is kept of it.
    """
    lines = waiting.select(*LINE).distinct()
    keys = [
        rows.join(lines, LINE, "left_semi").select(*IN_TARGET).withColumn("target", F.lit(name)) for name, rows in parts
    ]
    made = reduce(DataFrame.unionByName, keys).localCheckpoint()
    gone = waiting.join(made, RECORD, "left_anti").localCheckpoint()
    if gone.isEmpty():
        return Reread(made, gone, made.where("false"), few)
    further = made.join(gone.select(*LINE).distinct(), LINE, "left_semi").join(waiting, RECORD, "left_anti")
    for name in sorted({name for name, _ in parts}):
        there = batch.lake.read(name).where(F.col("file_id").isin(batch.replayed_ids))
        there = there.where(F.col("run_no") != batch.run_no).select(*IN_TARGET).withColumn("target", F.lit(name))
        further = further.join(there, RECORD, "left_anti")
    return Reread(made, gone, further.localCheckpoint(), few)


def settled(waiting: DataFrame, judged: DataFrame, target: str, run_no: int) -> DataFrame:
    """The quarantine rows that a run adds for a target's waiting rows: taken, or open with reasons that are new.

    judged: rows with outcome.
    """
    before = waiting.where(F.col("target") == target)
    misfit = F.col("outcome") == "quarantined"
    taken = closed_rows(before.join(judged.where(~misfit).select(*IN_TARGET), IN_TARGET, "left_semi"), "taken", run_no)
    still = quarantine_rows(judged.where(misfit), target).alias("now")
    same = [F.col(f"now.{name}") == F.col(f"then.{name}") for name in RECORD]
    same += [F.col(f"now.{name}").eqNullSafe(F.col(f"then.{name}")) for name in VERDICT]
    return taken.unionByName(still.join(before.alias("then"), same, "left_anti"))


def _chosen(rows: DataFrame, wanted: DataFrame, run_no: int) -> DataFrame:
    again = rows.join(wanted.select(*IN_TARGET), IN_TARGET, "left_semi")
    return again.withColumn("run_no", F.lit(run_no).cast("long"))


def per_file(rows: DataFrame) -> dict[str, int]:
    """Number of rows by file_id (a row per file comes to the driver)."""
    return {row["file_id"]: row["count"] for row in rows.groupBy("file_id").count().collect()}
