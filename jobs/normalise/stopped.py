"""A column whose type has changed: it is stopped for that file, where no figure depends on it, and its rows go on."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.platform import schemas

LEAST_ROWS = 3  # of fewer it is not known whether the column or the cells are at fault
TYPE_RULES = ("number", "date", "boolean", "decimals", "range", "ambiguous")
READ, MISREAD = "_read_", "_misread_"


def counted(described: schemas.Table) -> list[Column]:
    """Aggregates of typed rows that `columns_to_stop` reads: per stoppable column how many cells fit, and which not."""
    found = []
    for column in described.stoppable:
        misread = F.filter("failed_rules", _concerns([column]))
        found += [
            F.count(column).alias(f"{READ}{column}"),
            F.count_if(F.size(misread) > 0).alias(f"{MISREAD}{column}"),
            F.min_by(F.struct("line_no", misread[0].alias("failed")), F.when(F.size(misread) > 0, F.col("line_no")))
            .alias(f"{MISREAD}first_{column}"),
        ]  # fmt: skip
    return found


def columns_to_stop(row: dict[str, object], described: schemas.Table) -> dict[str, str]:
    """{column: why, in words} of one file, from its row of `counted`: those of which no cell has the declared type."""
    found = {}
    for column in described.stoppable:
        misread = int(str(row[f"{MISREAD}{column}"]))
        if misread < LEAST_ROWS or row[f"{READ}{column}"]:
            continue
        first = row[f"{MISREAD}first_{column}"]
        failed = first["failed"]  # type: ignore[index]
        found[column] = (
            f"column {column} stopped: none of its {misread} values is {failed['expected']}"
            f" (first: '{failed['value']}', line {first['line_no']})"  # type: ignore[index]
        )
    return found


def without(rows: DataFrame, stopped: dict[str, dict[str, str]]) -> DataFrame:
    """The rows, what failed in the stopped columns of their file (by file_id) forgiven: those cells stay NULL."""
    kept = F.col("failed_rules")
    for file_id, columns in stopped.items():
        forgiven = F.filter("failed_rules", _concerns(list(columns), but=True))
        kept = F.when(F.col("file_id") == file_id, forgiven).otherwise(kept)
    return rows.withColumn("failed_rules", kept) if stopped else rows


def _concerns(columns: list[str], *, but: bool = False) -> Callable[[Column], Column]:
    def concerns(failed: Column) -> Column:
        of_type = failed["column"].isin(columns) & failed["rule"].isin(*TYPE_RULES)
        return ~of_type if but else of_type

    return concerns
