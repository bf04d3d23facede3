"""marts.twrr and marts.group_twrr over many rows: python -m tests.benchmarks.ranges [--rows 25000000] [--calls 1000]

Fills the partitioned marts of a database server of its own with rows whose chain is a known function of account and
day (business days of ten years, a partition a month; a tenth as many rows of groups), asks for random ranges as an
analyst's login under row-level security, compares each with what the function gives, and says how long calls took: with
the values in the statement's text, and with parameters on one connection (where PostgreSQL plans once from the tenth
call on). Everything is deleted at the end; 25 million rows take 6 GB meanwhile.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import quantiles
from typing import Any

import psycopg

from jobs.platform import database
from jobs.platform.settings import Settings
from tests.benchmarks.processor import seconds_of

FIRST, YEARS = date(2016, 1, 1), 10
TENANTS, SEEN = 5, 3  # in all, and of the analyst
CHAIN = "exp(0.0002 * {n} + 0.05 * sin({n} / 20.0 + {a}))"
FILL = """
INSERT INTO {table} (tenant_id, {owner}, as_of_date, currency, begin_market_value, net_flow, cumulative_net_flow, fees,
    end_market_value, gain_loss, weighted_capital, days, method, twrr_daily, twrr_daily_gross, track_no,
    inception_date, status, quality_flags, epoch, run_id, published_at, begin_date, chain_net, chain_gross)
SELECT 'tenant-' || a % {tenants}, {name}, day, 'USD', 100000 + a, 0, 0, 1.25, 100100 + a, 100, 100000 + a, 1, 'daily',
    0.001, 0.0011, 1, DATE '{first}', 'ok', '', 1, '20260331T000000-1', now(), day - 1, {chain}, {chain} * 1.01
FROM generate_series(0, {accounts} - 1) a,
    LATERAL (SELECT d::date AS day, d::date - DATE '{first}' AS n
             FROM generate_series(DATE '{month}', DATE '{end}' - 1, interval '1 day') d
             WHERE extract(isodow FROM d) < 6) days
