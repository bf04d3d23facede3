"""Amounts in base currency by the rates of silver, in exact arithmetic (specification, section 8)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

from jobs.platform.business_calendar import Calendar

MAX_AGE_BUSINESS_DAYS = 5
LONGEST_SERVICE = timedelta(days=40)
EXACT = Context(prec=60)


@dataclass(frozen=True)
class Leg:
    """One rate that was used: a unit of `source` is `rate` units of `target`, or the other way round (inverse)."""

    source: str
    target: str
    rate: Decimal
    as_of_date: date
    is_inverse: bool
    row: dict[str, Any]


@dataclass(frozen=True)
class Amount:
    """An amount as delivered, and its value in base currency: None where there is no rate (or no price)."""

    given: Decimal | None
    currency: str
    base_currency: str
    legs: tuple[Leg, ...]
    value: Decimal | None


class Rates:
    """The tenant's rates: `rows` are current rows of silver.fx_rate, `rank` orders vendors, the best first."""

    def __init__(self, rows: list[dict[str, Any]], calendar: Calendar, pivot: str, rank: Any) -> None:
        self.calendar, self.pivot = calendar, pivot
        self.by_pair: dict[tuple[str, str], dict[date, dict[str, Any]]] = {}
        for row in sorted(rows, key=lambda row: rank(row["vendor"]), reverse=True):
            if row["rate"] > 0:
                days = self.by_pair.setdefault((row["from_currency"], row["to_currency"]), {})
                days[row["as_of_date"]] = row

    def converted(self, given: Decimal | None, currency: str | None, base: str, day: date) -> Amount:
        """`given` in the base currency at the day's rate, direct, inverse or through the pivot, rounded once."""
        source = currency or base
        if source == base or given is None:
            return Amount(given, source, base, (), given)
        direct = self._leg(source, base, day)
        legs = (direct,) if direct else (self._leg(source, self.pivot, day), self._leg(self.pivot, base, day))
        used = tuple(leg for leg in legs if leg)
        if len(used) < len(legs):
            return Amount(given, source, base, (), None)
        exact = Fraction(given)
        for leg in used:
            exact = exact / Fraction(leg.rate) if leg.is_inverse else exact * Fraction(leg.rate)
        return Amount(given, source, base, used, half_away_from_zero(exact))

    def _leg(self, source: str, target: str, day: date) -> Leg | None:
        for pair, is_inverse in (((source, target), False), ((target, source), True)):
            known = [on for on in self.by_pair.get(pair, {}) if on <= day]
            last = max(known, default=None)
            if last is not None and self._is_young(last, day):
                row = self.by_pair[pair][last]
                return Leg(source, target, row["rate"], last, is_inverse, row)
        return None

    def _is_young(self, of: date, day: date) -> bool:
        age = self.calendar.business_day_no(day) - self.calendar.business_day_no(of)
        return age <= MAX_AGE_BUSINESS_DAYS and day <= of + LONGEST_SERVICE


def half_away_from_zero(exact: Fraction) -> Decimal:
    """Rounded to 8 decimals, halves away from zero."""
    units, rest = divmod(abs(exact) * 10**8, 1)
    rounded = Decimal(int(units) + (rest >= Fraction(1, 2))).scaleb(-8, context=EXACT)
    return rounded if exact >= 0 else -rounded


def in_money(quantity: Decimal, price: Decimal) -> Decimal:
    """quantity x price, rounded once to 8 decimals."""
    return half_away_from_zero(Fraction(quantity) * Fraction(price))
