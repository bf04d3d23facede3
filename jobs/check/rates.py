"""How far the night's exchange rates have moved since the rates before them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

LONGEST_PAUSE = 10  # days after which a rate is not compared with the one before
PAIR = ["tenant_id", "vendor", "from_currency", "to_currency"]


@dataclass(frozen=True)
class Moves:
    """One feed's rates of a night: how many have a rate before them, the largest move (a fraction of the smaller of the
    two), and per limit how many moved by more."""

    rates: int
    largest: float
    beyond: dict[Decimal, int]


def moves(rates: DataFrame, before: DataFrame, limits: Sequence[Decimal]) -> dict[tuple[str, str, str], Moves]:
    """The moves by (tenant, vendor, feed), counted in one Spark job; a line per feed comes to the driver.

    rates: the night's rows of silver.fx_rate. before: the current ones of the days before; what tonight delivers anew
    takes the place of theirs.
    """
    columns = [*PAIR, "feed", "as_of_date", "rate"]
    every = rates.selectExpr(*columns, "true AS is_new").unionByName(before.selectExpr(*columns, "false AS is_new"))
    # Of the latest date before, the rate that was delivered tonight where one was.
    last_rate = f"""CAST(max_by(rate, struct(as_of_date, is_new)) OVER (
        PARTITION BY {", ".join(PAIR)} ORDER BY unix_date(as_of_date)
        RANGE BETWEEN {LONGEST_PAUSE} PRECEDING AND 1 PRECEDING) AS DOUBLE) AS last_rate"""
    beside = every.selectExpr("*", last_rate).where("is_new AND last_rate IS NOT NULL")
    # The same for a rate that doubles and one that halves, so that it does not matter which way round a pair is quoted.
    moved = beside.withColumn("move", F.expr("abs(rate - last_rate) / least(CAST(rate AS DOUBLE), last_rate)"))
    beyond = [F.count_if(F.col("move") > float(limit)).alias(f"beyond_{n}") for n, limit in enumerate(limits)]
    counted = moved.groupBy("tenant_id", "vendor", "feed").agg(
        F.count("*").alias("rates"), F.max("move").alias("largest"), *beyond
    )
    return {
        (row["tenant_id"], row["vendor"], row["feed"]): Moves(
            row["rates"], row["largest"], {limit: row[f"beyond_{n}"] for n, limit in enumerate(limits)}
        )
        for row in counted.collect()
    }
