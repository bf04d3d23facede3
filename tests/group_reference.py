"""The daily rows of one group in plain Python: exact fractions, one date and one member after the other.

It follows section 6 of the calculation specification word by word, from the rows that `jobs.sample.reference` gives for
the accounts, and shares nothing with Spark.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from jobs.platform.business_calendar import Calendar

DAY = timedelta(days=1)
EIGHT = Decimal("0.00000001")
TIMINGS = {"start": 2, "mid": 1, "end": 0}


class Span(NamedTuple):
    """From a day to a day, both inclusive; without an end open."""

    first: date
    last: date | None = None

    def holds(self, day: date) -> bool:
        return self.first <= day and (self.last is None or day <= self.last)


class Transfer(NamedTuple):
    """A flow of the account that names another one; `timing` is what the policy comes to."""

    date: date
    amount: Decimal
    other: str
    timing: str


@dataclass
class Member:
    """An account: its rows by date (of sections 2 and 3), its transfers, when it is closed, when a member."""

    rows: dict[date, dict[str, Any]]
    transfers: list[Transfer] = field(default_factory=list)
    closed: list[Span] = field(default_factory=list)
    rates: dict[date, Decimal] | None = None  # of an account in foreign currency, whose rows hold `local_value` too
    spans: list[Span] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rows = {day: row for day, row in sorted(self.rows.items()) if row["status"] != "no_fx"}
        self.days = list(self.rows)

    def row(self, day: date) -> dict[str, Any] | None:
        row = self.rows.get(day)
        return None if row is None or row["status"] == "excluded" else row

    def last_day(self, before: date) -> date | None:
        place = bisect_left(self.days, before)
        return self.days[place - 1] if place else None

    def last_value(self, before: date) -> Decimal | None:
        last = self.last_day(before)
        return None if last is None or self.row(last) is None else self.rows[last]["end_market_value"]

    def carried_value(self, day: date) -> Decimal | None:
        """The last value, revalued; NULL on a day with a row."""
        value = self.last_value(day)
        last = self.last_day(day)
        if self.rates is None or value is None or last is None:
            return value
        return _money(Fraction(self.rows[last]["local_value"]) * Fraction(self.rates[day]))

    def begin(self, day: date) -> date:
        """The day before the sub-period of the row of that day."""
        return self.last_day(day) or self.rows[day]["first_flow"] - DAY

    def is_member(self, day: date) -> bool:
        return any(span.holds(day) for span in self.spans)


def group_rows(members: dict[str, Member], calendar: Calendar) -> list[dict[str, Any]]:
    """The group's rows, without the linked returns."""
    dates = {day for m in members.values() for day in m.rows if m.row(day) and m.is_member(day)}
    held: dict[tuple[str, Span], Decimal] = {}  # by account and time of membership
    rows: list[dict[str, Any]] = []
    for day in sorted(dates):
        row, held = _row(day, rows[-1] if rows else None, members, held, calendar)
        rows.append(row)
    return rows


