"""Cash on literal frames: opening + movements = closing, of custodians and of statements; fires and nearly fires."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.check.tolerances import Rule, Tolerances
from jobs.platform.settings import Tenant
from jobs.reconcile.cash import base_currencies, cash_balances, cash_rolls, custodian_cash, statements
from jobs.reconcile.movements import traders
from tests.rows import rows_of

FRIDAY, MONDAY, TUESDAY = date(2026, 3, 6), date(2026, 3, 9), date(2026, 3, 10)
RULE = {"name": "cash", "measure": "cash_difference", "limits": [{"unit": "money", "max": "0.01"}], "severity": "warn"}
TOLERANCES = Tolerances(rules=[Rule.model_validate({**RULE, "reason": "to the cent, as a bank does"})])
CUSTODIAN = {"tenant_id": "acme", "vendor": "canonical", "feed": "canonical_valuations", "currency": "USD"}
BANK = {"tenant_id": "acme", "vendor": "mt940", "feed": "mt940_statement", "currency": "EUR"}


def moved(kind: str, amount: str, day: date = MONDAY, **columns: Any) -> dict[str, Any]:
    dates = {"trade_date": day, "performance_date": day, "status": "new"}
    return {"type": kind, "amount": Decimal(amount), "currency": "USD", **dates, **columns}


def all_of(frame: DataFrame, day: date) -> DataFrame:
    since = f"DATE '{day}' AS since"
    return frame.selectExpr("tenant_id", "vendor", "account_id", since, "'USD' AS base_currency").distinct()


# account: cash on Friday, movements since, cash on Monday, opening + movements less closing
ROLLS: dict[str, tuple[str, list[dict[str, Any]], str, str]] = {
    "nothing moved": ("100", [], "100", "0"),
    "deposit and purchase": ("100", [moved("DEPOSIT", "50"), moved("BUY", "-30.25")], "119.75", "0"),
    "a cent": ("100", [moved("DEPOSIT", "50")], "150.01", "-0.01"),
    "two cents": ("100", [moved("DEPOSIT", "50")], "150.02", "-0.02"),
    "fee that nobody booked": ("100", [], "75", "25"),
    "in kind": ("100", [moved("TRANSFER_IN", "500", security_id="AAA", quantity=Decimal(5))], "100", "0"),
    "in kind, though money came": (
        "100", [moved("TRANSFER_IN", "500", security_id="AAA", quantity=Decimal(5))], "600", "-500",
    ),
    "cancelled": ("100", [moved("DEPOSIT", "50", status="cancel")], "100", "0"),
    "sale settles on Tuesday": ("100", [moved("SELL", "40", settle_date=TUESDAY)], "100", "0"),
    "sale settles on Tuesday, paid already": ("100", [moved("SELL", "40", settle_date=TUESDAY)], "140", "0"),
    "friday's deposit is in friday's cash": ("100", [moved("DEPOSIT", "50", FRIDAY)], "100", "0"),
}  # fmt: skip


@pytest.fixture(scope="module")
def rolls(spark: SparkSession) -> dict[str, Any]:
    values, bookings = [], []
    for account, (before, movements, after, _) in ROLLS.items():
        of_account = {**CUSTODIAN, "account_id": account}
        values += [
            {**of_account, "as_of_date": day, "cash_value": Decimal(cash)}
            for day, cash in ((FRIDAY, before), (MONDAY, after))
        ]
        bookings += [{**of_account, **one} for one in movements]
    euros = {**CUSTODIAN, "account_id": "in another currency"}
    values += [{**euros, "as_of_date": day, "cash_value": Decimal(cash)} for day, cash in ((FRIDAY, 1), (MONDAY, 9))]
    bookings += [{**euros, **moved("DEPOSIT", "7", currency="EUR")}]
    # Cash among the holdings, and a margin loan in the same currency.
    listed = {**CUSTODIAN, "vendor": "ofx", "feed": "ofx_investment", "account_id": "listed"}
    positions = [
        {**listed, "as_of_date": day, "security_id": security, "quantity": Decimal(n), "market_value": Decimal(n)}
        for day, security, n in (
            (FRIDAY, "CASH", 10), (FRIDAY, "MARGIN", -4), (MONDAY, "CASH", 90), (MONDAY, "MARGIN", 0),
            (MONDAY, "AAA", 5),
        )
    ]  # fmt: skip
    bookings += [{**listed, **moved("DIVIDEND", "80")}]
    valuations, held = rows_of(spark, "valuation", values), rows_of(spark, "position", positions)
    transactions = rows_of(spark, "transaction", bookings)
    since = all_of(valuations, MONDAY).unionByName(all_of(held, MONDAY))
    rolled = custodian_cash(valuations, held, since)
    found = cash_rolls(rolled, transactions, traders(transactions), TOLERANCES, table="valuation").collect()
    assert len({row["account_id"] for row in found}) == len(found)
    return {row["account_id"]: row for row in found}


@pytest.mark.parametrize("account", ROLLS)
def test_a_custodian_s_cash_is_rolled_to_the_cent(rolls: dict[str, Any], account: str) -> None:
    row, expected = rolls[account], Decimal(ROLLS[account][3])
    assert (row["type"], row["item"], row["as_of_date"]) == ("cash_roll", "USD", MONDAY)
    assert (row["difference"], row["obstacle"]) == (expected, None)
    assert (row["verdict"] is not None) == (abs(expected) > Decimal("0.01"))


def test_money_in_another_currency_than_the_one_figure_s_is_not_comparable(rolls: dict[str, Any]) -> None:
    row = rolls["in another currency"]
    assert (row["obstacle"], row["difference"], row["verdict"]) == ("money moved in EUR", None, None)


# Of accounts in USD whose cash is stated without a currency, alone or beside another purse: cash on Friday, bookings,
# cash on Monday; opening + movements less closing per purse, or why there is none.
UNSTATED: dict[str, tuple[dict[str, int], list[tuple[str, str | None]], dict[str, int], dict[str, int | str]]] = {
    "bought in euros at 1.085": ({"": 10_000}, [("-1000", "EUR")], {"": 8_915}, {"": "money moved in EUR"}),
    "bought in dollars": ({"": 10_000}, [("-1000", "USD")], {"": 9_000}, {"": 0}),
    "bought in dollars, five short": ({"": 10_000}, [("-1000", "USD")], {"": 8_995}, {"": 5}),
    "booked without a currency either": ({"": 10_000}, [("-1000", None)], {"": 8_995}, {"": 5}),
    "euros have a purse of their own": ({"": 100, "EUR": 9}, [("7", "EUR")], {"": 90, "EUR": 16}, {"": 10, "EUR": 0}),
    "dollars are in the other purse": ({"": 100, "EUR": 9}, [("7", "USD")], {"": 107, "EUR": 5}, {"": 0, "EUR": 4}),
}  # fmt: skip


def test_cash_without_a_currency_is_in_the_account_s(spark: SparkSession) -> None:
    values, bookings = [], []
    for account, (friday, moves, monday, _) in UNSTATED.items():
        of_account = {**CUSTODIAN, "account_id": account}
        values += [
            {
                **of_account,
                "as_of_date": day,
                "security_id": "CASH",
                "currency": one or None,
                "market_value": Decimal(n),
            }
            for day, cash in ((FRIDAY, friday), (MONDAY, monday))
            for one, n in cash.items()
        ]
        bookings += [{**of_account, **moved("BUY", amount, currency=one)} for amount, one in moves]
    held, transactions = rows_of(spark, "position", values), rows_of(spark, "transaction", bookings)
    rolled = custodian_cash(rows_of(spark, "valuation", []), held, all_of(held, MONDAY))
    found: dict[str, dict[str, Any]] = {account: {} for account in UNSTATED}
    for row in cash_rolls(rolled, transactions, traders(transactions), TOLERANCES, table="valuation").collect():
        found[row["account_id"]][row["item"] or ""] = row["obstacle"] or row["difference"]
    assert found == {account: expected for account, (*_, expected) in UNSTATED.items()}


def test_an_account_is_in_its_base_currency_or_the_one_that_its_tenant_reports_in(spark: SparkSession) -> None:
    accounts = [
        ("alpha", "euros", FRIDAY, "EUR"), ("zulu", "nothing said", FRIDAY, None),
        ("alpha", "two say it", FRIDAY, "CHF"), ("zulu", "two say it", FRIDAY, "GBP"),
        ("zulu", "another since Monday", FRIDAY, "EUR"), ("zulu", "another since Monday", MONDAY, "CHF"),
        ("zulu", "another from Tuesday", FRIDAY, "EUR"), ("zulu", "another from Tuesday", TUESDAY, "CHF"),
    ]  # fmt: skip
    names = ("vendor", "account_id", "effective_from", "base_currency")
    rows = [{"tenant_id": "acme", **dict(zip(names, one, strict=True))} for one in accounts]
    policies = {"acme": Tenant(source_priority=["zulu"])}
    found = base_currencies(rows_of(spark, "account", rows), MONDAY, policies).collect()
    assert {row["account_id"]: row["base_currency"] for row in found} == {
        "euros": "EUR", "nothing said": None, "two say it": "GBP", "another since Monday": "CHF",
        "another from Tuesday": "EUR",
    }  # fmt: skip


def test_cash_and_margin_among_the_holdings_are_one_purse(rolls: dict[str, Any]) -> None:
    row = rolls["listed"]
    assert (row["ours"], row["theirs"], row["difference"]) == (86, 90, Decimal(-4))  # 6 + 80


def test_where_only_flows_are_delivered_cash_is_not_comparable(spark: SparkSession) -> None:
    cash = [
        {**CUSTODIAN, "account_id": name, "as_of_date": day, "cash_value": Decimal(amount)}
        for name, day, amount in (
            ("moved", FRIDAY, 1),
            ("moved", MONDAY, 9),
            ("still", FRIDAY, 1),
            ("still", MONDAY, 1),
        )
    ]
    values, flows = rows_of(spark, "valuation", cash), [{**CUSTODIAN, "account_id": "moved", **moved("DEPOSIT", "7")}]
    transactions = rows_of(spark, "transaction", flows)
    rolled = custodian_cash(values, rows_of(spark, "position", []), all_of(values, MONDAY))
    found = cash_rolls(rolled, transactions, traders(transactions), TOLERANCES, table="valuation").collect()
    assert {row["account_id"]: row["obstacle"] for row in found} == {
        "moved": "the vendor delivers flows and no trades", "still": None,
    }  # fmt: skip


def balance(account: str, day: date, kind: str, amount: str, at: tuple[str, int]) -> dict[str, Any]:
    facts = {"account_id": account, "as_of_date": day, "balance": kind, "amount": Decimal(amount)}
    return {**BANK, **facts, "file_id": at[0], "line_no": at[1], "record_no": 1}


BALANCES = [
    # A bank that dates the opening balance on the day of the closing before it: two statements in a file, one later.
    balance("swift", FRIDAY, "opening", "100", ("f1", 1)),
    balance("swift", MONDAY, "closing", "150", ("f1", 5)),
    balance("swift", MONDAY, "opening", "150", ("f1", 6)),
    balance("swift", TUESDAY, "closing", "120", ("f1", 9)),
    balance("swift", TUESDAY, "opening", "121", ("f2", 1)),  # a euro came between the files
    balance("swift", date(2026, 3, 11), "closing", "121", ("f2", 2)),
    balance("swift", date(2026, 3, 11), "interim", "7", ("f2", 3)),
    # One that dates it on the statement's own day.
    balance("camt", FRIDAY, "opening", "100", ("g1", 1)),
    balance("camt", FRIDAY, "closing", "90", ("g1", 2)),
    balance("camt", MONDAY, "opening", "90", ("g2", 1)),
    balance("camt", MONDAY, "closing", "85.5", ("g2", 2)),
    balance("camt", TUESDAY, "opening", "80", ("g3", 1)),  # Monday evening's statement never came
    balance("camt", TUESDAY, "closing", "81", ("g3", 2)),
]
ENTRIES = [
    ("swift", MONDAY, "50", {}),
    ("swift", FRIDAY, "-30", {"booked_on": TUESDAY}),  # value-dated back, in Tuesday's balance
    ("camt", FRIDAY, "-10", {}),
    ("camt", MONDAY, "-4", {}),  # half a euro less than the closing balance says
    ("camt", TUESDAY, "1", {}),
]


def test_statements_roll_from_their_own_opening_balance(spark: SparkSession) -> None:
    entries = [{**BANK, "account_id": name, **moved("DEPOSIT", amount, day, currency="EUR", **more)}
               for name, day, amount, more in ENTRIES]  # fmt: skip
    balances, transactions = rows_of(spark, "cash_balance", BALANCES), rows_of(spark, "transaction", entries)
    rolled = statements(balances, all_of(balances, FRIDAY))
    found = cash_rolls(rolled, transactions, traders(transactions), TOLERANCES, table="cash_balance").collect()
    assert {(row["account_id"], row["as_of_date"]): row["difference"] for row in found} == {
        ("swift", MONDAY): 0,
        ("swift", TUESDAY): 0,
        ("swift", date(2026, 3, 11)): 0,
        ("camt", FRIDAY): 0,
        ("camt", MONDAY): Decimal("0.5"),
        ("camt", TUESDAY): 0,
    }
    assert [row["account_id"] for row in found if row["verdict"]] == ["camt"]
    assert not [row for row in found if row["obstacle"]]  # a bank's entries are all there is


def test_a_statement_begins_where_the_last_one_ended(spark: SparkSession) -> None:
    """To the cent: one may lie between the statements of `cent`, two between those of `cents` not."""
    nearly = [
        balance(account, day, kind, amount, at)
        for account, opening in (("cent", "90.01"), ("cents", "90.02"))
        for day, kind, amount, at in (
            (FRIDAY, "opening", "100", (f"{account}1", 1)), (FRIDAY, "closing", "90", (f"{account}1", 2)),
            (MONDAY, "opening", opening, (f"{account}2", 1)),
        )
    ]  # fmt: skip
    balances = rows_of(spark, "cash_balance", BALANCES + nearly)
    found = cash_balances(balances, all_of(balances, FRIDAY), TOLERANCES).collect()
    assert {
        (row["account_id"], row["as_of_date"]): (row["ours"], row["theirs"], row["difference"]) for row in found
    } == {
        ("swift", MONDAY): (150, 150, 0),
        ("swift", TUESDAY): (120, 121, -1),
        ("camt", MONDAY): (90, 90, 0),
        ("camt", TUESDAY): (85.5, 80, Decimal("5.5")),
        ("cent", MONDAY): (90, 90.01, Decimal("-0.01")),
        ("cents", MONDAY): (90, 90.02, Decimal("-0.02")),
    }
    broken = {(row["account_id"], row["as_of_date"]) for row in found if row["verdict"]}
    assert broken == {("swift", TUESDAY), ("camt", TUESDAY), ("cents", MONDAY)}
    assert {row["type"] for row in found} == {"cash_balance"}
    since_tuesday = cash_balances(balances, all_of(balances, TUESDAY), TOLERANCES).collect()
    assert {row["as_of_date"] for row in since_tuesday} == {TUESDAY}


# What an account lists on Monday and on Tuesday, in purses and one share of AAA, which is always there; what was booked
# between; opening + movements less closing per currency.
PURSES: dict[str, tuple[dict[str, int], dict[str, int], list[tuple[str, str]], dict[str, int]]] = {
    "appears, unbooked": ({"USD": 100}, {"USD": 100, "EUR": 9}, [], {"USD": 0, "EUR": -9}),
    "appears, booked": ({"USD": 100}, {"USD": 100, "EUR": 9}, [("9", "EUR")], {"USD": 0, "EUR": 0}),
    "disappears": ({"USD": 100, "EUR": 9}, {"USD": 100}, [], {"USD": 0, "EUR": 9}),
    "disappears, paid out": ({"USD": 100, "EUR": 9}, {"USD": 100}, [("-9", "EUR")], {"USD": 0, "EUR": 0}),
    "another purse moved": ({"USD": 100, "EUR": 9}, {"USD": 150}, [("50", "USD")], {"USD": 0, "EUR": 9}),
    "the first cash": ({}, {"USD": 5}, [], {"USD": -5}),
    "the last cash": ({"USD": 5}, {}, [], {"USD": 5}),
    "never any": ({}, {}, [("7", "USD")], {}),
    "one figure, gone": ({"": 5}, {}, [], {"": 5}),
    "one figure, then by currency": ({"": 5}, {"USD": 3, "EUR": 2}, [], {}),
    "by currency, then one figure": ({"USD": 3, "EUR": 2}, {"": 5}, [], {}),
}  # fmt: skip


@pytest.fixture(scope="module")
def purses(spark: SparkSession) -> dict[str, dict[str, Any]]:
    positions, bookings = [], []
    for account, (monday, tuesday, moves, _) in PURSES.items():
        of_account = {**CUSTODIAN, "vendor": "ofx", "feed": "ofx_investment", "account_id": account}
        for day, cash in ((MONDAY, monday), (TUESDAY, tuesday)):
            listed = {"AAA": ("USD", 1), **{f"CASH_{currency}": (currency, n) for currency, n in cash.items()}}
            positions += [
                {**of_account, "as_of_date": day, "security_id": security.rstrip("_"), "currency": currency or None,
                 "quantity": Decimal(n), "market_value": Decimal(n)}
                for security, (currency, n) in listed.items()
            ]  # fmt: skip
        bookings += [{**of_account, **moved("DIVIDEND", n, TUESDAY, currency=one)} for n, one in moves]
    # Without trades holdings could not be rolled at all.
    bookings += [{**of_account, "account_id": "other", **moved("BUY", "-1")}]
    held, transactions = rows_of(spark, "position", positions), rows_of(spark, "transaction", bookings)
    rolled = custodian_cash(rows_of(spark, "valuation", []), held, all_of(held, TUESDAY))
    found: dict[str, dict[str, Any]] = {account: {} for account in PURSES}
    for row in cash_rolls(rolled, transactions, traders(transactions), TOLERANCES, table="valuation").collect():
        assert (row["as_of_date"], row["obstacle"]) == (TUESDAY, None)
        found[row["account_id"]][row["item"] or ""] = row["difference"]
    return found


@pytest.mark.parametrize("account", PURSES)
def test_a_currency_that_a_delivery_does_not_list_is_none_there(
    purses: dict[str, dict[str, Any]], account: str
) -> None:
    assert purses[account] == PURSES[account][3]


def test_positions_beside_a_stated_figure_are_not_asked_for_cash(spark: SparkSession) -> None:
    """The value states cash on Friday and Tuesday; the holdings list it once, and come on Monday too."""
    of_account = {**CUSTODIAN, "account_id": "stated"}
    values = [{**of_account, "as_of_date": day, "cash_value": Decimal(100)} for day in (FRIDAY, TUESDAY)]
    share = {**of_account, "security_id": "AAA", "quantity": Decimal(1)}
    positions = [{**share, "as_of_date": day} for day in (FRIDAY, MONDAY, TUESDAY)]
    positions += [{**share, "as_of_date": FRIDAY, "security_id": "CASH", "market_value": Decimal(100)}]
    valuations = rows_of(spark, "valuation", values)
    rolled = custodian_cash(valuations, rows_of(spark, "position", positions), all_of(valuations, MONDAY))
    assert [(row["before"], row["as_of_date"], row["opening"], row["closing"]) for row in rolled.collect()] == [
        (FRIDAY, TUESDAY, 100, 100)
    ]
