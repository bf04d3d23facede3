"""A rule that differs for a class of accounts counts wherever it is asked: two accounts differ by the same amount, and
the one whose portfolio is valued by appraisal may."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.check.classes import classified, knowing
from jobs.check.tolerances import Tolerances
from jobs.reconcile import books, deliveries
from jobs.reconcile.breaks import DIFFERENCE, as_differences, remembered
from jobs.reconcile.changes import changes
from jobs.reconcile.desk import BreaksConf, Desk
from jobs.reconcile.held import holds_of_breaks
from jobs.reconcile.holdings import holdings
from jobs.reconcile.positions import position_values
from jobs.reconcile.reported import compared
from jobs.reconcile.sources import source_values
from tests.unit.test_account_rules import rule, silver, value
from tests.unit.test_break_causes import DAY, figures, flow_days
from tests.unit.test_breaks import OURS, THEIRS, THU, TUESDAY, WARN, WEDNESDAY, frame
from tests.unit.test_holdings import held

MONDAY = date(2026, 1, 5)
CLASSES = [{"name": "illiquid", "model_id": ["PE"], "reason": "valued by appraisal"}]
# The most by which accounts may differ, and those of the class: per measure the unit and the two amounts.
LIMITS: dict[str, tuple[str, str, str]] = {
    "begin_value_difference": ("money", "0.05", "100"),
    "end_value_difference": ("money", "0.05", "100"),
    "net_flow_difference": ("money", "0.05", "100"),
    "daily_return_difference": ("bps", "1", "20"),
    "holdings_difference": ("money", "1", "100"),
    "position_value_difference": ("money", "1", "100"),
    "source_value_difference": ("money", "0.05", "100"),
    "account_missing": ("days", "1", "90"),
    "closed_balance": ("money", "0.05", "100"),
    "account_changed": ("rows", "0", "1"),
}
BOTH = ["fund", "stock"]


@pytest.fixture(scope="module")
def tolerances(spark: SparkSession) -> Tolerances:
    rules = [
        rule(measure, [{"unit": unit, "max": amount}], **scope)
        for measure, (unit, usual, of_class) in LIMITS.items()
        for amount, scope in ((usual, {}), (of_class, {"account_class": "illiquid"}))
    ]
    given = Tolerances.model_validate({"rules": [one.model_dump() for one in rules], "account_classes": CLASSES})
    models = [("fund", "PE"), ("stock", "CORE")]
    master = [
        {"account_id": one, "model_id": model, "effective_from": MONDAY, "in_performance": True}
        for one, model in models
    ]
    # Tests of figures have one tenant's name for it, those of what came in another's.
    accounts = silver(spark, "account", [*master, *({**one, "tenant_id": "acme"} for one in master)])
    return knowing(given, accounts)


def broken(found: DataFrame) -> set[tuple[str, str]]:
    rows = found.where("verdict IS NOT NULL").select("account_id", "type").collect()
    return {(row["account_id"], row["type"]) for row in rows}


def test_a_vendor_s_figure(spark: SparkSession, tolerances: Tolerances) -> None:
    theirs = [{**THEIRS, "account_id": one, "end_market_value": Decimal(1010010), "twrr_daily": 0.011} for one in BOTH]
    ours = [{**OURS, "account_id": one} for one in BOTH]
    frames = frame(spark, "reported_performance", theirs), frame(spark, "account_performance_daily", ours)
    assert broken(compared(*frames, tolerances)) == {("stock", "end_value"), ("stock", "twrr_daily")}


def test_what_is_held(spark: SparkSession, tolerances: Tolerances) -> None:
    values = [value(one, "1010", cash_value=Decimal(0)) for one in BOTH]
    positions = [held(one, "A", "1000", quantity=Decimal(10), price=Decimal(101)) for one in BOTH]
    frames = silver(spark, "valuation", values), silver(spark, "position", positions)
    assert broken(holdings(*frames, None, tolerances, {})) == {("stock", "holdings_value")}
    owner = ["tenant_id", "vendor", "account_id"]
    since = frames[1].select(*owner, F.lit(MONDAY).alias("since"))
    assert broken(position_values(frames[1], since, tolerances)) == {("stock", "position_value")}


def test_another_vendor_s_value(spark: SparkSession, tolerances: Tolerances) -> None:
    values = [value(one, amount, vendor=vendor) for one in BOTH for vendor, amount in (("a", "100"), ("b", "101"))]
    assert broken(source_values(silver(spark, "valuation", values), {}, tolerances)) == {("stock", "source_value")}


def test_what_becomes_of_an_account(spark: SparkSession, tolerances: Tolerances) -> None:
    last = "struct<market_value:decimal(28,8),feed:string>"
    flags = "is_missing boolean, is_closed boolean, missed array<date>, last_on date, closed_on date"
    rows = [
        ("acme", "bank", one, (Decimal(9), "f"), is_missing, not is_missing, [MONDAY, TUESDAY], MONDAY, MONDAY)
        for one in BOTH
        for is_missing in (True, False)
    ]
    found = spark.createDataFrame(rows, f"tenant_id string, vendor string, account_id string, last {last}, {flags}")
    assert broken(deliveries.missing(found, tolerances)) == {("stock", "account_missing")}
    assert broken(deliveries.closed_with_balance(found, tolerances)) == {("stock", "account_closed_with_balance")}
    always = {"effective_from": date(1900, 1, 1), "in_performance": True}
    versions = [
        {"account_id": one, "base_currency": currency, "run_no": run, "arrival_no": run, **always}
        for one in BOTH
        for run, currency in ((1, "USD"), (2, "EUR"))
    ]
    told = changes(silver(spark, "account", versions), tolerances, since=F.lit(2), business_date=MONDAY)
    assert broken(told) == {("stock", "account_changed")}


def test_a_flow_on_the_neighbouring_day_is_told_only_where_it_is_a_break(
    spark: SparkSession, tolerances: Tolerances
) -> None:
    """Of 50, which accounts of the class may differ by."""
    both = [flow_days(spark, one, {TUESDAY: (0, 50), WEDNESDAY: (50, 0)}) for one in BOTH]
    ours = frame(spark, "account_performance_daily", [row for mine, _ in both for row in mine])
    theirs = frame(spark, "reported_performance", [row for _, other in both for row in other])
    found = books.flow_timing(ours, theirs, tolerances).select("account_id").collect()
    assert [row["account_id"] for row in found] == ["stock", "stock"]


def test_a_cause_clears_what_is_left_within_the_tolerance_of_the_class(
    spark: SparkSession, tolerances: Tolerances
) -> None:
    """5,000 wait to settle, of 5,020; the rate of Monday leaves 20 of 1,110. Within 100, and beyond 0.05."""
    value_off: dict[str, Any] = {"type": "end_value", "ours": 1100.0, "theirs": 1110.0}
    suspects = figures(spark, *[{**value_off, "account_id": one, "difference": Decimal(5020)} for one in BOTH])
    booking = {
        "tenant_id": "acme", "vendor": "canonical", "trade_date": TUESDAY, "settle_date": THU,
        "performance_date": TUESDAY, "status": "new", "type": "DEPOSIT", "amount": Decimal(5000),
    }  # fmt: skip
    booked = frame(spark, "transaction", [{**booking, "account_id": one} for one in BOTH])
    assert [row["account_id"] for row in books.pending_trade(suspects, booked, tolerances).collect()] == ["fund"]
    worth = {"tenant_id": "acme", "vendor": "v", "as_of_date": TUESDAY, "market_value": Decimal(1000)}
    values = frame(spark, "valuation", [{**worth, "account_id": one, "currency": "EUR"} for one in BOTH])
    pair = {"tenant_id": "acme", "vendor": "v", "from_currency": "EUR", "to_currency": "USD", "rate": Decimal("1.09")}
    rates = frame(spark, "fx_rate", [{**pair, "as_of_date": MONDAY}])
    assert [row["account_id"] for row in books.fx_rate(suspects, values, rates, tolerances).collect()] == ["fund"]


def test_fees_explain_a_return_within_the_tolerance_of_the_class(spark: SparkSession, tolerances: Tolerances) -> None:
    """Ours is 1 % after fees and 1.05 % before them; theirs of 1.24999 % is just under 20 basis points from
    that, and just under 25 from ours."""
    theirs = [{**THEIRS, "account_id": one, "twrr_daily": 0.0124999} for one in BOTH]
    ours = [{**DAY, "account_id": one} for one in BOTH]
    frames = frame(spark, "reported_performance", theirs), frame(spark, "account_performance_daily", ours)
    found = compared(*frames, tolerances).where("type = 'twrr_daily'").orderBy("account_id").collect()
    assert [(row["account_id"], row["explanation"] and row["explanation"]["cause"]) for row in found] == [
        ("fund", "fee_basis"),
        ("stock", None),
    ]


def test_a_break_goes_on_an_acceptance_stands_and_a_hold_is_no_other_within_the_tolerance_of_the_class(
    spark: SparkSession, tolerances: Tolerances
) -> None:
    """A net flow of 500 on Tuesday, accepted at that; of 550 on the same day when it is delivered again."""
    schema = ", ".join(f"{name} {kind}" for name, kind in DIFFERENCE.items())

    def night(amount: int, before: list[dict[str, Any]], run_no: int) -> list[dict[str, Any]]:
        row = {**THEIRS, "type": "net_flow", "difference": Decimal(amount), "verdict": WARN}
        given = [tuple({**row, "account_id": one}.get(name) for name in DIFFERENCE) for one in BOTH]
        found = remembered(
            as_differences(spark.createDataFrame(given, schema)).localCheckpoint(),
            frame(spark, "reconciliation_break", before),
            tolerances,
            Desk(BreaksConf()),
            {},
            business_date=TUESDAY,
            run_no=run_no,
            run_id=f"run-{run_no}",
        )
        return [one.asDict() for one in found.orderBy("account_id").collect()]

    first = night(500, [], 1)
    accepted = [{**row, "state": "accepted", "accepted_difference": Decimal(500)} for row in first]
    second = night(550, accepted, 2)
    assert [(row["account_id"], row["state"]) for row in second] == [("fund", "accepted"), ("stock", "open")]
    holds = [{**row, "severity": "hold", "state": "open", "through_date": TUESDAY} for row in first]
    later = [{**row, "run_no": 2, "through_date": WEDNESDAY, "difference": Decimal(550)} for row in holds]
    frames = (frame(spark, "reconciliation_break", rows) for rows in (later, holds))
    assert [row["account_id"] for row in holds_of_breaks(*frames, tolerances).collect()] == ["stock"]


def test_without_the_accounts_a_rule_for_a_class_is_an_error_and_not_a_rule_for_all(
    spark: SparkSession, tolerances: Tolerances
) -> None:
    alone = Tolerances.model_validate(tolerances.model_dump())
    rows = spark.createDataFrame([("acme", "fund")], "tenant_id string, account_id string")
    with pytest.raises(ValueError, match="asks for an account's class"):
        classified(rows, alone, "net_flow_difference")
    assert classified(rows, alone, "cash_difference") is rows
