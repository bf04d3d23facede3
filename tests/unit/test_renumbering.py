"""Which account a new number is taken for, how surely, and why; each case beside one that is nearly it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from jobs.check.tolerances import Tolerances
from jobs.platform.schemas import table
from jobs.reconcile.proposals import open_proposals
from jobs.reconcile.renumbering import name_hash, proposed
from tests.unit.test_account_deliveries import rule as limited

THU, FRI = date(2026, 3, 5), date(2026, 3, 6)
FACTS = "value decimal(28,8), currency string, holdings string, positions long, name string"
NUMBERS = f"tenant_id string, vendor string, account_number string, from_date date, {FACTS}"
ACCOUNTS = f"tenant_id string, vendor string, account_id string, last_on date, {FACTS}"


def facts(value: str, holdings: str | None = None, name: str | None = None, *, positions: int = 12,
          currency: str = "USD") -> tuple[Any, ...]:  # fmt: skip
    return Decimal(value), currency, holdings, positions if holdings else None, name


# Case: what the number says on Friday, what the account that the vendor left out was on Thursday.
CASES = {
    "all": (facts("101", "h", "n"), facts("100", "h", "n")),
    "all, to the cent": (facts("777.77", "h2", "n2"), facts("777.77", "h2", "n2")),
    "name alone": (facts("300", None, "n3"), facts("200", None, "n3")),
    "name and near value": (facts("202", None, "n4"), facts("200", None, "n4")),
    "value alone": (facts("555.55"), facts("555.55")),
    "value to ten cents": (facts("444.40"), facts("444.50")),
    "positions, another name": (facts("1020", "h5", "n5"), facts("1010", "h5", "n6")),
    "two positions": (facts("150", "h7", positions=2), facts("180", "h7", positions=2)),
    "another currency": (facts("666.66", currency="EUR"), facts("666.66")),
    "nothing": (facts("0"), facts("0")),
}


@pytest.fixture(scope="module")
def found(spark: SparkSession) -> dict[str, Row]:
    numbers = [("acme", "bank", f"new {case}", FRI, *new) for case, (new, _) in CASES.items()]
    accounts = [("acme", "bank", f"old {case}", THU, *old) for case, (_, old) in CASES.items()]
    # Two accounts that one number may be; the same of another vendor and tenant; one still valued on Friday.
    numbers.append(("acme", "bank", "twins", FRI, *facts("8", "t", "t")))
    accounts += [("acme", "bank", f"twin {n}", THU, *facts("8", "t", "t")) for n in (1, 2)]
    numbers += [
        ("acme", "bank", "stranger", FRI, *facts("9", "s", "s")),
        ("acme", "bank", "late", FRI, *facts("7", "l")),
    ]
    accounts += [("acme", "other", "of another vendor", THU, *facts("9", "s", "s")),
                 ("zeta", "bank", "of another tenant", THU, *facts("9", "s", "s")),
                 ("acme", "bank", "still valued", FRI, *facts("7", "l"))]  # fmt: skip
    numbers.append(("acme", "bank", "no more", FRI, *facts("6", "r", "r")))
    accounts.append(("acme", "bank", "rejected", THU, *facts("6", "r", "r")))
    rejected = spark.createDataFrame(
        [("acme", "bank", "no more", "rejected")],
        "tenant_id string, vendor string, account_number string, account_id string",
    )
    rows = proposed(spark.createDataFrame(numbers, NUMBERS), spark.createDataFrame(accounts, ACCOUNTS), rejected)
    return {row["account_number"].removeprefix("new "): row for row in rows.collect()}


def test_each_number_is_taken_for_its_account(found: dict[str, Row]) -> None:
    met = {case for case in CASES if found.get(case) and found[case]["account_id"] == f"old {case}"}
    assert met == set(CASES) - {"value to ten cents", "nothing"}
    assert not {"stranger", "late", "no more"} & set(found)


@pytest.mark.parametrize(
    ("case", "confidence"),
    [
        ("all", 0.96),  # 1 - .4 * .15 * .7
        ("all, to the cent", 0.98),  # 1 - .4 * .15 * .3
        ("name and near value", 0.72),  # 1 - .4 * .7
        ("value alone", 0.7),
        ("two positions", 0.25),  # .5, and half of it for a value that is far off
        ("name alone", 0.3),  # .6, and half of it for the value
        ("positions, another name", 0.45),  # (1 - .15 * .7) / 2
        ("another currency", 0.0),  # values in two currencies say nothing, and currencies differ
    ],
)
def test_confidence_is_what_the_agreements_leave_no_room_for(
    found: dict[str, Row], case: str, confidence: float
) -> None:
    assert found[case]["confidence"] == pytest.approx(confidence, abs=0.006)


def test_the_reasons_say_what_speaks_for_it_and_what_against(found: dict[str, Row]) -> None:
    assert found["all"]["reasons"] == (
        "same name; same 12 positions; value 101.00 on 2026-03-06 after 100.00 on 2026-03-05"
    )
    assert found["positions, another name"]["reasons"].startswith("another name; same 12 positions; value")


def test_two_that_it_may_be_halve_the_confidence_and_are_named(found: dict[str, Row]) -> None:
    assert found["twins"]["account_id"] == "twin 1"
    assert found["twins"]["confidence"] == pytest.approx(0.49, abs=0.006)
    assert found["twins"]["reasons"].endswith("; 1 more that it may be")


def test_a_proposal_takes_more_than_the_confidence_allowed_and_a_new_number_takes_rows_that_wait(
    spark: SparkSession,
) -> None:
    """At 0.3, and with no rows, nothing is asked; beyond it the number is proposed, and a number of which rows wait is
    told as new."""
    cases = {"at": (0.3, 0), "at, waits": (0.3, 2), "beyond": (0.31, 0), "stranger": (None, 1), "nothing": (None, 0)}
    numbers = [("acme", "bank", case, "f", waiting, FRI, *facts("9")) for case, (_, waiting) in cases.items()]
    met = [
        ("acme", "bank", case, "old", confidence, "same value", None, (THU, *facts("9")))
        for case, (confidence, _) in cases.items()
        if confidence
    ]
    number = "tenant_id string, vendor string, account_number string"
    rows = open_proposals(
        spark.createDataFrame(numbers, f"{number}, feed string, waiting long, from_date date, {FACTS}"),
        spark.createDataFrame(
            met, f"{number}, account_id string, confidence double, reasons string, number string,"
            f" account struct<last_on:date,{FACTS.replace(' ', ':').replace(',:', ',')}>",
        ),
        spark.createDataFrame([], table("account_proposal").struct),
        Tolerances(rules=[
            limited("account_renumbered", "account_renumbered", "fraction", "0.3"),
            limited("account_new", "account_new", "rows", "0"),
        ]),
        business_date=FRI,
    ).collect()  # fmt: skip
    assert {(row["account_number"], row["kind"], row["verdict"]["rule"]) for row in rows} == {
        ("at, waits", "new", "account_new"),
        ("beyond", "renumbered", "account_renumbered"),
        ("stranger", "new", "account_new"),
    }


def test_names_are_equal_but_for_case_spacing_and_punctuation(spark: SparkSession) -> None:
    names = ["Müller & Co. KG", "MÜLLER  CO KG", "Mueller & Co. KG", " - ", None]
    rows = spark.createDataFrame([(n, name) for n, name in enumerate(names)], "n int, name string")
    hashes = [row[0] for row in rows.orderBy("n").select(name_hash(F.col("name"))).collect()]
    assert hashes[0] == hashes[1] != hashes[2]
    assert hashes[3:] == [None, None]
