"""The worked cases of accounts: money exactly, returns to 1e-10, risk to 1e-9."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from jobs.sample.reference import Booking, daily_rows
from tests.golden.cases import Case, cases, differences
from tests.golden.conftest import Row, Worked, of_accounts

RISK_TOLERANCE = 1e-9


def of_kind(kind: str) -> pytest.MarkDecorator:
    chosen = [case for case in of_accounts() if case.kind == kind]
    return pytest.mark.parametrize("case", chosen, ids=lambda case: f"{case.folder.parent.name}-{case.name}")


def found_in(case: Case, rows: dict[str, Row], *key: str, tolerance: float = 1e-10) -> list[str]:
    """Where the case's rows differ, of which `key` says the period or window."""
    each = [(" ".join(str(want[name]) for name in key), want) for want in case.expected]
    return [f"{name} {line}" for name, want in each for line in differences(want, rows[name], tolerance)]


@of_kind("daily")
def test_daily(case: Case, worked: Worked) -> None:
    rows = worked.daily[case.name]
    assert [row["as_of_date"] for row in rows] == [row["as_of_date"] for row in case.expected]
    assert [line for want, got in zip(case.expected, rows, strict=True) for line in differences(want, got)] == []


@of_kind("periods")
def test_periods(case: Case, worked: Worked) -> None:
    assert found_in(case, worked.periods[case.name], "period") == []


@of_kind("benchmarks")
def test_benchmarks(case: Case, worked: Worked) -> None:
    assert found_in(case, worked.benchmarks[case.name], "period") == []


@of_kind("risk")
def test_risk(case: Case, worked: Worked) -> None:
    rows = worked.risk[case.name]
    assert found_in(case, rows, "window_name", "frequency", tolerance=RISK_TOLERANCE) == []


def test_every_period_has_its_benchmark_row(worked: Worked) -> None:
    """No period is lost or doubled where it is cut by benchmarks, also without any."""
    assert {case: set(rows) for case, rows in worked.benchmarks.items()} == {
        case: set(rows) for case, rows in worked.periods.items()
    }
    without = {row["status"] for row in worked.benchmarks["plain"].values() if row["start_date"]}
    assert without == {"no_benchmark"}


@pytest.mark.parametrize("case", list(cases("daily")), ids=lambda case: case.name)
def test_reference(case: Case) -> None:
    """The reference that the random books are compared with is itself right about the worked cases."""
    values = [(date.fromisoformat(v["as_of_date"]), Decimal(v["market_value"])) for v in case.rows("valuations")]
    bookings = [
        Booking(date.fromisoformat(t["trade_date"]), Decimal(t["amount"]), t["type"] == "FEE", t["flow_timing"] or None)
        for t in case.rows("transactions")
    ]
    rows = daily_rows(values, bookings, flow_timing=case.flow_timing, holidays=case.holidays)
    assert [line for want, got in zip(case.expected, rows, strict=True) for line in differences(want, got)] == []
