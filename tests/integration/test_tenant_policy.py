"""Settings of a tenant that change: seen, named, and acknowledged only by a run that calculates from a day on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import psycopg
import pytest

from jobs.platform import tenant_policy
from jobs.platform.ledger import Ledger, Run
from jobs.platform.settings import Settings

DAY, NEXT = date(2026, 3, 9), date(2026, 3, 10)


@pytest.fixture
def run(settings: Settings) -> Iterator[Run]:
    ledger = Ledger(settings)
    ledger.connection.execute("DELETE FROM ops.tenant_policy")
    yield ledger.open_run(DAY)
    ledger.close()


def configure(settings: Settings, tenant: str, *holidays: date) -> None:
    folder = Path(settings.conf_folder)
    (folder / "tenants").mkdir(exist_ok=True)
    (folder / "tenants" / "acme.yaml").write_text(f"calendar: own\n{tenant}", encoding="utf-8")
    days = ", ".join(map(str, holidays))
    (folder / "calendars" / "own.yaml").write_text(f"name: own\nholidays: [{days}]\n", encoding="utf-8")


def noted(settings: Settings, run: Run, through: date, *, anew: bool = False) -> dict[str, list[str]]:
    connection: psycopg.Connection = run.ledger.connection
    tenant_policy.note(connection, settings, "acme", through, run.run_id, anew=anew)
    return tenant_policy.changes(connection, settings)


def test_a_holiday_to_come_is_no_change(settings: Settings, run: Run) -> None:
    configure(settings, "", date(2026, 1, 1))
    assert noted(settings, run, DAY) == {}
    configure(settings, "", date(2026, 1, 1), date(2026, 12, 25))
    assert noted(settings, run, NEXT) == {}


def test_a_change_is_named_until_a_run_calculates_anew(settings: Settings, run: Run) -> None:
    configure(settings, "", date(2026, 1, 1))
    noted(settings, run, DAY)
    configure(settings, "flow_timing: end_of_day\n", date(2026, 1, 1), date(2026, 2, 16))
    words = {
        "acme": [
            "flow_timing was inflow_start_outflow_end and is end_of_day",
            "holidays were others (2026-02-16)",
        ]
    }
    assert noted(settings, run, NEXT) == words
    assert noted(settings, run, NEXT) == words
    assert noted(settings, run, NEXT, anew=True) == {}
