"""Write a sample: vendor files ready to be a landing folder, and beside them what must come out.

    DIR/<tenant>/...                                              the files as vendors deliver them
    DIR/_expected/<tenant>/expected_account_performance_daily.csv the daily rows by the reference calculation
    DIR/_expected/planted_breaks.csv                              vendor figures that are deliberately off
    DIR/_expected/planted_faults.csv                              files that are deliberately damaged, if asked for
    DIR/_expected/planted_anomalies.csv                           what is wrong in the book, if asked for
    DIR/_expected/deliveries.csv                                  with which night each file comes

The same arguments give byte-identical files.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from jobs.platform.errors import DietzError
from jobs.sample.anomalies.kinds import COLUMNS as ANOMALY_COLUMNS
from jobs.sample.anomalies.kinds import OF_FEEDS, Anomaly, chosen, of_feed
from jobs.sample.anomalies.plant import (
    Planted,
    listed_breaks,
    listed_members,
    with_move,
    write_further_prices,
    write_misfits,
)
from jobs.sample.anomalies.statements import write_statements
from jobs.sample.brokerage_files import BrokerageFiles
from jobs.sample.canonical_files import KINDS, CanonicalFiles, write_market
from jobs.sample.deliveries import Deliveries, Delivery
from jobs.sample.ecb_files import write_rates
from jobs.sample.expected import (
    DELIVERY_COLUMNS,
    EXPECTED_COLUMNS,
    PLANTED_COLUMNS,
    Expected,
    reported_performance,
    write_rows,
)
from jobs.sample.faults.plant import plant
from jobs.sample.market import Market, euro_rates, make_market
from jobs.sample.people import PARTS, make_people
from jobs.sample.simulate import simulate
from jobs.sample.trust import ACCOUNTS, STYLES, TRUST, TrustSample

TENANTS = ("northwind_wealth", "alpine_family_office")
BOOK_FORMATS = ("canonical", "brokerage", "ecb")
FORMATS = (*BOOK_FORMATS, *STYLES)
EXPECTED = "_expected"
LARGE_BOOK = 500_000  # accounts x days beyond which the optional kinds are left out
OPTIONAL_KINDS = frozenset({"positions", "reported_performance", "group_members"})
ACCOUNTS_AT_ONCE = 100_000
ACCOUNTS_PER_ANOMALY = 1_000  # of each kind one for so many accounts, at least one

Progress = Callable[[str], None]


@dataclass(frozen=True)
class SampleSummary:
    """What was written; `expected_accounts` is the number of accounts that the expected rows cover."""

    out: Path
    accounts: int
    tenants: tuple[str, ...]
    days: tuple[date, ...]
    deliveries: tuple[Delivery, ...]
    size_bytes: int
    expected_rows: int
    expected_accounts: int
    planted_breaks: int
    planted_faults: int
    planted_anomalies: int
    kinds: tuple[str, ...]

    def __str__(self) -> str:
        kinds = "" if len(self.kinds) == len(KINDS) else f"; canonical kinds: {', '.join(self.kinds) or 'none'}"
        return (
            f"{self.files:,} files, {self.rows:,} rows, {self.size_bytes / 10**6:,.1f} MB of {self.accounts:,} accounts"
            f" of {len(self.tenants)} tenants over {len(self.days)} business days, {self.days[0]} to {self.days[-1]},"
            f" in {self.out}{kinds}; in {EXPECTED}: {self.expected_rows:,} rows of {self.expected_accounts:,} accounts,"
            f" {self.planted_breaks} planted breaks"
            + (f", {self.planted_faults} planted faults" if self.planted_faults else "")
            + (f", {self.planted_anomalies} planted anomalies" if self.planted_anomalies else "")
        )

    @property
    def files(self) -> int:
        return len(self.deliveries)

    @property
    def rows(self) -> int:
        return sum(delivery.rows for delivery in self.deliveries)


def business_days(start: date, end: date) -> list[date]:
    """Mondays to Fridays from start to end. Raises DietzError where there is none."""
    days: list[date] = np.arange(np.datetime64(start), np.datetime64(end) + 1).astype("datetime64[D]").tolist()
    found = [day for day in days if day.weekday() < 5]
    if not found:
        raise DietzError(f"sample: no business day from {start} to {end}")
    return found


def write_sample(
    accounts: int,
    start: date,
    end: date,
    seed: int,
    out: Path,
    *,
    tenants: int | Sequence[str] = 2,
    daily_files_from: date | None = None,
    formats: Sequence[str] = BOOK_FORMATS,
    kinds: Sequence[str] | None = None,
    expected_accounts: int = 2_000,
    with_faults: bool = False,
    progress: Progress = lambda line: None,
) -> SampleSummary:
    """Write the files of `accounts` accounts over the business days from `start` to `end` into `out`.

    Up to `daily_files_from` a feed is one file over many dates, from there a file per day. `kinds` are the canonical
    files wanted, all eleven by default; a book of more than half a million account days leaves out positions, reported
    performance and group members. Expected rows cover the first `expected_accounts` accounts of each tenant; reported
    performance covers the same ones. Formats beyond BOOK_FORMATS add the tenant that all formats describe
    (`trust.py`). `with_faults` puts damaged files into that one (`faults/`) and, where the last days come one by one,
    anomalies into the first tenant's book (`anomalies/`). Raises DietzError for arguments that make no sample.
    """
    unknown = sorted(set(formats) - set(FORMATS))
    if unknown:
        raise DietzError(f"sample: no format is called '{unknown[0]}'; there are {', '.join(FORMATS)}")
    names = _tenant_names(min(tenants, accounts) if isinstance(tenants, int) else tenants)
    days = business_days(start, end)
    nightly_from = (
        None if daily_files_from is None else next((i for i, d in enumerate(days) if d >= daily_files_from), None)
    )
    with_anomalies = with_faults and "canonical" in formats and nightly_from is not None
    if with_faults and not with_anomalies and set(formats) <= set(BOOK_FORMATS):
        raise DietzError(
            "sample: faults are planted in a book whose last days come one by one, in the canonical format, or beside"
            f" the formats {', '.join(STYLES)}"
        )
    if accounts < max(len(names), 1):
        raise DietzError(f"sample: {accounts} accounts are too few for {len(names)} tenants")
    wanted = _kinds(kinds, accounts * len(days))
    if with_anomalies and len(wanted) < len(KINDS):
        raise DietzError(
            f"sample: faults need all kinds of files; {accounts} accounts over {len(days)} days have fewer"
        )
    _empty(out, [*names, TRUST])

    market = make_market(days, seed)
    canonical = wanted if "canonical" in formats else frozenset()
    deliveries: list[Delivery] = []
    written: list[_TenantSample] = []
    for tenant, count in zip(names, _shares(accounts, len(names)), strict=True):
        to = Deliveries(out, tenant, days, nightly_from)
        each = max(1, accounts // ACCOUNTS_PER_ANOMALY) if with_anomalies and not written else 0
        sample = _TenantSample(to, market, count, seed, canonical, formats, expected_accounts, each)
        sample.write(progress)
        deliveries += to.finish()
        written.append(sample)
    trust: list[TrustSample] = []
    planted_faults = 0
    if not set(formats) <= set(BOOK_FORMATS):
        to = Deliveries(out, TRUST, days, nightly_from)
        trust.append(TrustSample(to, market, seed, formats))
        trust[0].write()
        planted_faults = len(plant(to)) if with_faults else 0
        deliveries += to.finish()
    planted = [row for sample in written for row in sample.planted]
    write_rows(out / EXPECTED / "planted_breaks.csv", PLANTED_COLUMNS, planted)
    anomalies = [row for sample in written for row in sample.anomalies]
    if with_anomalies:
        rows = anomalies + listed_breaks(planted, days[0]) + [row for sample in written for row in sample.early_members]
        write_rows(out / EXPECTED / "planted_anomalies.csv", ANOMALY_COLUMNS, rows)
    write_rows(out / EXPECTED / "deliveries.csv", DELIVERY_COLUMNS, (vars(delivery) for delivery in deliveries))
    size = sum((out / delivery.path).stat().st_size for delivery in deliveries)
    return SampleSummary(
        out=out,
        accounts=accounts + sum(ACCOUNTS for _ in trust),
        tenants=(*names, *(TRUST for _ in trust)),
        days=tuple(days),
        deliveries=tuple(deliveries),
        size_bytes=size,
        expected_rows=sum(s.expected_rows for s in written) + sum(s.expected_rows for s in trust),
        expected_accounts=sum(s.covered for s in written) + sum(s.covered for s in trust),
        planted_breaks=len(planted),
        planted_faults=planted_faults,
        planted_anomalies=len({row["account_id"] for row in anomalies}),
        kinds=tuple(kind for kind in KINDS if kind in canonical),
    )


@dataclass
class _TenantSample:
    """What has been written of one tenant so far."""

    to: Deliveries
    market: Market
    accounts: int
    seed: int
    kinds: frozenset[str]
    formats: Sequence[str]
    expected_accounts: int
    anomalies_each: int = 0  # accounts of each kind of anomaly
    expected_rows: int = 0
    covered: int = 0
    planted: list[dict[str, Any]] = field(default_factory=list)
    anomalies: list[dict[str, Any]] = field(default_factory=list)
    early_members: list[dict[str, Any]] = field(default_factory=list)

    def write(self, progress: Progress) -> None:
        """All files, a run of accounts after the other."""
        rates = euro_rates(self.to.days, self.seed)
        dollar, franc = rates["USD"], rates["CHF"]
        if dollar is not None and franc is not None:
            in_francs = franc / dollar
            if self.anomalies_each:
                in_francs = with_move(in_francs)
                self.anomalies += [of_feed(self.to.tenant, self.to.days[-1], kind) for kind in OF_FEEDS]
            write_market(self.to, self.market, self.kinds, in_francs)
            if self.anomalies_each:
                write_further_prices(self.to)
                write_misfits(self.to)
        if "ecb" in self.formats:
            write_rates(self.to, rates)
        at_once = max(len(PARTS) + 40, min(ACCOUNTS_AT_ONCE, 20_000_000 // len(self.to.days)))
        for first in range(1, self.accounts + 1, at_once):
            count = min(at_once, self.accounts + 1 - first)
            self._write_accounts(first, count)
            progress(f"sample: {self.to.tenant}, {first + count - 1:,} of {self.accounts:,} accounts written")

    def _write_accounts(self, first: int, count: int) -> None:
        to = self.to
        people = make_people(
            to.tenant,
            first,
            count,
            total=self.accounts,
            days=len(to.days),
            nightly_from=to.nightly_from,
            has_brokerage="brokerage" in self.formats,
            seed=self.seed,
        )
        files = CanonicalFiles(people, self.market, to, self.kinds)
        from_brokerage = BrokerageFiles(people, self.market, to)
        expected = Expected(people, min(self.expected_accounts, count) if first == 1 else 0)
        anomalies = chosen(people, expected.limit, len(to.days), self.anomalies_each, self.seed)
        planted = Planted(files, anomalies)
        self.anomalies += planted.listed(to.tenant, to.days)
        self.early_members += listed_members(people, to)
        closed_on: dict[int, date] = {}
        leaver = people.parts.get("closed")
        for day in simulate(people, self.market, to.nightly_from, self.seed):
            told = planted.told(day)
            files.day(told)
            from_brokerage.day(told)
            planted.day(day)
            expected.day(day)
            if leaver is not None and day.is_valued[leaver] and day.value[leaver] == 0:
                closed_on[leaver] = day.date
        from_brokerage.finish()
        files.master_data(closed_on)
        planted.master_data(files.account_rows(closed_on))
        if first == 1:
            self._write_expected(expected, anomalies)
            if self.anomalies_each:
                self.anomalies += write_statements(files, self.anomalies_each)

    def _write_expected(self, expected: Expected, anomalies: Sequence[Anomaly]) -> None:
        rows = expected.rows()
        path = self.to.root / EXPECTED / self.to.tenant / "expected_account_performance_daily.csv"
        write_rows(path, EXPECTED_COLUMNS, rows)
        self.expected_rows, self.covered = len(rows), expected.limit
        if "reported_performance" in self.kinds:
            self.planted = reported_performance(expected.people, rows, self.to, self.seed, anomalies)


def _tenant_names(tenants: int | Sequence[str]) -> list[str]:
    if not isinstance(tenants, int):
        return list(tenants)
    more = [f"tenant_{number:02d}" for number in range(3, tenants + 1)]
    return [*TENANTS, *more][:tenants]


def _shares(accounts: int, tenants: int) -> list[int]:
    """The first tenant is twice as large as each of the others."""
    others = max(accounts // (tenants + 1), 1)
    return [accounts - others * (tenants - 1), *[others] * (tenants - 1)]


def _kinds(kinds: Sequence[str] | None, account_days: int) -> frozenset[str]:
    if kinds is None:
        return frozenset(KINDS) - (OPTIONAL_KINDS if account_days > LARGE_BOOK else frozenset())
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown:
        raise DietzError(f"sample: no canonical file is called '{unknown[0]}'; there are {', '.join(KINDS)}")
    return frozenset(kinds)


def _empty(out: Path, tenants: list[str]) -> None:
    """Make room: an earlier sample in the same place is replaced, anything else there is left alone."""
    for name in [*tenants, EXPECTED]:
        if (out / name).exists():
            if not (out / EXPECTED / "deliveries.csv").exists() and any((out / name).iterdir()):
                raise DietzError(f"sample: {out / name} holds files that are no sample; choose another folder")
            if name != EXPECTED:
                shutil.rmtree(out / name)
    shutil.rmtree(out / EXPECTED, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
