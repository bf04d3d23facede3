"""Reconciliation on literal frames: what differs, what may not be compared, and what a break remembers."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from jobs.check.tolerances import Limit, Rule, Tolerances
from jobs.platform import schemas
from jobs.reconcile.breaks import compared, remembered

TUESDAY = date(2026, 3, 10)
WEDNESDAY = date(2026, 3, 11)

TOLERANCES = Tolerances(
    rules=[
        Rule(
            name="begin_value",
            measure="begin_value_difference",
            limits=[Limit(unit="money", max=Decimal("0.05")), Limit(unit="bps", max=Decimal("0.01"))],
            severity="warn",
            reason="closing value of yesterday",
        ),
        Rule(
            name="net_flow",
            measure="net_flow_difference",
            limits=[Limit(unit="money", max=Decimal("0.05"))],
            severity="warn",
            reason="a flow that one side has not seen",
        ),
        Rule(
            name="return_daily",
            measure="daily_return_difference",
            limits=[Limit(unit="bps", max=Decimal(1))],
            severity="warn",
            reason="rounding of the vendor",
        ),
        Rule(
            name="return_daily",
            measure="daily_return_difference",
            vendor="brokerage",
            limits=[Limit(unit="bps", max=Decimal(25))],
            severity="hold",
            reason="this vendor rounds coarsely",
        ),
        Rule(
            name="return_mtd",
            measure="mtd_return_difference",
            limits=[Limit(unit="bps", max=Decimal(2))],
            severity="warn",
            reason="rounding of the vendor",
        ),
    ]
)

OURS: dict[str, Any] = {
    "tenant_id": "acme",
    "account_id": "A1",
    "as_of_date": TUESDAY,
    "begin_market_value": Decimal("1000000"),
    "net_flow": Decimal("0"),
    "end_market_value": Decimal("1010000"),
    "days": 1,
    "method": "daily",
    "twrr_daily": 0.01,
    "twrr_mtd": 0.03,
    "status": "ok",
    "begin_date": date(2026, 3, 9),
    "inception_date": date(2026, 1, 2),
    "run_no": 7,
}
THEIRS: dict[str, Any] = {
    "tenant_id": "acme",
    "vendor": "canonical",
    "feed": "canonical_reported_performance",
    "account_id": "A1",
    "as_of_date": TUESDAY,
}


def frame(spark: SparkSession, table: str, rows: list[dict[str, Any]]) -> DataFrame:
    """Rows of a table of schemas/; columns that a row leaves out are NULL."""
    struct = schemas.table(table).struct
    loose = T.StructType([T.StructField(field.name, field.dataType) for field in struct.fields])
    return spark.createDataFrame([tuple(row.get(name) for name in struct.names) for row in rows], loose)


Case = tuple[dict[str, Any], dict[str, Any] | None]


def figures(spark: SparkSession, cases: list[Case]) -> list[dict[str, Any]]:
    """Each case is an account: the vendor's row (over THEIRS) and ours (over OURS; None: we have no row)."""
    named = [(f"A{number}", theirs, ours) for number, (theirs, ours) in enumerate(cases)]
    reported = [{**THEIRS, "account_id": name, **theirs} for name, theirs, _ in named]
    mine = [{**OURS, "account_id": name, **ours} for name, _, ours in named if ours is not None]
    rows = compared(
        frame(spark, "reported_performance", reported), frame(spark, "account_performance_daily", mine), TOLERANCES
    )
    return [row.asDict(recursive=True) for row in rows.orderBy("account_id", "type").collect()]


def rule_of(figure: dict[str, Any]) -> str | None:
    return figure["verdict"]["rule"] if figure["verdict"] else None


def test_a_begin_value_breaks_when_it_is_beyond_money_and_basis_points(spark: SparkSession) -> None:
    found = figures(
        spark,
        [
            ({"begin_market_value": Decimal("999990")}, {}),  # 10 is 0.1 bps of 1,000,000: beyond 0.05 and 0.01 bps
            ({"begin_market_value": Decimal("999999.5")}, {}),  # 0.5 is beyond 0.05, but 0.005 bps: in tolerance
            ({"begin_market_value": Decimal("1000000")}, {}),
            ({"begin_market_value": Decimal("0")}, {"begin_market_value": Decimal("12")}),  # nothing has no bps
            ({"begin_market_value": Decimal("0")}, {"begin_market_value": Decimal("0")}),
        ],
    )
    assert [(rule_of(f), f["difference"]) for f in found] == [
        ("begin_value", Decimal("10")),
        (None, Decimal("0.5")),
        (None, Decimal("0")),
        ("begin_value", Decimal("12")),
        (None, Decimal("0")),
    ]
    bps = [f["difference_bps"] for f in found]
    assert bps[:3] == pytest.approx([0.1000010000100001, 0.005000002500001, 0.0], rel=1e-9)
    assert bps[3:] == [None, None]


def test_a_return_breaks_beyond_the_limit_of_its_vendor(spark: SparkSession) -> None:
    """One basis point for all, twenty-five for the brokerage, whose breaks hold the account."""
    found = figures(
        spark,
        [
            ({"twrr_daily": 0.01 - 0.000101}, {}),
            ({"twrr_daily": 0.01 - 0.000099}, {}),
            ({"vendor": "brokerage", "twrr_daily": 0.0124}, {}),
            ({"vendor": "brokerage", "twrr_daily": 0.0126}, {}),
        ],
    )
    assert [f["verdict"] and (f["verdict"]["rule"], f["verdict"]["severity"]) for f in found] == [
        ("return_daily", "warn"),
        None,
        None,
        ("return_daily", "hold"),
    ]
    assert [f["difference_bps"] for f in found] == pytest.approx([1.01, 0.99, -24, -26])
    assert [f["difference"] for f in found] == [None] * 4


