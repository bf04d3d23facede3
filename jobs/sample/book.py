"""The simulated truth: what each account holds, is worth and books, day by day, in whole hundredths.

Everything that is written, in whatever vendor's format, is a view of this one book, so that feeds agree with each
other. Money and prices are hundredths, quantities ten-thousandths of a unit, all in 64-bit integers: the value of a
holding is rounded once and the sums are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from jobs.sample.market import SLOT_WEIGHTS, SLOTS, Ints, Market
from jobs.sample.people import Bools, People

SHARE = 10_000
TYPES = (
    "DEPOSIT", "WITHDRAWAL", "TRANSFER_IN", "TRANSFER_OUT", "JOURNAL", "BUY", "SELL", "DIVIDEND", "INTEREST", "FEE",
    "TAX",
)  # fmt: skip
SUBTYPES = ("", "management", "custody", "rebate", "reinvested", "reinvestment", "in_kind")
TIMINGS = ("", "start", "mid", "end")
FLOW_TYPES = frozenset({"DEPOSIT", "WITHDRAWAL", "TRANSFER_IN", "TRANSFER_OUT", "JOURNAL"})

# How a booking is dated: on its day; traded the business day before it counts; posted the business day after it counts.
DATED_ON_ITS_DAY, TRADED_THE_DAY_BEFORE, POSTED_THE_DAY_AFTER = 0, 1, 2
# How it reaches us: with its night; first ten times too large; a mistake, cancelled the next night; a night late.
DELIVERED_IN_TIME, CORRECTED_NEXT_NIGHT, CANCELLED_NEXT_NIGHT, DELIVERED_LATE = 0, 1, 2, 3

BOOKING = np.dtype(
    [
        ("account", np.int64),  # row of People
        ("type", np.int64),  # index of TYPES
        ("subtype", np.int64),  # index of SUBTYPES
        ("amount", np.int64),  # hundredths, commission included; in kind: the value moved
        ("security", np.int64),  # index of SECURITIES or -1
        ("quantity", np.int64),  # ten-thousandths, sold or delivered negative
        ("price", np.int64),  # hundredths
        ("commission", np.int64),  # hundredths, positive
        ("counterparty", np.int64),  # row of People or -1
        ("timing", np.int64),  # index of TIMINGS
        ("dating", np.int64),
        ("delivery", np.int64),
    ]
)
Bookings = npt.NDArray[np.void]


@dataclass(frozen=True)
class Day:
    """One business day's close of the book; arrays by account row, `worth`, `quantity` and `cost` by slot as well."""

    index: int
    date: date
    worth: Ints
    quantity: Ints
    cost: Ints
    cash: Ints
    value: Ints
    is_valued: Bools
    bookings: Bookings


