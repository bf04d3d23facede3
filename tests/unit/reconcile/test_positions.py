"""Holdings on literal frames: rolled from one delivery to the next, and their values; where it fires, where nearly."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.check.tolerances import Rule, Tolerances
from jobs.reconcile.movements import traders
from jobs.reconcile.positions import delivered_pairs, position_quantities, position_values
from tests.rows import rows_of

FRIDAY, MONDAY, TUESDAY = date(2026, 3, 6), date(2026, 3, 9), date(2026, 3, 10)
RULES = [
    {"name": "units", "measure": "position_quantity_difference", "limits": [{"unit": "quantity", "max": 0}]},
    {
        "name": "worth",
        "measure": "position_value_difference",
        "limits": [{"unit": "money", "max": 1}, {"unit": "bps", "max": 5}],
    },
]
TOLERANCES = Tolerances(
    rules=[Rule.model_validate({**rule, "severity": "warn", "reason": "they ought to be equal"}) for rule in RULES]
)
OWN = {"tenant_id": "acme", "vendor": "canonical", "feed": "canonical_positions"}


def held(account: str, day: date, security: str, quantity: str, **columns: Any) -> dict[str, Any]:
    facts = {"account_id": account, "as_of_date": day, "security_id": security, "quantity": Decimal(quantity)}
    return {**OWN, **facts, **columns}


def booked(account: str, day: date, kind: str, quantity: str, amount: str = "0", **columns: Any) -> dict[str, Any]:
    dates = {"trade_date": day, "performance_date": day, "status": "new"}
    sizes = {"quantity": Decimal(quantity), "amount": Decimal(amount), "security_id": "AAA"}
    return {**OWN, "account_id": account, "type": kind, **dates, **sizes, **columns}


# account: quantity on Friday, bookings between (as they are written by different vendors), quantity on Monday
AGREE: dict[str, tuple[str, list[dict[str, Any]], str]] = {
    "nothing moved": ("100", [], "100"),
    "bought": ("100", [booked("bought", MONDAY, "BUY", "10", "-500")], "110"),
    "sold, without a sign": ("100", [booked("sold, without a sign", MONDAY, "SELL", "10", "500")], "90"),
    "sold, signed": ("100", [booked("sold, signed", MONDAY, "SELL", "-10", "500")], "90"),
    "bought and taken back": (
        "100",
        [
            booked("bought and taken back", MONDAY, "BUY", "10", "-500"),
            booked("bought and taken back", MONDAY, "BUY", "-10", "500"),
        ],
        "100",
    ),
    "came in kind": ("0", [booked("came in kind", MONDAY, "TRANSFER_IN", "7", "350")], "7"),
    "delivered": ("100", [booked("delivered", MONDAY, "TRANSFER_OUT", "40", "-2000")], "60"),
    "split": ("100", [booked("split", MONDAY, "CORPORATE_ACTION", "100")], "200"),
    "cancelled": ("100", [booked("cancelled", MONDAY, "BUY", "10", "-500", status="cancel")], "100"),
    "dividend of units held": ("100", [booked("dividend of units held", MONDAY, "DIVIDEND", "100", "20")], "100"),
    "settles later": (
        "100",
        [booked("settles later", MONDAY, "SELL", "10", "500", settle_date=MONDAY + timedelta(2))],
        "100",
    ),
    "booked on Friday, delivered with Friday": ("100", [booked("x", FRIDAY, "BUY", "10", "-500")], "100"),
}
DIFFER: dict[str, tuple[str, list[dict[str, Any]], str, str]] = {
    "sale that nobody booked": ("100", [], "90", "10"),
    "a fraction too much": ("100", [booked("a fraction too much", MONDAY, "BUY", "10", "-500")], "110.0001", "-0.0001"),
    "split that nobody booked": ("100", [], "200", "-100"),
    "gone without a sale": ("100", [], "gone", "100"),
    "bought tomorrow": ("100", [booked("bought tomorrow", TUESDAY, "BUY", "10", "-500")], "110", "-10"),
}


@pytest.fixture(scope="module")
def quantities(spark: SparkSession) -> dict[str, Any]:
    positions, transactions = [], []
    for account, (before, bookings, after, *_) in {**AGREE, **DIFFER}.items():
        positions += [held(account, FRIDAY, "AAA", before), held(account, FRIDAY, "BBB", "1")]
        positions += [held(account, MONDAY, "BBB", "1")]
        positions += [] if after == "gone" else [held(account, MONDAY, "AAA", after)]
        transactions += [{**one, "account_id": account} for one in bookings]
    # A vendor of flows alone: what its holdings do is nobody's to say.
    flows_only = {"vendor": "warehouse", "feed": "warehouse_valuations"}
    positions += [held("flows only", day, "AAA", "5", **flows_only) for day in (FRIDAY,)]
    positions += [held("flows only", MONDAY, "AAA", "6", **flows_only)]
    positions += [held("cash", day, "CASH_USD", amount) for day, amount in ((FRIDAY, "1"), (MONDAY, "9"))]
    frame, bookings = rows_of(spark, "position", positions), rows_of(spark, "transaction", transactions)
    pairs = delivered_pairs(frame, since(frame))
    found = position_quantities(frame, bookings, traders(bookings), pairs, TOLERANCES)
    return {(row["account_id"], row["item"]): row for row in found.collect()}


def since(frame: DataFrame) -> DataFrame:
    """All accounts, of which Monday is looked at."""
    return frame.selectExpr("tenant_id", "vendor", "account_id", f"DATE '{MONDAY}' AS since").distinct()


@pytest.mark.parametrize("account", AGREE)
def test_what_the_bookings_explain_is_no_difference(quantities: dict[str, Any], account: str) -> None:
    row = quantities[account, "AAA"]
    assert (row["difference"], row["verdict"], row["obstacle"]) == (0, None, None)
    assert (row["as_of_date"], row["type"], row["theirs"]) == (MONDAY, "position_quantity", float(AGREE[account][2]))


@pytest.mark.parametrize("account", DIFFER)
def test_what_they_do_not_explain_is_one_to_the_last_unit(quantities: dict[str, Any], account: str) -> None:
    row = quantities[account, "AAA"]
    assert (row["difference"], row["verdict"]["rule"]) == (Decimal(DIFFER[account][3]), "units")
    assert quantities[account, "BBB"]["difference"] == 0  # the other holding is no part of it


def test_a_vendor_without_trades_is_not_comparable_and_cash_is_no_holding(quantities: dict[str, Any]) -> None:
    row = quantities["flows only", "AAA"]
    assert (row["obstacle"], row["difference"], row["verdict"]) == (
        "the vendor delivers flows and no trades", None, None
    )  # fmt: skip
    assert not [account for account, _ in quantities if account == "cash"]


def test_the_delivery_before_is_the_account_s_own_however_long_ago(spark: SparkSession) -> None:
    monthly = date(2026, 2, 6)
    positions = [held("monthly", monthly, "AAA", "100"), held("monthly", MONDAY, "AAA", "115")]
    positions += [held("daily", day, "AAA", "100") for day in (FRIDAY, MONDAY)]
    february = [
        booked("monthly", date(2026, 2, 20), "BUY", "15", "-750"),
        booked("daily", date(2026, 2, 20), "BUY", "1"),
    ]
    frame, bookings = rows_of(spark, "position", positions), rows_of(spark, "transaction", february)
    pairs = delivered_pairs(frame, since(frame))
    found = position_quantities(frame, bookings, traders(bookings), pairs, TOLERANCES).collect()
    assert {row["account_id"]: row["difference"] for row in found} == {"monthly": 0, "daily": 0}


# security: (quantity, price, value) on Friday and on Monday; whether Monday's value is one by quantity and price
VALUES: dict[str, tuple[tuple[str, str, str] | None, tuple[str, str, str], bool]] = {
    "equal": (None, ("100", "12.34", "1234"), True),
    "rounded price": (None, ("100000", "12.34", "1234050"), True),  # 0.4 bps
    "a cent on little": (None, ("1", "0.333", "0.34"), True),  # 210 bps, but one cent
    "another price": (None, ("100", "12.34", "1240"), False),
    "per hundred": (None, ("10000", "98.5", "9850"), True),
    "per hundred as before": (("10000", "98", "9800"), ("10000", "98.5", "9850"), True),
    "suddenly per hundred": (("10000", "98", "980000"), ("10000", "98.5", "9850"), False),
    "contracts of fifty": (("2", "4000", "400000"), ("2", "4100", "410000"), True),
    "contracts never seen": (None, ("2", "4100", "410000"), False),
    "sold short": (None, ("-10", "5", "-50"), True),
}


def test_quantity_times_price_is_the_value_delivered(spark: SparkSession) -> None:
    positions = []
    for name, (before, now, _) in VALUES.items():
        for day, figures in ((FRIDAY, before), (MONDAY, now)):
            if figures:
                quantity, price, value = figures
                worth = {"price": Decimal(price), "market_value": Decimal(value)}
                positions.append(held("A", day, name, quantity, **worth))
    positions.append(held("A", MONDAY, "no price", "5", market_value=Decimal(7)))
    frame = rows_of(spark, "position", positions)
    found = position_values(frame, since(frame), TOLERANCES).collect()
    assert {row["item"]: row["verdict"] is None for row in found} == {name: ok for name, (_, _, ok) in VALUES.items()}
    assert {row["as_of_date"] for row in found} == {MONDAY}
    [row] = [row for row in found if row["item"] == "another price"]
    assert (row["ours"], row["theirs"], row["difference"]) == (1234, 1240, Decimal(-6))
