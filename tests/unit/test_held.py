"""What reconcile holds and lets through: by breaks that open and end, by results that are calculated anew."""

from __future__ import annotations

from datetime import date
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.check.tolerances import Rule, Tolerances
from jobs.platform import schemas
from jobs.reconcile.held import ended, holds_of_breaks, recalculated

MONDAY, TUESDAY = date(2026, 1, 5), date(2026, 1, 6)
PRESENT = (
    "tenant_id string, account_id string, as_of_date date, rule string, reason string, severity string, state string"
)
RULE = {"name": "end", "measure": "end_value_difference", "limits": [{"unit": "money", "max": 5}], "severity": "hold"}
TOLERANCES = Tolerances(rules=[Rule.model_validate({**RULE, "reason": "one of the two is wrong"})])
DAY = "tenant_id string, account_id string, as_of_date date"


def breaks(spark: SparkSession, *rows: tuple[str, str | None, str, int], on: date = MONDAY) -> DataFrame:
    """Of account, severity, state and run; one break per account."""
    struct = schemas.table("reconciliation_break").struct
    given: list[dict[str, Any]] = [
        {
            "tenant_id": "acme", "account_id": account, "break_id": account, "as_of_date": on, "source_vendor": "v",
            "type": "twrr_daily", "severity": severity, "state": state, "first_seen_on": on, "last_seen_on": on,
            "reason": "far apart", "run_no": run_no, "run_id": f"run {run_no}",
        }
        for account, severity, state, run_no in rows
    ]  # fmt: skip
    return spark.createDataFrame([tuple(row.get(name) for name in struct.names) for row in given], struct)


def test_a_break_holds_when_it_opens_and_not_again_while_it_stays_open(spark: SparkSession) -> None:
    rows = breaks(
        spark,
        ("new", "hold", "open", 7),
        ("warns", "warn", "open", 7),
        ("explained", "hold", "explained", 7),
        ("ages", "hold", "open", 7),
        ("again", "hold", "open", 7),
    )
    before = breaks(spark, ("ages", "hold", "open", 6), ("again", "hold", "open", 5), ("again", "hold", "resolved", 6))
    found = holds_of_breaks(rows, before, TOLERANCES).collect()
    assert {(row["account_id"], row["rule"], row["state"]) for row in found} == {
        ("new", "break_twrr_daily", "held"),
        ("again", "break_twrr_daily", "held"),
    }


def test_a_break_holds_again_where_it_goes_on_by_another_amount(spark: SparkSession) -> None:
    """grows: by more than the rule lets differ. stays: within it. corrected: another figure of the same date."""
    amounts = F.create_map(*[F.lit(one) for one in ("grows", 40, "stays", 10, "corrected", 40)])
    rows = breaks(spark, *[(one, "hold", "open", 7) for one in ("grows", "stays", "corrected")])
    before = rows.withColumns({"difference": F.lit(10), "through_date": F.lit(MONDAY), "run_no": F.lit(6)})
    day = F.when(F.col("account_id") == "corrected", MONDAY).otherwise(TUESDAY)
    rows = rows.withColumns({"difference": amounts[F.col("account_id")], "through_date": day})
    found = holds_of_breaks(*(one.withColumn("type", F.lit("end_value")) for one in (rows, before)), TOLERANCES)
    assert [(row["account_id"], row["rule"]) for row in found.collect()] == [("grows", "break_end_value")]


def test_an_attribute_that_changes_again_holds_again(spark: SparkSession) -> None:
    """again: on Tuesday, after Monday's change. ages: it is Monday's still. A level by the same amount is no change."""
    rows = breaks(spark, *[(one, "hold", "open", 7) for one in ("again", "ages", "level")])
    amount = F.when(F.col("account_id") == "level", 10)
    rows = rows.withColumn("difference", amount)
    before = rows.withColumns({"through_date": F.lit(MONDAY), "run_no": F.lit(6)})
    rows = rows.withColumn("through_date", F.when(F.col("account_id") != "ages", TUESDAY).otherwise(MONDAY))
    kind = F.when(F.col("account_id") == "level", "end_value").otherwise("account_changed")
    found = holds_of_breaks(rows.withColumn("type", kind), before.withColumn("type", kind), TOLERANCES)
    assert [(row["account_id"], row["rule"]) for row in found.collect()] == [("again", "break_account_changed")]


def test_a_hold_ends_with_its_break(spark: SparkSession) -> None:
    names = ["open", "resolved", "accepted"]
    present = spark.createDataFrame(
        [("acme", one, TUESDAY, "break_twrr_daily", "far apart", "hold", "held") for one in names]
        + [("acme", "open", MONDAY, "return_beyond", "far", "hold", "held")],
        PRESENT,
    )
    every = breaks(spark, *[(one, "hold", "open", 6) for one in names], *[(one, "hold", one, 7) for one in names[1:]])
    found = {row["account_id"]: (row["reason"], row["state"]) for row in ended(present, every).collect()}
    assert found == {one: (f"the break is {one}", "released") for one in names[1:]}


def test_a_hold_does_not_end_where_its_break_can_be_compared_no_more(spark: SparkSession) -> None:
    """Of `lost` and `both` nobody has corrected anything. That another date of `right` is not comparable holds
    nobody."""
    names = ["lost", "both", "right"]
    present = spark.createDataFrame(
        [("acme", one, TUESDAY, "break_twrr_daily", "far apart", "hold", "held") for one in names], PRESENT
    )
    every = breaks(spark, *[(one, "hold", "open", 6) for one in names], ("right", "hold", "resolved", 7))
    every = every.unionByName(breaks(spark, ("lost", None, "not_comparable", 7)))
    beside = breaks(spark, ("right", None, "not_comparable", 8), ("both", None, "not_comparable", 8), on=TUESDAY)
    every = every.unionByName(beside.withColumn("break_id", F.lit("of Tuesday")))
    found = [(row["account_id"], row["reason"]) for row in ended(present, every).collect()]
    assert found == [("right", "the break is resolved")]


def test_a_result_that_comes_out_otherwise_is_judged_anew(spark: SparkSession) -> None:
    """right: its row is another and is not found again. gone: its epoch has no row for the date any more. A flag ends
    with the result that it was for, as a hold does."""
    present = spark.createDataFrame(
        [
            ("acme", one, MONDAY, "return_beyond", "far", "hold", "held")
            for one in ("right", "still_wrong", "not_calculated", "gone", "gone_later")
        ]
        + [("acme", "right", MONDAY, "break_end_value", "far", "hold", "held")]
        + [("acme", one, MONDAY, "tiny_capital", "far", "warn", "flagged") for one in ("right", "not_calculated")],
        PRESENT,
    )
    rows = spark.createDataFrame([("acme", one, MONDAY) for one in ("right", "still_wrong")], DAY)
    epochs = spark.createDataFrame(
        [("acme", "gone", MONDAY), ("acme", "gone_later", TUESDAY)],
        "tenant_id string, account_id string, from_date date",
    )
    found = spark.createDataFrame([("acme", "still_wrong", MONDAY, "return_beyond")], f"{DAY}, rule string")
    through = recalculated(present, rows, epochs, found).collect()
    assert {row["reason"] for row in through} == {"the result is another now"}
    assert {(row["account_id"], row["rule"], row["state"]) for row in through} == {
        ("right", "return_beyond", "released"),
        ("right", "tiny_capital", "cleared"),
        ("gone", "return_beyond", "released"),
    }
