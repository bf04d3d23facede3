"""Prices that come late or corrected: transfers in kind that the price table has valued are worth something else."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.normalise.batch import Batch
from jobs.normalise.in_kind import SECURITY, closing_prices, worth
from jobs.platform.lake import latest
from jobs.platform.schemas import table

DAY = [*SECURITY, "performance_date"]
PRICED_BY = ["file_id", "line_no", "record_no", "mapping_version"]


def revalued_rows(batch: Batch, replaced: DataFrame | None) -> DataFrame | None:
    """New versions of silver's transfers in kind for which the batch has brought a price of their day; None where it
    has brought none.

    Equal to the version that counts but for the amount, and that they belong to the file and line of the price: where
    the gate withholds that, they count no more than it. `replaced`: the batch's own rows of the table, which have seen
    the price already.
    """
    if "price" not in batch.loaded:
        return None
    lake, described = batch.lake, table("transaction")
    come = lake.written_by("price", [batch.run_no])
    named = F.struct(*PRICED_BY, "arrival_no").alias("by")
    days = come.groupBy(*SECURITY, F.col("as_of_date").alias("performance_date")).agg(
        F.max_by(named, "arrival_no").alias("by")
    )
    every = lake.read("transaction").where(F.col("run_no") != batch.run_no)
    if batch.withheld_ids:
        every = every.where(~F.col("file_id").isin(batch.withheld_ids))
    keys = every.where("is_valued").join(F.broadcast(days), DAY, "left_semi").select(*described.key).distinct()
    current = latest(every.join(keys, described.key, "left_semi"), described).where("is_valued AND status <> 'cancel'")
    if replaced is not None:
        current = current.join(replaced.select(*described.key), described.key, "left_anti")
    priced = current.join(F.broadcast(days), DAY).join(closing_prices(lake.current("price")), DAY)
    anew = priced.withColumn("_worth", worth(F.col("_close"))).where("_worth <> amount")
    return anew.withColumns({
        "amount": F.col("_worth"),
        "arrival_no": F.greatest("arrival_no", "by.arrival_no"),
        "run_no": F.lit(batch.run_no).cast("long"),
        **{name: F.col(f"by.{name}") for name in PRICED_BY},
    }).select(*described.names)  # fmt: skip


def revalue(batch: Batch) -> None:
    """Write such rows of a batch that has no transactions of its own."""
    rows = revalued_rows(batch, None)
    if rows is not None and (not rows.isEmpty() or batch.lake.wrote_lately("transaction", batch.run_no)):
        batch.lake.write_run(rows, "transaction", batch.run_no, batch.run_id)
