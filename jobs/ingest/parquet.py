"""Rows of Parquet files as lines: one JSON object a row, by the place of the row in its file, read by Spark."""

from __future__ import annotations

from functools import reduce

import pyarrow.parquet as pq
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T


def parquet_lines(spark: SparkSession, paths: list[str]) -> DataFrame:
    """(file_name, line_no, raw, parse_error): names in lower case, numbers and dates exact, times in UTC, NULLs left
    out. Files of one schema are read together."""
    by_schema: dict[str, list[str]] = {}
    for path in paths:
        by_schema.setdefault(str(pq.read_schema(path)), []).append(path)
    return reduce(DataFrame.unionByName, [_of_one_schema(spark, alike) for alike in by_schema.values()])


def _of_one_schema(spark: SparkSession, paths: list[str]) -> DataFrame:
    nanoseconds = {field.name for field in pq.read_schema(paths[0]) if str(field.type).startswith("timestamp[ns")}
    rows = spark.read.parquet(*paths)
    record = F.struct(*[_value(field, field.name in nanoseconds).alias(field.name.lower()) for field in rows.schema])
    return rows.select(
        F.col("_metadata.file_name").alias("file_name"),
        (F.col("_metadata.row_index") + 1).alias("line_no"),
        F.to_json(record).alias("raw"),
        F.lit(None).cast("string").alias("parse_error"),
    )


def _value(field: T.StructField, is_nanoseconds: bool) -> Column:
    value = F.col(f"`{field.name}`")
    if is_nanoseconds:  # Spark has microseconds, and reads these as whole numbers
        return F.timestamp_micros(F.floor(value / 1000).cast("long"))
    return value
