"""Exact decimals: one rounding, to 8 decimals, halves away from zero."""

from __future__ import annotations

from decimal import Decimal

from chispa import assert_df_equality
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.calculate.money import converted, difference, divided_by_whole, times


def test_a_quotient_is_rounded_once_halves_away_from_zero(spark: SparkSession) -> None:
    rows = spark.createDataFrame(
        [
            (Decimal("0.00000001"), 2, Decimal("0.00000001")),  # half a unit
            (Decimal("-0.00000001"), 2, Decimal("-0.00000001")),
            (Decimal("2.00000000"), 6, Decimal("0.33333333")),
            # 0.00000500/1001 is 0.4995... units: rounding to 10 decimals first would make it half a unit, and then one
            (Decimal("0.00000500"), 1001, Decimal("0.00000000")),
            (Decimal("99999999999999999999.99999999"), 3, Decimal("33333333333333333333.33333333")),
        ],
        "amount decimal(36,8), whole int, quotient decimal(28,8)",
    )
    divided = rows.withColumn("quotient", F.expr(divided_by_whole("amount", "whole")))
    assert_df_equality(divided, rows, ignore_nullable=True)


def test_a_product_keeps_all_decimals_until_it_is_rounded(spark: SparkSession) -> None:
    rows = spark.createDataFrame(
        [
            (Decimal("123456789.12345678"), Decimal("1.00000001"), Decimal("123456790.35802467")),
            (Decimal("-0.00000005"), Decimal("0.1"), Decimal("-0.00000001")),
            (Decimal("12345678901234567890.12345678"), Decimal("1"), Decimal("12345678901234567890.12345678")),
        ],
        "amount decimal(28,8), factor decimal(28,8), product decimal(28,8)",
    )
    multiplied = rows.withColumn("product", F.expr(times("amount", "factor")))
    assert_df_equality(multiplied, rows, ignore_nullable=True)


def test_a_cross_rate_is_never_rounded_itself(spark: SparkSession) -> None:
    """1,000,000 x 0.9 / 1.1: with the cross rate rounded to 8 decimals it would be 818181.82."""
    rows = spark.createDataFrame(
        [
            (Decimal(1000000), Decimal("0.9"), Decimal("1.1"), Decimal("818181.81818182")),
            (Decimal(1000000), Decimal(1), Decimal("1.1"), Decimal("909090.90909091")),
            (Decimal(1000000), Decimal("1.1"), Decimal(1), Decimal("1100000")),
            (Decimal("300000000000000"), Decimal(1), Decimal(3), Decimal("100000000000000")),
        ],
        "amount decimal(28,8), multiplier decimal(35,16), divisor decimal(35,16), worth decimal(28,8)",
    )
    worth = rows.withColumn("worth", F.expr(converted("amount", "multiplier", "divisor")))
    assert_df_equality(worth, rows, ignore_nullable=True)


def test_running_sums_are_subtracted_without_loss(spark: SparkSession) -> None:
    rows = spark.createDataFrame(
        [(Decimal("10000000000000000000.00000003"), Decimal("10000000000000000000.00000001"), Decimal("0.00000002"))],
        "later decimal(38,8), earlier decimal(38,8), growth decimal(28,8)",
    )
    subtracted = rows.withColumn("growth", F.expr(difference("later", "earlier")))
    assert_df_equality(subtracted, rows, ignore_nullable=True)
