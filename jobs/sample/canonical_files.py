"""The book in the canonical layout: the eleven kinds of file of the contract."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.sample.book import (
    CANCELLED_NEXT_NIGHT,
    CORRECTED_NEXT_NIGHT,
    DELIVERED_LATE,
    SUBTYPES,
    TIMINGS,
    TRADED_THE_DAY_BEFORE,
    TYPES,
    Bookings,
    Day,
)
from jobs.sample.columns import dates, decimals, identifiers, words
from jobs.sample.deliveries import Deliveries
from jobs.sample.market import BENCHMARKS, CURRENCIES, MODELS, SECURITIES, Floats, Ints, Market, cusip, isin
from jobs.sample.people import POLICIES, Bools, People, brokerage_number

KINDS = (
    "accounts", "valuations", "transactions", "positions", "securities", "prices", "fx_rates", "benchmark_levels",
    "reported_performance", "group_members", "account_xref",
)  # fmt: skip
BENCHMARK_OF = {
    "USD": ("BM_USD_6040", "BM_USD_EQUITY"),
    "EUR": ("BM_EUR_BALANCED",) * 2,
    "GBP": ("BM_GBP_BALANCED",) * 2,
}
ADVISORS = 12
BROKERAGE_VENDOR = "brokerage"


@dataclass
class CanonicalFiles:
    """Writes one tenant's canonical files for a run of accounts, day by day."""

    people: People
    market: Market
    to: Deliveries
    kinds: frozenset[str]

    def __post_init__(self) -> None:
        people = self.people
        self.ids = identifiers(people.prefix, people.number, 6)
        self.currencies = words(people.currency, CURRENCIES)
        self.slots = self.market.slots[people.currency, people.model]
        self._waiting: dict[int, list[pa.Table]] = {}

    def day(self, day: Day) -> None:
        """Everything that is dated on one day."""
        if "valuations" in self.kinds:
            self._valuations(day)
        if "transactions" in self.kinds:
            self._transactions(day)
        if "positions" in self.kinds:
            self._positions(day)

    def _valuations(self, day: Day) -> None:
        rows = np.flatnonzero(day.is_valued & ~self.people.is_brokerage)
        value = day.value[rows]
        late_truth = self._waiting.pop(day.index, [])
        to = self.to
        row = self.people.parts.get("revalued")
        if row is not None and to.nightly_from is not None and day.index == to.nightly_from + 1 < len(to.days) - 1:
            # Tonight's value is 1.25 % too high; tomorrow's file brings the right one beside its own.
            right = self.valuation_rows(day, np.array([row]), day.value[[row]])
            self._waiting[day.index + 1] = [right]
            value = np.where(rows == row, value * 10_125 // 10_000, value)
        table = self.valuation_rows(day, rows, value)
        to.append("valuations", day.index, pa.concat_tables([*late_truth, table]))

    def valuation_rows(self, day: Day, rows: Ints, value: Ints) -> pa.Table:
        at = pa.array(rows)
        return pa.table(
            {
                "account_id": self.ids.take(at),
                "as_of_date": dates(day.date, len(rows)),
                "market_value": decimals(value),
                "currency": self.currencies.take(at),
                "cash_value": decimals(day.cash[rows]),
                "accrued_income": decimals(np.zeros(len(rows), dtype=np.int64)),
            }
        )

    def _positions(self, day: Day) -> None:
        self.to.append("positions", day.index, self.position_rows(day, day.is_valued & ~self.people.is_brokerage))

    def position_rows(self, day: Day, valued: Bools) -> pa.Table:
        rows, slot = np.nonzero((day.quantity != 0) & valued[:, None])
        at = pa.array(rows)
        security = self.slots[rows, slot]
        return pa.table(
            {
                "account_id": self.ids.take(at),
                "as_of_date": dates(day.date, len(rows)),
                "security_id": words(security, TICKERS),
                "quantity": decimals(day.quantity[rows, slot], 4),
                "price": decimals(self.market.prices[day.index][security]),
                "market_value": decimals(day.worth[rows, slot]),
                "currency": self.currencies.take(at),
                "cost_basis": decimals(day.cost[rows, slot]),
            }
        )

    def _transactions(self, day: Day) -> None:
        """Tonight's bookings, and what earlier nights left to be put right."""
        own = day.bookings[~self.people.is_brokerage[day.bookings["account"]]]
        order = np.argsort(own["account"], kind="stable")
        own = own[order]
        ids = transaction_ids(self.ids, own["account"], day.date)
        delivery = own["delivery"] if self.to.nightly_from is not None else np.zeros(len(own), dtype=np.int64)

        tonight = own.copy()
        tonight["amount"][delivery == CORRECTED_NEXT_NIGHT] *= 10
        in_time = delivery != DELIVERED_LATE
        self.to.append("transactions", day.index, self.booking_rows(day, tonight, ids, "new").filter(pa.array(in_time)))
        for kind, status in (
            (CORRECTED_NEXT_NIGHT, "correct"),
            (CANCELLED_NEXT_NIGHT, "cancel"),
            (DELIVERED_LATE, "new"),
        ):
            chosen = delivery == kind
            if chosen.any():
                after = self.booking_rows(day, own, ids, status).filter(pa.array(chosen))
                self.to.append("transactions", day.index + 1, after)

    def booking_rows(self, day: Day, own: Bookings, ids: pa.Array, status: str) -> pa.Table:
        count = len(own)
        at = pa.array(own["account"])
        is_early = own["dating"] == TRADED_THE_DAY_BEFORE
        before = np.busday_offset(np.datetime64(day.date), -1)
        is_priced_only = (own["subtype"] == SUBTYPES.index("in_kind")) & (own["quantity"] > 0)
        is_trade = own["quantity"] != 0
        return pa.table(
            {
                "transaction_id": ids,
                "account_id": self.ids.take(at),
                "trade_date": pa.array(np.where(is_early, before, np.datetime64(day.date)), type=pa.date32()),
                "settle_date": pa.array(
                    np.full(count, np.busday_offset(np.datetime64(day.date), 1)), type=pa.date32(), mask=~is_trade
                ),
                "type": words(own["type"], TYPES),
                "subtype": words(own["subtype"], SUBTYPES),
                # A transfer in of shares comes without an amount: its flow is quantity x price.
                "amount": decimals(own["amount"], missing=is_priced_only),
                "currency": self.currencies.take(at),
                "security_id": words(own["security"], TICKERS),
                "quantity": decimals(own["quantity"], 4, missing=~is_trade),
                "price": decimals(own["price"], missing=~is_trade),
                "flow_timing": words(own["timing"], TIMINGS),
                "performance_date": pa.array(np.full(count, np.datetime64(day.date)), type=pa.date32(), mask=~is_early),
                "counterparty_account_id": self.ids.take(pa.array(own["counterparty"], mask=own["counterparty"] < 0)),
                "status": pa.repeat(status, count),
            }
        )

    def master_data(self, closed_on: dict[int, date]) -> None:
        """What is known of the accounts besides their days; `closed_on` by row."""
        if "accounts" in self.kinds:
            self._accounts(closed_on)
        if "group_members" in self.kinds:
            self._group_members()
        if "account_xref" in self.kinds and self.people.is_brokerage.any():
            self._account_xref()

    def account_rows(self, closed_on: dict[int, date]) -> pa.Table:
        """The accounts as they are first seen."""
        people, days = self.people, self.to.days
        number = people.number
        opened = np.array(days, dtype="datetime64[D]")[np.maximum(people.opened, 0)]
        long_ago = np.datetime64("2012-01-02") + (number * 37 % 4000)
        benchmark = np.array([[list(BENCHMARKS).index(b) for b in BENCHMARK_OF[c]] for c in CURRENCIES])
        closing = np.full(len(people), np.datetime64("NaT"), dtype="datetime64[D]")
        for row, day in closed_on.items():
            closing[row] = np.datetime64(day)
        return pa.table(
            {
                "account_id": self.ids,
                "effective_from": pa.nulls(len(people), pa.date32()),
                "account_name": pa.array([people.name(row) for row in range(len(people))]),
                "base_currency": self.currencies,
                "opened_on": pa.array(np.where(people.opened < 0, long_ago, opened), type=pa.date32()),
                "closed_on": pa.array(closing, type=pa.date32()),
                "household_id": identifiers("HH", (number + 1) // 2, 6),
                "advisor_id": identifiers("ADV", number % ADVISORS + 1, 2),
                "model_id": words(people.model, MODELS),
                "benchmark_id": words(benchmark[people.currency, (people.model == 3).astype(int)], list(BENCHMARKS)),
                "flow_timing": words(people.policy, POLICIES),
                "in_performance": pa.array(people.in_performance),
            }
        )

    def _accounts(self, closed_on: dict[int, date]) -> None:
        """Each account with the night in which it is first seen."""
        people, days = self.people, self.to.days
        table, number = self.account_rows(closed_on), people.number
        night = np.maximum(np.maximum(people.opened, self.to.last_of_history), 0)
        for day_index in np.unique(night):
            self.to.append("accounts", int(day_index), table.filter(pa.array(night == day_index)), is_quoted=True)
        mover = people.parts.get("moved")
        if mover is not None:
            moved = table.slice(mover, 1)
            moved = moved.set_column(1, "effective_from", dates(days[len(days) // 2], 1))
            moved = moved.set_column(7, "advisor_id", identifiers("ADV", number[[mover]] % ADVISORS + 2, 2))
            self.to.append("accounts", self.to.night_of(len(days) // 2), moved, is_quoted=True)

    def _group_members(self) -> None:
        """Households, advisors and models of all accounts, a composite of the large ones, one change of advisor."""
        people, days = self.people, self.to.days
        count = len(people)
        since = dates(date(days[0].year, 1, 1), count)
        moved = np.arange(count) == people.parts.get("moved", -1)
        change = days[len(days) // 2]
        until = pa.array(np.full(count, np.busday_offset(np.datetime64(change), -1)), type=pa.date32(), mask=~moved)
        never = pa.nulls(count, pa.date32())
        advisor = people.number % ADVISORS + 1
        groups = [
            ("household", identifiers("HH", (people.number + 1) // 2, 6), since, never, np.ones(count, dtype=bool)),
            ("advisor", identifiers("ADV", advisor, 2), since, until, np.ones(count, dtype=bool)),
            ("advisor", identifiers("ADV", advisor + 1, 2), dates(change, count), never, moved),
            ("model", words(people.model, MODELS), since, never, np.ones(count, dtype=bool)),
            ("composite", pa.repeat("LARGE_GROWTH", count), since, never,
             (people.wealth > 100_000_000) & (people.model == 2)),
        ]  # fmt: skip
        for group_type, ids, start, end, chosen in groups:
            table = pa.table(
                {
                    "group_type": pa.repeat(group_type, count),
                    "group_id": ids,
                    "account_id": self.ids,
                    "from_date": start,
                    "to_date": end,
                }
            )
            self.to.append("group_members", 0, table.filter(pa.array(chosen)))

    def _account_xref(self) -> None:
        """What the brokerage calls the accounts that it holds."""
        rows = np.flatnonzero(self.people.is_brokerage)
        table = pa.table(
            {
                "vendor": pa.repeat(BROKERAGE_VENDOR, len(rows)),
                "vendor_account_number": pa.array(
                    [brokerage_number(self.people, int(row)) for row in rows], pa.string()
                ),
                "account_id": self.ids.take(pa.array(rows)),
                "from_date": pa.nulls(len(rows), pa.date32()),
            }
        )
        self.to.append("account_xref", 0, table)


TICKERS = tuple(security.ticker for security in SECURITIES)


def transaction_ids(ids: pa.Array, account: Ints, day: date) -> pa.Array:
    """account-yyyymmdd-n with n counting an account's bookings of the day; `account` is sorted."""
    starts = np.flatnonzero(np.diff(account, prepend=-1))
    first = np.repeat(starts, np.diff(starts, append=len(account)))
    within = pa.array(np.arange(len(account)) - first + 1).cast(pa.string())
    return pc.binary_join_element_wise(ids.take(pa.array(account)), f"{day:%Y%m%d}", within, "-")


def write_market(to: Deliveries, market: Market, kinds: frozenset[str], dollar_in_francs: Floats) -> None:
    """Securities, prices, benchmark levels and a few exchange rates that the ECB's euro rates do not give directly."""
    if "securities" in kinds:
        rows = [
            (s.ticker, s.name, isin(s, n), cusip(n) if s.currency == "USD" else None, s.ticker, s.asset_class, s.sector,
             s.currency)
            for n, s in enumerate(SECURITIES)
        ]  # fmt: skip
        names = ["security_id", "name", "isin", "cusip", "ticker", "asset_class", "sector", "currency"]
        columns = [pa.array(values, pa.string()) for values in zip(*rows, strict=True)]
        to.append("securities", 0, pa.table(dict(zip(names, columns, strict=True))), is_quoted=True)
    for day, when in enumerate(market.days):
        if "prices" in kinds:
            prices = {
                "security_id": pa.array(TICKERS),
                "as_of_date": dates(when, len(SECURITIES)),
                "price": decimals(market.prices[day]),
                "currency": pa.array([s.currency for s in SECURITIES]),
            }
            to.append("prices", day, pa.table(prices))
        if "benchmark_levels" in kinds:
            levels = {
                "benchmark_id": pa.array(list(BENCHMARKS)),
                "as_of_date": dates(when, len(BENCHMARKS)),
                "level": decimals(np.rint(market.levels[day] * 10_000).astype(np.int64), 4),
                "currency": pa.array([currency for currency, _, _ in BENCHMARKS.values()]),
            }
            to.append("benchmark_levels", day, pa.table(levels))
        if "fx_rates" in kinds:
            rate = np.rint(dollar_in_francs[[day]] * 10**8).astype(np.int64)
            to.append(
                "fx_rates",
                day,
                pa.table(
                    {
                        "as_of_date": dates(when, 1),
                        "from_currency": ["USD"],
                        "to_currency": ["CHF"],
                        "rate": decimals(rate, 8),
                    }
                ),
            )
