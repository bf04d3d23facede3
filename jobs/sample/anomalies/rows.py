"""Anomalies that are rows beside those of the book: of other numbers, another vendor, another version of an account."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.sample.anomalies.kinds import Anomaly
from jobs.sample.book import BOOKING, SHARE, TYPES, Day
from jobs.sample.canonical_files import CanonicalFiles
from jobs.sample.columns import dates, decimals
from jobs.sample.market import Ints

STALE, UNKNOWN = "STLL", "QXUN"  # a security that only the accounts with a stale price hold, and one never described
STALE_DAYS = 6  # before the last day: so long its price has not moved
MIDDLE_OF_DAY = "mid_day"
# Figures that the vendor reports otherwise than they are: values as factors, money and returns as amounts added.
REPORTED: dict[str, tuple[str, Decimal | float]] = {
    "begin value": ("begin_market_value", Decimal("1.004")),
    "end value": ("end_market_value", Decimal("1.004")),
    "net flow": ("net_flow", Decimal("1234.56")),
    "daily return": ("twrr_daily", 0.004),
    "month's return": ("twrr_mtd", 0.004),
}


class RowsBeside:
    """Appends rows to a tenant's canonical files, after those of the book."""

    def __init__(self, files: CanonicalFiles, anomalies: Sequence[Anomaly]) -> None:
        self.files, self.to, self.anomalies = files, files.to, anomalies

    def of(self, kind: str) -> list[Anomaly]:
        return [one for one in self.anomalies if one.kind == kind]

    def day(self, day: Day, told: Day | None) -> None:
        """What is dated on a day; `day` is the true one, `told` as the other rows have it."""
        for kind, shown in (("account twice", day), ("another number", told or day)):
            for one in self.of(kind):
                if day.index >= one.day:
                    self._valued(shown, one.row, one.number)
                    held = self.files.position_rows(shown, np.arange(len(day.value)) == one.row)
                    self.to.append("positions", day.index, renamed(held, one.number))
        for one in self.of("new number"):
            if day.index == one.day:
                self._valued(day, one.row, one.number, value=int(day.value[one.row]) // 3)
        for one in self.of("second vendor"):
            if day.index == one.day:
                self._valued(day, one.row, one.account_id, value=int(day.value[one.row]) * 101 // 100)
        for one in self.of("unknown security"):
            if day.index == one.day:
                self._unknown_dividend(day, one)
        for one in self.of("stale price"):
            self._stale_position(day, one)

    def _valued(self, day: Day, row: int, account: str, value: int | None = None) -> None:
        """A value under an account number; without `value` the account's own, with its cash."""
        rows = np.array([row])
        table = self.files.valuation_rows(day, rows, day.value[rows] if value is None else np.array([value]))
        if value is not None:
            place = table.column_names.index("cash_value")
            table = table.set_column(place, "cash_value", pa.nulls(1, table.schema.field(place).type))
        self.to.append("valuations", day.index, renamed(table, account))

    def _unknown_dividend(self, day: Day, one: Anomaly) -> None:
        booking = np.zeros(1, dtype=BOOKING)
        booking["account"], booking["type"], booking["amount"] = one.row, TYPES.index("DIVIDEND"), 1
        booking["security"] = booking["counterparty"] = -1
        ids = pa.array([f"{one.account_id}-{day.date:%Y%m%d}-unknown"])
        table = self.files.booking_rows(day, booking, ids, "new")
        place = table.column_names.index("security_id")
        self.to.append("transactions", day.index, table.set_column(place, "security_id", pa.array([UNKNOWN])))

    def _stale_position(self, day: Day, one: Anomaly) -> None:
        """One unit, worth less than a value and its holdings may differ by."""
        price = stale_price(day.index, len(self.to.days))
        table = {
            "account_id": [one.account_id], "as_of_date": dates(day.date, 1), "security_id": [STALE],
            "quantity": decimals(np.array([SHARE]), 4), "price": decimals(price), "market_value": decimals(price),
            "currency": ["USD"], "cost_basis": decimals(price),
        }  # fmt: skip
        self.to.append("positions", day.index, pa.table(table))

    def market(self) -> None:
        """The security that is stale, with its prices."""
        if not self.of("stale price"):
            return
        names = ["security_id", "name", "isin", "cusip", "ticker", "asset_class", "sector", "currency"]
        values = [STALE, "Stillwater Holdings", None, None, STALE, "equity", "Materials", "USD"]
        described = {name: pa.array([value], pa.string()) for name, value in zip(names, values, strict=True)}
        self.to.append("securities", 0, pa.table(described), is_quoted=True)
        for index, on in enumerate(self.to.days):
            price = decimals(stale_price(index, len(self.to.days)))
            row = {"security_id": [STALE], "as_of_date": dates(on, 1), "price": price, "currency": ["USD"]}
            self.to.append("prices", index, pa.table(row))

    def master_data(self, accounts: pa.Table) -> None:
        """Further versions of accounts; accounts: their first ones, by row of People."""
        days = self.to.days

        def version(one: Anomaly, night: int, **changed: str | date | None) -> None:
            table = accounts.slice(one.row, 1)
            for name, value in changed.items():
                place = table.column_names.index(name)
                table = table.set_column(place, name, pa.array([value], table.schema.field(place).type))
            self.to.append("accounts", night, table, is_quoted=True)

        for one in self.of("account twice"):
            version(one, one.day, account_id=one.number, opened_on=days[one.day])
        for one in self.of("closed with a balance"):
            version(one, one.day, closed_on=days[one.day - 1])
        for one in self.of("opened again"):
            version(one, one.day - 1, closed_on=days[one.day - 1])
            version(one, one.day)
        for one in self.of("changed attribute"):
            version(one, one.day, effective_from=days[one.day], flow_timing=MIDDLE_OF_DAY)


def stale_price(day: int, days: int) -> Ints:
    """Hundredths: a little up and down each day, and from STALE_DAYS before the last day on the same."""
    return np.array([41 + min(day, days - 1 - STALE_DAYS) % 7])


def renamed(table: pa.Table, account: str) -> pa.Table:
    return table.set_column(0, "account_id", pa.array([account] * len(table)))


def misreport(told: list[dict[str, Any]], anomalies: Sequence[Anomaly], days: list[date]) -> None:
    """Change figures of the vendor's reported performance."""
    wrong = {(one.account_id, days[one.day]): REPORTED[one.kind] for one in anomalies if one.kind in REPORTED}
    for row in told:
        name, by = wrong.get((row["account_id"], row["as_of_date"]), ("", 0.0))
        if name.endswith("market_value"):
            row[name] = (row[name] * by).quantize(Decimal("0.01"))
        elif name:
            row[name] += by
