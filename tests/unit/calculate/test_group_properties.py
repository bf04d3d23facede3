"""Laws of groups that hold for every book: random accounts, groups that they join and leave, transfers between them."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.calculate.currency import usable_rates
from jobs.calculate.groups import needed_after
from jobs.platform.business_calendar import Calendar, calendar_days
from jobs.platform.schemas import table
from jobs.platform.settings import Tenant
from jobs.sample.reference import daily_rows
from tests import calculation
from tests.books import DAYS, FIRST, HOLIDAYS, Account, random_book
from tests.group_reference import EIGHT, Member, Span, Transfer, group_rows, less
from tests.grouping import ACCOUNT, Book, Groups, groups

ACCOUNTS, HOUSEHOLDS = 240, 60
CALENDAR = Calendar(name="test", holidays=HOLIDAYS)
POLICIES = {calculation.TENANT: Tenant(fiscal_year_start_month=4)}
LAST = FIRST + timedelta(days=DAYS)
Key = tuple[str, str]

one_book = settings(
    max_examples=1,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
seeds = st.integers(min_value=1, max_value=10**6)


class World:
    """A book with groups: as frames for Spark, as members for the reference."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.accounts = random_book(seed, ACCOUNTS)
        self.spans: dict[Key, dict[str, list[Span]]] = {}  # as delivered: they may overlap and touch
        self.closed_on: dict[str, date] = {}
        self.others: dict[str, list[str | None]] = {}
        self.foreign = {account.account_id for account in self.accounts[::10]}
        self.rates = {FIRST + timedelta(days=day): self._rate() for day in range(-400, DAYS + 1)}
        homes: dict[str, list[str]] = {}
        for account in self.accounts:
            if account.account_id in self.foreign:  # members of the tenant only, always
                account.in_performance = []
                homes.setdefault("", []).append(account.account_id)
                continue
            home = f"h{self.random.randrange(HOUSEHOLDS)}"
            homes.setdefault(home, []).append(account.account_id)
            for key in (("household", home), ("composite", "c")):
                self.spans.setdefault(key, {})[account.account_id] = self._spans()
            if self.random.random() < 0.1:
                self.closed_on[account.account_id] = self._day()
        for home in homes.values():
            for name in home:
                account = next(one for one in self.accounts if one.account_id == name)
                self.others[name] = [
                    self.random.choice(home) if kind not in {"DEPOSIT", "WITHDRAWAL", "FEE"} else None
                    for kind in account.types
                ]

    def book(self, spark: SparkSession) -> Book:
        values, flows, accounts = [], [], []
        for account in self.accounts:
            base = {"base_currency": "EUR" if account.account_id in self.foreign else "USD"}
            values += account.valuation_rows()
            own = account.transaction_rows()
            for row, other in zip(own, self.others[account.account_id], strict=False):
                row["counterparty_account_id"] = other
            flows += own
            closed = {"closed_on": self.closed_on.get(account.account_id)}
            accounts += [row | closed | base for row in account.account_rows()]
        members = [
            {"group_type": kind, "group_id": name, "account_id": account, "from_date": span.first, "to_date": span.last}
            for (kind, name), spans in self.spans.items()
            for account, given in spans.items()
            for span in given
        ]
        rates = [
            {"as_of_date": day, "from_currency": "EUR", "to_currency": "USD", "rate": rate}
            for day, rate in self.rates.items()
        ]
        return Book(
            valuations=calculation.valuations(spark, values),
            transactions=calculation.transactions(spark, flows),
            accounts=calculation.accounts(spark, accounts),
            members=calculation.members(spark, members),
            rates=usable_rates(calculation.fx_rates(spark, rates), None, POLICIES),
            calendar=calendar_days(spark, {calculation.TENANT: CALENDAR}, LAST),
        )

    def expected(self) -> dict[Key, list[dict[str, Any]]]:
        found = {}
        always = {account.account_id: [Span(date(1900, 1, 1))] for account in self.accounts}
        by_name = {account.account_id: account for account in self.accounts}
        rates = dict.fromkeys(self.foreign, self.rates)
        rows = {name: _rows(account, rates.get(name)) for name, account in by_name.items()}
        for key, spans in {**self.spans, ("tenant", calculation.TENANT): always}.items():
            members = {
                name: Member(
                    rows[name],
                    _transfers(by_name[name], self.others[name], rates.get(name)),
                    [Span(self.closed_on[name] + timedelta(days=1))] if name in self.closed_on else [],
                    rates.get(name),
                    _in_performance(by_name[name], _merged(given)),
                )
                for name, given in spans.items()
            }
            found[key] = group_rows(members, CALENDAR)
        return found

    def _rate(self) -> Decimal:
        return Decimal(round(self.random.uniform(1.0, 1.3), 4)).quantize(Decimal("0.0001"))

    def _day(self) -> date:
        return FIRST + timedelta(days=self.random.randrange(DAYS))

    def _spans(self) -> list[Span]:
        kind = self.random.random()
        if kind < 0.4:
            return [Span(date(2000, 1, 1))]
        days = sorted(self._day() for _ in range(4))
        if kind < 0.6:
            return [Span(days[0])]
        if kind < 0.8:
            return [Span(days[0], days[2]), Span(days[1], days[3])]  # one time, told twice
        return [Span(days[0], days[1]), Span(days[1] + timedelta(days=1), days[2]), Span(days[3])]


