"""Files that come on their own evening are loaded by a run of the day before: its night finds what it always finds."""

from __future__ import annotations

from datetime import date
from typing import Any

import psycopg
import pytest
from pyspark.sql import SparkSession

from jobs.pipeline import run_all
from jobs.platform.ledger import Ledger
from tests.nights import settings_for, write_rules

pytestmark = pytest.mark.system

FRIDAY, MONDAY = date(2026, 3, 6), date(2026, 3, 9)
RULES = """rules:
  - name: stale
    applies_to: valuation
    measure: stale_value
    limits: [{unit: days, max: 0}]
    severity: hold
    reason: A value that stands still is an old one.
  - name: jump
    applies_to: valuation
    measure: value_jump
    limits: [{unit: fraction, max: 0.5}]
    severity: hold
    reason: Half as much again without a flow is a wrong file, not a market.
  - name: quantity
    measure: position_quantity_difference
    limits: [{unit: quantity, max: 0}]
    severity: warn
    reason: Units are counted, not measured.
  - name: missing
    measure: account_missing
    limits: [{unit: days, max: 0}]
    severity: warn
    reason: It was valued day after day.
  - name: return_daily
    measure: daily_return_difference
    limits: [{unit: bps, max: 1}]
    severity: warn
    reason: One of the two is wrong.
"""
VALUES = "account_id,as_of_date,market_value,currency\n"
HOLDINGS = "account_id,as_of_date,security_id,quantity,price,market_value,currency\n"
BOOKINGS = "transaction_id,account_id,trade_date,type,amount,currency,security_id,quantity\n"
FIRST_DAYS = [date(2026, 3, day) for day in (3, 4, 5)]
BEFORE = {
    "canonical_accounts_1.csv": "account_id,base_currency\n" + "".join(f"{a},USD\n" for a in "ABCDE"),
    "canonical_valuations_1.csv": VALUES
    + "".join(f"{a},{day},{1000 + day.day},USD\n" for a in "ABCDE" for day in [*FIRST_DAYS, FRIDAY]),
    "canonical_positions_1.csv": HOLDINGS + f"A,{FRIDAY},X,10,10,100,USD\n",
    "canonical_transactions_1.csv": BOOKINGS + f"T1,A,{FRIDAY},BUY,-10,USD,X,1\n",
}
# A holds five more of X and bought two; B stands still; C jumps; D is left out; E is reported otherwise.
OF_MONDAY = {
    "canonical_valuations_2.csv": VALUES + f"A,{MONDAY},1010,USD\nB,{MONDAY},1006,USD\nC,{MONDAY},2500,USD\n"
    f"E,{MONDAY},1010,USD\n",
    "canonical_positions_2.csv": HOLDINGS + f"A,{MONDAY},X,15,10,150,USD\n",
    "canonical_transactions_2.csv": BOOKINGS + f"T2,A,{MONDAY},BUY,-20,USD,X,2\n",
    "canonical_reported_performance_2.csv": f"account_id,as_of_date,twrr_daily\nE,{MONDAY},0.01\n",
}
FOUND = {
    "held": "SELECT account_id, as_of_date, rule, state FROM marts.held_account WHERE tenant_id = %s",
    "breaks": "SELECT account_id, as_of_date, type, state FROM marts.reconciliation_break WHERE tenant_id = %s",
    "values": "SELECT account_id, as_of_date, end_market_value, twrr_daily FROM marts.account_performance_daily"
    " WHERE tenant_id = %s",
    "status": "SELECT business_date, source, expected, received, held, may_read, reason FROM marts.night_status"
    " WHERE tenant_id = %s AND business_date = DATE '2026-03-09'",
}


@pytest.fixture(scope="module")
def found(
    spark: SparkSession, database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, list[Any]]]:
    """By tenant what the marts hold after Monday's night: of `late` Monday's files came with its run, of `early` with a
    second run of Friday."""
    home = tmp_path_factory.mktemp("evening")
    write_rules(home, RULES)

    def land(tenant: str, files: dict[str, str]) -> None:
        folder = home / "landing" / tenant
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text)

    with pytest.MonkeyPatch.context() as patch:
        settings = settings_for(home, database_url, patch)
    ledger = Ledger(settings)
    for tenant in ("early", "late"):
        land(tenant, BEFORE)
    run_all(spark, settings, ledger.open_run(FRIDAY))
    land("early", OF_MONDAY)
    counters = run_all(spark, settings, ledger.open_run(FRIDAY))
    assert counters["check"]["accepted"] == len(OF_MONDAY)
    assert sum(counters["check"][f"accounts_{state}"] for state in ("held", "flagged")) == 0  # nothing of it is due
    land("late", OF_MONDAY)
    run_all(spark, settings, ledger.open_run(MONDAY))
    with psycopg.connect(database_url) as connection:
        return {
            tenant: {what: sorted(connection.execute(query, [tenant]).fetchall()) for what, query in FOUND.items()}
            for tenant in ("early", "late")
        }


@pytest.mark.parametrize("what", FOUND)
def test_the_night_says_of_early_rows_what_it_says_of_its_own(
    found: dict[str, dict[str, list[Any]]], what: str
) -> None:
    assert found["early"][what] == found["late"][what]


def test_each_rule_has_found_its_account(found: dict[str, dict[str, list[Any]]]) -> None:
    assert found["early"]["held"] == [("B", MONDAY, "stale", "held"), ("C", MONDAY, "jump", "held")]
    assert [row[:3] for row in found["early"]["breaks"]] == [
        ("A", MONDAY, "position_quantity"),
        ("D", FRIDAY, "account_missing"),
        ("E", MONDAY, "twrr_daily"),
    ]
    assert [row[:2] for row in found["early"]["values"] if row[1] == MONDAY] == [("A", MONDAY), ("E", MONDAY)]
    assert found["early"]["status"][0][2:4] == (5, 4)  # not the account master, which came once
