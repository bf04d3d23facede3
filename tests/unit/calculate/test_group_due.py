"""Which groups are due: what touches a member, and what is another than before."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame, SparkSession

from jobs.calculate.group_due import changed_holds, due_groups, first_changes, renamed_counterparties

MON, TUE, WED, THU = (date(2026, 3, day) for day in range(2, 6))
TIMES = "group_id string, from_date date, to_date date"
TOUCHED = "tenant_id string, account_id string, from_date date"


def _times(spark: SparkSession, *rows: tuple[str, date, date | None]) -> DataFrame:
    return spark.createDataFrame(rows, TIMES)


def test_the_first_day_on_which_intervals_are_others(spark: SparkSession) -> None:
    before = _times(
        spark, ("same", MON, None), ("ends", MON, None), ("begins", TUE, WED), ("gone", TUE, THU), ("longer", MON, TUE)
    )
    now = _times(
        spark, ("same", MON, None), ("ends", MON, WED), ("begins", MON, WED), ("new", WED, None), ("longer", MON, WED)
    )
    found = {row["group_id"]: row["from_date"] for row in first_changes(now, before, ["group_id"]).collect()}
    assert found == {"ends": THU, "begins": MON, "gone": TUE, "new": WED, "longer": WED}


def test_a_touched_member_makes_its_groups_due_but_none_that_it_has_left(spark: SparkSession) -> None:
    touched = spark.createDataFrame([("acme", "A", TUE), ("acme", "B", THU)], TOUCHED)
    memberships = spark.createDataFrame(
        [
            ("acme", "household", "h", "A", MON, None),
            ("acme", "household", "later", "A", WED, None),
            ("acme", "household", "left", "A", MON, MON),
            ("acme", "tenant", "acme", "A", MON, None),
            ("acme", "tenant", "acme", "B", MON, None),
        ],
        "tenant_id string, group_type string, group_id string, account_id string, from_date date, to_date date",
    )
    changed = spark.createDataFrame(
        [("acme", "household", "h", "C", MON)],
        "tenant_id string, group_type string, group_id string, account_id string, from_date date",
    )
    found = {row["group_id"]: row["from_date"] for row in due_groups(touched, memberships, changed).collect()}
    assert found == {"h": MON, "later": WED, "acme": TUE}


def test_a_hold_and_its_release_count_from_the_first_day_held(spark: SparkSession) -> None:
    schema = "tenant_id string, account_id string, held_from date"
    now = spark.createDataFrame([("acme", "held", TUE), ("acme", "same", MON), ("acme", "earlier", MON)], schema)
    before = spark.createDataFrame([("acme", "released", WED), ("acme", "same", MON), ("acme", "earlier", TUE)], schema)
    found = {row["account_id"]: row["from_date"] for row in changed_holds(now, before).collect()}
    assert found == {"held": TUE, "released": WED, "earlier": MON}


def test_a_transfer_counts_by_every_version_once_one_of_them_names_an_account(spark: SparkSession) -> None:
    rows = spark.createDataFrame(
        [
            ("acme", "named", "A", TUE, None), ("acme", "named", "A", TUE, "B"),
            ("acme", "moved", "A", MON, "B"), ("acme", "moved", "C", WED, None),
            ("acme", "plain", "D", TUE, None), ("acme", "early", "E", TUE, "F"),
        ],
        "tenant_id string, transaction_id string, account_id string, performance_date date,"
        " counterparty_account_id string",
    )  # fmt: skip
    key = ["tenant_id", "transaction_id"]
    late = rows.where("transaction_id <> 'early'")
    found = {tuple(row) for row in renamed_counterparties(rows, late, key).select("account_id", "from_date").collect()}
    assert found == {("A", TUE), ("A", MON), ("C", WED)}