def _converted(amount: Decimal | None, day: date, rates: dict[date, Decimal] | None) -> Decimal | None:
    if amount is None or rates is None:
        return amount
    return (amount * rates[day]).quantize(EIGHT, ROUND_HALF_UP)


def _rows(account: Account, rates: dict[date, Decimal] | None) -> dict[date, dict[str, Any]]:
    rows = daily_rows(
        [(day, _converted(value, day, rates)) for day, value in account.values.items()],
        [b._replace(amount=_converted(b.amount, b.date, rates)) for b in account.bookings],
        flow_timing=account.flow_timing,
        holidays=HOLIDAYS,
        in_performance=account.in_performance,
    )
    flows = [b.date for b in account.bookings if not b.is_fee and b.amount != 0]
    first = next((row["as_of_date"] for row in rows if row["status"] != "no_fx"), None)
    begun = min((day for day in flows if first and day <= first), default=first)
    return {
        row["as_of_date"]: row | {"first_flow": begun, "local_value": account.values[row["as_of_date"]]} for row in rows
    }


def _transfers(account: Account, others: list[str | None], rates: dict[date, Decimal] | None) -> list[Transfer]:
    by_policy = {"start_of_day": "start", "mid_day": "mid", "end_of_day": "end"}
    found = []
    for booking, other in zip(account.bookings, others, strict=True):
        if other is not None and booking.amount:
            by_sign = "start" if booking.amount > 0 else "end"
            timing = booking.timing or by_policy.get(account.flow_timing, by_sign)
            amount = _converted(booking.amount, booking.date, rates)
            assert amount is not None
            found.append(Transfer(booking.date, amount, other, timing))
    return found


def _merged(spans: list[Span]) -> list[Span]:
    found: list[Span] = []
    for span in sorted(spans, key=lambda one: one.first):
        if found and (found[-1].last is None or span.first <= found[-1].last + timedelta(days=1)):
            ends = [found[-1].last, span.last]
            found[-1] = Span(found[-1].first, None if None in ends else max(end for end in ends if end))
        else:
            found.append(span)
    return found


def _in_performance(account: Account, spans: list[Span]) -> list[Span]:
    versions = sorted(account.in_performance)
    ends = [since - timedelta(days=1) for since, _ in versions[1:]] + [None]
    out = [Span(since, end) for (since, counts), end in zip(versions, ends, strict=False) if not counts]
    return [piece for span in spans for piece in less(span, out)]


def _by_group(rows: list[Any]) -> dict[Key, list[dict[str, Any]]]:
    found: dict[Key, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: row["as_of_date"]):
        found.setdefault((row["group_type"], row["group_id"]), []).append(row.asDict())
    return found


def _assert_same(want: list[dict[str, Any]], got: list[dict[str, Any]], key: Key, tolerance: float) -> None:
    assert [row["as_of_date"] for row in got] == [row["as_of_date"] for row in want], key
    for one, other in zip(want, got, strict=True):
        for name, value in one.items():
            close = isinstance(value, float) and other[name] is not None
            same = abs(other[name] - value) <= tolerance * max(1.0, abs(value)) if close else other[name] == value
            assert same, f"{key} {one['as_of_date']} {name}: {value} != {other[name]}"


@one_book
@given(seed=seeds)
def test_groups_are_what_the_reference_says_and_night_by_night_the_same(spark: SparkSession, seed: int) -> None:
    world = World(seed)
    given_groups = groups(world.book(spark), POLICIES)
    found = _by_group(given_groups.calculated().collect())
    expected = {key: rows for key, rows in world.expected().items() if rows}
    assert set(found) == set(expected)
    for key, rows in expected.items():
        _assert_same(rows, found[key], key, tolerance=1e-10)
        for row in found[key]:
            assert row["net_flow"] == row["contributions"] + row["distributions"]
    nightly = _nightly(spark, given_groups, world.random)
    for key, rows in found.items():
        _assert_same(rows, nightly[key], key, tolerance=1e-12)


def _nightly(spark: SparkSession, given_groups: Groups, random: Random) -> dict[Key, list[dict[str, Any]]]:
    """The groups' rows in nights, each going on from the last rows of the groups."""
    described = table("group_performance_daily")
    provenance = {"quality_flags": "", "epoch": 1, "run_id": "test", "run_no": 1}
    rows: list[Any] = []
    for cut in [*sorted(FIRST + timedelta(days=random.randrange(DAYS)) for _ in range(2)), LAST]:
        until = given_groups.rows.where(F.col("as_of_date") <= F.lit(cut))
        if not rows:
            rows = given_groups.calculated(rows=until).collect()
            continue
        last_rows = [{**own[-1], **provenance} for own in _by_group(rows).values()]
        values = [tuple(row[name] for name in described.names) for row in last_rows]
        opening = spark.createDataFrame(values, described.struct)
        begin = needed_after(opening, given_groups.memberships)
        own = until.join(begin, ACCOUNT).localCheckpoint()
        earlier = own.where("as_of_date <= opened AND status <> 'no_fx'")
        last = earlier.groupBy(*ACCOUNT).agg(F.max("as_of_date").alias("as_of_date"))
        before = own.join(last, [*ACCOUNT, "as_of_date"], "left_semi").drop("opened").localCheckpoint()
        after = own.where("as_of_date > opened").drop("opened")
        rows += given_groups.calculated(opening, after, before).collect()
    return _by_group(rows)
