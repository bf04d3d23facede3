"""From windows and series of accounts to rows: what belongs to a window, how many are needed, which status says why."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pytest

from jobs.calculate.risk import FREQUENCIES
from jobs.calculate.risk_batches import statistics_of_batch
from tests import risk_reference

START = date(2026, 1, 1)
WINDOW = pa.struct(
    [
        ("as_of_date", pa.date32()), ("window_name", pa.string()), ("since", pa.date32()), ("until", pa.date32()),
        ("benchmark_id", pa.string()), ("status", pa.string()), ("epoch", pa.int32()),
    ]
)  # fmt: skip
RETURN = pa.struct(
    [
        ("as_of_date", pa.date32()), ("own_return", pa.float64()), ("benchmark_return", pa.float64()),
        ("risk_free_return", pa.float64()),
    ]
)  # fmt: skip
OWN = [0.01, -0.02, 0.015, 0.0, -0.005] * 8  # 40 days
MARKET = [0.012, -0.015, 0.01, 0.001, 0.002] * 8


def day(number: int) -> date:
    """Day 1 is the first with a return."""
    return START + timedelta(days=number)


def window(since: int, until: int, **other: Any) -> dict[str, Any]:
    facts = {"as_of_date": day(until), "window_name": "ITD", "benchmark_id": "INDEX", "status": "ok", "epoch": 1}
    return {**facts, "since": day(since), "until": day(until), **other}


def series(**other: list[float | None]) -> list[dict[str, Any]]:
    columns = {"own_return": OWN, "benchmark_return": MARKET, "risk_free_return": [0.0] * len(OWN), **other}
    return [
        {"as_of_date": day(place + 1), **{name: column[place] for name, column in columns.items()}}
        for place in range(len(OWN))
    ]


def rows(windows: list[list[dict[str, Any]]], returns: list[list[dict[str, Any]] | None]) -> list[dict[str, Any]]:
    """Result rows of accounts a, b, ... of daily frequency."""
    batch = pa.RecordBatch.from_pydict(
        {
            "tenant_id": ["acme"] * len(windows),
            "account_id": [chr(ord("a") + place) for place in range(len(windows))],
            "windows": pa.array(windows, pa.list_(WINDOW)),
            "series": pa.array(returns, pa.list_(RETURN)),
        }
    )
    return statistics_of_batch(batch, FREQUENCIES["daily"], 0.0).to_pylist()


def row(one: dict[str, Any], returns: list[dict[str, Any]] | None) -> dict[str, Any]:
    (found,) = rows([[one]], [returns])
    return found


def statistics(found: dict[str, Any]) -> dict[str, Any]:
    """What is not NULL beside the keys."""
    keys = {
        "tenant_id",
        "account_id",
        "as_of_date",
        "window_name",
        "frequency",
        "since_date",
        "observations",
        "status",
        "epoch",
    }
    return {name: value for name, value in found.items() if value is not None and name not in keys}


def test_a_window_begins_after_since_and_ends_with_until() -> None:
    found = row(window(5, 30), series())
    wanted = risk_reference.own(OWN[5:30], 252) | risk_reference.beside(OWN[5:30], MARKET[5:30], [0.0] * 25, 252)
    assert found["observations"] == 25
    assert found["status"] == "ok"
    assert found["first_return_date"] == day(6)
    for name, value in wanted.items():
        if name not in {"peak", "trough", "recovery"}:
            assert found[name] == pytest.approx(value, abs=1e-12), name


def test_the_dates_of_the_drawdown() -> None:
    found = row(window(5, 30), series())
    positions = risk_reference.own(OWN[5:30], 252)
    assert found["drawdown_peak_date"] == day(6 + int(positions["peak"]))
    assert found["drawdown_trough_date"] == day(6 + int(positions["trough"]))
    assert positions["recovery"] == -2
    assert found["drawdown_recovery_date"] is None
    falls = row(window(1, 30), series())  # its first return is a loss
    assert falls["drawdown_peak_date"] == day(1) == falls["since_date"]


def test_series_in_any_order() -> None:
    assert row(window(5, 30), series()[::-1]) == row(window(5, 30), series())


def test_accounts_keep_their_own_returns() -> None:
    """Also where one has none, one comes last, and windows of one account stand in any order."""
    other = series(own_return=[-x for x in OWN])
    together = rows([[window(5, 30), window(0, 40)], [window(0, 40)], [window(0, 40)]], [series(), None, other])
    alone = [row(window(5, 30), series()), row(window(0, 40), series()), row(window(0, 40), None)]
    alone.append(row(window(0, 40), other))
    assert [{**one, "account_id": "a"} for one in together] == alone
    assert [one["account_id"] for one in together] == ["a", "a", "b", "c"]


@pytest.mark.parametrize(("returns", "status"), [(19, "insufficient_returns"), (20, "ok")])
def test_twenty_returns_are_needed(returns: int, status: str) -> None:
    found = row(window(0, returns), series())
    assert (found["observations"], found["status"]) == (returns, status)
    assert (found["volatility"] is None) == (status != "ok")
    assert (found["longest_gain_streak"] is None) == (status != "ok")


def test_no_returns_at_all() -> None:
    found = row(window(0, 40), None)
    assert (found["observations"], found["status"]) == (0, "insufficient_returns")
    assert statistics(found) == {"benchmark_id": "INDEX"}


@pytest.mark.parametrize("status", ["insufficient_history", "excluded", "no_fx"])
def test_a_window_that_is_not_there_has_no_statistics(status: str) -> None:
    found = row(window(0, 40, status=status), series())
    assert found["status"] == status
    assert statistics(found).keys() <= {"benchmark_id", "first_return_date"}
    assert found["observations"] == (40 if status == "insufficient_history" else 0)


def test_without_a_benchmark() -> None:
    """Its statistics are NULL, the others are as they were: also where the account once had one."""
    found, full = rows([[window(0, 40, benchmark_id=None), window(0, 40)]], [series()])
    assert found["status"] == "ok"
    assert statistics(full).keys() - statistics(found).keys() == {
        "benchmark_id", "beta", "alpha", "correlation", "r_squared", "tracking_error", "information_ratio",
        "up_capture", "down_capture", "batting_average",
    }  # fmt: skip
    assert found["sharpe"] == full["sharpe"]


def test_pairs_need_their_number_too() -> None:
    few: list[float | None] = [*MARKET[:19], *[None] * 21]
    found = row(window(0, 40), series(benchmark_return=few))
    assert found["status"] == "insufficient_pairs"
    assert found["beta"] is None
    assert found["correlation"] is None
    assert found["sharpe"] == row(window(0, 40), series())["sharpe"]
    enough = row(window(0, 40), series(benchmark_return=[*MARKET[:20], *[None] * 20]))
    assert enough["status"] == "ok"
    assert enough["correlation"] == pytest.approx(row(window(0, 20), series())["correlation"], abs=1e-12)


def test_days_without_a_risk_free_rate_cost_what_needs_it() -> None:
    found = row(window(0, 40), series(risk_free_return=[0.0001] * 19 + [None] * 21))
    assert found["status"] == "insufficient_pairs"
    assert [name for name in ("sharpe", "beta", "alpha") if found[name] is not None] == []
    assert found["tracking_error"] == row(window(0, 40), series())["tracking_error"]


def test_a_divisor_of_zero() -> None:
    found = row(window(0, 40), series(own_return=[0.001] * 40))
    assert found["status"] == "division_by_zero"
    assert [name for name in ("sharpe", "sortino", "calmar", "skewness") if found[name] is not None] == []
    assert (found["volatility"], found["max_drawdown"], found["win_rate"]) == (0.0, 0.0, 1.0)
    assert found["beta"] == pytest.approx(0.0, abs=1e-12)


def test_a_total_loss() -> None:
    found = row(window(0, 40), series(own_return=[*OWN[:30], -1.0, *OWN[31:]]))
    assert (found["max_drawdown"], found["current_drawdown"], found["calmar"]) == (-1.0, -1.0, -1.0)
    assert found["drawdown_recovery_date"] is None
