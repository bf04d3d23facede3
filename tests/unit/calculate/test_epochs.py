"""Which rows are current, and from which date on a new calculation differs."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession

from jobs.calculate.epochs import current_rows, first_differences, new_epochs, rows_to_write
from jobs.calculate.state import next_state
from jobs.platform.schemas import table

MON, TUE, WED = (date(2026, 3, day) for day in range(2, 5))
DAILY = table("account_performance_daily")
EPOCHS = "tenant_id string, account_id string, epoch int, from_date date"
PLAIN: dict[str, Any] = {
    "tenant_id": "acme", "currency": "USD", "end_market_value": Decimal(100), "days": 1, "method": "daily",
    "twrr_daily": 0.01, "status": "ok", "quality_flags": "", "epoch": 1, "run_id": "r", "run_no": 1, "begin_date": MON,
}  # fmt: skip


def _gold(spark: SparkSession, *rows: dict[str, Any]) -> DataFrame:
    values = [tuple({**PLAIN, **row}.get(name) for name in DAILY.names) for row in rows]
    return spark.createDataFrame(values, DAILY.struct)


def test_a_later_epoch_supersedes_every_earlier_row_from_its_date_on(spark: SparkSession) -> None:
    rows = _gold(
        spark,
        {"account_id": "A", "as_of_date": MON},
        {"account_id": "A", "as_of_date": TUE},
        {"account_id": "A", "as_of_date": WED},  # the new epoch has no row for it: it is no more
        {"account_id": "A", "as_of_date": TUE, "epoch": 2},
        {"account_id": "B", "as_of_date": TUE},
    )
    epochs = spark.createDataFrame([("acme", "A", 2, TUE)], EPOCHS)
    expected = spark.createDataFrame([("A", MON, 1), ("A", TUE, 2), ("B", TUE, 1)], "a string, d date, e int")
    actual = current_rows(rows, epochs).selectExpr("account_id AS a", "as_of_date AS d", "epoch AS e")
    assert_df_equality(actual, expected, ignore_nullable=True, ignore_row_order=True)


def test_what_differs_is_written_from_its_first_date_on_under_the_next_epoch(spark: SparkSession) -> None:
    existing = _gold(
        spark,
        *[{"account_id": account, "as_of_date": day} for account in "ABCDE" for day in (MON, TUE)],
        {"account_id": "B", "as_of_date": WED, "epoch": 3},
    )
    calculated = _gold(
        spark,
        # A: equal to 1e-12, and a new day
        {"account_id": "A", "as_of_date": MON, "twrr_daily": 0.01 + 1e-14, "run_no": 2},
        {"account_id": "A", "as_of_date": TUE},
        {"account_id": "A", "as_of_date": WED},
        # B: one unit of the eighth decimal on Tuesday
        {"account_id": "B", "as_of_date": MON},
        {"account_id": "B", "as_of_date": TUE, "end_market_value": Decimal("100.00000001")},
        {"account_id": "B", "as_of_date": WED},
        # C: Tuesday is no more
        {"account_id": "C", "as_of_date": MON},
        # D: a day between the existing ones
        {"account_id": "D", "as_of_date": date(2026, 3, 1)},
        {"account_id": "D", "as_of_date": MON},
        {"account_id": "D", "as_of_date": TUE},
        # E: another status
        {"account_id": "E", "as_of_date": MON, "status": "wiped_out"},
        {"account_id": "E", "as_of_date": TUE},
    )
    epochs = spark.createDataFrame([("acme", "B", 2, MON), ("acme", "B", 3, WED)], EPOCHS)
    calculated = calculated.drop("epoch")
    differences = first_differences(calculated, existing)
    opened = {(r.account_id, r.epoch, r.from_date) for r in new_epochs(differences, epochs).collect()}
    assert opened == {("B", 4, TUE), ("C", 2, TUE), ("D", 2, date(2026, 3, 1)), ("E", 2, MON)}
    written = rows_to_write(calculated, existing, differences, epochs).collect()
    assert {(r.account_id, r.as_of_date, r.epoch) for r in written} == {
        ("A", WED, 1),
        ("B", TUE, 4),
        ("B", WED, 4),
        ("D", date(2026, 3, 1), 2),
        ("D", MON, 2),
        ("D", TUE, 2),
        ("E", MON, 2),
        ("E", TUE, 2),
    }


def test_the_state_is_the_last_row_with_a_rate_of_the_latest_epoch(spark: SparkSession) -> None:
    state = _gold(
        spark,
        {"account_id": "A", "as_of_date": MON},
        {"account_id": "B", "as_of_date": WED},
        {"account_id": "C", "as_of_date": MON},
    )
    published = _gold(
        spark,
        {"account_id": "A", "as_of_date": TUE, "run_no": 2},
        {"account_id": "A", "as_of_date": WED, "status": "no_fx", "run_no": 2},
        {"account_id": "B", "as_of_date": TUE, "epoch": 2, "run_no": 2},  # Wednesday is no more
        {"account_id": "D", "as_of_date": TUE, "run_no": 2},
    )
    assert {(r.account_id, r.as_of_date, r.run_no) for r in next_state(state, published).collect()} == {
        ("A", TUE, 2),
        ("B", TUE, 2),
        ("C", MON, 1),
        ("D", TUE, 2),
    }