ORDER BY 1, 2, 3"""
ACCOUNT = "SELECT * FROM marts.twrr(%s, %s, %s, %s)"
GROUP = "SELECT * FROM marts.group_twrr(%s, 'household', %s, %s, %s)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=25_000_000)
    parser.add_argument("--calls", type=int, default=1000)
    asked = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="dietz-ranges-"))
    os.environ["DIETZ_HOME"] = str(home)
    os.environ.pop("DIETZ_DATABASE_URL", None)
    settings = Settings()
    try:
        database.migrate(settings)
        address = database.url(settings)
        with psycopg.connect(address, autocommit=True) as admin:
            accounts = max(1, round(asked.rows / _business_days()))
            filled = _fill(admin, accounts, max(1, accounts // 10))
            admin.execute("CREATE ROLE rae LOGIN IN ROLE dietz_analyst")
            admin.execute(
                "INSERT INTO security.tenant_member SELECT 'rae', 'tenant-' || t FROM generate_series(0, 2) t"
            )
        print(f"{filled:,} rows, {accounts:,} accounts, {12 * YEARS} partitions")
        owners = {ACCOUNT: ("account", "A", accounts), GROUP: ("group", "H", max(1, accounts // 10))}
        for query, (title, prefix, number) in owners.items():
            with psycopg.connect(address.replace("postgres@", "rae@"), autocommit=True) as rae:
                literal = psycopg.ClientCursor(rae)
                ranges = list(_ranges(number, asked.calls))
                for how, cursor in (("values in the text", literal), ("parameters", rae.cursor())):
                    used = seconds_of(rae.info.backend_pid)
                    times = _measure(f"{title}, {how}", cursor.execute, query, prefix, ranges)
                    used = (seconds_of(rae.info.backend_pid) - used) / len(ranges)
                    print(f"{times}, the server's processor {used * 1e3:.1f} ms a call", flush=True)
    finally:
        database.stop(settings)
        shutil.rmtree(home, ignore_errors=True)


def _fill(admin: psycopg.Connection, accounts: int, groups: int) -> int:
    begun, filled = time.perf_counter(), 0
    for table, owner, name, number in (
        ("account_performance_daily", "account_id", "'A' || lpad(a::text, 7, '0')", accounts),
        ("group_performance_daily", "group_type, group_id", "'household', 'H' || lpad(a::text, 7, '0')", groups),
    ):
        for month, end in _months():
            part = f"marts.{table}_{month:%Y%m}"
            admin.execute(f"CREATE TABLE {part} PARTITION OF marts.{table} FOR VALUES FROM ('{month}') TO ('{end}')")  # type: ignore[call-overload]
            admin.execute(f"SELECT security.protect('{part}')")  # type: ignore[call-overload]
            statement = FILL.format(
                table=f"marts.{table}", owner=owner, name=name, accounts=number, month=month, end=end, first=FIRST,
                tenants=TENANTS, chain=CHAIN.format(n="n", a="a"),
            )  # fmt: skip
            filled += admin.execute(statement).rowcount  # type: ignore[call-overload]
        admin.execute(f"ANALYZE marts.{table}")  # type: ignore[call-overload]
    print(f"filled in {time.perf_counter() - begun:,.0f} s", flush=True)
    return filled


def _ranges(owners: int, calls: int) -> Iterator[tuple[int, date, date]]:
    """Random owners and ranges of a day to ten years."""
    random, last = Random(7), date(FIRST.year + YEARS, 1, 1) - timedelta(days=1)
    for _ in range(calls):
        since = FIRST + timedelta(days=random.randrange((last - FIRST).days))
        to = since + timedelta(days=random.choice([1, 7, 31, 92, 365, 1096, 3653]))
        yield random.randrange(owners), since, min(last, to)


def _measure(title: str, ask: Callable[..., Any], query: str, prefix: str, ranges: list[tuple[int, date, date]]) -> str:
    taken: dict[bool, list[float]] = {True: [], False: []}
    for a, since, to in ranges:
        begun = time.perf_counter()
        (found,) = ask(query, [f"tenant-{a % TENANTS}", f"{prefix}{a:07d}", since, to]).fetchall()
        seconds = time.perf_counter() - begun
        taken[_has_return(found, a, since, to)].append(seconds)
    return f"{title:<28} all {_told([*taken[True], *taken[False]])}; with a return {_told(taken[True])}"


def _told(taken: list[float]) -> str:
    cuts = [cut * 1e3 for cut in quantiles(taken, n=100)]
    return (
        f"{len(taken)}: median {cuts[49]:.1f} ms, p95 {cuts[94]:.1f}, p99 {cuts[98]:.1f}, worst {max(taken) * 1e3:.1f}"
    )


def _has_return(found: tuple[Any, ...], a: int, since: date, to: date) -> bool:
    """Whether there is a return, and it is the function's; other tenants' accounts have none."""
    twrr, _, status, start, end = found
    if a % TENANTS >= SEEN:
        assert status == "not_published", found
        return False
    first, last = _weekday_up_to(since), _weekday_up_to(to)
    if status != "ok":
        assert last <= since or first < FIRST, (found, since, to)
        return False
    wanted = _chain(last, a) / (_chain(first, a) if first >= FIRST else 1.0) - 1
    assert end == last, (found, start)
    assert math.isclose(twrr, wanted, rel_tol=1e-10, abs_tol=1e-10), (found, wanted)
    return True


def _chain(day: date, a: int) -> float:
    n = (day - FIRST).days
    return math.exp(0.0002 * n + 0.05 * math.sin(n / 20.0 + a))


def _weekday_up_to(day: date) -> date:
    return day - timedelta(days=max(0, day.weekday() - 4))


def _months() -> list[tuple[date, date]]:
    starts = [date(FIRST.year + m // 12, m % 12 + 1, 1) for m in range(12 * YEARS + 1)]
    return list(pairwise(starts))


def _business_days() -> int:
    days = (date(FIRST.year + YEARS, 1, 1) - FIRST).days
    return sum((FIRST + timedelta(days=n)).weekday() < 5 for n in range(days))


if __name__ == "__main__":
    main()
