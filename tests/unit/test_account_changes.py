"""What a vendor now says otherwise about an account, and two vendors' values of one account."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.check.tolerances import Tolerances
from jobs.platform.schemas import table
from jobs.platform.settings import Tenant
from jobs.reconcile.changes import changes
from jobs.reconcile.sources import source_values
from tests.unit.test_account_deliveries import rule

ALWAYS, MON, TUE, WED = date(1900, 1, 1), date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 4)
TOLERANCES = Tolerances(
    rules=[
        rule("changed", "account_changed", "rows", "0"),
        rule("reopened", "account_reopened", "rows", "0"),
        rule("source", "source_value_difference", "money", "0.05"),
    ]
)


def version(account: str, run_no: int, since: date = ALWAYS, **attributes: Any) -> tuple[Any, ...]:
    row = {
        "tenant_id": "acme", "vendor": "bank", "feed": "f", "file_id": "f", "line_no": 1, "record_no": 1,
        "mapping_version": "m", "account_id": account, "effective_from": since, "in_performance": True,
        "arrival_no": run_no, "run_no": run_no, **attributes,
    }  # fmt: skip
    return tuple(row.get(name) for name in table("account").names)


def test_changes_are_told_by_attribute_where_returns_depend_on_it(spark: SparkSession) -> None:
    rows = [
        version("currency", 1, base_currency="USD"), version("currency", 2, base_currency="EUR"),
        version("dated", 1, flow_timing="mid_day"), version("dated", 2, WED, flow_timing="end_of_day"),
        version("advisor", 1, advisor_id="ann"), version("advisor", 2, advisor_id="bob"),
        version("first seen", 2, base_currency="EUR"),
        version("long ago", 0, base_currency="USD"), version("long ago", 1, base_currency="EUR"),
        version("closes", 1), version("closes", 2, closed_on=TUE),
        version("opens", 1, closed_on=MON), version("opens", 2),
        version("closes later", 1, closed_on=MON), version("closes later", 2, closed_on=TUE),
        version("two at once", 1), version("two at once", 2, base_currency="EUR", in_performance=False),
    ]  # fmt: skip
    accounts = spark.createDataFrame(rows, table("account").struct)
    found = changes(accounts, TOLERANCES, since=F.lit(2), business_date=TUE).collect()
    told = {(row["account_id"], row["type"], row["item"], row["as_of_date"], row["verdict"]["rule"]) for row in found}
    assert told == {
        ("currency", "account_changed", "base_currency", TUE, "changed"),
        ("dated", "account_changed", "flow_timing", WED, "changed"),
        ("opens", "account_reopened", None, TUE, "reopened"),
        ("closes later", "account_changed", "closed_on", TUE, "changed"),
        ("two at once", "account_changed", "base_currency", TUE, "changed"),
        ("two at once", "account_changed", "in_performance", TUE, "changed"),
    }


@pytest.mark.parametrize(("priority", "counts"), [([], "bank"), (["custodian"], "custodian")])
def test_the_value_of_the_first_vendor_counts_and_the_other_is_set_beside_it(
    spark: SparkSession, priority: list[str], counts: str
) -> None:
    values = {
        "differs": [("bank", "100.00", "USD"), ("custodian", "101.00", "USD")],
        "a cent": [("bank", "100.00", "USD"), ("custodian", "100.01", "USD")],
        "five cents": [("bank", "100.00", "USD"), ("custodian", "100.05", "USD")],
        "six cents": [("bank", "100.00", "USD"), ("custodian", "100.06", "USD")],
        "agrees": [("bank", "100.00", "USD"), ("custodian", "100.00", None)],
        "currencies": [("bank", "100.00", "USD"), ("custodian", "90.00", "EUR")],
        "one vendor": [("bank", "100.00", "USD")],
    }
    rows = [
        ("acme", account, MON, vendor, "f", Decimal(value), currency)
        for account, given in values.items()
        for vendor, value, currency in given
    ]
    valuations = spark.createDataFrame(
        rows,
        "tenant_id string, account_id string, as_of_date date, vendor string, feed string,"
        " market_value decimal(28,8), currency string",
    )
    found = source_values(valuations, {"acme": Tenant(source_priority=priority)}, TOLERANCES).collect()
    told = {row["account_id"]: row for row in found}
    assert set(told) == set(values) - {"one vendor"}
    other, sign = ("custodian", -1) if counts == "bank" else ("bank", 1)
    assert {row["vendor"] for row in found} == {other}
    assert told["differs"]["difference"] == sign * Decimal(1)
    assert {account: row["verdict"] and row["verdict"]["rule"] for account, row in told.items()} == {
        "differs": "source", "a cent": None, "five cents": None, "six cents": "source", "agrees": None,
        "currencies": None,
    }  # fmt: skip
    assert told["currencies"]["difference"] is None
    theirs, ours = ("EUR", "USD") if counts == "bank" else ("USD", "EUR")
    assert told["currencies"]["obstacle"] == f"theirs is in {theirs}, that of {counts} in {ours}"
