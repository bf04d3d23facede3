"""Literal rows of the tables of `schemas/`, for tests of functions of frames."""

from __future__ import annotations

from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from jobs.platform import schemas


def rows_of(spark: SparkSession, table: str, rows: list[dict[str, Any]]) -> DataFrame:
    """Rows of a table; columns that a row leaves out are NULL."""
    struct = schemas.table(table).struct
    loose = T.StructType([T.StructField(field.name, field.dataType) for field in struct.fields])
    return spark.createDataFrame([tuple(row.get(name) for name in struct.names) for row in rows], loose)
