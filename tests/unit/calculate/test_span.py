"""How much of the history is read: for a few accounts that go back theirs, for all others the recent days."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.calculate import inputs
from jobs.calculate.due import LOOK_BACK, opening_from_gold
from jobs.calculate.inputs import Span, of_few
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

    alone = spark.createDataFrame([("new", None), ("back", OLD)], "account_id string, opened date")
    assert Span.of(alone, TODAY, going_back=True) == Span(None, TODAY, TODAY, ("back", "new"))
    assert Span.of(alone, TODAY) == Span(None, TODAY)  # as on any night of a small firm
    many = spark.createDataFrame(
        [("A", OLD), ("B", OLD), ("C", OLD), ("D", YESTERDAY)], "account_id string, opened date"
    )
    assert Span.of(many, TODAY) == Span(OLD, TODAY)


def test_rows_of_few_are_theirs_alone_and_of_many_may_be_anybody_s(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = spark.createDataFrame([(name,) for name in ("A", "B", "C", "D")], "account_id string")

    def read(*owners: str) -> set[str]:
        named = spark.createDataFrame([(name,) for name in owners], "account_id string")
        return {row[0] for row in of_few(rows, named).collect()}

    monkeypatch.setattr(inputs, "FEW", 2)
    assert read("A", "B", "A") == {"A", "B"}
    assert read() == set()
    assert read("A", "B", "C") == {"A", "B", "C", "D"}
    monkeypatch.setattr(inputs, "ROWS_OF_FEW", 3)
    assert read("A", "B", "A", "B") == {"A", "B", "C", "D"}


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
