"""The frames that publish derives: the account master, the accounts that are held, the state after a restatement."""

from datetime import date

import pytest
from chispa import assert_df_equality
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.calculate.holds import holds
from jobs.platform.settings import Tenant
from jobs.publish.small import account_master
from jobs.publish.state import publishable

MON, TUE = date(2026, 1, 5), date(2026, 1, 6)


@pytest.mark.parametrize(
    ("priority", "expected"),
    [([], [("A", "alpha", "as alpha has it"), ("B", "alpha", "named on Tuesday")]),
     (["zulu"], [("A", "zulu", "as zulu has it"), ("B", "alpha", "named on Tuesday")])],
)  # fmt: skip
def test_the_account_master_has_the_attributes_of_the_vendor_that_the_tenant_puts_first(
    spark: SparkSession, priority: list[str], expected: list[tuple[str, str, str]]
) -> None:
    accounts = spark.createDataFrame(
        [
            ("acme", "zulu", "A", "as zulu has it", date(1900, 1, 1)),
            ("acme", "alpha", "A", "as alpha has it", date(1900, 1, 1)),
            ("acme", "alpha", "B", "named on Monday", MON),
            ("acme", "alpha", "B", "named on Tuesday", TUE),
            ("acme", "alpha", "B", "named next year", date(2027, 1, 1)),
        ],
        "tenant_id string, vendor string, account_id string, account_name string, effective_from date",
    )
    master = account_master(accounts, F.lit(TUE), {"acme": Tenant(source_priority=priority)})
    assert_df_equality(
        master.select("account_id", "source_vendor", "account_name"),
        spark.createDataFrame(expected, "account_id string, source_vendor string, account_name string"),
        ignore_row_order=True,
    )


def test_an_account_is_held_from_its_first_date_that_the_latest_run_holds(spark: SparkSession) -> None:
    held = spark.createDataFrame(
        [
            ("acme", "A", MON, "jump", "held", 1, "check"),
            ("acme", "A", TUE, "jump", "held", 2, "check"),
            ("acme", "A", TUE, "stale", "flagged", 2, "check"),
            ("acme", "B", MON, "jump", "held", 1, "check"),
            ("acme", "B", MON, "jump", "released", 2, "check"),
            ("acme", "C", MON, "large", "held", 2, "check"),
            ("acme", "C", MON, "large", "released", 2, "reconcile"),  # the later step of the run
        ],
        "tenant_id string, account_id string, as_of_date date, rule string, state string, run_no long, step string",
    )
    expected = spark.createDataFrame([("acme", "A", MON)], "tenant_id string, account_id string, held_from date")
    assert_df_equality(holds(held), expected)


def test_what_is_held_or_superseded_is_not_publishable(spark: SparkSession) -> None:
    key = "tenant_id string, account_id string"
    rows = spark.createDataFrame(
        [("acme", "A", MON, 1), ("acme", "A", TUE, 1), ("acme", "B", MON, 1), ("acme", "B", MON, 2)],
        f"{key}, as_of_date date, epoch int",
    )
    held = spark.createDataFrame([("acme", "A", TUE)], f"{key}, held_from date")
    epochs = spark.createDataFrame([("acme", "B", 2, MON)], f"{key}, epoch int, from_date date")
    expected = spark.createDataFrame([("acme", "A", MON, 1), ("acme", "B", MON, 2)], rows.schema)
    assert_df_equality(publishable(rows, held, epochs), expected, ignore_row_order=True)
