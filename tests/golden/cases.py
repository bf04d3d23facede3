"""The worked cases of `tests/golden/<family>`: a folder each, canonical input files and the expected rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent

DATES = {
    "as_of_date", "inception_date", "start_date", "drawdown_peak_date", "drawdown_trough_date",
    "drawdown_recovery_date",
}  # fmt: skip
INTEGERS = {
    "benchmarks", "days", "track_no", "members", "carried_members", "observations", "longest_gain_streak",
    "longest_loss_streak",
}  # fmt: skip
WORDS = {
    "tenant_id", "account_id", "benchmark_basis", "benchmark_id",
    "currency", "method", "status", "period", "mwr_status", "window_name", "frequency",
}  # fmt: skip
DECIMALS = ("amount", "level", "market_value", "quantity", "price", "rate")
MONEY = {
    "begin_market_value", "contributions", "distributions", "net_flow", "cumulative_net_flow", "fees",
    "end_market_value", "gain_loss", "weighted_capital",
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One folder: its name is also the account's. `kind`, where a family mixes them, is what its rows are of."""

    name: str
    kind: str
    folder: Path
    flow_timing: str
    holidays: list[date]
    inputs: dict[str, list[dict[str, str]]] = field(repr=False)
    expected: list[dict[str, object]] = field(repr=False)

    @property
    def files(self) -> list[Path]:
        """The canonical files, as a firm would put them into landing."""
        return sorted(self.folder.glob("canonical_*.csv"))

    def rows(self, feed: str) -> list[dict[str, str]]:
        """Rows of canonical_<feed>_*.csv as text, an empty field being ''."""
        return self.inputs.get(feed, [])


def cases(family: str) -> Iterator[Case]:
    """All cases of a family (`daily`), by name; figures typed: money Decimal, returns float, empty None."""
    for folder in sorted(path for path in (GOLDEN / family).iterdir() if path.is_dir()):
        settings = _read(folder / "case.csv")[0] if (folder / "case.csv").exists() else {}
        inputs: dict[str, list[dict[str, str]]] = {}
        for path in sorted(folder.glob("canonical_*.csv")):
            feed = path.stem.removeprefix("canonical_").rsplit("_", 1)[0]
            inputs.setdefault(feed, []).extend(_read(path))
        yield Case(
            name=folder.name,
            kind=settings.get("kind") or family,
            folder=folder,
            flow_timing=settings.get("flow_timing") or "inflow_start_outflow_end",
            holidays=[date.fromisoformat(day) for day in settings.get("holidays", "").replace(";", " ").split()],
            inputs=inputs,
            expected=[{name: typed(name, text) for name, text in row.items()} for row in _expected(folder)],
        )


def silver_rows(chosen: list[Case], feed: str) -> list[dict[str, object]]:
    """Rows of a feed of several cases as silver would hold them, each case as a tenant of its own (calendars belong to
    tenants): empty fields left out, the trade date counting for performance."""
    return [{"tenant_id": case.name, **_as_silver(row)} for case in chosen for row in case.rows(feed)]


def _as_silver(row: dict[str, str]) -> dict[str, object]:
    given: dict[str, object] = {name: text for name, text in row.items() if text != ""}
    for name in DECIMALS:
        if name in given:
            given[name] = Decimal(row[name])
    if "as_of_date" in given:
        given["as_of_date"] = date.fromisoformat(row["as_of_date"])
    for name in ("effective_from", "closed_on", "from_date", "to_date"):
        if name in given:
            given[name] = date.fromisoformat(row[name])
    if "in_performance" in given:
        given["in_performance"] = row["in_performance"] == "true"
    if "rate" in given:
        given["rate"] = Decimal(row["rate"])
    if "trade_date" in given:
        given["performance_date"] = date.fromisoformat(row["trade_date"])
    return given


def typed(name: str, text: str) -> object:
    """A field of expected.csv as what it means."""
    if text == "":
        return None
    if name in DATES:
        return date.fromisoformat(text)
    if name in INTEGERS:
        return int(text)
    if name in WORDS:
        return text
    return Decimal(text) if name in MONEY else float(text)


def differences(expected: dict[str, object], actual: dict[str, object], tolerance: float = 1e-10) -> list[str]:
    """Where a row is not as expected: money exactly, returns within `tolerance` absolute."""
    found = []
    for name, wanted in expected.items():
        got = actual[name]
        close = isinstance(wanted, float) and isinstance(got, float) and abs(wanted - got) <= tolerance
        if not close and got != wanted:
            found.append(f"{expected.get('as_of_date', '')} {name}: expected {wanted}, got {got}")
    return found


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _expected(folder: Path) -> list[dict[str, str]]:
    """The rows of expected.csv; a case whose output is text has none."""
    path = folder / "expected.csv"
    return _read(path) if path.exists() else []


def assert_as_expected(path: Path, published: list[dict[str, Any]]) -> None:
    """The published rows of a tenant are those of its sample's file of expected rows, none missing and none besides."""
    with path.open(encoding="utf-8", newline="") as lines:
        expected = [{name: typed(name, text) for name, text in row.items()} for row in csv.DictReader(lines)]
    rows = {(row["account_id"], row["as_of_date"]): row for row in published}
    assert set(rows) == {(row["account_id"], row["as_of_date"]) for row in expected}
    wrong = [
        (row["account_id"], difference)
        for row in expected
        for difference in differences(row, rows[row["account_id"], row["as_of_date"]])
    ]
    assert wrong == []


NAMES = ("account_id", "group_id", "transaction_id", "counterparty_account_id")


def together(chosen: list[Case]) -> dict[str, str]:
    """Files of several cases as one set: name -> text. What is named in a case gets its name before it."""
    files = {}
    for feed in sorted({feed for case in chosen for feed in case.inputs}):
        rows = [
            {name: f"{case.name}.{text}" if name in NAMES and text else text for name, text in row.items()}
            for case in chosen
            for row in case.rows(feed)
        ]
        text = io.StringIO()
        writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), restval="")
        writer.writeheader()
        writer.writerows(rows)
        files[f"canonical_{feed}_1.csv"] = text.getvalue()
    return files
