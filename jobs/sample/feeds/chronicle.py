"""What happened to a few accounts, in plain rows: every vendor's feed is written from this one account of events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from jobs.sample.book import FLOW_TYPES, SHARE, SUBTYPES, TYPES, Day
from jobs.sample.market import CURRENCIES, SECURITIES, Market, Security, cusip, isin
from jobs.sample.people import People


@dataclass(frozen=True)
class Holding:
    """One security of an account at a close: ten-thousandths of a unit, value and cost in hundredths."""

    security: int
    quantity: int
    worth: int
    cost: int


@dataclass(frozen=True)
class Close:
    """What an account is worth at a close, in hundredths of its currency."""

    value: int
    cash: int
    holdings: tuple[Holding, ...]


@dataclass(frozen=True)
class Entry:
    """One booking: `amount` in hundredths from the account's view, in kind the value moved; `id` is unique."""

    id: str
    row: int
    day: int
    kind: str
    subtype: str
    amount: int
    security: int
    quantity: int
    price: int
    commission: int

    @property
    def is_in_kind(self) -> bool:
        return self.subtype == "in_kind"

    @property
    def is_trade(self) -> bool:
        return self.kind in {"BUY", "SELL"}

    @property
    def is_flow(self) -> bool:
        return self.kind in FLOW_TYPES

    @property
    def cash(self) -> int:
        """What it moves on the cash account."""
        return 0 if self.is_in_kind else self.amount


@dataclass
class Chronicle:
    """Closes by day and account row (those that are valued), entries by day in their order."""

    people: People
    market: Market
    closes: list[dict[int, Close]] = field(default_factory=list)
    entries: list[list[Entry]] = field(default_factory=list)

    def day(self, day: Day) -> None:
        """Take one day's close and bookings."""
        slots = self.market.slots[self.people.currency, self.people.model]
        closes = {}
        for row in np.flatnonzero(day.is_valued).tolist():
            held = [
                Holding(int(slots[row, s]), int(day.quantity[row, s]), int(day.worth[row, s]), int(day.cost[row, s]))
                for s in np.flatnonzero(day.quantity[row]).tolist()
            ]
            closes[row] = Close(int(day.value[row]), int(day.cash[row]), tuple(held))
        self.closes.append(closes)
        self.entries.append(
            [
                Entry(
                    f"{day.date:%Y%m%d}{number:03d}",
                    int(one["account"]),
                    day.index,
                    TYPES[one["type"]],
                    SUBTYPES[one["subtype"]],
                    *(int(one[name]) for name in ("amount", "security", "quantity", "price", "commission")),
                )
                for number, one in enumerate(day.bookings, start=1)
            ]
        )

    @property
    def days(self) -> list[date]:
        return self.market.days

    def currency(self, row: int) -> str:
        return CURRENCIES[self.people.currency[row]]

    def price(self, day: int, security: int) -> int:
        return int(self.market.prices[day, security])

    def rows_on(self, day: int) -> list[int]:
        """Accounts that have something to tell of a day: valued or booked."""
        return sorted(self.closes[day].keys() | {entry.row for entry in self.entries[day]})

    def of(self, row: int, days: range) -> Iterator[Entry]:
        """An account's entries over some days."""
        return (entry for day in days for entry in self.entries[day] if entry.row == row)

    def cash_before(self, row: int, day: int) -> int:
        """The cash that an account went into a day with."""
        if day and row in self.closes[day - 1]:
            return self.closes[day - 1][row].cash
        return self.cash_after(row, day) - sum(entry.cash for entry in self.of(row, range(day, day + 1)))

    def value_before(self, row: int, day: int) -> int:
        """The value that an account went into a day with; before the first day its close less what was booked."""
        if day:
            return self.closes[day - 1][row].value if row in self.closes[day - 1] else 0
        booked = (entry.amount for entry in self.entries[day] if entry.row == row and not entry.is_trade)
        return self.closes[day][row].value - sum(booked)

    def cash_after(self, row: int, day: int) -> int:
        """The cash at a day's close; none of an account that is not there."""
        return self.closes[day][row].cash if row in self.closes[day] else 0

    def settles(self, day: int) -> date:
        on = self.days[day]
        return on + timedelta(days=3 if on.weekday() == 4 else 1)

    def months(self) -> list[range]:
        """The days of each month of the sample."""
        return self._spans([on.month for on in self.days])

    def quarters(self) -> list[range]:
        """The days of each quarter of the sample."""
        return self._spans([(on.month + 2) // 3 for on in self.days])

    def _spans(self, names: list[int]) -> list[range]:
        starts = [i for i, name in enumerate(names) if i == 0 or name != names[i - 1]]
        return [range(start, end) for start, end in zip(starts, [*starts[1:], len(names)], strict=True)]


def security(number: int) -> Security:
    return SECURITIES[number]


def cusip_of(number: int) -> str:
    return cusip(number)


def isin_of(number: int) -> str:
    return isin(SECURITIES[number], number)


def conid_of(number: int) -> str:
    """The broker's own number of a security."""
    return str(76_000_000 + 1_237 * number)


def money(hundredths: int) -> str:
    """1234.50 and -1234.50."""
    return f"{'-' if hundredths < 0 else ''}{abs(hundredths) // 100}.{abs(hundredths) % 100:02d}"


def units(quantity: int) -> str:
    """Ten-thousandths as 12 or -12.3456."""
    whole, rest = divmod(abs(quantity), SHARE)
    text = f"{whole}" + (f".{rest:04d}".rstrip("0") if rest else "")
    return f"-{text}" if quantity < 0 else text
