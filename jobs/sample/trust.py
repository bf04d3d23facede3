"""A tenant whose few accounts every vendor describes, so that any feed can be reconciled with any other.

One account each for a flow on day one, a large flow, a transfer in kind, one emptied and funded again, one overdrawn
for a day, one closed, one in another currency, and one without any of that. Each vendor tells them under its own
account numbers. The banks tell only the cash, under cash accounts that are not in performance.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.sample.brokerage_files import BrokerageFiles
from jobs.sample.canonical_files import CanonicalFiles, write_market
from jobs.sample.deliveries import Deliveries
from jobs.sample.ecb_files import write_rates
from jobs.sample.expected import EXPECTED_COLUMNS, Expected, write_rows
from jobs.sample.feeds import activity, adviser, apx, bank, flex, gcus, hst, ofx, prices, warehouse
from jobs.sample.feeds.chronicle import Chronicle
from jobs.sample.feeds.numbers import CASH_NUMBERS, NUMBERS, cash_account
from jobs.sample.market import Market, euro_rates
from jobs.sample.people import People, brokerage_number, make_people
from jobs.sample.reference import Booking, daily_rows
from jobs.sample.simulate import simulate

TRUST = "harbor_trust"
CAST = ("day_one_flow", "large_flow", "in_kind", "emptied_and_refunded", "negative_cash", "closed", "euro")
ACCOUNTS = len(CAST) + 1
# What the vendors of this tenant send besides canonical, brokerage and ecb.
STYLES = (
    "activity", "hst", "gcus", "flex", "apx", "adviser", "warehouse", "ofx", "px", "mt940", "camt053",
)  # fmt: skip


@dataclass
class TrustSample:
    """Writes the tenant's files in the wanted formats, and what must come out of them."""

    to: Deliveries
    market: Market
    seed: int
    formats: Collection[str]
    expected_rows: int = 0
    people: People = field(init=False)
    told: Chronicle = field(init=False)

    def __post_init__(self) -> None:
        people = make_people(
            self.to.tenant, 1, ACCOUNTS, total=ACCOUNTS, days=len(self.to.days), nightly_from=self.to.nightly_from,
            has_brokerage=False, seed=self.seed, cast=CAST,
        )  # fmt: skip
        self.people = replace(people, pays_commission=np.ones(ACCOUNTS, dtype=bool))
        self.told = Chronicle(self.people, self.market)

    @property
    def covered(self) -> int:
        return ACCOUNTS * (2 if self._has_bank else 1)

    @property
    def _has_bank(self) -> bool:
        return not {"mt940", "camt053"}.isdisjoint(self.formats)

    def write(self) -> None:
        """All files of the tenant and its expected rows."""
        rates = euro_rates(self.to.days, self.seed)
        dollar, franc = rates["USD"], rates["CHF"]
        assert dollar is not None
        assert franc is not None
        kinds = frozenset({"accounts"})
        if "canonical" in self.formats:
            kinds |= {"valuations", "transactions", "positions", "securities", "prices", "fx_rates", "benchmark_levels"}
        write_market(self.to, self.market, kinds, franc / dollar)
        if "ecb" in self.formats:
            write_rates(self.to, rates)
        expected = self._live(kinds)
        self._account_xref()
        for style, writer in {
            "hst": hst.write,
            "gcus": gcus.write,
            "apx": apx.write,
            "warehouse": warehouse.write,
            "ofx": ofx.write,
            "mt940": bank.write_mt940,
            "camt053": bank.write_camt,
        }.items():
            if style in self.formats:
                writer(self.told, self.to)
        if "flex" in self.formats:
            flex.write(self.told, self.to, dollar)
        if "px" in self.formats:
            prices.write(self.market, self.to)
        if "activity" in self.formats:
            activity.write(self.told, self.to, expected)
        if "adviser" in self.formats:
            adviser.write(self.told, self.to, expected)
        rows = expected + self._cash_rows()
        write_rows(
            self.to.root / "_expected" / self.to.tenant / "expected_account_performance_daily.csv",
            EXPECTED_COLUMNS,
            rows,
        )
        self.expected_rows = len(rows)

    def _live(self, kinds: frozenset[str]) -> list[dict[str, Any]]:
        """Let the accounts live, write what is told day by day; returns their expected rows."""
        files = CanonicalFiles(self.people, self.market, self.to, kinds)
        in_dollars = self.people.currency == 0 if "brokerage" in self.formats else np.zeros(ACCOUNTS, dtype=bool)
        from_brokerage = BrokerageFiles(replace(self.people, is_brokerage=in_dollars), self.market, self.to)
        expected = Expected(self.people, ACCOUNTS)
        leaver, closed_on = self.people.parts["closed"], dict[int, date]()
        for day in simulate(self.people, self.market, self.to.nightly_from, self.seed):
            files.day(day)
            from_brokerage.day(day)
            expected.day(day)
            self.told.day(day)
            if day.is_valued[leaver] and day.value[leaver] == 0:
                closed_on[leaver] = day.date
        from_brokerage.finish()
        files.master_data(closed_on)
        if self._has_bank:
            self._cash_accounts()
        return expected.rows()

    def _cash_accounts(self) -> None:
        """The banks' accounts, which are no investment."""
        ids = [cash_account(self.people.account_id(row)) for row in range(ACCOUNTS)]
        table = {
            "account_id": ids,
            "effective_from": pa.nulls(ACCOUNTS, pa.date32()),
            "account_name": [f"{self.people.name(row)}, cash" for row in range(ACCOUNTS)],
            "base_currency": [self.told.currency(row) for row in range(ACCOUNTS)],
            **{
                name: pa.nulls(ACCOUNTS, pa.string())
                for name in ("opened_on", "closed_on", "household_id", "advisor_id", "model_id", "benchmark_id",
                             "flow_timing")
            },
            "in_performance": [False] * ACCOUNTS,
        }  # fmt: skip
        self.to.append("accounts", 0, pa.table(table), is_quoted=True)

    def _account_xref(self) -> None:
        """What each vendor calls the accounts."""
        entries = []
        in_dollars = replace(self.people, is_brokerage=self.people.currency == 0)
        for row in range(ACCOUNTS):
            number, account_id = int(self.people.number[row]), self.people.account_id(row)
            if "brokerage" in self.formats and in_dollars.is_brokerage[row]:
                entries.append(("brokerage", brokerage_number(in_dollars, row), account_id))
            entries += [(v, name(number), account_id) for v, name in NUMBERS.items() if v in self.formats]
            entries += [
                (v, name(number), cash_account(account_id)) for v, name in CASH_NUMBERS.items() if v in self.formats
            ]
        if not entries:
            return
        vendors, numbers, accounts = zip(*sorted(entries), strict=True)
        table = {
            "vendor": vendors,
            "vendor_account_number": numbers,
            "account_id": accounts,
            "from_date": pa.nulls(len(entries), pa.date32()),
        }
        self.to.append("account_xref", 0, pa.table(table))

    def _cash_rows(self) -> list[dict[str, Any]]:
        """Expected rows of the cash accounts: every movement is money in or out, valued whenever a bank says so."""
        if not self._has_bank:
            return []
        rows = []
        for row in range(ACCOUNTS):
            values, bookings = [], []
            for month in self.told.months():
                there = [day for day in month if row in self.told.closes[day]]
                for day in there:
                    if "camt053" in self.formats or day == there[-1]:
                        values.append((self.told.days[day], _decimal(self.told.cash_after(row, day))))
            for entry in self.told.of(row, range(len(self.told.days))):
                if entry.cash:
                    bookings.append(Booking(self.told.days[entry.day], _decimal(entry.cash)))
            account = cash_account(self.people.account_id(row))
            identity = {"tenant_id": self.people.tenant, "account_id": account, "currency": self.told.currency(row)}
            excluded = daily_rows(values, bookings, in_performance=[(date(1900, 1, 1), False)])
            rows += [identity | one for one in excluded]
        return rows


def _decimal(hundredths: int) -> Decimal:
    return Decimal(hundredths).scaleb(-2)
