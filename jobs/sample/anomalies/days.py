"""Anomalies that the vendor's view of a day has: the day's close of an account as its files tell it.

Canonical and brokerage files are written from a `Day`, so what is changed here reaches both. What a change is told from
(the true value of the account) is the book's; the book itself goes on undisturbed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from jobs.sample.anomalies.kinds import Anomaly
from jobs.sample.book import BOOKING, SHARE, SUBTYPES, TIMINGS, TYPES, Day, of_shares
from jobs.sample.market import Ints, Market

LEFT = 5_000  # hundredths that an emptied account keeps


class Draft:
    """One day as it is to be told, from the true day and the day before as it was told."""

    def __init__(self, day: Day, before: Day | None, price: Ints, slots: Ints) -> None:
        self.before, self.price, self.slots, self._day = before, price, slots, day
        self.worth, self.quantity, self.cost = day.worth.copy(), day.quantity.copy(), day.cost.copy()
        self.cash, self.value, self.is_valued = day.cash.copy(), day.value.copy(), day.is_valued.copy()
        self.bookings = day.bookings

    @property
    def day(self) -> Day:
        return replace(
            self._day, worth=self.worth, quantity=self.quantity, cost=self.cost, cash=self.cash, value=self.value,
            is_valued=self.is_valued, bookings=self.bookings,
        )  # fmt: skip

    def add_cash(self, row: int, amount: int) -> None:
        self.cash[row] += amount
        self.value[row] += amount

    def set_cash_only(self, row: int, amount: int) -> None:
        """No bookings, no holdings, this cash."""
        self.bookings = self.bookings[self.bookings["account"] != row]
        self.quantity[row] = self.worth[row] = self.cost[row] = 0
        self.cash[row] = self.value[row] = amount

    def book(self, row: int, kind: str, amount: int, **fields: int) -> None:
        entry = np.zeros(1, dtype=BOOKING)
        entry["security"] = entry["counterparty"] = -1
        entry["account"], entry["amount"] = row, amount
        entry["type"], entry["subtype"] = TYPES.index(kind), SUBTYPES.index("")
        for name, value in fields.items():
            entry[name] = value
        self.bookings = np.concatenate([self.bookings, entry])


Change = Callable[[Draft, int], None]


def _gains(hundredths: int) -> Change:
    """Cash of so many hundredths of the account's value that nobody has booked."""

    def change(told: Draft, row: int) -> None:
        told.add_cash(row, int(told.value[row]) * hundredths // 100)

    return change


def return_beyond_reason(told: Draft, row: int) -> None:
    """Most of the account leaves at the start of the day, and a seventh of it too little is gone at the end."""
    value = int(told.value[row])
    told.book(row, "WITHDRAWAL", -value * 85 // 100, timing=TIMINGS.index("start"))
    told.add_cash(row, -value * 70 // 100)


def flow_beyond_the_account(told: Draft, row: int) -> None:
    told.book(row, "DEPOSIT", int(told.value[row]) * 4)


def negative_value(told: Draft, row: int) -> None:
    told.add_cash(row, -2 * int(told.value[row]))


def emptied(told: Draft, row: int) -> None:
    """All is sold and paid out but for LEFT."""
    assert told.before is not None
    held = told.before.quantity[row]
    told.set_cash_only(row, LEFT)
    paid_out = int(told.before.cash[row]) - LEFT
    for slot in np.flatnonzero(held):
        security = int(told.slots[row, slot])
        price, quantity = told.price[security], held[slot]
        amount = int(of_shares(quantity, price))
        told.book(row, "SELL", amount, security=security, quantity=-int(quantity), price=int(price))
        paid_out += amount
    told.book(row, "WITHDRAWAL", -paid_out)


def funded_late(told: Draft, row: int) -> None:
    """Money comes at the end of the day: interest of 1.00 is earned on LEFT."""
    amount = int(told.value[row])
    told.set_cash_only(row, LEFT + 100 + amount)
    told.book(row, "DEPOSIT", amount, timing=TIMINGS.index("end"))
    told.book(row, "INTEREST", 100)


def stale_value(told: Draft, row: int) -> None:
    assert told.before is not None
    told.value[row] = told.before.value[row]


def not_valued(told: Draft, row: int) -> None:
    told.is_valued[row] = False


def not_traded(told: Draft, row: int) -> None:
    """The holdings and the cash of the day before, at today's prices."""
    assert told.before is not None
    told.bookings = told.bookings[told.bookings["account"] != row]
    told.quantity[row], told.cost[row] = told.before.quantity[row], told.before.cost[row]
    told.cash[row] = told.before.cash[row]
    told.worth[row] = of_shares(told.quantity[row], told.price[told.slots[row]])
    told.value[row] = told.worth[row].sum() + told.cash[row]


def sign_against_type(told: Draft, row: int) -> None:
    """A withdrawal of half a percent, delivered as money in."""
    amount = int(told.value[row]) // 200
    told.add_cash(row, -amount)
    told.book(row, "WITHDRAWAL", amount)


def value_beside_its_holdings(told: Draft, row: int) -> None:
    told.value[row] -= told.value[row] * 3 // 1000


def units_out_of_nothing(told: Draft, row: int) -> None:
    """One unit more of the largest holding, at its price."""
    slot = int(told.worth[row].argmax())
    told.quantity[row, slot] += SHARE
    worth = of_shares(told.quantity[row, slot], told.price[told.slots[row, slot]])
    told.value[row] += worth - told.worth[row, slot]
    told.worth[row, slot] = worth


def value_beside_its_price(told: Draft, row: int) -> None:
    slot = int(told.worth[row].argmax())
    more = told.worth[row, slot] // 50
    told.worth[row, slot] += more
    told.value[row] += more


def cash_out_of_nothing(told: Draft, row: int) -> None:
    told.add_cash(row, 735)


# Kind, what it does, and from how many days before the anomaly until how many (less than 0: also after it).
CHANGES: list[tuple[str, Change, int, int]] = [
    ("value without a flow", _gains(30), 0, 0),
    ("return out of line", _gains(9), 0, 0),
    ("return beyond reason", return_beyond_reason, 0, 0),
    ("flow beyond the account", flow_beyond_the_account, 0, 0),
    ("negative value", negative_value, 0, 0),
    ("tiny capital", emptied, 1, 1),
    ("tiny capital", funded_late, 0, 0),
    ("stale value", stale_value, 4, 0),
    ("account left out", not_valued, 0, 0),
    ("another number", not_traded, 0, 0),
    ("another number", not_valued, 0, -1),
    ("sign against type", sign_against_type, 0, 0),
    ("value beside its holdings", value_beside_its_holdings, 0, 0),
    ("units out of nothing", units_out_of_nothing, 0, 0),
    ("value beside its price", value_beside_its_price, 0, 0),
    ("cash out of nothing", cash_out_of_nothing, 0, 0),
]


class ToldDays:
    """The days in order, as the vendors tell them."""

    def __init__(self, anomalies: Sequence[Anomaly], market: Market, slots: Ints) -> None:
        self.market, self.slots = market, slots
        self._changes = [
            (one.row, change, one.day - first, one.day - last)
            for one in anomalies
            for kind, change, first, last in CHANGES
            if kind == one.kind
        ]
        self.last: Day | None = None  # as it was told

    def of(self, day: Day) -> Day:
        due = [(row, change) for row, change, first, last in self._changes if first <= day.index <= last]
        if due:
            draft = Draft(day, self.last, self.market.prices[day.index], self.slots)
            for row, change in due:
                change(draft, row)
            day = draft.day
        self.last = day
        return day
