"""The chain of factors behind a cumulative return: which rows a period links, and what they multiply to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from jobs.explain.formula import factors
from jobs.platform.business_calendar import Calendar

Row = dict[str, Any]
DAY = timedelta(days=1)
TO_DATE = {"MTD": 1, "QTD": 3, "YTD": 12}  # months in each
TRAILING = {"1Y": 1, "3Y": 3, "5Y": 5, "10Y": 10}
PERIODS = [*TO_DATE, "ITD", *TRAILING]
GRACE = timedelta(days=7)


@dataclass(frozen=True)
class Factor:
    """One linked row: its return by column, and 1 + r, not below 0."""

    as_of_date: date
    status: str
    twrr_daily: float | None
    net: float
    gross: float


@dataclass(frozen=True)
class Linked:
    """A period that ends with a row: the rows it links and their product - 1, None where it has no return.

    `asked_from` is what a trailing period begins with; None for a period to date.
    """

    period: str
    asked_from: date | None
    start_date: date | None
    factors: list[Factor]
    twrr: float | None
    twrr_gross: float | None
    status: str


def linked(period: str, row: Row, earlier: list[Row], first_month: int, calendar: Calendar) -> Linked:
    """The period up to `row`, of its track's rows; `earlier` are the account's published rows before it, by date."""
    since = _trailing_start(row["as_of_date"], TRAILING[period], calendar) if period in TRAILING else None
    if row.get("track_no") is None:
        return Linked(period, since, None, [], None, None, row["status"])
    track = [one for one in earlier if one["track_no"] == row["track_no"]] + [row]
    if since is not None:
        inside = [one for one in track if one["as_of_date"] > since]
        week = [one["as_of_date"] for one in track if since - GRACE <= one["as_of_date"] <= since]
        begins = track[0]["status"] != "opening" and row["inception_date"] - DAY == since
        if not week and not begins:
            return Linked(period, since, None, [], None, None, "insufficient_history")
        start = max(week, default=since)
    else:
        number = _number(period, row["as_of_date"], first_month)
        inside = [one for one in track if _number(period, one["as_of_date"], first_month) == number]
        first = inside[0]["as_of_date"]
        before = (one["as_of_date"] for one in earlier if one["as_of_date"] < first and one["status"] != "no_fx")
        start = first if inside[0]["status"] == "opening" else max(before, default=row["inception_date"] - DAY)
    found = [(one, factors(one)) for one in inside]
    net = gross = 1.0
    for _, (of_net, of_gross) in found:
        net, gross = net * float(of_net), gross * float(of_gross)
    chain = [
        Factor(one["as_of_date"], one["status"], one.get("twrr_daily"), float(of_net), float(of_gross))
        for one, (of_net, of_gross) in found
    ]
    return Linked(period, since, start, chain, net - 1, gross - 1, "ok")


def _number(period: str, day: date, first_month: int) -> int:
    """Number of the date's month, fiscal quarter or fiscal year; 0 for the whole track."""
    months = day.year * 12 + day.month - first_month
    return months // TO_DATE[period] if period in TO_DATE else 0


def _trailing_start(day: date, years: int, calendar: Calendar) -> date:
    """The day so many years before; of a day on or after its month's last business day the calendar month-end."""
    month_end = _month_end(day.year, day.month)
    back = _month_end(day.year - years, day.month)
    is_month_end = calendar.business_day_no(day) == calendar.business_day_no(month_end)
    return back if is_month_end else min(back, date(day.year - years, day.month, min(day.day, back.day)))


def _month_end(year: int, month: int) -> date:
    return date(year + month // 12, month % 12 + 1, 1) - DAY
