"""What accounts without a part in the script do: now and then a flow, a trade, a dividend, once a month a fee.

On an ordinary day about 30 bookings for every 100 accounts.
"""

from __future__ import annotations

import numpy as np

from jobs.sample.book import SHARE, Book, of_shares, whole_shares
from jobs.sample.market import SLOTS, Ints

CASH_KEPT = 0.06
TAX_ON_DIVIDENDS = 0.15


def ordinary_day(book: Book, of_month: int) -> None:
    """Book one ordinary day; `of_month` is the business day within the month, from 0."""
    if not len(book.people):
        return
    funded_earlier = book.people.opened < book.day
    free = book.is_open & ~book.people.has_script & funded_earlier
    chance = book.rng.random(len(book.people))
    _flows(book, free, chance)
    _trades(book, np.flatnonzero(free & (chance > 0.90)))
    _dividends(book, np.flatnonzero(free & (chance > 0.60) & (chance < 0.65)))
    number = book.people.number
    _interest(book, np.flatnonzero(free & (number * 7 % 20 == of_month)))
    pays_fee = free | (book.is_open & (np.arange(len(number)) == book.people.parts.get("fees", -1)))
    _fees(book, np.flatnonzero(pays_fee & (number % 20 == of_month) & (number % 5 > 0)))


def _flows(book: Book, free: np.ndarray, chance: np.ndarray) -> None:
    if book.day == 0:
        return  # on its first day an account that was there before has no capital yet that a flow could add to
    size = book.rng.random(len(free))
    rows = np.flatnonzero(free & (chance < 0.015))
    book.book(
        rows, "DEPOSIT", np.rint(book.value(rows) * (0.002 + 0.05 * size[rows]) / 10_000).astype(np.int64) * 10_000
    )
    rows = np.flatnonzero(free & (chance > 0.02) & (chance < 0.03) & (book.cash > 200_000))
    book.book(
        rows, "WITHDRAWAL", -np.rint(book.cash[rows] * (0.1 + 0.5 * size[rows]) / 10_000).astype(np.int64) * 10_000
    )


def _trades(book: Book, rows: Ints) -> None:
    """Sell a little of one holding and buy another with the proceeds and the cash beyond what is kept."""
    sold_slot = book.rng.integers(SLOTS, size=len(rows))
    bought_slot = (sold_slot + book.rng.integers(1, SLOTS, size=len(rows))) % SLOTS
    held = book.quantity[rows, sold_slot]
    part = book.rng.uniform(0.02, 0.10, len(rows))
    sold = np.minimum(np.maximum((held * part).astype(np.int64) // SHARE, 1) * SHARE, held // SHARE * SHARE)
    sale_price = book.traded_price(book.slots[rows, sold_slot])
    spare = book.cash[rows] - (book.value(rows) * CASH_KEPT).astype(np.int64)
    book.trade(rows, sold_slot, -sold, sale_price)
    price = book.traded_price(book.slots[rows, bought_slot])
    budget = of_shares(sold, sale_price) + np.maximum(spare, 0) - 1_000
    book.trade(rows, bought_slot, whole_shares(budget, price), price)


def _dividends(book: Book, rows: Ints) -> None:
    """A dividend on one holding: reinvested by every fourth account, taxed at source for those in euro."""
    slot = book.rng.integers(SLOTS, size=len(rows))
    amount = np.maximum(of_shares(book.quantity[rows, slot], book.price[book.slots[rows, slot]]) * 4 // 1000, 0)
    paid = amount > 0
    rows, slot, amount = rows[paid], slot[paid], amount[paid]
    security = book.slots[rows, slot]
    reinvests = book.people.number[rows] % 4 == 0
    book.book(rows[~reinvests], "DIVIDEND", amount[~reinvests], security=security[~reinvests])
    book.book(rows[reinvests], "DIVIDEND", amount[reinvests], "reinvested", security=security[reinvests])
    price = book.price[security]
    fraction = amount * SHARE // price
    book.trade(rows[reinvests], slot[reinvests], fraction[reinvests], price[reinvests], "reinvestment")
    taxed = book.people.currency[rows] == 1
    book.book(rows[taxed], "TAX", -(amount[taxed] * TAX_ON_DIVIDENDS).astype(np.int64), security=security[taxed])


def _interest(book: Book, rows: Ints) -> None:
    amount = np.maximum(book.cash[rows] * 2 // 1000, 0)
    rows, amount = rows[amount > 0], amount[amount > 0]
    book.book(rows, "INTEREST", amount)


def _fees(book: Book, rows: Ints) -> None:
    """A twelfth of 0.84 % a year, the management fee."""
    amount = book.value(rows) * 7 // 10_000
    rows, amount = rows[amount > 0], amount[amount > 0]
    book.book(rows, "FEE", -amount, "management")
