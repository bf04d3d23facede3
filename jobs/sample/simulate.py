"""Let the book live through the sample's days."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jobs.sample.book import Book, Day
from jobs.sample.habits import ordinary_day
from jobs.sample.market import Market
from jobs.sample.people import People
from jobs.sample.script import follow_script


def simulate(people: People, market: Market, nightly_from: int | None, seed: int) -> Iterator[Day]:
    """The book's days in order; memory is that of one day."""
    book = Book(people, market, nightly_from, seed)
    dates = np.array(market.days, dtype="datetime64[D]")
    months = dates.astype("datetime64[M]")
    of_month = np.busday_count(months.astype("datetime64[D]"), dates)
    is_month_end = np.busday_offset(dates, 1).astype("datetime64[M]") != months
    leaver = people.parts.get("closed")
    for day in range(len(market.days)):
        book.day = day
        book.open_accounts()
        ordinary_day(book, int(of_month[day]))
        follow_script(book)
        closed = book.close_day(bool(is_month_end[day]))
        yield closed
        # An account that its script has emptied for good is not valued again.
        if leaver is not None and closed.value[leaver] == 0:
            book.is_open[leaver] = False
