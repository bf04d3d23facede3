"""Values and prices that stand still, and accounts that are not delivered: on the last day that is allowed, and one
later."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from pyspark.sql import SparkSession

from jobs.check import account_rules as rules
from jobs.check.account_days import position_days
from jobs.check.account_rules import judged
from jobs.check.stale import SECURITY, overdue, unchanged
from jobs.check.tolerances import Rule, Tolerances
from tests.unit.test_account_rules import silver

HISTORY = "tenant_id string, vendor string, security_id string, as_of_date date, price decimal(28,8)"
DAYS = "tenant_id string, vendor string, feed string, account_id string, as_of_date date"
STATE = "tenant_id string, vendor string, account_id string, as_of_date date, end_market_value decimal(28,8), days int"
STATE += ", begin_date date, inception_date date"
TONIGHT = date(2026, 1, 16)  # a Friday
NIGHTS = [day for n in range(11, -1, -1) if (day := TONIGHT - timedelta(days=n)).weekday() < 5]


def rule(measure: str, most: int) -> Tolerances:
    limits = [{"unit": "days", "max": most}]
    given = {"name": measure, "measure": measure, "limits": limits, "severity": "warn", "reason": "stands still"}
    return Tolerances(rules=[Rule.model_validate(given)])


def moving(vendor: str, security: str, until: date, last: date = TONIGHT) -> list[tuple[str, str, str, date, Decimal]]:
    """A price that rises daily up to `until` and then stays, delivered up to `last`."""
    return [
        ("acme", vendor, security, day, Decimal(100 + min(day, until).toordinal() - NIGHTS[0].toordinal()))
        for day in NIGHTS
        if day <= last
    ]


def test_a_price_may_stand_still_for_five_business_days(spark: SparkSession) -> None:
    """FRI9 came to its price on the Friday before, five business days ago; THU8 a day earlier. LATE stands since then
    too, and is carried since Tuesday. Cash has no price that could move. Of the other vendor nothing moves: its market
    is closed, which says nothing against `holiday` and does not help `before`, held for that price since yesterday. The
    last one sends the same prices for a week and a day: that is no holiday."""
    history = [
        *moving("v", "LIVE", TONIGHT),
        *moving("v", "MOVES", TONIGHT),
        *moving("v", "ALSO", TONIGHT),
        *moving("v", "AND", TONIGHT),
        *moving("v", "FRI9", date(2026, 1, 9)),
        *moving("v", "THU8", date(2026, 1, 8)),
        *moving("v", "LATE", date(2026, 1, 8), last=date(2026, 1, 13)),
        *moving("v", "CASH_USD", date(2026, 1, 8)),
        *moving("closed", "THU8", date(2026, 1, 8)),
        *moving("closed", "LIVE", TONIGHT - timedelta(days=1)),
        *moving("again", "THU8", date(2026, 1, 8)),
        *moving("again", "FRI9", date(2026, 1, 9)),
    ]
    stale = unchanged(spark.createDataFrame(history, HISTORY), SECURITY, "price", None)
    positions = [
        {"vendor": vendor, "account_id": account, "as_of_date": TONIGHT, "security_id": security}
        for vendor, account, security in [
            ("v", "fresh", "LIVE"), ("v", "nearly", "FRI9"), ("v", "stale", "FRI9"), ("v", "stale", "THU8"),
            ("v", "carried", "LATE"), ("v", "rich", "CASH_USD"), ("closed", "holiday", "THU8"),
            ("closed", "before", "THU8"), ("again", "resent", "THU8"), ("again", "resent_too", "FRI9"),
        ]
    ]  # fmt: skip
    held = spark.createDataFrame([("acme", "before")], "tenant_id string, account_id string")
    days = position_days(silver(spark, "position", positions), None, stale, held)
    found = judged(days, [rules.STALE_PRICE], rule("stale_price", 5), "position").orderBy("account_id").collect()
    still = "has not changed for 6 business days, expected at most 5 days"
    assert [(row["account_id"], row["reason"]) for row in found] == [
        ("before", f"the price of THU8 {still}"),
        ("carried", f"the price of LATE {still}"),
        ("resent", f"the price of THU8 {still}"),
        ("stale", f"the price of THU8 {still}"),
    ]


def test_cash_alone_does_not_move_nor_does_nothing(spark: SparkSession) -> None:
    given = [("stale", 100, Decimal(1)), ("no", 100, None), ("cash", 100, Decimal(100)), ("emptied", 0, None)]
    rows = [("acme", "v", "f", one, TONIGHT, 6, Decimal(amount), cash) for one, amount, cash in given]
    days = spark.createDataFrame(
        rows, f"{DAYS}, unchanged_days int, market_value decimal(28,8), cash_value decimal(28,8)"
    )
    found = judged(days, [rules.STALE_VALUE], rule("stale_value", 5), "valuation").collect()
    assert {row["account_id"] for row in found} == {"stale", "no"}
    assert judged(days, [rules.STALE_VALUE], rule("stale_value", 6), "valuation").count() == 0


def test_an_account_is_missed_when_it_was_due(spark: SparkSession) -> None:
    """Tonight is Friday; who was valued daily until Thursday is a day late, who is valued every fifth day is not. A
    month may have five business days more than the last. Of who was valued twice nobody knows how often he is."""
    thursday, wednesday, week_ago = date(2026, 1, 15), date(2026, 1, 14), date(2026, 1, 9)
    known = [
        ("there", thursday, "5", 1, "v"),
        ("late", thursday, "5", 1, "v"),
        ("later", wednesday, "5", 1, "v"),
        ("weekly", wednesday, "5", 5, "v"),
        ("weekly_late", week_ago, "5", 5, "v"),
        ("monthly", date(2025, 12, 15), "5", 20, "v"),
        ("monthly_late", date(2025, 12, 12), "5", 20, "v"),
        ("twice", thursday, "5", 1, "v"),
        ("empty", thursday, "0", 1, "v"),
        ("closed", thursday, "5", 1, "v"),
        ("elsewhere", thursday, "5", 1, "another vendor"),
    ]
    began = {"twice": (wednesday, wednesday)}  # begin of the last row, inception
    state = [
        ("acme", vendor, one, on, Decimal(amount), days, *began.get(one, (wednesday, week_ago)))
        for one, on, amount, days, vendor in known
    ]
    tonight = [("acme", "v", "f", "there", TONIGHT), ("acme", "v", "f", "there", thursday)]
    lost = overdue(
        spark.createDataFrame(tonight, DAYS),
        spark.createDataFrame(state, STATE),
        spark.createDataFrame([("acme", "closed", TONIGHT)], "tenant_id string, account_id string, closed_on date"),
        None,
    ).localCheckpoint()
    found = judged(lost, [rules.MISSING], rule("missing_accounts", 0), "valuation").orderBy("account_id").collect()
    assert [(row["account_id"], row["as_of_date"], row["reason"]) for row in found] == [
        ("late", TONIGHT, "valued last on 2026-01-15, 1 business days late, expected at most 0 days"),
        ("later", TONIGHT, "valued last on 2026-01-14, 2 business days late, expected at most 0 days"),
        ("monthly_late", TONIGHT, "valued last on 2025-12-12, 1 business days late, expected at most 0 days"),
        ("weekly_late", TONIGHT, "valued last on 2026-01-09, 1 business days late, expected at most 0 days"),
    ]
    again = judged(lost, [rules.MISSING], rule("missing_accounts", 1), "valuation").collect()
    assert [row["account_id"] for row in again] == ["later"]
