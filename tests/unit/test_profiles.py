"""What a slice is counted as: each fact contradicted once and once nearly, on literal rows."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from jobs.check.profiles import Profile, collect_profiles, facts_of, measured
from jobs.check.tolerances import Tolerances
from jobs.platform import schemas

MONDAY, TUESDAY = date(2026, 1, 5), date(2026, 1, 6)
NO_RULES = Tolerances(rules=[])


def frame(spark: SparkSession, table: str, rows: list[dict[str, Any]]) -> DataFrame:
    """Rows of a silver table; the lake would refuse some of them, so here every column may be empty."""
    lineage = {"tenant_id": "acme", "vendor": "v", "feed": "f", "file_id": "1", "record_no": 1, "arrival_no": 1}
    struct = T.StructType([T.StructField(f.name, f.dataType) for f in schemas.table(table).struct.fields])
    values = [{**lineage, "line_no": number, **row} for number, row in enumerate(rows, start=2)]
    return spark.createDataFrame([tuple(row.get(name) for name in struct.names) for row in values], struct)


def profiles(spark: SparkSession, tables: dict[str, list[dict[str, Any]]], logs: list[str]) -> list[Profile]:
    facts = {name: facts_of(schemas.table(name), NO_RULES) for name in tables}
    slices = [
        measured(frame(spark, name, rows), schemas.table(name), facts[name], ["USD", "EUR"], logs)
        for name, rows in tables.items()
    ]
    return collect_profiles(slices, facts, about_rows=10)


def missed(profile: Profile) -> dict[tuple[str, str], int]:
    return {(fact.measure, fact.column): count for fact, count in profile.failed.items() if count}


def value(account: str | None, on: date = MONDAY, currency: str | None = "USD", **more: Any) -> dict[str, Any]:
    return {"account_id": account, "as_of_date": on, "market_value": Decimal(-1), "currency": currency, **more}


def fact(security: str, price: str, **more: Any) -> dict[str, Any]:
    return {"security_id": security, "as_of_date": MONDAY, "price": Decimal(price), "currency": "USD", **more}


def booking(name: str, type_: str, status: str = "new", **more: Any) -> dict[str, Any]:
    days = {"trade_date": MONDAY, "performance_date": MONDAY}
    return {"transaction_id": name, "account_id": "A", "type": type_, "status": status, "amount": 1, **days, **more}


def test_each_fact_counts_the_rows_that_contradict_it(spark: SparkSession) -> None:
    """One job over three tables. Values may be negative and a currency empty; a price may be nothing, not less."""
    valuations = [
        value("A"),
        value("A", TUESDAY),
        value("A", file_id="2"),  # the same key in another file is a later version
        value("B", currency=None),
        value("C", currency="usd"),
        value("D", currency="XXX"),
        value("E"),
        value("E"),
        value("E"),
        value(None),
        value(""),
    ]
    prices = [fact("S", "0"), fact("T", "-0.00000001"), fact("U", "1", feed="other")]
    amounts = {"amount": Decimal(1)}
    bookings = [
        booking("1", "DEPOSIT", **amounts),
        booking("2", "GIFT", **amounts),
        booking("3", "BUY", "old", **amounts),
    ]
    price, other, transaction, valuation = sorted(
        profiles(spark, {"valuation": valuations, "price": prices, "transaction": bookings}, []),
        key=lambda p: (p.table, p.feed),
    )

    assert (valuation.rows, valuation.largest) == (11, 10)  # one of them on Tuesday
    assert missed(valuation) == {
        ("repeated_keys", ""): 2,
        ("empty_share", "account_id"): 2,
        ("outside_values", "currency"): 1,
        ("unknown_currency", "currency"): 2,
    }
    assert (price.feed, price.rows, missed(price)) == ("f", 2, {("wrong_sign", "price"): 1})
    assert (other.feed, other.rows, missed(other)) == ("other", 1, {})
    assert missed(transaction) == {("outside_values", "type"): 1, ("outside_values", "status"): 1}


def test_in_a_log_a_key_may_come_again_in_a_later_line_but_no_line_twice(spark: SparkSession) -> None:
    amounts = {"amount": Decimal(1)}
    cancelled = [booking("1", "BUY", **amounts), booking("1", "BUY", "cancel", **amounts)]
    [log] = profiles(spark, {"transaction": cancelled}, ["f"])
    assert missed(log) == {}
    [snapshot] = profiles(spark, {"transaction": cancelled}, [])
    assert missed(snapshot) == {("repeated_keys", ""): 1}
    twice = [booking("1", "BUY", line_no=2, **amounts), booking("1", "BUY", line_no=2, **amounts)]
    [written_twice] = profiles(spark, {"transaction": twice}, ["f"])
    assert missed(written_twice) == {("repeated_keys", ""): 1}
