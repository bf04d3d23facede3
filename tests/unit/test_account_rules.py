"""The rules about single accounts by what came in: where each fires, where it nearly does, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.check import account_rules as rules
from jobs.check.account_days import booking_days, known_securities, position_days, value_days, with_twins
from jobs.check.account_rules import judged
from jobs.check.classes import classified, knowing
from jobs.check.tolerances import Rule, Tolerances
from jobs.platform import schemas

FRIDAY, MONDAY, TUESDAY = date(2026, 1, 2), date(2026, 1, 5), date(2026, 1, 6)
SOURCE = {"tenant_id": "acme", "vendor": "canonical", "feed": "canonical_valuations"}
STATE = "tenant_id string, account_id string, as_of_date date, end_market_value decimal(28,8), currency string"
Finding = tuple[str, date, str, str]  # account, date, rule, reason


def rule(measure: str, limits: list[dict[str, Any]], severity: str = "warn", **scope: Any) -> Rule:
    given = {"name": measure, "measure": measure, "limits": limits, "severity": severity, "reason": "wrong, surely"}
    return Rule.model_validate({**given, **scope})


def silver(spark: SparkSession, table: str, rows: list[dict[str, Any]]) -> DataFrame:
    struct = schemas.table(table).struct
    lineage = {**SOURCE, "file_id": "f", "line_no": 1, "record_no": 1, "mapping_version": "m", "arrival_no": 1}
    names, values = struct.names, [{**lineage, "run_no": 1, **row} for row in rows]
    return spark.createDataFrame([tuple(row.get(name) for name in names) for row in values], struct)


def value(account: str, amount: str, on: date = MONDAY, **other: Any) -> dict[str, Any]:
    return {"account_id": account, "as_of_date": on, "market_value": Decimal(amount), **other}


def booking(account: str, kind: str, amount: str, on: date = MONDAY, **other: Any) -> dict[str, Any]:
    dates = {"trade_date": on, "performance_date": on, "transaction_id": f"{account}{kind}{on}{amount}"}
    return {"account_id": account, "type": kind, "amount": Decimal(amount), "status": "new", **dates, **other}


def said(found: DataFrame) -> list[Finding]:
    rows = found.orderBy("account_id", "as_of_date", "rule").collect()
    return [(row["account_id"], row["as_of_date"], row["rule"], row["reason"]) for row in rows]


@pytest.fixture(scope="module")
def of_values(spark: SparkSession) -> Callable[..., DataFrame]:
    """What rules find on values, with the values before (account: amount) and the bookings that are given."""

    def found(
        tolerances: Tolerances, values: list[dict[str, Any]], before: dict[str, str], bookings: list[dict[str, Any]]
    ) -> DataFrame:
        state = [("acme", account, FRIDAY, Decimal(amount), "USD") for account, amount in before.items()]
        days = value_days(
            silver(spark, "valuation", values),
            spark.createDataFrame(state, STATE),
            silver(spark, "transaction", bookings),
        )
        return judged(days, rules.VALUES, tolerances, "valuation")

    return found


def test_a_value_that_moves_without_a_flow(of_values: Callable[..., DataFrame]) -> None:
    limits = [{"unit": "fraction", "max": 0.5}, {"unit": "money", "max": 1000}]
    both = [rule("value_jump", limits), rule("value_jump", limits, "hold", vendor="brokerage")]
    broker = {"vendor": "brokerage", "feed": "brokerage_positions"}
    found = of_values(
        Tolerances(rules=both),
        [
            value("nearly", "15000"),  # + 50 %, not more
            value("jumps", "15001"),
            value("small", "900"),  # + 800 %, but 800 of money
            value("funded", "20000"),  # the deposit explains it
            value("cancelled", "20000"),  # a cancelled deposit explains nothing
            value("new", "20000"),  # nothing to compare with
            value("later", "10000"),
            value("later", "2000", TUESDAY),  # the second date of one file
            value("held", "1", **broker),
            value("yen", "1500000", currency="JPY"),  # not to be compared with dollars
        ],
        {**dict.fromkeys(["nearly", "jumps", "funded", "cancelled", "held", "yen"], "10000"), "small": "100"},
        [
            booking("funded", "DEPOSIT", "9500"),
            booking("cancelled", "DEPOSIT", "10000", status="cancel"),
            booking("jumps", "DEPOSIT", "5000", TUESDAY),  # after the move
            booking("jumps", "DIVIDEND", "5000"),  # no flow
        ],
    )
    expected = "without a flow, expected at most 0.5 fraction and at most 1000 money"
    assert said(found) == [
        ("cancelled", MONDAY, "value_jump", f"value moved by 100.0 % since 2026-01-02 {expected}"),
        ("held", MONDAY, "value_jump", f"value moved by -100.0 % since 2026-01-02 {expected}"),
        ("jumps", MONDAY, "value_jump", f"value moved by 50.0 % since 2026-01-02 {expected}"),
        ("later", TUESDAY, "value_jump", f"value moved by -80.0 % since 2026-01-05 {expected}"),
    ]
    fate = {row["account_id"]: (row["severity"], row["state"]) for row in found.collect()}
    assert (fate["held"], fate["jumps"]) == (("hold", "held"), ("warn", "flagged"))


def test_of_two_vendors_the_value_that_counts_is_compared_and_with_its_own_flows(
    of_values: Callable[..., DataFrame],
) -> None:
    """Both report one deposit; or only one delivers bookings at all. Of the rest the second vendor sees a part only: as
    ever, beside a value that jumps, and on a day on which there is no other, so that the part would be published."""
    second = {"vendor": "zurich", "feed": "brokerage_positions"}
    found = of_values(
        Tolerances(
            rules=[
                rule("value_jump", [{"unit": "fraction", "max": 0.5}, {"unit": "money", "max": 50}]),
                rule("flow_share", [{"unit": "fraction", "max": 1.25}]),
            ]
        ),
        [
            value("both", "1100"), value("both", "1100", **second),
            value("one", "1100"), value("one", "1100", **second),
            value("part", "101"), value("part", "30", **second),
            value("jumps", "1000"), value("jumps", "30", **second),
            value("alone", "-60", **second),
        ],
        dict.fromkeys(["both", "one", "part", "jumps", "alone"], "100"),
        [booking(name, "DEPOSIT", "1000", **by) for name, by in (("both", {}), ("both", second), ("one", {}))],
    )  # fmt: skip
    caught = [(account, reason[: len("value moved by 900.0 %")]) for account, _, _, reason in said(found)]
    assert caught == [("alone", "value moved by -160.0 "), ("jumps", "value moved by 900.0 %")]


def test_a_flow_on_the_day_of_the_value_before_is_in_that_value(of_values: Callable[..., DataFrame]) -> None:
    """Friday's published 500 are what a withdrawal of Friday has left, and its 12,000 hold Friday's deposit already."""
    found = of_values(
        Tolerances(
            rules=[
                rule("value_jump", [{"unit": "fraction", "max": 0.5}]),
                rule("flow_share", [{"unit": "fraction", "max": 1.25}, {"unit": "money", "max": 1000}]),
            ]
        ),
        [
            value("emptied", "500"),
            value("hides", "22000"),  # 10,000 more on Monday, and no flow since Friday's value
            value("twice", "12000", FRIDAY), value("twice", "22000"),  # the same, where a file has both days
        ],
        {"emptied": "500", "hides": "12000"},
        [
            booking("emptied", "WITHDRAWAL", "-100000", FRIDAY),
            booking("hides", "DEPOSIT", "10000", FRIDAY),
            booking("twice", "DEPOSIT", "10000", FRIDAY),
        ],
    )  # fmt: skip
    caught = [(account, name) for account, _, name, _ in said(found)]
    assert caught == [("hides", "value_jump"), ("twice", "value_jump")]


def test_a_rule_that_does_not_look_at_a_value_has_no_words_for_it(of_values: Callable[..., DataFrame]) -> None:
    """The account was empty: there is no share of nothing by which its value moved, and the others are judged."""
    tolerances = Tolerances(rules=[rule("value_jump", [{"unit": "fraction", "max": 0.5}])])
    found = of_values(tolerances, [value("empty", "100"), value("jumps", "200")], {"empty": "0", "jumps": "100"}, [])
    assert [account for account, _, _, _ in said(found)] == ["jumps"]


def test_a_negative_value_and_a_flow_that_the_values_cannot_hold(of_values: Callable[..., DataFrame]) -> None:
    tolerances = Tolerances(
        rules=[
            rule("negative_value", [{"unit": "money", "max": 0}]),
            rule("flow_share", [{"unit": "fraction", "max": 1.25}, {"unit": "money", "max": 1000}]),
        ]
    )
    found = of_values(
        tolerances,
        [
            value("owes", "-0.01"),
            value("empty", "0"),
            value("typo", "4000"),  # 4,000 + 4,000, and a deposit of 10,001
            value("nearly", "4000"),
            value("closes", "0"),  # all of it leaves
            value("opens", "50000"),
            value("small", "1"),
            value("euros", "4000"),  # a flow in another currency is not compared
        ],
        {"owes": "100", "empty": "100", "typo": "4000", "nearly": "4000", "closes": "9000", "small": "1", "euros": "1"},
        [
            booking("typo", "DEPOSIT", "10001"),
            booking("nearly", "DEPOSIT", "10000"),
            booking("closes", "WITHDRAWAL", "-9000"),
            booking("opens", "DEPOSIT", "50000", FRIDAY),
            booking("small", "DEPOSIT", "1000"),
            booking("euros", "DEPOSIT", "90000", currency="EUR"),
        ],
    )
    flow = "the flow since 2026-01-02 is 1.25 times the values before and after it"
    assert said(found) == [
        ("owes", MONDAY, "negative_value", "the value is -0.01, expected at most 0 money"),
        ("typo", MONDAY, "flow_share", f"{flow}, expected at most 1.25 fraction and at most 1000 money"),
    ]


def test_one_name_and_one_value_under_two_numbers(spark: SparkSession) -> None:
    names = {
        "a": "Ann Lee",
        "b": " ann lee",
        "c": "Bob Lee",
        "d": None,
        "e": None,
        "f": "Eve",
        "g": "Eve",
        "h": "Ann Lee",
    }
    master = [{"account_id": one, "account_name": name, "effective_from": FRIDAY} for one, name in names.items()]
    values = [value(one, "123.45") for one in "abcde"] + [value("f", "0"), value("g", "0"), value("h", "123.46")]
    values.append(value("h", "123.46"))  # one account, in two files of the first night
    days = value_days(
        silver(spark, "valuation", values),
        spark.createDataFrame([], STATE),
        silver(spark, "transaction", []),
    )
    twins = with_twins(days, silver(spark, "account", [{"in_performance": True, **row} for row in master]))
    tolerances = Tolerances(rules=[rule("duplicate_account", [{"unit": "rows", "max": 1}])])
    reason = "2 accounts of this vendor have one name and one value, expected at most 1 rows"
    assert said(judged(twins, [rules.TWINS], tolerances, "valuation")) == [
        ("a", MONDAY, "duplicate_account", reason),
        ("b", MONDAY, "duplicate_account", reason),
    ]


def test_signs_against_their_types_and_securities_that_nobody_described(spark: SparkSession) -> None:
    """Only vendors that describe their securities at all can leave one out."""
    known = known_securities(silver(spark, "security", [{"security_id": "KNOWN"}]))
    other = {"vendor": "brokerage", "feed": "brokerage_positions"}
    bookings = [
        booking("sign", "DEPOSIT", "-5"),
        booking("sign", "WITHDRAWAL", "-7"),
        booking("sign", "BUY", "9"),
        booking("right", "DEPOSIT", "0"),
        booking("right", "DIVIDEND", "-3"),  # a reversal
        booking("right", "BUY", "-3", security_id="KNOWN"),
        booking("right", "DEPOSIT", "-3", status="cancel", security_id="NEW"),
        booking("trade", "BUY", "-3", security_id="NEW"),
        booking("other", "BUY", "-3", security_id="NEW", **other),
    ]
    positions = [
        {"account_id": account, "as_of_date": MONDAY, "security_id": security, **vendor}
        for account, security, vendor in [
            ("right", "KNOWN", {}), ("right", "CASH", {}), ("right", "MARGIN_USD", {}),
            ("holds", "KNOWN", {}), ("holds", "NEW", {}), ("holds", "NEWER", {}),
            ("other", "NEW", other),
        ]
    ]  # fmt: skip
    tolerances = Tolerances(
        rules=[
            rule("unknown_security", [{"unit": "rows", "max": 0}]),
            rule("sign_of_type", [{"unit": "money", "max": 0}]),
        ]
    )
    of_bookings = booking_days(silver(spark, "transaction", bookings), known)
    of_positions = position_days(silver(spark, "position", positions), known, None)
    found = judged(of_bookings, rules.BOOKINGS, tolerances, "transaction").unionByName(
        judged(of_positions, rules.POSITIONS, tolerances, "position")
    )
    unknown = "in a security that nobody described: NEW, expected at most 0 rows"
    assert said(found) == [
        ("holds", MONDAY, "unknown_security", f"2 rows are {unknown}"),
        ("sign", MONDAY, "sign_of_type", "a BUY of 9.00 goes in, expected at most 0 money"),
        ("trade", MONDAY, "unknown_security", f"1 row is {unknown}"),
    ]


def test_a_rule_may_differ_for_a_class_of_accounts(spark: SparkSession) -> None:
    """Illiquid accounts may owe up to 100; the class is that of the model portfolio that the account follows now."""
    classes = [{"name": "illiquid", "model_id": ["PE"], "reason": "valued by appraisal"}]
    entries = [
        rule("negative_value", [{"unit": "money", "max": 0}]),
        rule("negative_value", [{"unit": "money", "max": 100}], account_class="illiquid"),
    ]
    tolerances = Tolerances.model_validate({"rules": entries, "account_classes": classes})
    models = [("fund", "PE", FRIDAY), ("was", "PE", FRIDAY), ("was", "CORE", MONDAY), ("deep", "PE", FRIDAY)]
    master = [
        {"account_id": one, "model_id": model, "effective_from": since, "in_performance": True}
        for one, model, since in models
    ]
    values = [value("fund", "-100"), value("deep", "-100.01"), value("was", "-1"), value("none", "-1")]
    days = value_days(
        silver(spark, "valuation", values), spark.createDataFrame([], STATE), silver(spark, "transaction", [])
    )
    tolerances = knowing(tolerances, silver(spark, "account", master))
    days = classified(days, tolerances, "negative_value")
    found = said(judged(days, rules.VALUES, tolerances, "valuation"))
    assert [(account, reason.split(", expected ")[1]) for account, _, _, reason in found] == [
        ("deep", "at most 100 money"),
        ("none", "at most 0 money"),
        ("was", "at most 0 money"),
    ]
    with pytest.raises(ValueError, match="no account class 'iliquid'; did you mean 'illiquid'"):
        Tolerances.model_validate(
            {"rules": [{**entries[1].model_dump(), "account_class": "iliquid"}], "account_classes": classes}
        )
