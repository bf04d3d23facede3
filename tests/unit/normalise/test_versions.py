"""What a row is to the rows before it: new, newer, the same again, or a contradiction within its file."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.normalise.targets import RULES_TYPE
from jobs.normalise.versions import with_outcome
from jobs.platform.schemas import table

PRICE = table("price")
DAY = date(2026, 3, 2)


def prices(spark: SparkSession, rows: list[tuple[int, int, str, str]]) -> DataFrame:
    """(arrival_no, line_no, security_id, price) as typed rows that fit."""
    values = [
        (security, DAY, Decimal(price), "USD", "acme", "v", "f", f"f{arrival}", line, 1, "m", arrival, 9, False)
        for arrival, line, security, price in rows
    ]
    nullable = T.StructType([T.StructField(f.name, f.dataType) for f in PRICE.struct])
    frame = spark.createDataFrame(values, nullable)
    return frame.selectExpr("*", f"cast(array() as {RULES_TYPE}) as failed_rules", "cast(null as string) as skip")


def outcomes(judged: DataFrame) -> dict[tuple[Any, Any], str]:
    return {(row["arrival_no"], row["line_no"]): row["outcome"] for row in judged.collect()}


def test_a_new_row_and_a_newer_version_both_go_to_silver(spark: SparkSession) -> None:
    judged = with_outcome(prices(spark, [(1, 2, "A", "10"), (2, 2, "A", "11")]), PRICE, None)
    assert outcomes(judged) == {(1, 2): "silver", (2, 2): "silver"}


def test_the_same_again_is_skipped_in_the_file_and_across_files(spark: SparkSession) -> None:
    rows = prices(spark, [(1, 2, "A", "10"), (1, 3, "A", "10"), (2, 2, "A", "10")])
    assert outcomes(with_outcome(rows, PRICE, None)) == {
        (1, 2): "silver",
        (1, 3): "skipped:duplicate",
        (2, 2): "skipped:unchanged",
    }


def test_a_row_equal_to_the_one_in_the_lake_is_skipped_and_a_return_to_older_figures_is_not(
    spark: SparkSession,
) -> None:
    before = prices(spark, [(1, 2, "A", "10"), (1, 3, "B", "5")]).drop("failed_rules", "skip")
    rows = prices(spark, [(2, 2, "A", "10"), (2, 3, "B", "6"), (3, 2, "B", "5")])
    assert outcomes(with_outcome(rows, PRICE, before)) == {
        (2, 2): "skipped:unchanged",
        (2, 3): "silver",
        (3, 2): "silver",
    }


def test_of_rows_with_a_stamp_the_newest_counts_wherever_it_stands(spark: SparkSession) -> None:
    rows = prices(spark, [(1, 2, "A", "12"), (1, 3, "A", "11"), (2, 2, "A", "10"), (2, 3, "A", "12"), (2, 4, "B", "5")])
    hours = F.create_map(*[F.lit(one) for one in ("12", "T09", "11", "T08", "10", "T07")])
    stamped = rows.withColumns({"stamp": hours[F.col("price").cast("int").cast("string")], "may_repeat": F.lit(True)})
    assert outcomes(with_outcome(stamped, PRICE, None, stamped=True)) == {
        (1, 2): "silver",
        (1, 3): "skipped:superseded",
        (2, 2): "skipped:superseded",  # a page that overlaps, with what was true before
        (2, 3): "skipped:unchanged",
        (2, 4): "silver",  # without a stamp
    }


def test_two_figures_under_one_key_in_one_file_are_all_quarantined(spark: SparkSession) -> None:
    rows = prices(spark, [(1, 2, "A", "10"), (1, 3, "A", "10"), (1, 4, "A", "11"), (1, 5, "B", "7")])
    judged = with_outcome(rows, PRICE, None)
    assert outcomes(judged) == {
        (1, 2): "quarantined",
        (1, 3): "quarantined",
        (1, 4): "quarantined",
        (1, 5): "silver",
    }
    reasons = {row["failed_rules"][0]["rule"] for row in judged.where("outcome = 'quarantined'").collect()}
    assert reasons == {"duplicate_key"}


def bookings(spark: SparkSession, rows: list[tuple[int, int, str]]) -> DataFrame:
    """(arrival_no, line_no, word) of one booking: `new`, or `back` for a cancel that was found by its values."""
    described = table("transaction")
    amount = {"new": Decimal(100), "back": Decimal(-100)}
    values = [
        (arrival, line, "T", amount[word], "cancel" if word == "back" else "new", f"f{arrival}", word == "back")
        for arrival, line, word in rows
    ]
    names = "arrival_no long, line_no long, transaction_id string, amount decimal(28,8), status string, file_id string"
    frame = spark.createDataFrame(values, f"{names}, reverses boolean")
    fixed = {"tenant_id": "'t'", "vendor": "'v'", "record_no": "1"}
    absent = {name: "null" for name in described.names if name not in {*frame.columns, *fixed}}
    types = {field.name: field.dataType.simpleString() for field in described.struct}
    made = [f"cast({text} as {types[name]}) as {name}" for name, text in {**fixed, **absent}.items()]
    return frame.selectExpr(
        "*", *made, f"cast(array() as {RULES_TYPE}) as failed_rules", "cast(null as string) as skip"
    )


def test_a_booking_taken_back_above_it_in_a_file_of_newest_first_counts_for_nothing(spark: SparkSession) -> None:
    described = table("transaction")
    first = bookings(spark, [(1, 1, "back"), (1, 2, "new")])
    assert outcomes(with_outcome(first, described, None)) == {(1, 1): "silver", (1, 2): "skipped:cancelled"}
    before = bookings(spark, [(1, 1, "back")]).drop("failed_rules", "skip", "reverses")
    again = bookings(spark, [(2, 1, "back"), (2, 2, "new")])
    assert outcomes(with_outcome(again, described, before)) == {
        (2, 1): "skipped:unchanged",
        (2, 2): "skipped:cancelled",
    }


def test_a_booking_made_again_after_its_cancel_counts(spark: SparkSession) -> None:
    before = bookings(spark, [(1, 1, "new")]).drop("failed_rules", "skip", "reverses")
    later = bookings(spark, [(2, 1, "back"), (2, 2, "new")])
    assert outcomes(with_outcome(later, table("transaction"), before)) == {(2, 1): "silver", (2, 2): "silver"}
