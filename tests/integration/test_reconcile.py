"""Reconciliation on a real lake: only what a run touched is compared, and files that the gate withheld are not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.platform import schemas
from jobs.platform.lake import Lake
from jobs.platform.ledger import FileRecord, Ledger, Run
from jobs.platform.settings import Settings
from jobs.reconcile.job import run as reconcile

MONDAY, TUESDAY, WEDNESDAY = date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 7)
GOLD: dict[str, Any] = {
    "tenant_id": "acme",
    "currency": "USD",
    "begin_market_value": Decimal("1000"),
    "net_flow": Decimal("0"),
    "end_market_value": Decimal("1010"),
    "days": 1,
    "method": "daily",
    "twrr_daily": 0.01,
    "twrr_mtd": 0.01,
    "status": "ok",
    "quality_flags": "",
    "epoch": 1,
    "begin_date": date(2026, 1, 4),
    "inception_date": date(2025, 12, 31),
}


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    ledger = Ledger(settings)
    ledger.connection.execute("TRUNCATE ops.file, ops.run CASCADE")
    (settings.landing / "acme").mkdir(exist_ok=True)
    yield ledger
    ledger.close()


def write(spark: SparkSession, lake: Lake, table: str, run: Run, rows: list[dict[str, Any]]) -> None:
    names = schemas.table(table).names
    values = [tuple({**row, "run_no": run.run_no, "run_id": run.run_id}.get(name) for name in names) for row in rows]
    lake.write_run(spark.createDataFrame(values, schemas.table(table).struct), table, run.run_no, run.run_id)


def reported(account: str, on: date, arrival_no: int, **figures: Any) -> dict[str, Any]:
    return {
        "account_id": account,
        "as_of_date": on,
        "tenant_id": "acme",
        "vendor": "canonical",
        "feed": "canonical_reported_performance",
        "file_id": f"file-{arrival_no}",
        "line_no": 2,
        "record_no": 1,
        "mapping_version": "m",
        "arrival_no": arrival_no,
        **figures,
    }


def came(ledger: Ledger, run: Run, file_id: str, status: str, vendor: str = "canonical") -> None:
    """The ledger knows this file of reports."""
    file = FileRecord(
        file_id=file_id,
        tenant_id="acme",
        path=f"acme/{file_id}.csv",
        size_bytes=1,
        modified_at=datetime(2026, 1, 5, tzinfo=UTC),
        status=status,
        vendor=vendor,
        feed=f"{vendor}_reported_performance",
        run_no=run.run_no,
    )
    ledger.register_files([file])


def breaks(lake: Lake, run: Run) -> list[tuple[Any, ...]]:
    rows = lake.read("reconciliation_break").where(f"run_no = {run.run_no}").orderBy("account_id", "type").collect()
    return [(r["account_id"], r["type"], r["state"], r["difference"], r["first_seen_on"]) for r in rows]


def test_two_nights(spark: SparkSession, settings: Settings, ledger: Ledger) -> None:
    """Monday: A1's begin value is off by 100, A2 agrees, A3 comes in a file that the gate withheld. Tuesday: a new
    file corrects A1's Monday; A2's Monday is of no concern any more.
    """
    lake = Lake(spark, settings.lake_root)
    monday = ledger.open_run(MONDAY)
    came(ledger, monday, "file-2", "withheld")
    gold = [{**GOLD, "account_id": name, "as_of_date": MONDAY} for name in ("A1", "A2", "A3")]
    write(spark, lake, "account_performance_daily", monday, gold)
    delivered = [
        reported("A1", MONDAY, 1, begin_market_value=Decimal("900"), end_market_value=Decimal("1010"), twrr_daily=0.01),
        reported("A2", MONDAY, 1, begin_market_value=Decimal("1000"), twrr_daily=0.01),
        reported("A3", MONDAY, 2, begin_market_value=Decimal("1")),
    ]
    write(spark, lake, "reported_performance", monday, delivered)

    counters = reconcile(spark, settings, monday)

    assert breaks(lake, monday) == [("A1", "begin_value", "open", Decimal("100"), MONDAY)]
    assert {"breaks": 1, "resolved": 0, "not_comparable": 0, "accounts_held": 0}.items() <= counters.items()

    ledger.close_run(monday, "done", {})
    ledger.advance("acme", MONDAY, monday.run_no)
    tuesday = ledger.open_run(TUESDAY)
    corrected = reported("A1", MONDAY, 3, begin_market_value=Decimal("1000"), twrr_daily=0.02)
    write(spark, lake, "reported_performance", tuesday, [corrected])

    counters = reconcile(spark, settings, tuesday)

    assert breaks(lake, tuesday) == [
        ("A1", "begin_value", "resolved", Decimal("0"), MONDAY),
        ("A1", "twrr_daily", "open", None, TUESDAY),
    ]
    assert {"breaks": 1, "resolved": 1, "not_comparable": 0}.items() <= counters.items()


def test_a_row_of_a_run_that_died_is_set_beside_what_was_reported_before(
    spark: SparkSession, settings: Settings, ledger: Ledger
) -> None:
    """Monday's end value is ours 1,010 and theirs 1,100: a break, and published. A run of Tuesday brings ours to 1,100
    and dies before it compares. The next one finds that row in gold and has nothing to write: it compares, and the
    break is resolved."""
    lake = Lake(spark, settings.lake_root)
    monday = ledger.open_run(MONDAY)
    came(ledger, monday, "file-1", "accepted")
    ours = {**GOLD, "account_id": "A1", "as_of_date": MONDAY}
    write(spark, lake, "account_performance_daily", monday, [ours])
    write(spark, lake, "reported_performance", monday, [reported("A1", MONDAY, 1, end_market_value=Decimal("1100"))])
    assert reconcile(spark, settings, monday)["breaks"] == 1
    ledger.close_run(monday, "done", {})
    ledger.advance("acme", MONDAY, monday.run_no)

    died = ledger.open_run(TUESDAY)
    restated = {**ours, "end_market_value": Decimal("1100"), "epoch": 2}
    write(spark, lake, "account_performance_daily", died, [restated])
    epoch = {"tenant_id": "acme", "account_id": "A1", "epoch": 2, "from_date": MONDAY}
    write(spark, lake, "account_epoch", died, [epoch])
    ledger.close_run(died, "failed", {})

    night = ledger.open_run(TUESDAY)
    reconcile(spark, settings, night)

    assert breaks(lake, night) == [("A1", "end_value", "resolved", Decimal("0"), MONDAY)]


def test_what_a_run_of_one_vendor_restates_is_set_beside_every_vendor_s_report(
    spark: SparkSession, settings: Settings, ledger: Ledger
) -> None:
    """Monday's 1,010 are what `canonical` reports. A run of `gcus` alone makes 1,100 of them: `canonical` differs now.
    Its report of A2 and a dividend that would explain the 90 are in files that the gate withheld, also from a run of
    another vendor; its report of A3 is in one that a dead run has left and no gate has looked at."""
    lake = Lake(spark, settings.lake_root)
    monday = ledger.open_run(MONDAY)
    came(ledger, monday, "file-1", "accepted")
    came(ledger, monday, "file-2", "withheld")
    came(ledger, monday, "file-3", "accepted", vendor="gcus")
    ours = [{**GOLD, "account_id": name, "as_of_date": MONDAY} for name in ("A1", "A2", "A3")]
    write(spark, lake, "account_performance_daily", monday, ours)
    theirs = [reported(name, MONDAY, n, end_market_value=Decimal("1010")) for n, name in ((1, "A1"), (2, "A2"))]
    write(spark, lake, "reported_performance", monday, theirs)
    dividend = {"transaction_id": "T", "type": "DIVIDEND", "status": "new", "amount": Decimal("90"), "currency": "USD"}
    dividend |= {"trade_date": MONDAY, "performance_date": MONDAY, "settle_date": WEDNESDAY}
    write(spark, lake, "transaction", monday, [{**reported("A1", MONDAY, 2), **dividend}])
    reconcile(spark, settings, monday)
    ledger.close_run(monday, "done", {})
    ledger.advance("acme", MONDAY, monday.run_no)

    died = ledger.open_run(TUESDAY)
    came(ledger, died, "file-4", "normalised")
    write(spark, lake, "reported_performance", died, [reported("A3", MONDAY, 4, end_market_value=Decimal("1010"))])
    ledger.close_run(died, "failed", {})
    night = ledger.open_run(TUESDAY, vendor="gcus")
    restated = [{**row, "end_market_value": Decimal("1100"), "epoch": 2} for row in ours]
    write(spark, lake, "account_performance_daily", night, restated)
    opened = [{"tenant_id": "acme", "account_id": name, "epoch": 2, "from_date": MONDAY} for name in ("A1", "A2", "A3")]
    write(spark, lake, "account_epoch", night, opened)
    reconcile(spark, settings, night)

    assert breaks(lake, night) == [("A1", "end_value", "open", Decimal("90"), TUESDAY)]


def test_what_a_run_that_died_loaded_of_another_vendor_is_looked_at_by_a_run_of_one(
    spark: SparkSession, settings: Settings, ledger: Ledger
) -> None:
    """`canonical` holds 100 units on Monday and 110 on Tuesday, worth 1,100 in an account of 1,000, and nothing was
    bought. The run that loaded Tuesday died, and the one that publishes it was asked for `gcus` only."""
    lake = Lake(spark, settings.lake_root)
    monday = ledger.open_run(MONDAY)
    came(ledger, monday, "file-1", "accepted")
    came(ledger, monday, "file-2", "accepted", vendor="gcus")
    day = {"tenant_id": "acme", "account_id": "A1", "currency": "USD"}

    def deliver(run: Run, on: date, units: int) -> None:
        row = {**reported("A1", on, run.run_no), **day, "file_id": "file-1"}
        held = {"security_id": "AAA", "quantity": Decimal(units), "market_value": Decimal(10 * units)}
        write(spark, lake, "position", run, [{**row, "feed": "canonical_positions", **held}])
        worth = {"market_value": Decimal("1000"), "cash_value": Decimal("0")}
        write(spark, lake, "valuation", run, [{**row, "feed": "canonical_valuations", **worth}])

    deliver(monday, MONDAY, 100)
    bought = {"transaction_id": "T", "type": "BUY", "status": "new", "security_id": "AAA", "quantity": Decimal("1")}
    bought |= {"trade_date": MONDAY, "performance_date": MONDAY, "amount": Decimal("-10")}
    write(spark, lake, "transaction", monday, [{**reported("A1", MONDAY, 1), **day, **bought}])
    write(spark, lake, "account_state", monday, [{**GOLD, **day, "as_of_date": MONDAY}])
    reconcile(spark, settings, monday)
    ledger.close_run(monday, "done", {})
    ledger.advance("acme", MONDAY, monday.run_no)
    died = ledger.open_run(TUESDAY)
    deliver(died, TUESDAY, 110)
    ledger.close_run(died, "failed", {})

    night = ledger.open_run(TUESDAY, vendor="gcus")
    reconcile(spark, settings, night)

    assert breaks(lake, night) == [
        ("A1", "holdings_value", "open", Decimal("100"), TUESDAY),
        ("A1", "position_quantity", "open", Decimal("-10"), TUESDAY),
    ]


def test_without_reports_there_is_nothing_to_reconcile(spark: SparkSession, settings: Settings, ledger: Ledger) -> None:
    night = ledger.open_run(MONDAY)
    assert set(reconcile(spark, settings, night).values()) == {0}
    assert not Lake(spark, settings.lake_root).exists("reconciliation_break")


@pytest.mark.system
def test_a_flow_counted_a_day_later_explains_the_break_of_the_day_before_too(
    spark: SparkSession, settings: Settings, ledger: Ledger
) -> None:
    """Theirs has 500 on Monday, ours on Tuesday. Monday's break is open until Tuesday's figures say why; the account's
    end value on Tuesday is theirs at Monday's rate."""
    lake = Lake(spark, settings.lake_root)
    monday = ledger.open_run(MONDAY)
    flow, none = Decimal("500"), Decimal("0")
    ours = {**GOLD, "account_id": "A1", "begin_date": date(2026, 1, 2)}
    write(spark, lake, "account_performance_daily", monday, [{**ours, "as_of_date": MONDAY}])
    theirs = reported("A1", MONDAY, 1, net_flow=flow, end_market_value=Decimal("1010"))
    write(spark, lake, "reported_performance", monday, [theirs])
    lineage = {name: theirs[name] for name in ("vendor", "feed", "file_id", "line_no", "record_no", "mapping_version")}
    lineage |= {"tenant_id": "acme", "arrival_no": 1}
    booking = {"transaction_id": "T", "account_id": "A1", "trade_date": TUESDAY, "performance_date": TUESDAY}
    booking |= {"type": "DEPOSIT", "amount": flow, "status": "new"}
    write(spark, lake, "transaction", monday, [{**lineage, **booking}])
    value = {"account_id": "A1", "as_of_date": TUESDAY, "market_value": Decimal("1400"), "currency": "EUR"}
    write(spark, lake, "valuation", monday, [{**lineage, **value}])
    rates = [(MONDAY, "1.09"), (TUESDAY, "1.10")]
    pair = {**lineage, "from_currency": "EUR", "to_currency": "USD"}
    write(spark, lake, "fx_rate", monday, [{**pair, "as_of_date": day, "rate": Decimal(rate)} for day, rate in rates])
    assert reconcile(spark, settings, monday)["breaks"] == 1
    ledger.close_run(monday, "done", {})
    ledger.advance("acme", MONDAY, monday.run_no)

    tuesday = ledger.open_run(TUESDAY)
    row = {**ours, "as_of_date": TUESDAY, "begin_date": MONDAY, "net_flow": flow, "end_market_value": Decimal("1540")}
    write(spark, lake, "account_performance_daily", tuesday, [row])
    theirs = reported("A1", TUESDAY, 2, net_flow=none, end_market_value=Decimal("1526"))
    write(spark, lake, "reported_performance", tuesday, [theirs])
    assert reconcile(spark, settings, tuesday)["explained"] == 3
    found = (
        lake.read("reconciliation_break").where(f"run_no = {tuesday.run_no}").orderBy("as_of_date", "type").collect()
    )
    assert [(r["as_of_date"], r["type"], r["state"], r["cause"], r["first_seen_on"]) for r in found] == [
        (MONDAY, "net_flow", "explained", "flow_timing", MONDAY),
        (TUESDAY, "end_value", "explained", "fx_rate", TUESDAY),
        (TUESDAY, "net_flow", "explained", "flow_timing", TUESDAY),
    ]


