"""What a restatement changes: the largest change of a value and of a return, on the dates that were there before."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from jobs.calculate.effects import effects
from jobs.platform.schemas import table

MON, TUE, WED, THU = (date(2026, 3, day) for day in range(2, 6))
DAILY = table("account_performance_daily")
PLAIN: dict[str, Any] = {
    "tenant_id": "acme", "currency": "USD", "days": 1, "method": "daily", "status": "ok", "quality_flags": "",
    "epoch": 1, "run_id": "r", "run_no": 1, "begin_date": MON,
}  # fmt: skip


def rows(spark: SparkSession, *given: tuple[str, date, str, float | None]) -> DataFrame:
    filled = [
        {**PLAIN, "account_id": account, "as_of_date": day, "end_market_value": Decimal(worth), "twrr_ytd": ytd}
        for account, day, worth, ytd in given
    ]
    return spark.createDataFrame([tuple(row.get(name) for name in DAILY.names) for row in filled], DAILY.struct)


def test_the_largest_changes_are_named_with_their_dates(spark: SparkSession) -> None:
    old = rows(
        spark,
        ("A", MON, "10", 0.5), ("A", TUE, "20", 0.01), ("A", WED, "30", 0.02),
        ("gone", TUE, "7", 0.03), ("gone", WED, "5", 0.04),
        ("between", TUE, "1", 0.1), ("between", THU, "3", 0.3),
        ("flags", TUE, "1", None),
    )  # fmt: skip
    new = rows(
        spark,
        ("A", MON, "99", 0.9),  # before from_date: not looked at
        ("A", TUE, "18", 0.01), ("A", WED, "30", 0.0195), ("A", THU, "1000", 9.0),  # Thursday was not there before
        ("gone", TUE, "7", 0.03),
        ("between", TUE, "1", 0.1), ("between", WED, "2", 0.25), ("between", THU, "3", 0.3 + 1e-14),
        ("flags", TUE, "1", 0.002),  # a return that appears counts whole
    )  # fmt: skip
    since = spark.createDataFrame(
        [("acme", "A", TUE), ("acme", "gone", WED), ("acme", "between", WED), ("acme", "flags", TUE)],
        "tenant_id string, account_id string, from_date date",
    )
    found = effects(new, old, since, ["tenant_id", "account_id"], DAILY).collect()
    told = {
        row.account_id: (
            row.last_date, row.rows_changed, row.value_change, row.value_change_on,
            round(row.return_change_bp, 9), row.return_change_of, row.return_change_on,
        )
        for row in found
    }  # fmt: skip
    assert told == {
        "A": (WED, 2, Decimal(-2), TUE, -5.0, "twrr_ytd", WED),
        "gone": (WED, 1, Decimal(-5), WED, -400.0, "twrr_ytd", WED),
        "between": (WED, 1, Decimal(0), None, 0.0, None, None),
        "flags": (TUE, 1, Decimal(0), None, 20.0, "twrr_ytd", TUE),
    }