def test_what_cannot_be_compared_says_why_and_is_no_break(spark: SparkSession) -> None:
    five = Decimal("5")
    cases: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        ({"twrr_daily": 0.5}, {"days": 3, "method": "modified_dietz"}, "our row covers 3 business days, theirs one"),
        ({"twrr_daily": 0.5}, {"status": "undefined", "twrr_daily": None}, "our row is undefined"),
        (
            {"begin_market_value": five},
            {"status": "opening", "begin_market_value": None},
            "we have no figure: our row is opening",
        ),
        ({"net_flow": five}, {"days": 2}, "our row covers 2 business days, theirs one"),
        ({"twrr_mtd": 0.5}, {"inception_date": date(2026, 3, 2)}, "our track began on 2026-03-02, within the month"),
        ({"twrr_mtd": 0.5}, {"days": 7, "begin_date": date(2026, 2, 27)}, "our row begins before the month"),
    ]
    found = figures(spark, [(theirs, ours) for theirs, ours, _ in cases])
    assert [f["obstacle"] for f in found] == [obstacle for _, _, obstacle in cases]
    assert {(f["verdict"], f["difference"], f["difference_bps"]) for f in found} == {(None, None, None)}


def test_only_figures_that_are_given_are_compared_and_a_missing_day_is_said_once(spark: SparkSession) -> None:
    found = figures(
        spark,
        [
            ({}, {}),
            ({"begin_market_value": Decimal("1"), "twrr_daily": 0.1, "twrr_mtd": 0.1}, None),
            ({"twrr_mtd": 0.0305}, {"inception_date": date(2026, 2, 27)}),  # we cover the month from before its start
        ],
    )
    assert [(f["account_id"], f["type"], f["obstacle"], rule_of(f)) for f in found] == [
        ("A1", "begin_value", "we have no row on that day", None),
        ("A2", "twrr_mtd", None, "return_mtd"),
    ]


# What becomes of a break from night to night


def night(spark: SparkSession, begin: str, before: DataFrame, on: date, run_no: int) -> list[dict[str, Any]]:
    """The vendor says `begin` for the account's value of Tuesday morning; ours is 1,000,000."""
    reported = frame(spark, "reported_performance", [{**THEIRS, "begin_market_value": Decimal(begin)}])
    found = compared(reported, frame(spark, "account_performance_daily", [OURS]), TOLERANCES)
    rows = remembered(found, before, business_date=on, run_no=run_no, run_id=f"run-{run_no}")
    return [row.asDict() for row in rows.collect()]


def test_a_new_break_says_what_differs_and_what_was_expected(spark: SparkSession) -> None:
    [row] = night(spark, "999900", frame(spark, "reconciliation_break", []), TUESDAY, 1)
    assert (row["state"], row["severity"], row["first_seen_on"], row["last_seen_on"]) == (
        "open",
        "warn",
        TUESDAY,
        TUESDAY,
    )
    assert (row["ours"], row["theirs"], row["difference"]) == (1_000_000.0, 999_900.0, Decimal("100"))
    assert row["reason"] == (
        "ours less theirs is 100.00 (1.00 bps), expected at most 0.05 money and at most 0.01 bps (rule begin_value)"
    )


def test_a_break_keeps_its_identity_ages_is_resolved_and_reopens(spark: SparkSession) -> None:
    nothing = frame(spark, "reconciliation_break", [])
    [first] = night(spark, "999900", nothing, TUESDAY, 1)
    history = [first]
    [again] = night(spark, "999800", frame(spark, "reconciliation_break", history), WEDNESDAY, 2)
    assert again["break_id"] == first["break_id"]
    assert (again["state"], again["first_seen_on"], again["last_seen_on"]) == ("open", TUESDAY, WEDNESDAY)

    history.append(again)
    [cleared] = night(spark, "1000000", frame(spark, "reconciliation_break", history), date(2026, 3, 12), 3)
    assert (cleared["break_id"], cleared["state"]) == (first["break_id"], "resolved")
    assert (cleared["first_seen_on"], cleared["last_seen_on"]) == (TUESDAY, WEDNESDAY)

    history.append(cleared)
    assert night(spark, "1000000", frame(spark, "reconciliation_break", history), date(2026, 3, 13), 4) == []
    [reopened] = night(spark, "999900", frame(spark, "reconciliation_break", history), date(2026, 3, 13), 5)
    assert (reopened["state"], reopened["first_seen_on"]) == ("open", TUESDAY)


def test_a_break_that_a_person_accepted_stays_accepted(spark: SparkSession) -> None:
    [first] = night(spark, "999900", frame(spark, "reconciliation_break", []), TUESDAY, 1)
    accepted = {**first, "state": "accepted", "reason": "fee basis, agreed with the vendor", "run_no": 2}
    [row] = night(spark, "999900", frame(spark, "reconciliation_break", [first, accepted]), WEDNESDAY, 3)
    assert (row["state"], row["reason"]) == ("accepted", "fee basis, agreed with the vendor")


def test_figures_that_agree_and_never_differed_leave_no_row(spark: SparkSession) -> None:
    assert night(spark, "1000000", frame(spark, "reconciliation_break", []), TUESDAY, 1) == []
