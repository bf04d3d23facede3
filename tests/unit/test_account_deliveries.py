"""Who delivers which account: each case beside one that is nearly it, all looked at in one pass."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from jobs.check.tolerances import Limit, Rule, Tolerances
from jobs.platform.settings import Tenant
from jobs.reconcile import deliveries

WEEK = [date(2026, 3, day) for day in (2, 3, 4, 5, 6)]
MON, TUE, WED, THU, FRI = WEEK
TONIGHT = 5
CLOSED = "tenant_id string, account_id string, closed_on date"
# Who is valued on which days, and with what: the run's number is the day's place in the week.
VALUED: dict[str, tuple[list[date], str]] = {
    "gone": (WEEK[:4], "100"),
    "gone since Wednesday": (WEEK[:3], "100"),
    "valued now and then": ([MON, THU], "100"),
    "empty": (WEEK[:4], "0"),
    "closed and gone": (WEEK[:4], "100"),
    "closed": (WEEK, "250"),
    "closed, nothing left": (WEEK, "0"),
    "closed, five cents left": (WEEK, "0.05"),
    "closed, six cents left": (WEEK, "-0.06"),
    "closes today": (WEEK, "250"),
    "new": ([FRI], "100"),
    "steady": (WEEK, "100"),
    "steady too": (WEEK, "100"),
    "and this": (WEEK, "100"),
}


def rule(name: str, measure: Any, unit: Any, limit: str) -> Rule:
    limits = [Limit(unit=unit, max=Decimal(limit))]
    return Rule(name=name, measure=measure, limits=limits, severity="warn", reason="as the test has it")


TOLERANCES = Tolerances(
    rules=[rule("missing", "account_missing", "days", "1"), rule("closed", "closed_balance", "money", "0.05")]
)


@pytest.fixture(scope="module")
def found(spark: SparkSession) -> dict[str, Row]:
    rows = [
        ("acme", "bank", account, day, Decimal(value), "USD", "f", WEEK.index(day) + 1)
        for account, (days, value) in VALUED.items()
        for day in days
    ]
    # A correction of one account on Friday is no delivery: nobody else of that vendor is missing.
    rows += [("acme", "custodian", f"c{n}", day, Decimal(9), "USD", "f", n + 1) for n in range(4) for day in WEEK[:4]]
    rows.append(("acme", "custodian", "c1", FRI, Decimal(9), "USD", "f", TONIGHT))
    valuations = spark.createDataFrame(
        rows,
        "tenant_id string, vendor string, account_id string, as_of_date date, market_value decimal(28,8),"
        " currency string, feed string, run_no int",
    )
    closings = {
        "closed": TUE,
        "closed, nothing left": TUE,
        "closed, five cents left": TUE,
        "closed, six cents left": TUE,
        "closes today": FRI,
        "closed and gone": THU,
    }
    closed = spark.createDataFrame([("acme", account, day) for account, day in closings.items()], CLOSED)
    pairs = deliveries.deliveries(valuations)
    notable = deliveries.notable(pairs, closed, since=F.lit(TONIGHT), through=F.lit(THU)).localCheckpoint()
    told = [deliveries.missing(notable, TOLERANCES), deliveries.closed_with_balance(notable, TOLERANCES)]
    breaks = told[0].unionByName(told[1], allowMissingColumns=True)
    beside = notable.join(
        breaks.select("account_id", F.struct("type", "as_of_date", "ours", "difference", "verdict").alias("told")),
        "account_id",
        "left",
    )
    return {row["account_id"]: row for row in beside.collect()}


def flags(found: dict[str, Row], name: str) -> set[str]:
    return {account for account, row in found.items() if row[name]}


def test_missing_is_what_its_vendor_valued_regularly_and_left_out_of_a_whole_delivery(found: dict[str, Row]) -> None:
    assert flags(found, "is_missing") == {"gone", "gone since Wednesday"}
    assert flags(found, "is_absent") == {"gone", "gone since Wednesday", "valued now and then"}
    late, last_night = found["gone since Wednesday"]["told"], found["gone"]["told"]
    assert (late["type"], late["as_of_date"], late["ours"]) == ("account_missing", WED, 100.0)
    assert late["verdict"]["rule"] == "missing"  # two deliveries without it
    assert last_night["verdict"] is None  # one, as the rule allows


def test_closed_with_a_balance_is_dated_by_the_closing(found: dict[str, Row]) -> None:
    left = {f"closed, {what} left" for what in ("nothing", "five cents", "six cents")}
    assert flags(found, "is_closed") == {"closed", *left}
    told = found["closed"]["told"]
    assert (told["type"], told["as_of_date"], told["difference"]) == ("account_closed_with_balance", TUE, Decimal(-250))
    assert told["verdict"]["rule"] == "closed"
    assert {one for one in left if found[one]["told"]["verdict"]} == {"closed, six cents left"}


def test_new_is_what_has_its_first_value_tonight(found: dict[str, Row]) -> None:
    assert flags(found, "is_new") == {"new"}


def test_a_missing_account_is_found_again_where_it_is_valued_or_closed(spark: SparkSession) -> None:
    known = [("acme", "bank", account, THU) for account in ("back", "closed", "still gone", "as before")]
    missed = spark.createDataFrame(known, "tenant_id string, source_vendor string, account_id string, as_of_date date")
    pairs = spark.createDataFrame(
        [("acme", "bank", "back", [THU, FRI]), ("acme", "bank", "as before", [THU])],
        "tenant_id string, vendor string, account_id string, dates array<date>",
    )
    closed = spark.createDataFrame([("acme", "closed", FRI)], CLOSED)
    rows = deliveries.back_again(missed, pairs, closed).collect()
    assert {(row["account_id"], row["as_of_date"]) for row in rows} == {("back", THU), ("closed", THU)}


# Breaks of accounts that were closed on Tuesday and had a value later: the closing that our records have now, the days
# on which the vendor valued the account (None: none lately), the dates of the break that agree now.
CLOSINGS: dict[str, tuple[date | None, list[date] | None, set[date]]] = {
    "taken back": (None, WEEK[:4], {TUE}),
    "taken back, not valued lately": (None, None, {TUE}),
    "stands": (TUE, WEEK[:4], set()),
    "stands, not valued lately": (TUE, None, set()),
    "moved to its last value": (THU, WEEK[:4], {TUE}),
    "moved beyond its last value": (FRI, WEEK[:4], {TUE}),
    "moved, not valued lately": (WED, None, {TUE}),
    "moved, and valued after that": (WED, WEEK[:4], set()),  # not said anew before it is valued again
    "moved, and valued again tonight": (WED, WEEK, {TUE}),  # which makes it a break of Wednesday's
    "moved once before": (WED, WEEK, {TUE}),
    "moved once before, taken back": (None, WEEK, {TUE, WED}),
}


def test_a_closing_with_a_balance_agrees_where_it_is_taken_back_or_of_another_day(spark: SparkSession) -> None:
    dates = {name: f"{TUE},{WED}" if name.startswith("moved once") else f"{TUE}" for name in CLOSINGS}
    known = spark.createDataFrame(
        [("acme", "bank", name, TUE, "open", days) for name, days in dates.items()],
        "tenant_id string, source_vendor string, account_id string, as_of_date date, state string, dates string",
    )
    valued = {name: days for name, (_, days, _) in CLOSINGS.items() if days is not None}
    pairs = spark.createDataFrame(
        [("acme", "bank", name, days, WEEK.index(days[-1]) + 1) for name, days in valued.items()],
        "tenant_id string, vendor string, account_id string, dates array<date>, last_run int",
    )
    closed_on = [("acme", name, day) for name, (day, _, _) in CLOSINGS.items() if day is not None]

    def agreed(closed: DataFrame | None) -> dict[str, set[date]]:
        rows = deliveries.closed_otherwise(known, pairs, closed, since=F.lit(TONIGHT), through=F.lit(THU)).collect()
        assert {(row["tenant_id"], row["vendor"], row["type"]) for row in rows} == {
            ("acme", "bank", "account_closed_with_balance")
        }
        return {name: {row["as_of_date"] for row in rows if row["account_id"] == name} for name in CLOSINGS}

    assert agreed(spark.createDataFrame(closed_on, CLOSED)) == {name: days for name, (*_, days) in CLOSINGS.items()}
    every = {name: {date.fromisoformat(day) for day in days.split(",")} for name, days in dates.items()}
    assert agreed(None) == every  # our records have no closed account any more


def test_an_account_is_closed_as_the_vendor_says_that_the_tenant_puts_first(spark: SparkSession) -> None:
    accounts = [
        ("alpha", "A", date(1900, 1, 1), TUE), ("zulu", "A", date(1900, 1, 1), None),
        ("zulu", "B", date(1900, 1, 1), TUE),
        ("zulu", "C", MON, TUE), ("zulu", "C", WED, None),  # open again since Wednesday
        ("zulu", "D", date(1900, 1, 1), date(2027, 1, 1)),
    ]  # fmt: skip
    rows = spark.createDataFrame(
        [("acme", *row) for row in accounts],
        "tenant_id string, vendor string, account_id string, effective_from date, closed_on date",
    )
    policies = {"acme": Tenant(source_priority=["zulu"])}
    closed = deliveries.closed_accounts(rows, FRI, policies).collect()
    assert [(row["account_id"], row["closed_on"]) for row in closed] == [("B", TUE)]
