"""How much of the history is read: for a few accounts that go back theirs, for all others the recent days."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.calculate import inputs
from jobs.calculate.due import LOOK_BACK, opening_from_gold
from jobs.calculate.inputs import Span
from jobs.platform.schemas import table

OLD, YESTERDAY, TODAY = date(2025, 7, 1), date(2026, 3, 30), date(2026, 3, 31)


def test_the_few_that_go_back_are_named_and_the_others_read_what_is_recent(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "FEW", 2)
    begun = [("new", None), ("back", OLD), *((f"A{n}", YESTERDAY) for n in range(5))]
    span = Span.of(spark.createDataFrame(begun, "account_id string, opened date"), TODAY)
    assert span == Span(None, TODAY, YESTERDAY, ("back", "new"))
    rows = [(account, day) for account in ("new", "back", "A1") for day in (OLD, YESTERDAY, TODAY)]
    frame = spark.createDataFrame(rows, "account_id string, as_of_date date")
    held = {tuple(row) for row in frame.where(span.holds("as_of_date")).collect()}
    assert held == {("A1", TODAY), *((account, day) for account, day in rows if account != "A1")}

    many = spark.createDataFrame(
        [("A", OLD), ("B", OLD), ("C", OLD), ("D", YESTERDAY)], "account_id string, opened date"
    )
    assert Span.of(many, TODAY) == Span(OLD, TODAY)


def test_an_opening_row_is_found_however_long_ago(spark: SparkSession) -> None:
    long_ago = YESTERDAY - LOOK_BACK - timedelta(days=30)
    gold = daily(spark, [("near", YESTERDAY), ("near", long_ago), ("far", long_ago), ("first", TODAY)])
    due = spark.createDataFrame(
        [("acme", name, TODAY, True) for name in ("near", "far", "first")],
        "tenant_id string, account_id string, from_date date, goes_back boolean",
    )
    none = spark.createDataFrame([], table("account_epoch").struct)
    found = {row["account_id"]: row["as_of_date"] for row in opening_from_gold(due, gold, none).collect()}
    assert found == {"near": YESTERDAY, "far": long_ago}


def daily(spark: SparkSession, rows: list[tuple[str, date]]) -> DataFrame:
    struct = table("account_performance_daily").struct
    for field in struct:
        field.nullable = True
    known: dict[str, Any] = {"tenant_id": "acme", "status": "ok", "epoch": 1}
    filled = [{**known, "account_id": account, "as_of_date": day} for account, day in rows]
    return spark.createDataFrame([tuple(one.get(name) for name in struct.names) for one in filled], struct)
