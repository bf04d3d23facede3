"""What a row is to the rows before it: new, a newer version, the same again, or a contradiction within its file."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.normalise.records import rule_struct
from jobs.normalise.targets import RULES_TYPE
from jobs.platform.schemas import Table


def with_outcome(rows: DataFrame, described: Table, before: DataFrame | None, *, stamped: bool = False) -> DataFrame:
    """Adds outcome (silver, quarantined, or skipped:<why>) to typed rows; `before` has the lake's current rows.
    `stamped`: whether rows have a `stamp`.

    skipped:unchanged   equal to the version that counts already (the same row delivered again)
    skipped:duplicate   equal to an earlier line of the same file
    skipped:cancelled   taken back by a line above it (a file that lists the newest first), found by its values;
                        where an earlier file's booking is what that line took back, it is a rebooking and goes on
    skipped:superseded  an earlier stamp than another of these rows with its key has
    skipped:<skip>      declared by the mapping (a cell that means no record)
    quarantined         a failed rule, among them duplicate_key: one file says two things under one key. In a log,
                        later lines with status correct or cancel are versions, not contradictions, and so are all
                        lines that may repeat.
    """
    facts = [c.name for c in described.columns]
    key = described.key
    content = F.struct(*[F.col(name) for name in facts if name not in key])
    fits = (F.size("failed_rules") == 0) & F.col("skip").isNull()
    is_row = F.lit(True)
    every = rows.withColumns({"_is_row": is_row, "_fits": fits, "_content": content})
    if before is not None:
        old = before.withColumns({"_is_row": F.lit(False), "_fits": F.lit(True), "_content": content})
        every = every.unionByName(old, allowMissingColumns=True)
    superseded = F.lit(False)
    if stamped:
        newest = F.max(F.when(F.col("_fits"), F.col("stamp"))).over(Window.partitionBy(*key))
        superseded = F.coalesce(F.col("_fits") & (F.col("stamp") < newest), F.lit(False))
    every = every.withColumn("_superseded", superseded)
    # Rows that do not fit, or are superseded, take no part in the comparison: each is a key of its own.
    alone = ~F.col("_fits") | F.col("_superseded")
    every = every.withColumn("_own", F.when(alone, F.concat_ws("/", "file_id", "line_no", "record_no")))
    among = Window.partitionBy(*key, "_own").orderBy("arrival_no", "line_no", "record_no")
    in_file = Window.partitionBy(*key, "_own", "arrival_no")
    previous = F.lag("_content").over(among)
    previous_file = F.lag("file_id").over(among)
    every = every.withColumns({"_same": F.col("_content").eqNullSafe(previous), "_previous_file": previous_file})
    may_follow = F.col("status").isin("correct", "cancel") if "status" in facts else F.lit(False)
    if "may_repeat" in rows.columns:
        may_follow = may_follow | F.coalesce("may_repeat", F.lit(False))
    cancelled = F.lit(False)
    if "status" in facts and "reverses" in rows.columns:
        follows_cancel = F.coalesce(F.lag("reverses").over(among), F.lit(False)) & (F.col("status") == "new")
        took_back_another = F.coalesce(F.lag("status", 2).over(among) != "cancel", F.lit(False))
        cancelled = follows_cancel & (F.col("_previous_file") == F.col("file_id")) & ~took_back_another
        may_follow = may_follow | follows_cancel
    every = every.withColumn("_cancelled", cancelled)
    against = F.col("_is_row") & (F.col("_previous_file") == F.col("file_id")) & ~F.col("_same") & ~may_follow
    every = every.withColumn("_contradicts", F.max(against.cast("int")).over(in_file) == 1)
    contradicts = F.col("_fits") & F.col("_contradicts")
    what = F.concat_ws(", ", *[F.col(name).cast("string") for name in key if name not in {"tenant_id", "vendor"}])
    failed = rule_struct(
        "duplicate_key", ", ".join(n for n in key if n not in {"tenant_id", "vendor"}), what, "one row"
    )
    outcome = (
        F.when(F.col("skip").isNotNull(), F.concat(F.lit("skipped:"), F.col("skip")))
        .when(~F.col("_fits") | contradicts, "quarantined")
        .when(F.col("_superseded"), "skipped:superseded")
        .when(F.col("_cancelled"), "skipped:cancelled")
        .when(F.col("_same") & (F.col("_previous_file") == F.col("file_id")), "skipped:duplicate")
        .when(F.col("_same"), "skipped:unchanged")
        .otherwise("silver")
    )
    rules = F.when(contradicts, F.array(failed).cast(RULES_TYPE)).otherwise(F.col("failed_rules"))
    return (
        every.withColumns({"outcome": outcome, "failed_rules": rules})
        .where("_is_row")
        .drop(
            "_is_row",
            "_fits",
            "_content",
            "_own",
            "_same",
            "_superseded",
            "_previous_file",
            "_contradicts",
            "_cancelled",
        )
    )
