"""One row of the daily performance from its inputs, in exact arithmetic and apart from Spark (sections 1 to 4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

from jobs.explain.inputs import Booking, Inputs
from jobs.explain.rates import EXACT, half_away_from_zero
from jobs.platform.business_calendar import Calendar

Row = dict[str, Any]
ZERO = Decimal("0E-8")
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Weighted:
    """A flow's part of the capital: weight numerator / denominator, exact."""

    booking: Booking
    numerator: int
    denominator: int

    @property
    def weight(self) -> Fraction:
        return Fraction(self.numerator, self.denominator)

    @property
    def part(self) -> Fraction:
        return self.weight * Fraction(self.booking.amount.value or ZERO)


@dataclass(frozen=True)
class Recomputed:
    """The row by its columns in marts.account_performance_daily (returns to date left out), and its weights."""

    row: Row
    flows: list[Weighted]


def recomputed(day: date, inputs: Inputs, previous: Row | None, track: Row | None, calendar: Calendar) -> Recomputed:
    """The figures of the row of `day`.

    `previous`: the published row before it that has a rate; `track`: the last published row before it that has a
    track (they give begin value, sums so far, track number and inception).
    """
    with localcontext(EXACT):
        return _recomputed(day, inputs, previous, track, calendar)


def _recomputed(day: date, inputs: Inputs, previous: Row | None, track: Row | None, calendar: Calendar) -> Recomputed:
    flows = [booking for booking in inputs.bookings if not booking.is_fee]
    first_flow = min((booking.date for booking in flows), default=day)
    begin_date = previous["as_of_date"] if previous else first_flow - DAY
    number = calendar.business_day_no
    days = max(number(day) - number(begin_date), 1)
    begin = previous["end_market_value"] if previous else ZERO
    end = inputs.valuation.value
    row: Row = {
        "currency": inputs.attributes.base_currency,
        "begin_market_value": begin,
        "end_market_value": end,
        "days": days,
        "method": "daily" if days == 1 else "modified_dietz",
        "begin_date": begin_date,
        "status": "no_fx",
    }
    if end is None or any(booking.amount.value is None for booking in inputs.bookings):
        return Recomputed(row, [])
    weighted = [_weighted(flow, begin_date, days, calendar) for flow in flows]
    amounts = [flow.amount.value or ZERO for flow in flows]
    net_flow = sum(amounts, ZERO)
    capital = half_away_from_zero(Fraction(begin) + sum((flow.part for flow in weighted), Fraction(0)))
    fees = -sum((booking.amount.value or ZERO for booking in inputs.bookings if booking.is_fee), ZERO)
    row |= {
        "contributions": sum((amount for amount in amounts if amount > 0), ZERO),
        "distributions": sum((amount for amount in amounts if amount < 0), ZERO),
        "net_flow": net_flow,
        "cumulative_net_flow": (previous["cumulative_net_flow"] if previous else ZERO) + net_flow,
        "fees": fees,
        "gain_loss": end - begin - net_flow,
        "weighted_capital": capital,
    }
    opens = _capital_came_before(row, flows, previous) or _begins_anew(row, previous)
    row["status"] = _status(row, inputs.attributes.in_performance, opens)
    starts_track = row["status"] != "excluded" and (
        previous is None or opens or (begin <= 0 and (capital > 0 or end > 0))
    )
    if row["status"] == "opening":
        row |= {"begin_market_value": None, "gain_loss": ZERO, "weighted_capital": ZERO if opens else capital}
    if row["status"] in ("ok", "wiped_out"):
        row["twrr_daily"] = float(Fraction(row["gain_loss"]) / Fraction(capital))
        row["twrr_daily_gross"] = float(Fraction(row["gain_loss"] + fees) / Fraction(capital))
    if starts_track:
        row["track_no"] = (track["track_no"] if track else 0) + 1
        row["inception_date"] = day if row["status"] == "opening" else begin_date + DAY
    elif row["status"] != "excluded" and track:
        row |= {"track_no": track["track_no"], "inception_date": track["inception_date"]}
    return Recomputed(row, weighted)


def factors(row: Row) -> tuple[Fraction, Fraction]:
    """max(0, 1 + r) of a row, net and gross, as (C + G) / C; 1 where it has no return."""
    if row["status"] not in ("ok", "wiped_out"):
        return Fraction(1), Fraction(1)
    capital, gain = Fraction(row["weighted_capital"]), Fraction(row["gain_loss"])
    net, gross = (max(Fraction(0), (capital + g) / capital) for g in (gain, gain + Fraction(row["fees"])))
    return net, gross


def _weighted(flow: Booking, begin: date, days: int, calendar: Calendar) -> Weighted:
    """w = (D - pos + extra) / D as k / 2D; extra is 1 at start, 1/2 at mid, 0 at end of day."""
    between = calendar.business_day_no(flow.date - DAY) - calendar.business_day_no(begin)
    pos = min(max(1 + between, 1), days)
    return Weighted(flow, 2 * (days - pos) + {"start": 2, "mid": 1, "end": 0}[flow.timing], 2 * days)


def _capital_came_before(row: Row, flows: list[Booking], previous: Row | None) -> bool:
    """Whether the records begin with an outflow: what it was paid from came before them."""
    if previous is not None or not flows or row["end_market_value"] <= 0:
        return False
    first = min(flow.date for flow in flows)
    return sum((flow.amount.value or ZERO for flow in flows if flow.date == first), ZERO) < 0


def _begins_anew(row: Row, previous: Row | None) -> bool:
    """Whether the record cannot go on from the row before: it was excluded, or in another currency."""
    return previous is not None and (previous["status"] == "excluded" or previous["currency"] != row["currency"])


def _status(row: Row, in_performance: bool, opens: bool) -> str:
    capital = row["weighted_capital"]
    if not in_performance:
        return "excluded"
    if opens:
        return "opening"
    if capital > 0:
        return "wiped_out" if row["gain_loss"] <= -capital else "ok"
    if row["begin_market_value"] > 0:
        return "undefined"
    return "opening" if row["end_market_value"] > 0 else "no_capital"
