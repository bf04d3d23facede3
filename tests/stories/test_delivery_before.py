"""Cash and holdings out of a real lake: which delivery is the one before, and what currency its cash is in."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import reduce
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from jobs.calculate.unpublished import Unpublished
from jobs.check.tolerances import load_tolerances
from jobs.platform.lake import Lake
from jobs.platform.ledger import Progress, Run
from jobs.platform.settings import Settings, Tenant
from jobs.reconcile.holdings_rows import HoldingsRows
from tests.rows import rows_of

pytestmark = pytest.mark.system

A_WEEK_AGO, WEDNESDAY, THURSDAY, FRIDAY, MONDAY = (date(2026, 3, day) for day in (2, 4, 5, 6, 9))
LATELY = 1  # the run that loaded all that came until Friday, which is published
TONIGHT = 2


def load(lake: Lake, run_no: int, table: str, *rows: dict[str, Any]) -> None:
    own = {"tenant_id": "acme", "vendor": "canonical", "feed": f"canonical_{table}s", "mapping_version": "m"}
    numbers = {"file_id": f"f{run_no}", "record_no": 1, "arrival_no": run_no, "run_no": run_no}
    full = [{**own, **numbers, "line_no": line, **row} for line, row in enumerate(rows, 1)]
    lake.write_run(rows_of(lake.spark, table, full), table, run_no, "test")


def publish(lake: Lake, through: dict[str, date]) -> None:
    """The last published row of each account."""
    row = {"tenant_id": "acme", "currency": "USD", "days": 1, "method": "daily", "status": "ok", "quality_flags": ""}
    facts = {"epoch": 1, "run_id": "test", "run_no": LATELY, "begin_date": A_WEEK_AGO}
    rows = [{**row, **facts, "account_id": name, "as_of_date": day} for name, day in through.items()]
    lake.overwrite(rows_of(lake.spark, "account_state", rows), "account_state", LATELY, "test")


def compared(lake: Lake, settings: Settings) -> list[Row]:
    run = Run("test", TONIGHT, MONDAY, None, None, None, None)  # type: ignore[arg-type]
    unpublished = Unpublished(run, {"acme": Progress(FRIDAY, LATELY)})
    frames = HoldingsRows(lake, unpublished, [], {"acme": Tenant()}).differences(load_tolerances(settings))
    return reduce(DataFrame.unionByName, frames).collect()


def cash(account: str, day: date, amount: int, currency: str | None = "USD") -> dict[str, Any]:
    worth = {"market_value": Decimal(999_999), "cash_value": Decimal(amount)}
    return {"account_id": account, "as_of_date": day, "currency": currency, **worth}


def held(account: str, day: date, quantity: int) -> dict[str, Any]:
    return {"account_id": account, "as_of_date": day, "security_id": "AAA", "quantity": Decimal(quantity)}


def balance(account: str, day: date, kind: str, amount: int) -> dict[str, Any]:
    return {"account_id": account, "as_of_date": day, "balance": kind, "amount": Decimal(amount), "currency": "USD"}


def bought(account: str, day: date, amount: int, currency: str = "USD") -> dict[str, Any]:
    dates = {"trade_date": day, "performance_date": day, "status": "new", "type": "BUY"}
    size = {"amount": Decimal(-amount), "currency": currency, "security_id": "BBB"}
    return {"account_id": account, "transaction_id": f"{account} {day}", **dates, **size}


def test_tonight_s_delivery_is_beside_the_one_before_not_the_last_that_was_published(
    spark: SparkSession, settings: Settings
) -> None:
    """100,000 that nobody booked came on Friday into what is held since: that is Friday's break, and none of Monday's.
    The like of 10 units, and of the 50 that Friday's statement books."""
    lake = Lake(spark, settings.lake_root)
    published = {"ordinary": FRIDAY, "held": THURSDAY, "held, not delivered on Friday": WEDNESDAY, "weekly": A_WEEK_AGO}
    publish(lake, published)
    load(
        lake, LATELY, "valuation",
        cash("ordinary", FRIDAY, 500),
        cash("held", THURSDAY, 1_000), cash("held", FRIDAY, 101_000),
        cash("held, not delivered on Friday", WEDNESDAY, 1_000),
        cash("held, not delivered on Friday", THURSDAY, 101_000),
        cash("weekly", A_WEEK_AGO, 70),
    )  # fmt: skip
    load(
        lake, LATELY, "position",
        held("held", THURSDAY, 100), held("held", FRIDAY, 110),
    )  # fmt: skip
    load(
        lake, LATELY, "cash_balance",
        balance("held", THURSDAY, "closing", 100), balance("held", FRIDAY, "closing", 150),
    )  # fmt: skip
    load(lake, LATELY, "transaction", bought("ordinary", FRIDAY, 1))
    load(
        lake, TONIGHT, "valuation",
        cash("ordinary", MONDAY, 480),
        cash("held", MONDAY, 101_000),
        cash("held, not delivered on Friday", MONDAY, 101_000),
        cash("weekly", MONDAY, 75),
    )  # fmt: skip
    load(lake, TONIGHT, "position", held("held", MONDAY, 110))
    load(lake, TONIGHT, "cash_balance", balance("held", MONDAY, "opening", 150))
    load(lake, TONIGHT, "transaction", bought("ordinary", MONDAY, 20))
    found = compared(lake, settings)
    assert {row["as_of_date"] for row in found} == {MONDAY}
    assert sorted((row["account_id"], row["type"], row["difference"]) for row in found) == [
        ("held", "cash_balance", 0),
        ("held", "cash_roll", 0),
        ("held", "position_quantity", 0),
        ("held, not delivered on Friday", "cash_roll", 0),
        ("ordinary", "cash_roll", 0),
        ("weekly", "cash_roll", -5),
    ]


def test_cash_without_a_currency_is_in_the_one_that_the_account_is_measured_in(
    spark: SparkSession, settings: Settings
) -> None:
    """By its published rows; before there are any by our records, else by its tenant's currency."""
    lake = Lake(spark, settings.lake_root)
    publish(lake, {"published": FRIDAY})
    load(lake, LATELY, "valuation", cash("published", FRIDAY, 100, None))
    load(lake, LATELY, "transaction", bought("published", FRIDAY, 1))
    since = {"effective_from": A_WEEK_AGO, "in_performance": True}
    load(
        lake, TONIGHT, "account",
        {"account_id": "new in euros", "base_currency": "EUR", **since}, {"account_id": "new", **since},
    )  # fmt: skip
    names = ("published", "new in euros", "new", "not in our records")
    values = [cash(name, day, n, None) for name in names for day, n in ((THURSDAY, 100), (MONDAY, 90))]
    load(lake, TONIGHT, "valuation", *values)
    load(lake, TONIGHT, "transaction", *[bought(name, MONDAY, 9, "EUR") for name in names])
    on_monday = [row for row in compared(lake, settings) if row["as_of_date"] == MONDAY]
    assert {row["account_id"]: row["obstacle"] or row["difference"] for row in on_monday} == {
        "published": "money moved in EUR",
        "new in euros": 1,
        "new": "money moved in EUR",
        "not in our records": "money moved in EUR",
    }