def of_shares(quantity: Ints, price: Ints) -> Ints:
    """Quantity times price in hundredths, halves up."""
    return (quantity * price + SHARE // 2) // SHARE


def whole_shares(budget: Ints, price: Ints) -> Ints:
    """The quantity of whole shares that a budget buys."""
    return np.maximum(budget, 0) // price * SHARE


class Book:
    """The state of some accounts and the bookings of the day being simulated."""

    def __init__(self, people: People, market: Market, nightly_from: int | None, seed: int) -> None:
        self.people, self.market, self.nightly_from = people, market, nightly_from
        self.rng = np.random.default_rng([seed, 4, *people.tenant.encode(), int(people.number[0])])
        self.slots = market.slots[people.currency, people.model]
        self.weights = SLOT_WEIGHTS[people.model]
        self.quantity = np.zeros((len(people), SLOTS), dtype=np.int64)
        self.cost = np.zeros((len(people), SLOTS), dtype=np.int64)
        self.cash = np.zeros(len(people), dtype=np.int64)
        self.is_open = people.opened < 0
        self.today: list[Bookings] = []
        self.day = 0
        self._fill(np.flatnonzero(self.is_open))

    def _fill(self, rows: Ints) -> None:
        """Holdings that were there before the sample begins, bought below or above today's price."""
        budget = (self.people.wealth[rows, None] * self.weights[rows]).astype(np.int64)
        price = self.price[self.slots[rows]]
        self.quantity[rows] = whole_shares(budget, price)
        worth = of_shares(self.quantity[rows], price)
        self.cost[rows] = (worth * self.rng.uniform(0.7, 1.05, worth.shape)).astype(np.int64)
        self.cash[rows] = self.people.wealth[rows] - worth.sum(axis=1)

    @property
    def price(self) -> Ints:
        return self.market.prices[self.day]

    def worth(self, rows: Ints) -> Ints:
        """What the holdings of these accounts are worth now, by slot."""
        return of_shares(self.quantity[rows], self.price[self.slots[rows]])

    def value(self, rows: Ints) -> Ints:
        return self.worth(rows).sum(axis=1) + self.cash[rows]

    def book(self, rows: Ints, kind: str, amount: Ints, subtype: str = "", **fields: Ints | int) -> None:
        """Book money on accounts: the day's bookings and the cash, except for what is in kind or a vendor's mistake."""
        entry = np.zeros(len(rows), dtype=BOOKING)
        entry["security"] = entry["counterparty"] = -1
        entry["account"], entry["amount"] = rows, amount
        entry["type"], entry["subtype"] = TYPES.index(kind), SUBTYPES.index(subtype)
        for name, values in fields.items():
            entry[name] = values
        self.today.append(entry)
        if subtype != "in_kind":
            self.cash[rows] += np.where(entry["delivery"] == CANCELLED_NEXT_NIGHT, 0, amount)

    def trade(self, rows: Ints, slot: Ints | int, quantity: Ints, price: Ints, subtype: str = "") -> None:
        """Buy (quantity > 0) or sell; rows with quantity 0 book nothing. A brokerage charges 4.95 a trade."""
        done = quantity != 0
        slots = np.broadcast_to(slot, rows.shape)[done]
        rows, quantity, price = rows[done], quantity[done], price[done]
        commission = np.where(self.people.pays_commission[rows] & (subtype == ""), 495, 0)
        amount = -np.sign(quantity) * of_shares(np.abs(quantity), price) - commission
        self._hold(rows, slots, quantity, -amount)
        for kind, chosen in (("SELL", quantity < 0), ("BUY", quantity > 0)):
            if chosen.any():
                self.book(
                    rows[chosen], kind, amount[chosen], subtype, security=self.slots[rows, slots][chosen],
                    quantity=quantity[chosen], price=price[chosen], commission=commission[chosen],
                )  # fmt: skip

    def move_in_kind(self, rows: Ints, slot: int, quantity: Ints) -> None:
        """Transfer shares in (quantity > 0) or out at the day's closing price; cash stays as it is."""
        price = self.price[self.slots[rows, slot]]
        amount = np.sign(quantity) * of_shares(np.abs(quantity), price)
        self._hold(rows, np.full(len(rows), slot), quantity, amount)
        kind = "TRANSFER_IN" if (quantity > 0).all() else "TRANSFER_OUT"
        self.book(rows, kind, amount, "in_kind", security=self.slots[rows, slot], quantity=quantity, price=price)

    def _hold(self, rows: Ints, slot: Ints, quantity: Ints, paid: Ints) -> None:
        """Change a holding; what is sold takes its share of the cost with it."""
        before, cost = self.quantity[rows, slot], self.cost[rows, slot]
        sold_cost = np.where(before > 0, (cost * (np.minimum(-quantity, before) / np.maximum(before, 1))), 0)
        self.cost[rows, slot] = np.where(quantity > 0, cost + paid, cost - sold_cost.astype(np.int64))
        self.quantity[rows, slot] = before + quantity

    def traded_price(self, securities: Ints) -> Ints:
        """A price of the day near its close."""
        near = self.price[securities] * (1 + 0.002 * self.rng.standard_normal(securities.shape))
        return np.maximum(np.rint(near).astype(np.int64), 1)

    def invest(self, rows: Ints) -> None:
        """Spend an account's cash on its model's weights, in whole shares."""
        cash = self.cash[rows].copy()
        for slot in range(SLOTS):
            price = self.traded_price(self.slots[rows, slot])
            self.trade(rows, slot, whole_shares((cash * self.weights[rows, slot]).astype(np.int64), price), price)

    def sell_down(self, rows: Ints, fraction: float) -> None:
        """Sell the fraction of each holding, in whole shares unless all of it."""
        for slot in range(SLOTS):
            held = self.quantity[rows, slot]
            sold = held if fraction >= 1 else (held * fraction).astype(np.int64) // SHARE * SHARE
            self.trade(rows, slot, -sold, self.traded_price(self.slots[rows, slot]))

    def open_accounts(self) -> None:
        """Accounts that are funded today: a deposit of all their wealth, invested the same day."""
        rows = np.flatnonzero(self.people.opened == self.day)
        if len(rows):
            self.is_open[rows] = True
            self.book(rows, "DEPOSIT", self.people.wealth[rows])
            self.invest(rows)

    def close_day(self, is_month_end: bool) -> Day:
        """The day's close; the next day begins with no bookings."""
        every = np.arange(len(self.people))
        worth = self.worth(every)
        bookings = np.concatenate(self.today) if self.today else np.zeros(0, dtype=BOOKING)
        self.today = []
        is_valued = self.is_open & (~self.people.is_monthly | is_month_end | (self.day == 0))
        return Day(
            self.day, self.market.days[self.day], worth, self.quantity.copy(), self.cost.copy(), self.cash.copy(),
            worth.sum(axis=1) + self.cash, is_valued, bookings,
        )  # fmt: skip
