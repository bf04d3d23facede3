"""The formula of `dietz explain` gives every row of random books as the reference has it, from the row before alone."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from jobs.explain.account_row import COMPARED, _agree
from jobs.explain.formula import recomputed
from jobs.explain.inputs import Attributes, Booking, Inputs
from jobs.explain.linking import linked
from jobs.explain.rates import Amount
from jobs.platform.business_calendar import Calendar
from jobs.sample.reference import daily_rows
from tests.books import HOLIDAYS, Account, random_book

CALENDAR = Calendar(name="book", holidays=HOLIDAYS)
TIMINGS = {"start_of_day": ("start", "start"), "mid_day": ("mid", "mid"), "end_of_day": ("end", "end")}


def inputs(account: Account, after: date | None, day: date) -> Inputs:
    counts = [value for since, value in account.in_performance if since <= day]
    bookings = [
        Booking(one.date, "FEE" if one.is_fee else "DEPOSIT", in_usd(one.amount), timing(account, one), "", {})
        for one in account.bookings
        if (after is None or one.date > after) and one.date <= day and one.amount != 0
    ]
    attributes = Attributes("USD", None, counts[-1] if counts else True, None)
    return Inputs(attributes, in_usd(account.values[day]), {}, bookings)


def in_usd(value: Decimal | None) -> Amount:
    return Amount(value, "USD", "USD", (), value)


def timing(account: Account, booking: Any) -> str:
    inward, outward = TIMINGS.get(account.flow_timing, ("start", "end"))
    return booking.timing or (inward if booking.amount and booking.amount > 0 else outward)


def test_every_row_of_a_book_comes_out_of_the_row_before_and_its_own_inputs() -> None:
    statuses = set()
    for account in random_book(1, 60):
        rows = daily_rows(
            account.values.items(), account.bookings, flow_timing=account.flow_timing, holidays=HOLIDAYS,
            in_performance=account.in_performance,
        )  # fmt: skip
        earlier: list[dict[str, Any]] = []
        for row in rows:
            previous = next((one for one in reversed(earlier) if one["status"] != "no_fx"), None)
            track = next((one for one in reversed(earlier) if one["track_no"] is not None), None)
            given = inputs(account, previous["as_of_date"] if previous else None, row["as_of_date"])
            again = recomputed(row["as_of_date"], given, previous, track, CALENDAR).row
            wanted = {"currency": "USD"} | row
            wrong = {name for name in COMPARED if not _agree(wanted.get(name), again.get(name))}
            assert wrong == set(), (account.account_id, row["as_of_date"])
            ours = {"as_of_date": row["as_of_date"], "track_no": None} | again
            for period in ("MTD", "QTD", "YTD", "ITD"):
                assert _agree(row[f"twrr_{period.lower()}"], linked(period, ours, earlier, 1, CALENDAR).twrr), period
            earlier.append(wanted | {"begin_date": again["begin_date"]})
            statuses.add(row["status"])
    assert statuses == {"opening", "ok", "wiped_out", "no_capital", "undefined", "no_fx", "excluded"}
