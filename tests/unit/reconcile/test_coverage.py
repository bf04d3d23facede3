"""What nobody's figures were beside: told where others were compared, and taken back once a figure comes."""

from __future__ import annotations

from datetime import date

from pyspark.sql import SparkSession

from jobs.reconcile.coverage import uncompared_days

MONDAY, TUESDAY = date(2026, 3, 9), date(2026, 3, 10)
DAY = "tenant_id string, account_id string, as_of_date date"


def test_silence_is_no_comparison(spark: SparkSession) -> None:
    rows = [("acme", "A", TUESDAY), ("acme", "B", TUESDAY), ("alone", "Z", TUESDAY)]  # nothing came for `alone` at all
    compared = [("acme", name, MONDAY) for name in "CDF"] + [("acme", "A", TUESDAY)]
    known = [
        ("acme", "C", MONDAY, True, 1), ("acme", "D", MONDAY, True, 1), ("acme", "D", MONDAY, False, 2),
        ("acme", "E", MONDAY, True, 1),
    ]  # fmt: skip
    found = uncompared_days(
        spark.createDataFrame(rows, DAY),
        spark.createDataFrame(compared, DAY),
        spark.createDataFrame(known, f"{DAY}, is_uncompared boolean, run_no long"),
        spark.createDataFrame(
            [("acme", "F", MONDAY), ("acme", "G", MONDAY)], DAY
        ),  # Monday's run had no figures at all
    ).collect()
    assert {tuple(row) for row in found} == {
        ("acme", "B", TUESDAY, True),
        ("acme", "C", MONDAY, False),  # its figure has come; D's had before
        ("acme", "F", MONDAY, False),
    }
