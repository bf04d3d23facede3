"""An account that is closed by our records and valued by its vendor, until the closing is taken back or moved."""

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

CLOSING, WEDNESDAY, FRIDAY = date(2026, 3, 3), date(2026, 3, 4), date(2026, 3, 6)
RULES = """rules:
  - name: closed
    measure: closed_balance
    limits: [{unit: money, max: 0.05}]
    severity: hold
    reason: By our records the account is closed, by the vendor's it is worth something.
"""
ACCOUNTS = ("taken back", "moved to its last value", "moved to the day before", "still closed")
BREAKS = """SELECT account_id, as_of_date, state FROM marts.reconciliation_break
            WHERE tenant_id = 'closing' AND type = 'account_closed_with_balance'"""
HELD = "SELECT account_id FROM marts.held_account WHERE tenant_id = 'closing' AND state = 'held'"


def test_it_is_no_break_any_more_once_an_account_file_alone_says_so(
    spark: SparkSession, database_url: str, tmp_path: Any
) -> None:
    write_rules(tmp_path, RULES)
    folder = tmp_path / "landing" / "closing"
    folder.mkdir(parents=True)
    values = [f"{name},{day},250,USD" for name in ACCOUNTS for day in (CLOSING, WEDNESDAY)]
    (folder / "canonical_valuations_1.csv").write_text(
        "\n".join(["account_id,as_of_date,market_value,currency", *values, ""])
    )

    def closings(night: int, of: dict[str, date | str]) -> None:
        lines = [f"{name},USD,{day}" for name, day in of.items()]
        text = "\n".join(["account_id,base_currency,closed_on", *lines, ""])
        (folder / f"canonical_accounts_{night}.csv").write_text(text)

    with pytest.MonkeyPatch.context() as patch:
        settings = settings_for(tmp_path, database_url, patch)
    ledger = Ledger(settings)

    def night(day: date) -> tuple[list[Any], set[str]]:
        run_all(spark, settings, ledger.open_run(day))
        with psycopg.connect(database_url) as connection:
            breaks = sorted(connection.execute(BREAKS).fetchall())
            return breaks, {name for (name,) in connection.execute(HELD)}

    closings(1, dict.fromkeys(ACCOUNTS, CLOSING))
    breaks, held = night(WEDNESDAY)
    assert breaks == [(name, CLOSING, "open") for name in sorted(ACCOUNTS)]
    assert held == set(ACCOUNTS)

    closings(2, {"taken back": "", "moved to its last value": WEDNESDAY, "moved to the day before": date(2026, 3, 2)})
    breaks, held = night(FRIDAY)
    assert breaks == [
        ("moved to its last value", CLOSING, "resolved"),
        ("moved to the day before", CLOSING, "open"),  # worth something after that day too
        ("still closed", CLOSING, "open"),
        ("taken back", CLOSING, "resolved"),
    ]
    assert held == {"moved to the day before", "still closed"}