def _row(
    day: date,
    last: dict[str, Any] | None,
    members: dict[str, Member],
    held: dict[tuple[str, Span], Decimal],
    calendar: Calendar,
) -> tuple[dict[str, Any], dict[tuple[str, Span], Decimal]]:
    flow = gain = fees = Fraction(0)
    capital = begin = Fraction(last["end_market_value"] if last else 0)
    now: dict[tuple[str, Span], Decimal] = {}
    own = carried = 0
    starts = []
    for name, member in members.items():
        row, value = member.row(day), member.last_value(day)
        for span in (span for span in member.spans if span.holds(day)):
            key = (name, span)
            if row is None:
                if value and not any(shut.holds(day) for shut in member.closed):
                    if key not in held:  # carried from its first date on
                        flow, capital = flow + Fraction(value), capital + Fraction(value)
                    now[key], carried = member.carried_value(day) or value, carried + 1
                    gain += Fraction(now[key]) - Fraction(held.get(key, value))
                continue
            own += 1
            now[key] = row["end_market_value"]
            inner = [t for t in member.transfers if member.begin(day) < t.date <= day and _internal(members, name, t)]
            flow -= sum(Fraction(t.amount) for t in inner)
            if row["status"] == "opening":
                flow += Fraction(row["end_market_value"])
                starts.append(day - DAY)
                continue
            if key not in held and value is not None:
                flow, capital = flow + Fraction(value), capital + Fraction(value)
            starts.append(member.begin(day) if value is None else max(member.begin(day), span.first - DAY))
            flow += Fraction(row["net_flow"])
            gain, fees = gain + Fraction(row["gain_loss"]), fees + Fraction(row["fees"])
            gain -= Fraction(held.get(key, value or 0)) - Fraction(row["begin_market_value"])  # from revaluations
            capital += Fraction(row["weighted_capital"]) - Fraction(row["begin_market_value"])
            capital -= sum(_weight(t, member.begin(day), row["days"], calendar) * Fraction(t.amount) for t in inner)
    for key, value in held.items():
        if key not in now:
            flow, capital = flow - Fraction(value), capital - Fraction(value)
    start = last["as_of_date"] if last else min(starts)
    days = max(1, calendar.business_day_no(day) - calendar.business_day_no(start))
    end = sum(now.values(), Decimal(0))
    figures = {
        "begin_market_value": _money(begin),
        "net_flow": _money(flow),
        "fees": _money(fees),
        "end_market_value": _money(Fraction(end)),
        "gain_loss": _money(gain),
        "weighted_capital": _money(capital),
    }
    found = {"as_of_date": day, "members": own + carried, "carried_members": carried, "begin_date": start, "days": days}
    return found | figures | _returns(figures), now


def _returns(row: dict[str, Decimal]) -> dict[str, Any]:
    """Status and returns of section 3; in an opening row B NULL and G 0."""
    begin, capital, end = row["begin_market_value"], row["weighted_capital"], row["end_market_value"]
    if capital > 0:
        net = Fraction(row["gain_loss"]) / Fraction(capital)
        gross = (Fraction(row["gain_loss"]) + Fraction(row["fees"])) / Fraction(capital)
        status = "wiped_out" if net <= -1 else "ok"
        return {"status": status, "twrr_daily": float(net), "twrr_daily_gross": float(gross)}
    nothing = {"twrr_daily": None, "twrr_daily_gross": None}
    if begin > 0 or end <= 0:
        return nothing | {"status": "undefined" if begin > 0 else "no_capital"}
    return nothing | {"status": "opening", "begin_market_value": None, "gain_loss": _money(Fraction(0))}


def _internal(members: dict[str, Member], name: str, transfer: Transfer) -> bool:
    """Both accounts are members on the day of the flow."""
    other = members.get(transfer.other)
    return other is not None and other.is_member(transfer.date) and members[name].is_member(transfer.date)


def _weight(transfer: Transfer, start: date, days: int, calendar: Calendar) -> Fraction:
    between = calendar.business_day_no(transfer.date - DAY) - calendar.business_day_no(start)
    position = min(max(1 + between, 1), days)
    return Fraction(2 * (days - position) + TIMINGS[transfer.timing], 2 * days)


def _money(exact: Fraction) -> Decimal:
    """Rounded to 8 decimals, halves away from zero."""
    units, rest = divmod(abs(exact) * 10**8, 1)
    rounded = Decimal(int(units) + (rest >= Fraction(1, 2))).scaleb(-8)
    return (rounded if exact >= 0 else -rounded).quantize(EIGHT)


def less(span: Span, out: Sequence[Span]) -> list[Span]:
    """The span without the times in `out`."""
    pieces = [span]
    for gone in out:
        cut = []
        for piece in pieces:
            if gone.last is not None and (piece.last is None or gone.last < piece.last):
                cut.append(Span(max(piece.first, gone.last + DAY), piece.last))
            if gone.first > piece.first:
                end = gone.first - DAY
                cut.append(Span(piece.first, end if piece.last is None else min(piece.last, end)))
        pieces = sorted(set(cut))
    return pieces
