"""The daily chain of one account in plain Python: exact fractions, one row after the other, nothing shared with Spark.

It follows the calculation specification (sections 1 to 4) word by word and is what the Spark calculation is proved
against; the sample generator writes its results beside the files as the expected ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from typing import Any, NamedTuple

DAY = timedelta(days=1)
ZERO = Decimal(0)
EIGHT = Decimal("0.00000001")
EXACT = Context(prec=60)  # sums of DECIMAL(28,8) never lose a digit
PERIODS = ("mtd", "qtd", "ytd", "itd")


class Booking(NamedTuple):
    """An external flow or a fee in the account's base currency; `amount` None: no exchange rate for its date."""

    date: date
    amount: Decimal | None
    is_fee: bool = False
    timing: str | None = None  # start, mid or end where the transaction itself says so


def daily_rows(
    valuations: Iterable[tuple[date, Decimal | None]],
    flows_and_fees: Iterable[Booking],
    *,
    flow_timing: str = "inflow_start_outflow_end",
    holidays: Collection[date] = (),
    fiscal_year_start_month: int = 1,
    in_performance: Sequence[tuple[date, bool]] = (),
) -> list[dict[str, Any]]:
    """Rows of one account as they stand in marts.account_performance_daily, keyed by column name.

    `valuations` are (date, market value), one per date; a value None has no exchange rate. `in_performance` are
    (effective_from, value) of the account file; before the first one the account counts as in performance.
    Money is Decimal with 8 decimals, returns are floats, None is NULL.
    """
    calendar = _Weekdays(holidays)
    bookings = sorted((b for b in flows_and_fees if b.amount is None or b.amount != 0), key=lambda b: b.date)
    rows: list[dict[str, Any]] = []
    chain = _Chain(fiscal_year_start_month)
    last: dict[str, Any] | None = None  # the last row that is not no_fx
    cumulative, taken = ZERO, 0
    for on, value in sorted(valuations, key=lambda pair: pair[0]):
        upto = next((i for i, b in enumerate(bookings) if b.date > on), len(bookings))
        mine = bookings[taken:upto]
        if value is None or any(b.amount is None for b in mine):
            rows.append(_without_rate(on, value, last, mine, calendar))
            continue
        counts = _holds(in_performance, on)
        row = _sub_period(on, value, last, mine, policy=flow_timing, calendar=calendar)
        cumulative = EXACT.add(cumulative, row["net_flow"])
        row["cumulative_net_flow"] = cumulative.quantize(EIGHT, context=EXACT)
        _decide_status(row, last, mine, counts)
        chain.link(row)
        rows.append(row)
        last, taken = row, upto
    return [{name: value for name, value in row.items() if not name.startswith("_")} for row in rows]


class _Weekdays:
    """Monday to Friday less the holidays."""

    def __init__(self, holidays: Collection[date]) -> None:
        self.holidays = frozenset(holidays)

    def between(self, after: date, through: date) -> int:
        """Business days d with after < d <= through."""
        found, day = 0, after + DAY
        while day <= through:
            found += day.weekday() < 5 and day not in self.holidays
            day += DAY
        return found


def _start(on: date, last: dict[str, Any] | None, bookings: list[Booking]) -> date:
    """v(k-1); for row 1 v(0), the day before the earliest flow, else the day before the valuation."""
    if last is not None:
        return last["as_of_date"]
    return min((b.date for b in bookings if not b.is_fee), default=on) - DAY


def _sub_period(
    on: date, value: Decimal, last: dict[str, Any] | None, mine: list[Booking], *, policy: str, calendar: _Weekdays
) -> dict[str, Any]:
    """Section 2: the figures that need neither status nor track."""
    start = _start(on, last, mine)
    begin = last["end_market_value"] if last else ZERO
    flows = [(b, b.amount) for b in mine if not b.is_fee and b.amount is not None]
    days = max(1, calendar.between(start, on))
    capital = Fraction(begin)
    for booking, amount in flows:
        pos = min(max(1 + calendar.between(start, booking.date - DAY), 1), days)
        capital += Fraction(_weight_numerator(booking, amount, policy, pos, days), 2 * days) * Fraction(amount)
    net_flow = _sum(amount for _, amount in flows)
    return {
        "as_of_date": on,
        "begin_market_value": begin,
        "contributions": _sum(amount for _, amount in flows if amount > 0),
        "distributions": _sum(amount for _, amount in flows if amount < 0),
        "net_flow": net_flow,
        "cumulative_net_flow": None,
        "fees": -_sum(b.amount for b in mine if b.is_fee and b.amount is not None),
        "end_market_value": value.quantize(EIGHT, context=EXACT),
        "gain_loss": EXACT.subtract(EXACT.subtract(value, begin), net_flow).quantize(EIGHT, context=EXACT),
        "weighted_capital": _half_away_from_zero(capital),
        "days": days,
        "method": "daily" if days == 1 else "modified_dietz",
        "_start": start,
    }


def _weight_numerator(booking: Booking, amount: Decimal, policy: str, pos: int, days: int) -> int:
    """k of the weight k / 2D: start (D - pos + 1)/D, mid (D - pos + 0.5)/D, end (D - pos)/D."""
    timing = (
        booking.timing
        or {
            "inflow_start_outflow_end": "start" if amount > 0 else "end",
            "start_of_day": "start",
            "mid_day": "mid",
            "end_of_day": "end",
        }[policy]
    )
    return 2 * (days - pos) + {"start": 2, "mid": 1, "end": 0}[timing]


