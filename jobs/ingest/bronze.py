"""Lines of text files as rows, numbered, read by Spark in parallel; nothing passes through the driver."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.window import Window


def numbered_lines(spark: SparkSession, paths: list[str]) -> DataFrame:
    """(file_name, line_no, content): every line of every file, numbered from 1, raw bytes in `content`.

    A large file is read in blocks by several tasks. Within a block rows come in order, so a line's number is its
    place in the block plus the lines of the blocks before it; those are counted in a first pass over the files.
    """
    rows = spark.read.text(paths).select(
        F.col("_metadata.file_name").alias("file_name"),
        F.col("_metadata.file_block_start").alias("block"),
        F.monotonically_increasing_id().alias("place"),
        F.col("value").cast("binary").alias("content"),
    )
    blocks = rows.groupBy("file_name", "block").agg(F.min("place").alias("first_place"), F.count("*").alias("lines"))
    before = Window.partitionBy("file_name").orderBy("block").rowsBetween(Window.unboundedPreceding, -1)
    offsets = blocks.select(
        "file_name", "block", "first_place", F.coalesce(F.sum("lines").over(before), F.lit(0)).alias("offset")
    )
    numbered = rows.join(F.broadcast(offsets), ["file_name", "block"])
    line_no = F.col("offset") + F.col("place") - F.col("first_place") + 1
    return numbered.select("file_name", line_no.alias("line_no"), "content")


def decoded(lines: DataFrame, encoding: str) -> DataFrame:
    """Adds raw (text) and parse_error to numbered lines; bytes that are no text are kept as escaped hexadecimal.

    A byte-order mark on line 1 and the NUL or 0x1A that old systems put at the end are no content.
    """
    if encoding == "utf-8":
        valid = F.expr("is_valid_utf8(cast(content as string))")
        text = F.when(valid, F.col("content").cast("string"))
    else:
        valid = F.lit(True)
        text = F.decode("content", encoding)
    clean = F.regexp_replace(F.regexp_replace(text, "^\ufeff", ""), "[\\x00\\x1a]+$", "")
    return lines.withColumns(
        {
            "raw": F.when(valid, clean).otherwise(F.concat(F.lit("0x"), F.hex("content"))),
            "parse_error": F.when(~valid, F.lit(f"bytes that are no {encoding}")),
        }
    ).drop("content")
