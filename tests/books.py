"""Random books: accounts with everything that happens to accounts, as plain rows for Spark and for the reference."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from jobs.sample.reference import Booking

FIRST = date(2025, 11, 3)
DAYS = 150
HOLIDAYS = [date(2025, 11, 27), date(2025, 12, 25), date(2026, 1, 1), date(2026, 1, 19), date(2026, 2, 16)]
POLICIES = ["inflow_start_outflow_end", "start_of_day", "mid_day", "end_of_day"]
NO_RATE = "XTS"  # a currency that no rate is ever delivered for
INWARD = ["DEPOSIT", "TRANSFER_IN", "JOURNAL"]
OUTWARD = ["WITHDRAWAL", "TRANSFER_OUT", "JOURNAL"]
NO_FLOW = ["BUY", "SELL", "DIVIDEND", "INTEREST", "TAX"]


@dataclass
class Account:
    """One account of a book. Values and bookings of None have no exchange rate."""

    account_id: str
    flow_timing: str
    in_performance: list[tuple[date, bool]] = field(default_factory=list)
    values: dict[date, Decimal | None] = field(default_factory=dict)
    bookings: list[Booking] = field(default_factory=list)
    types: list[str] = field(default_factory=list)  # of the bookings, one each
    others: list[tuple[date, str, Decimal]] = field(default_factory=list)  # transactions that are neither flow nor fee

    def valuation_rows(self, scale: Decimal = Decimal(1)) -> list[dict[str, Any]]:
        return [
            {
                "account_id": self.account_id,
                "as_of_date": day,
                "market_value": Decimal(1) if value is None else value * scale,
                "currency": NO_RATE if value is None else None,
            }
            for day, value in self.values.items()
        ]

    def transaction_rows(self, scale: Decimal = Decimal(1)) -> list[dict[str, Any]]:
        rows = [
            {
                "account_id": self.account_id,
                "performance_date": booking.date,
                "type": kind,
                "amount": Decimal(1) if booking.amount is None else booking.amount * scale,
                "currency": NO_RATE if booking.amount is None else None,
                "flow_timing": booking.timing,
            }
            for booking, kind in zip(self.bookings, self.types, strict=True)
        ]
        return rows + [
            {"account_id": self.account_id, "performance_date": day, "type": kind, "amount": amount * scale}
            for day, kind, amount in self.others
        ]

    def account_rows(self) -> list[dict[str, Any]]:
        first = {"account_id": self.account_id, "base_currency": "USD", "flow_timing": self.flow_timing}
        return [
            {**first, "effective_from": since, "in_performance": counts}
            for since, counts in [(date(1900, 1, 1), True), *self.in_performance]
        ]


def random_book(seed: int, size: int) -> list[Account]:
    """`size` accounts over some months: gaps, weekends, holidays, accounts emptied and funded again, total losses,
    tiny values, fees, several flows a day, every policy and timing, exclusions, missing rates."""
    random = Random(seed)
    return [_account(random, f"{seed}-{number:04d}") for number in range(size)]


def _account(random: Random, account_id: str) -> Account:
    account = Account(account_id, random.choice(POLICIES))
    places = random.choice([2, 2, 4, 8])
    value = _money(random, random.choice([1e-6, 10, 1e4, 1e9]), places)
    keep = random.choice([0.95, 0.6, 0.2, 0.04])  # how many of the days are valued
    rough, busy = random.choice([0.01, 0.3]), random.choice([0.02, 0.2])
    tiny = Decimal(1).scaleb(-places)
    for offset in range(DAYS):
        day = FIRST + timedelta(days=offset)
        weekend = day.weekday() > 4 or day in HOLIDAYS
        while random.random() < busy:
            value += _booking(random, account, day, value, places)
        if random.random() >= (keep * 0.1 if weekend else keep):
            continue
        event = random.random()
        if event < rough * 0.05:
            value = random.choice([Decimal(0), -abs(value) / 4, tiny])  # wiped out, or nearly
        elif event < rough * 0.1 and value <= 0:
            value = _money(random, 1000, places)  # out of nothing
        else:
            value = value * Decimal(1 + random.gauss(0, rough))
        value = value.quantize(tiny)
        account.values[day] = None if random.random() < 0.004 else value
    if random.random() < 0.1:
        days = sorted(random.sample(range(DAYS), 2))
        account.in_performance = [(FIRST + timedelta(days=days[0]), False), (FIRST + timedelta(days=days[1]), True)]
    return account


def _booking(random: Random, account: Account, day: date, value: Decimal, places: int) -> Decimal:
    """One transaction; returns what it adds to the account."""
    kind, timing = random.random(), random.choice([None, None, None, "start", "mid", "end"])
    if kind < 0.1:
        account.others.append((day, random.choice(NO_FLOW), _money(random, 100, places)))
        return Decimal(0)
    if kind < 0.25:
        fee = -_money(random, max(float(abs(value)) * 0.002, 10.0**-places), places)
        account.bookings.append(Booking(day, fee, is_fee=True))
        account.types.append("FEE")
        return fee
    if kind < 0.35:
        amount = -value  # emptied
    elif kind < 0.7:
        amount = _money(random, max(float(abs(value)), 1.0), places)
    else:
        amount = -_money(random, max(float(abs(value)) * 0.5, 10.0**-places), places)
    missing = random.random() < 0.01
    account.bookings.append(Booking(day, None if missing else amount, timing=timing))
    account.types.append(random.choice(INWARD if amount > 0 else OUTWARD))
    return Decimal(0) if missing else amount


def _money(random: Random, size: float, places: int) -> Decimal:
    return max(Decimal(random.random() * size).quantize(Decimal(1).scaleb(-places)), Decimal(1).scaleb(-places))