def _decide_status(row: dict[str, Any], last: dict[str, Any] | None, mine: list[Booking], counts: bool) -> None:
    """Section 3, and whether the row starts a track."""
    begin, capital, end = row["begin_market_value"], row["weighted_capital"], row["end_market_value"]
    flows = [b for b in mine if not b.is_fee]
    earliest = min((b.date for b in flows), default=None)
    returns_to_record = last is not None and last["status"] == "excluded"
    # Several flows on the earliest date: the sign of their sum says whether it is an outflow.
    capital_came_before = (
        last is None and end > 0 and _sum(b.amount for b in flows if b.date == earliest and b.amount is not None) < 0
    )
    row["_starts_track"] = last is None or returns_to_record or (begin <= 0 and (capital > 0 or end > 0))
    if not counts:
        row["status"], row["_starts_track"] = "excluded", False
    elif returns_to_record or capital_came_before:
        row["status"], row["weighted_capital"] = "opening", ZERO.quantize(EIGHT)
    elif capital > 0:
        row["status"] = "wiped_out" if row["gain_loss"] <= -capital else "ok"
    elif begin > 0:
        row["status"] = "undefined"
    else:
        row["status"] = "opening" if end > 0 else "no_capital"
    if row["status"] == "opening":
        row["begin_market_value"], row["gain_loss"] = None, ZERO.quantize(EIGHT)


class _Chain:
    """Section 4: linked returns per window, net and gross, restarted with each track."""

    def __init__(self, fiscal_year_start_month: int) -> None:
        self.first_month = fiscal_year_start_month
        self.track_no = 0
        self.inception: date | None = None
        self.linked: dict[str, tuple[int, float]] = {}

    def link(self, row: dict[str, Any]) -> None:
        on, status = row["as_of_date"], row["status"]
        net: Fraction | None = None
        gross: Fraction | None = None
        if status in {"ok", "wiped_out"}:
            capital = Fraction(row["weighted_capital"])
            net = Fraction(row["gain_loss"]) / capital
            gross = Fraction(row["gain_loss"] + row["fees"]) / capital
        row["twrr_daily"] = None if net is None else float(net)
        row["twrr_daily_gross"] = None if gross is None else float(gross)
        if row["_starts_track"]:
            self.track_no += 1
            self.inception = on if status == "opening" else row["_start"] + DAY
            self.linked = {}
        for suffix, growth in (("", net), ("_gross", gross)):
            for period in PERIODS:
                name = f"twrr_{period}{suffix}"
                row[name] = None if status == "excluded" else self._linked(name, period, on, growth)
        row["track_no"] = None if status == "excluded" else self.track_no
        row["inception_date"] = None if status == "excluded" else self.inception

    def _linked(self, name: str, period: str, on: date, growth: Fraction | None) -> float:
        month = on.year * 12 + on.month - self.first_month  # months, counted so that a fiscal year is a dozen
        key = {"mtd": month, "qtd": month // 3, "ytd": month // 12, "itd": 0}[period]
        known, product = self.linked.get(name, (key, 1.0))
        factor = 1.0 if growth is None else float(max(Fraction(0), 1 + growth))  # exact also next to a total loss
        product = (product if known == key else 1.0) * factor
        self.linked[name] = (key, product)
        return product - 1.0


def _without_rate(
    on: date, value: Decimal | None, last: dict[str, Any] | None, mine: list[Booking], calendar: _Weekdays
) -> dict[str, Any]:
    """A row that cannot be converted: what is known of it, and NULL for the rest. It is not in the chain."""
    days = max(1, calendar.between(_start(on, last, mine), on))
    known = {
        "as_of_date": on,
        "begin_market_value": last["end_market_value"] if last else ZERO.quantize(EIGHT),
        "end_market_value": None if value is None else value.quantize(EIGHT, context=EXACT),
        "days": days,
        "method": "daily" if days == 1 else "modified_dietz",
        "status": "no_fx",
    }
    money = ("contributions", "distributions", "net_flow", "cumulative_net_flow", "fees", "gain_loss")
    returns = [f"twrr_{name}{suffix}" for suffix in ("", "_gross") for name in ("daily", *PERIODS)]
    return known | dict.fromkeys((*money, "weighted_capital", *returns, "track_no", "inception_date"))


def _holds(in_performance: Sequence[tuple[date, bool]], on: date) -> bool:
    """The value of the account file in force on that day."""
    return next((value for since, value in sorted(in_performance, reverse=True) if since <= on), True)


def _sum(amounts: Iterable[Decimal | None]) -> Decimal:
    total = ZERO
    for amount in amounts:
        total = EXACT.add(total, amount or ZERO)
    return total.quantize(EIGHT, context=EXACT)


def _half_away_from_zero(exact: Fraction) -> Decimal:
    """Rounded to 8 decimals, halves away from zero."""
    units, rest = divmod(abs(exact) * 10**8, 1)
    rounded = Decimal(int(units) + (rest >= Fraction(1, 2))).scaleb(-8, context=EXACT)
    rounded = rounded if exact >= 0 else -rounded
    return rounded.quantize(EIGHT, ROUND_HALF_UP, context=EXACT)
