"""The parts that single accounts play, so that every rule of the calculation meets a case of it in the sample.

Moments are fractions of the period. A part whose moments do not fit into a short period is left out.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from jobs.sample.book import (
    CANCELLED_NEXT_NIGHT,
    CORRECTED_NEXT_NIGHT,
    DELIVERED_LATE,
    POSTED_THE_DAY_AFTER,
    SHARE,
    TIMINGS,
    TRADED_THE_DAY_BEFORE,
    Book,
)
from jobs.sample.market import Ints

Part = Callable[[Book, Ints], None]


def at(book: Book, fraction: float) -> bool:
    """Whether today is the business day at this fraction of the period; never the first day."""
    return book.day >= 1 and book.day == int(fraction * (len(book.market.days) - 1))


def is_fault_night(book: Book) -> bool:
    """The second single night, if a third follows in which its mistakes can be put right."""
    return book.nightly_from is not None and book.day == book.nightly_from + 1 < len(book.market.days) - 1


def deposit(book: Book, row: Ints, fraction: float, *, timing: int = 0, dating: int = 0, delivery: int = 0) -> None:
    """Money in: a fraction of the account's value, in whole hundreds."""
    book.book(
        row,
        "DEPOSIT",
        (book.value(row) * fraction).astype(np.int64) // 10_000 * 10_000,
        timing=timing,
        dating=dating,
        delivery=delivery,
    )


def withdraw(book: Book, row: Ints, fraction: float, *, timing: int = 0, delivery: int = 0) -> None:
    """Money out: a fraction of the account's value, selling what is needed first; all of it where the fraction is 1."""
    wanted = (book.value(row) * fraction).astype(np.int64) // 10_000 * 10_000
    if fraction >= 1:
        book.sell_down(row, 1)
        wanted = book.cash[row].copy()
    elif (book.cash[row] < wanted).any():
        book.sell_down(row, min(1.0, fraction * 1.1))
    book.book(row, "WITHDRAWAL", -wanted, timing=timing, delivery=delivery)


def day_one_flow(book: Book, row: Ints) -> None:
    if at(book, 0.6):
        withdraw(book, row, 0.03)


def large_flow(book: Book, row: Ints) -> None:
    if at(book, 0.3):
        deposit(book, row, 0.35)
        book.invest(row)
    if at(book, 0.7):
        withdraw(book, row, 0.15)


def in_kind(book: Book, row: Ints) -> None:
    if at(book, 0.35):
        book.move_in_kind(row, 0, book.quantity[row, 0] // (2 * SHARE) * SHARE)
    if at(book, 0.75):
        book.move_in_kind(row, 1, -(book.quantity[row, 1] // (4 * SHARE) * SHARE))


def emptied_and_refunded(book: Book, row: Ints) -> None:
    if at(book, 0.4):
        withdraw(book, row, 1)
    if at(book, 0.55):
        book.book(row, "DEPOSIT", book.people.wealth[row] // 10_000 * 10_000)
        book.invest(row)


def negative_cash(book: Book, row: Ints) -> None:
    """Overdrawn at one close, covered by a sale the next day."""
    price = book.price[book.slots[row, 2]]
    if at(book, 0.5):
        book.trade(row, 2, (book.cash[row] + book.value(row) // 50) // price * SHARE, price)
    elif book.cash[row][0] < 0:
        book.sell_down(row, 0.1)


def closed(book: Book, row: Ints) -> None:
    if at(book, 0.45) and book.is_open[row][0]:
        withdraw(book, row, 1)


def valued_monthly(book: Book, row: Ints) -> None:
    if at(book, 0.25):
        deposit(book, row, 0.08)
    if at(book, 0.5):
        book.book(row, "FEE", -(book.value(row) // 800), "management")
    if at(book, 0.6):
        withdraw(book, row, 0.03)


def fees(book: Book, row: Ints) -> None:
    """Beside the monthly fee: a custody charge, and later a rebate."""
    if at(book, 0.2):
        book.book(row, "FEE", -(book.value(row) // 2000), "custody")
    if at(book, 0.65):
        book.book(row, "FEE", book.value(row) // 5000, "rebate")


def policy_of_its_own(book: Book, row: Ints) -> None:
    """Flows large enough to tell one flow timing from another."""
    if at(book, 0.3):
        deposit(book, row, 0.2)
    if at(book, 0.6):
        withdraw(book, row, 0.1)


def own_timing(book: Book, row: Ints) -> None:
    if at(book, 0.4):
        deposit(book, row, 0.2, timing=TIMINGS.index("mid"))
    if at(book, 0.7):
        withdraw(book, row, 0.05, timing=TIMINGS.index("start"))


def own_date(book: Book, row: Ints) -> None:
    """Traded a day before it counts: the performance date decides."""
    if at(book, 0.4):
        deposit(book, row, 0.15, dating=TRADED_THE_DAY_BEFORE)


def journal_from(book: Book, row: Ints) -> None:
    if at(book, 0.5) and "journal_to" in book.people.parts:
        other = np.array([book.people.parts["journal_to"]])
        amount = np.minimum(book.cash[row] // 2, book.value(row) // 20)
        book.book(row, "JOURNAL", -amount, counterparty=int(other[0]))
        book.book(other, "JOURNAL", amount, counterparty=int(row[0]))


def not_in_performance(book: Book, row: Ints) -> None:
    if at(book, 0.5):
        deposit(book, row, 0.1)


def corrected(book: Book, row: Ints) -> None:
    if is_fault_night(book):
        deposit(book, row, 0.02, delivery=CORRECTED_NEXT_NIGHT)


def cancelled(book: Book, row: Ints) -> None:
    if is_fault_night(book):
        deposit(book, row, 0.02)
        deposit(book, row, 0.02, delivery=CANCELLED_NEXT_NIGHT)


def late(book: Book, row: Ints) -> None:
    if is_fault_night(book):
        withdraw(book, row, 0.04, delivery=DELIVERED_LATE)


def brokerage_flows(book: Book) -> None:
    """Flows of brokerage accounts: one posted the day after it counts, and a journal between two of them."""
    rows = np.flatnonzero(book.people.is_brokerage)
    is_history = book.nightly_from is None or book.day < book.nightly_from - 1
    if len(rows) and at(book, 0.3) and is_history:
        deposit(book, rows[:1], 0.12, dating=POSTED_THE_DAY_AFTER)
    if len(rows) > 2 and at(book, 0.5):
        amount = np.minimum(book.cash[rows[1:2]] // 2, book.value(rows[1:2]) // 20)
        book.book(rows[1:2], "JOURNAL", -amount, counterparty=int(rows[2]))
        book.book(rows[2:3], "JOURNAL", amount, counterparty=int(rows[1]))


SCRIPT: dict[str, Part] = {
    "day_one_flow": day_one_flow,
    "large_flow": large_flow,
    "in_kind": in_kind,
    "emptied_and_refunded": emptied_and_refunded,
    "negative_cash": negative_cash,
    "closed": closed,
    "valued_monthly": valued_monthly,
    "fees": fees,
    "start_of_day": policy_of_its_own,
    "mid_day": policy_of_its_own,
    "end_of_day": policy_of_its_own,
    "own_timing": own_timing,
    "own_date": own_date,
    "journal_from": journal_from,
    "not_in_performance": not_in_performance,
    "corrected": corrected,
    "cancelled": cancelled,
    "late": late,
}


def follow_script(book: Book) -> None:
    """Let each account with a part play today's scene."""
    for part, row in book.people.parts.items():
        if part in SCRIPT:
            SCRIPT[part](book, np.array([row]))
    brokerage_flows(book)
