"""Cash and holdings out of a real lake: what a run touched, and the delivery before it, however that came about."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from functools import reduce
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.calculate.unpublished import Unpublished
from jobs.check.tolerances import load_tolerances
from jobs.platform.lake import Lake
from jobs.platform.ledger import Progress, Run
from jobs.platform.settings import Settings
from jobs.reconcile.holdings_rows import HoldingsRows
from tests.rows import rows_of

pytestmark = pytest.mark.system

A_WEEK_AGO, FRIDAY, MONDAY, TUESDAY = (date(2026, 3, day) for day in (2, 6, 9, 10))
Differences = dict[tuple[str, date, str], Decimal]


def test_a_run_looks_at_what_it_touched_and_the_delivery_before(spark: SparkSession, settings: Settings) -> None:
    lake = Lake(spark, settings.lake_root)
    tolerances = load_tolerances(settings)

    def load(run_no: int, table: str, *rows: dict[str, Any]) -> None:
        own = {"tenant_id": "acme", "vendor": "canonical", "feed": f"canonical_{table}s", "mapping_version": "m"}
        numbers = {"file_id": f"f{run_no}", "record_no": 1, "arrival_no": run_no, "run_no": run_no}
        full = [{**own, **numbers, "line_no": line, **row} for line, row in enumerate(rows, 1)]
        lake.write_run(rows_of(spark, table, full), table, run_no, "test")

    def found(run_no: int, night: date, through: date, withheld: list[str]) -> Differences:
        run = Run("test", run_no, night, None, None, None, None)  # type: ignore[arg-type]
        progress = {"acme": Progress(through, run_no - 1)}
        frames = HoldingsRows(lake, Unpublished(run, progress), withheld).differences(tolerances)
        rows = reduce(DataFrame.unionByName, frames).collect()
        assert not [row for row in rows if row["obstacle"]]
        return {(row["account_id"], row["as_of_date"], row["type"]): row["difference"] for row in rows}

    # B is valued daily, its positions come weekly.
    load(1, "position", held("A", FRIDAY, 100), held("B", A_WEEK_AGO, 50))
    load(1, "valuation", cash("A", FRIDAY, 1000), cash("B", FRIDAY, None))
    load(1, "transaction", bought("A", FRIDAY, 1, "first"))
    row = {"tenant_id": "acme", "as_of_date": FRIDAY, "currency": "USD", "days": 1, "method": "daily", "status": "ok"}
    facts = {"quality_flags": "", "epoch": 1, "run_id": "test", "run_no": 1, "begin_date": FRIDAY}
    published = [{**row, **facts, "account_id": name} for name in "AB"]
    lake.overwrite(rows_of(spark, "account_state", published), "account_state", 1, "test")

    load(2, "position", held("A", MONDAY, 110), held("B", MONDAY, 55), held("C", MONDAY, 5))
    load(2, "valuation", cash("A", MONDAY, 500))
    load(2, "transaction", bought("A", MONDAY, 10, "second"))
    assert found(2, MONDAY, FRIDAY, []) == {
        ("A", MONDAY, "position_quantity"): 0,
        ("A", MONDAY, "cash_roll"): 0,
        ("B", MONDAY, "position_quantity"): -5,  # against the delivery of a week ago
    }

    # A booking that comes late explains a day that was published, one of a withheld file nothing; and A is delivered
    # again.
    load(3, "transaction", bought("B", FRIDAY, 5, "third"), {**bought("A", MONDAY, 1, "fourth"), "file_id": "withheld"})
    load(3, "position", held("A", MONDAY, 111))
    assert found(3, TUESDAY, MONDAY, ["withheld"]) == {
        ("B", MONDAY, "position_quantity"): 0,
        ("A", MONDAY, "position_quantity"): -1,
    }


def test_where_nothing_came_nothing_is_read(
    spark: SparkSession, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(spark, settings.lake_root)
    monkeypatch.setattr(Lake, "read", _refused)
    monkeypatch.setattr(Lake, "written_by", _refused)
    run = Run("test", 9, TUESDAY, None, None, None, None)  # type: ignore[arg-type]
    rows = HoldingsRows(lake, Unpublished(run, {"acme": Progress(MONDAY, 8)}), [])
    assert rows.differences(load_tolerances(settings)) == []


def _refused(*_: Any) -> Callable[..., Any]:
    raise AssertionError("the lake is read")


def held(account: str, day: date, quantity: int) -> dict[str, Any]:
    return {"account_id": account, "as_of_date": day, "security_id": "AAA", "quantity": Decimal(quantity)}


def cash(account: str, day: date, amount: int | None) -> dict[str, Any]:
    worth = {"market_value": Decimal(9999), "cash_value": None if amount is None else Decimal(amount)}
    return {"account_id": account, "as_of_date": day, "currency": "USD", **worth}


def bought(account: str, day: date, quantity: int, name: str) -> dict[str, Any]:
    dates = {"trade_date": day, "performance_date": day, "status": "new", "type": "BUY", "currency": "USD"}
    size = {"quantity": Decimal(quantity), "amount": Decimal(-50 * quantity), "security_id": "AAA"}
    return {"account_id": account, "transaction_id": name, **dates, **size}
