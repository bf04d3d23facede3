"""How much a restatement changes: the new rows of each owner against those that were there."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.calculate.epochs import RETURN_TOLERANCE, compared_columns, differ
from jobs.platform.schemas import Table

RETURNS = [f"twrr_{window}{net}" for net in ("", "_gross") for window in ("daily", "mtd", "qtd", "ytd", "itd")]


def effects(
    calculated: DataFrame, existing: DataFrame, differences: DataFrame, owner: Sequence[str], described: Table
) -> DataFrame:
    """Per owner of `differences` (owner, from_date) what changes from from_date on.

    `calculated` and `existing` are daily rows of the table `described`. Columns: owner, from_date, period_begin (the
    day after which the sub-period of from_date starts), currency, last_date, rows_changed, value_change,
    value_change_on, return_change_bp, return_change_of, return_change_on: see schemas/restatement.yaml. What was not
    there before is no change of a figure: a row between two others tells in the returns after it.
    """
    day = str(described.date)
    names = compared_columns(described)
    key = [*owner, day]
    since = differences.select(*owner, "from_date")

    def rows(frame: DataFrame, name: str) -> DataFrame:
        chosen = frame.join(F.broadcast(since), [*owner]).where(F.col(day) >= F.col("from_date"))
        return chosen.select(*key, F.struct(*names).alias(name))

    returns = ", ".join(_return_change(place, name) for place, name in enumerate(RETURNS))
    both = rows(existing, "old").join(rows(calculated, "new"), key, "full")
    compared = both.selectExpr(
        *key,
        "old",
        "new",
        f"old IS NULL OR {differ(described)} AS differs",
        "TRY_CAST(coalesce(new.end_market_value, 0) - coalesce(old.end_market_value, 0) AS DECIMAL(28,8)) AS by_value",
        f"array_max(array({returns})) AS by_return",
        f"max(IF(old IS NULL, NULL, {day})) OVER (PARTITION BY {', '.join(owner)}) AS last_existing",
    ).where(f"{day} <= last_existing")
    # Of equal changes the first counts, so that running again says the same.
    off = f"-datediff({day}, DATE'1900-01-01')"
    value = f"struct(coalesce(abs(by_value), 1e20BD) AS size, {off} AS off, by_value AS change, {day} AS on)"
    return_ = f"struct(by_return.size AS size, {off} AS off, by_return.of, by_return.change AS change, {day} AS on)"
    measured = compared.groupBy(*owner).agg(
        F.expr(f"min_by(coalesce(new.begin_date, old.begin_date), {day}) AS period_begin"),
        F.expr(f"min_by(coalesce(new.currency, old.currency), {day}) AS currency"),
        F.expr(f"max(IF(differs, {day}, NULL)) AS last_date"),
        F.expr("CAST(count_if(differs) AS INT) AS rows_changed"),
        F.expr(f"max(IF(old IS NULL, NULL, {value})) AS value"),
        F.expr(f"max(IF(old IS NULL, NULL, {return_})) AS return"),
    )
    return measured.join(F.broadcast(since), [*owner]).selectExpr(
        *owner, "from_date", "period_begin", "currency", "last_date", "rows_changed",
        "value.change AS value_change", "IF(value.change = 0, NULL, value.on) AS value_change_on",
        "10000 * return.change AS return_change_bp", "IF(return.change = 0, NULL, return.of) AS return_change_of",
        "IF(return.change = 0, NULL, return.on) AS return_change_on",
    )  # fmt: skip


def _return_change(place: int, name: str) -> str:
    """Ordered by size, as far as a difference means anything; of equal ones the first of RETURNS is the greatest."""
    change = f"coalesce(new.{name}, 0D) - coalesce(old.{name}, 0D)"
    told = f"IF(abs({change}) <= {RETURN_TOLERANCE}, 0D, {change})"
    return f"struct(round(abs({told}), 12) AS size, -{place} AS place, '{name}' AS of, {told} AS change)"