@pytest.mark.system
def test_a_break_of_the_day_after_that_a_late_report_explains_keeps_its_age(
    spark: SparkSession, settings: Settings, ledger: Ledger
) -> None:
    """Ours has a flow of 500 on Tuesday, theirs none: a break since Tuesday. Their report of Monday, which has the
    flow, comes on Wednesday alone and explains both."""
    lake = Lake(spark, settings.lake_root)
    flow, none, value = Decimal("500"), Decimal("0"), Decimal("1010")
    tuesday = ledger.open_run(TUESDAY)
    came(ledger, tuesday, "file-1", "accepted")
    row = {**GOLD, "account_id": "A1"}
    ours = [
        {**row, "as_of_date": MONDAY, "begin_date": date(2026, 1, 2), "net_flow": none},
        {**row, "as_of_date": TUESDAY, "begin_date": MONDAY, "net_flow": flow},
    ]
    write(spark, lake, "account_performance_daily", tuesday, ours)
    theirs = reported("A1", TUESDAY, 1, net_flow=none, end_market_value=value)
    write(spark, lake, "reported_performance", tuesday, [theirs])
    reconcile(spark, settings, tuesday)
    assert breaks(lake, tuesday) == [("A1", "net_flow", "open", flow, TUESDAY)]
    ledger.close_run(tuesday, "done", {})
    ledger.advance("acme", TUESDAY, tuesday.run_no)

    extra = ledger.open_run(WEDNESDAY)
    late = reported("A1", MONDAY, 2, net_flow=flow, end_market_value=value)
    write(spark, lake, "reported_performance", extra, [late])
    reconcile(spark, settings, extra)

    assert sorted(breaks(lake, extra), key=lambda row: row[3]) == [
        ("A1", "net_flow", "explained", -flow, WEDNESDAY),
        ("A1", "net_flow", "explained", flow, TUESDAY),
    ]
