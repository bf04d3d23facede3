"""Positions, accrued income and cash beside the value, and exchange rates beside those before them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from pyspark.sql import SparkSession

from jobs.calculate.currency import usable_rates
from jobs.check.expectations import rate_slice
from jobs.check.rates import moves
from jobs.check.tolerances import Rule, Tolerances
from jobs.reconcile.holdings import NO_CASH, NO_RATE, NOT_VALUED, holdings
from tests.unit.test_account_rules import silver, value

THURSDAY, FRIDAY, MONDAY = date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 5)


def tolerance(measure: str, **limits: float) -> Tolerances:
    """The most per unit."""
    bounds = [{"unit": unit, "max": most} for unit, most in limits.items()]
    given = {"name": measure, "measure": measure, "limits": bounds, "severity": "warn", "reason": "must add up"}
    return Tolerances(rules=[Rule.model_validate(given)])


def held(account: str, security: str, amount: str | None, **other: Any) -> dict[str, Any]:
    row = {"account_id": account, "as_of_date": MONDAY, "security_id": security}
    return {**row, "market_value": None if amount is None else Decimal(amount), **other}


def rate(on: date, source: str, to: str, amount: str) -> dict[str, Any]:
    return {"as_of_date": on, "from_currency": source, "to_currency": to, "rate": Decimal(amount)}


def test_what_is_held_adds_up_to_the_value(spark: SparkSession) -> None:
    cash = {"cash_value": Decimal(100)}
    values = [
        value("beside", "1000.00", **cash),
        value("among", "1000.00", **cash),  # cash is a position too
        value("nearly", "1001.00", currency="USD", cash_value=Decimal(0)),
        value("short", "1001.01", currency="USD", cash_value=Decimal(0)),
        value("untold", "1001.01", currency="USD"),  # a dollar may be cash
        value("listed", "1001.01", currency="USD"),  # a position is: there is no more of it
        value("accrues", "1005.00"),
        value("foreign", "1090.00", currency="USD"),
        value("no_rate", "1000.00", currency="USD"),
        value("unvalued", "1000.00"),
        value("no_positions", "1000.00"),
    ]
    positions = [
        held("beside", "A", "400"), held("beside", "B", "500"),
        held("among", "A", "900"), held("among", "CASH", "100"),
        held("nearly", "A", "1000", currency="USD"), held("short", "A", "1000", currency="USD"),
        held("untold", "A", "1000"), held("listed", "A", "995"), held("listed", "CASH USD", "5"),
        held("accrues", "BOND", "1000", accrued_income=Decimal(5)),
        held("foreign", "A", "500", currency="EUR"), held("foreign", "B", "540"),
        held("no_rate", "A", "1000", currency="XTS"), held("no_rate", "B", "1", currency="USD"),
        held("unvalued", "A", None), held("unvalued", "B", "5"),
    ]  # fmt: skip
    rates = usable_rates(silver(spark, "fx_rate", [rate(FRIDAY, "EUR", "USD", "1.1")]), None, {})
    found = holdings(
        silver(spark, "valuation", values),
        silver(spark, "position", positions),
        rates,
        tolerance("holdings_difference", money=1, bps=5),
        {},
    ).collect()
    told = {row["account_id"]: (row["difference"], row["obstacle"]) for row in found}
    assert told == {
        "beside": (Decimal(0), None),
        "among": (Decimal(0), None),
        "nearly": (Decimal(-1), None),
        "short": (Decimal("-1.01"), None),
        "untold": (None, NO_CASH),
        "listed": (Decimal("-1.01"), None),
        "accrues": (Decimal(0), None),
        "foreign": (Decimal(0), None),  # 500 EUR at 1.1, and 540
        "no_rate": (None, NO_RATE),
        "unvalued": (None, NOT_VALUED),
    }
    assert {row["account_id"] for row in found if row["verdict"]} == {"short", "listed"}


def test_a_rate_that_moves_by_more_than_a_fifth(spark: SparkSession) -> None:
    """Either way round: from 1.00 to 1.20 and from 1.20 to 1.00 are one fifth. What has no rate in the ten days before
    is not compared."""
    before = [
        rate(FRIDAY, "EUR", "USD", "1.00"),
        rate(FRIDAY, "GBP", "USD", "1.00"),
        rate(FRIDAY, "USD", "CHF", "1.21"),
    ]
    before += [rate(date(2025, 12, 25), "USD", "SEK", "1.00")]
    tonight = [
        rate(MONDAY, "EUR", "USD", "1.20"),
        rate(MONDAY, "GBP", "USD", "1.2001"),
        rate(MONDAY, "USD", "CHF", "1.00"),
        rate(MONDAY, "USD", "SEK", "9.00"),
        rate(MONDAY, "USD", "JPY", "150"),
    ]
    tolerances = tolerance("fx_move", fraction=0.2)
    limits = [limit.max for rule in tolerances.rules for limit in rule.limits if limit.max]
    found = moves(silver(spark, "fx_rate", tonight), silver(spark, "fx_rate", before), limits)
    [(source, moved)] = found.items()
    [expected] = rate_slice(source, moved, tolerances, MONDAY).expected
    assert (expected.rows_checked, expected.rows_failed, expected.high) == (3, 2, 0.2)
    assert abs(expected.observed - 0.21) < 1e-9


def test_a_rate_that_is_delivered_anew_is_compared_with_the_date_before(spark: SparkSession) -> None:
    """Monday's rates come once more in the afternoon, turned round. What they replace is no measure: nor is the one of
    Friday that comes anew with them, which was wrong by a point."""
    before = [
        rate(FRIDAY, "GBP", "USD", "1.27"),
        rate(MONDAY, "GBP", "USD", "1.28"),
        rate(FRIDAY, "USD", "JPY", "15"),
        rate(MONDAY, "USD", "JPY", "150"),
    ]
    afternoon = [
        rate(MONDAY, "GBP", "USD", "0.78"),
        rate(FRIDAY, "USD", "JPY", "149"),
        rate(MONDAY, "USD", "JPY", "151"),
    ]
    found = moves(silver(spark, "fx_rate", afternoon), silver(spark, "fx_rate", before), [Decimal("0.2")])
    [moved] = found.values()
    assert (moved.rates, moved.beyond) == (2, {Decimal("0.2"): 1})
    assert abs(moved.largest - (1.27 / 0.78 - 1)) < 1e-9
