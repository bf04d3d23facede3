"""Numbers that a person has accepted as an account: new rows read as that account's, earlier ones taken over."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.normalise.renumbered import moved_rows, under_their_account, xref_rows
from jobs.platform.account_decisions import Decision
from jobs.platform.lake import latest
from jobs.platform.schemas import table

MON, TUE, WED = date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 4)
ACCEPTED = [Decision("acme", 50, "p", "accept", "bank", "NEW", "OLD", TUE, "ann", "she knows")]
LINEAGE = {"tenant_id": "acme", "vendor": "bank", "feed": "f", "file_id": "f", "line_no": 7, "record_no": 1,
           "mapping_version": "m", "arrival_no": 9, "run_no": 3}  # fmt: skip


def rows_of(name: str, *rows: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [tuple({**LINEAGE, **row}.get(column) for column in table(name).names) for row in rows]


def test_rows_under_the_number_are_the_accounts_from_its_first_day_on(spark: SparkSession) -> None:
    given = [("bank", "NEW", MON), ("bank", "NEW", TUE), ("bank", "NEW", None), ("other", "NEW", TUE),
             ("bank", "X", TUE), ("bank", None, TUE)]  # fmt: skip
    rows = spark.createDataFrame(
        [("acme", *row) for row in given], "tenant_id string, vendor string, account_id string, as_of_date date"
    )
    read = under_their_account(rows, ACCEPTED, "as_of_date").collect()
    assert sorted(map(str, [(row["vendor"], row["account_id"], row["as_of_date"]) for row in read])) == sorted(
        map(str, [("bank", "NEW", MON), ("bank", "OLD", TUE), ("bank", "OLD", None), ("other", "NEW", TUE),
                  ("bank", "X", TUE), ("bank", None, TUE)])
    )  # fmt: skip


def test_values_under_the_number_go_over_with_file_and_line(spark: SparkSession) -> None:
    described = table("valuation")
    rows = rows_of(
        "valuation",
        {"account_id": "NEW", "as_of_date": MON, "market_value": Decimal(1)},
        {"account_id": "NEW", "as_of_date": TUE, "market_value": Decimal(2), "arrival_no": 8},
        {"account_id": "NEW", "as_of_date": TUE, "market_value": Decimal(3)},
        {"account_id": "NEW", "as_of_date": WED, "market_value": Decimal(4), "vendor": "other"},
        {"account_id": "OLD", "as_of_date": MON, "market_value": Decimal(5)},
    )
    every = spark.createDataFrame(rows, described.struct)
    moved = moved_rows(every, described, ACCEPTED, run_no=4).localCheckpoint()
    assert {(row["account_id"], row["market_value"], row["retired"], row["line_no"], row["arrival_no"], row["run_no"],
             row["file_id"]) for row in moved.collect()} == {
        ("OLD", Decimal(3), None, 7, 50, 4, "f"), ("NEW", Decimal(3), True, 0, 50, 4, "f"),
    }  # fmt: skip
    counting = latest(every.unionByName(moved), described).collect()
    assert {(row["vendor"], row["account_id"], row["as_of_date"], row["market_value"]) for row in counting} == {
        ("bank", "NEW", MON, Decimal(1)), ("bank", "OLD", TUE, Decimal(3)), ("other", "NEW", WED, Decimal(4)),
        ("bank", "OLD", MON, Decimal(5)),
    }  # fmt: skip


def test_a_booking_goes_over_as_a_new_version_of_itself(spark: SparkSession) -> None:
    described = table("transaction")
    booking = {"transaction_id": "T", "account_id": "NEW", "trade_date": TUE, "performance_date": TUE, "status": "new",
               "type": "DEPOSIT", "amount": Decimal(1)}  # fmt: skip
    every = spark.createDataFrame(rows_of("transaction", booking), described.struct)
    [row] = moved_rows(every, described, ACCEPTED, run_no=4).collect()
    assert (row["account_id"], row["retired"], row["line_no"], row["arrival_no"]) == ("OLD", None, 7, 50)


@pytest.mark.parametrize(
    ("known", "numbers"),
    [([], {"NEW"}), ([("bank", "4711", "NEW"), ("other", "4712", "NEW"), ("bank", "4713", "OLD")], {"NEW", "4711"})],
)
def test_the_number_and_what_meant_it_become_the_account_from_the_day_on(
    spark: SparkSession, known: list[tuple[str, str, str]], numbers: set[str]
) -> None:
    rows = rows_of("account_xref", *[
        {"source_vendor": vendor, "vendor_account_number": number, "account_id": account, "from_date": MON,
         "vendor": "canonical"}
        for vendor, number, account in known
    ])  # fmt: skip
    found = xref_rows(spark.createDataFrame(rows, table("account_xref").struct), ACCEPTED, run_no=4).collect()
    assert {row["vendor_account_number"] for row in found} == numbers
    assert {(row["source_vendor"], row["account_id"], row["from_date"], row["arrival_no"]) for row in found} == {
        ("bank", "OLD", TUE, 50)
    }
