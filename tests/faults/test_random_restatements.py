"""Random books whose files come in any order over some nights: the end is what one calculation from scratch gives.

Values and bookings come late, twice, corrected and corrected again, bookings move to other days and accounts or are
cancelled, values are retired, exchange rates and index levels are corrected, accounts change what matters of them.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pyspark.sql import SparkSession

from tests.books import DAYS, FIRST, random_book
from tests.firm import Firm
from tests.stories.test_back_dated import settings_in

pytestmark = pytest.mark.system

SIZE = 25
NIGHTS = [FIRST + timedelta(days=day) for day in (45, 88, 89, 118, 119, DAYS)]
OF_THE_RUN = {"epoch", "run_id", "run_no"}
Row = dict[str, Any]
Versions = list[tuple[str, list[Row]]]  # table, versions of one row in the order of their arrival


@pytest.mark.parametrize("seed", [1])
def test_any_order_of_arrival_ends_where_a_calculation_from_scratch_does(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    random = Random(seed)
    nights = by_night(random, history(random, seed))
    firm = Firm(spark, settings_in(tmp_path_factory.mktemp("nights")))
    for night, rows in zip(NIGHTS, nights, strict=True):
        random.shuffle(rows)
        for table, row in rows:
            firm.deliver(table, **row)
        firm.night(night)
    scratch = firm.from_scratch(settings_in(Path(tmp_path_factory.mktemp("scratch"))))

    gold = firm.gold()
    assert max(row["epoch"] for rows in gold.values() for row in rows) > 1
    assert_equal(keyed(gold), keyed(scratch.gold()), 1e-12)
    assert_equal(firm.groups(), scratch.groups(), 1e-12)
    periods = [one.published("account_performance_period", "period") for one in (firm, scratch)]
    assert_equal(*periods, 1e-10)
    risk = [one.published("account_risk", "window_name", "frequency") for one in (firm, scratch)]
    assert_equal(*risk, 1e-9)


def history(random: Random, seed: int) -> Versions:
    book = random_book(seed, SIZE)
    names = [account.account_id for account in book]
    found: Versions = []
    for account in book:
        currency = random.choice([None, None, "EUR"])
        for row in account.account_rows():
            row["benchmark_id"] = random.choice([None, "IDX", "OTHER"])
            found.append(("account", corrected(random, row, 0.2, changed_account)))
        for row in account.valuation_rows():
            row["currency"] = row["currency"] or currency
            found.append(("valuation", corrected(random, row, 0.05, changed_value)))
        for number, row in enumerate(account.transaction_rows()):
            named = {"transaction_id": f"{account.account_id}-{number}", "trade_date": row["performance_date"]}
            full = {**row, **named, "currency": row.get("currency") or currency}
            found.append(("transaction", corrected(random, full, 0.15, lambda r, one: changed_booking(r, one, names))))
    for day in (FIRST + timedelta(days=n) for n in range(-5, DAYS)):
        if day.weekday() > 4:
            continue
        if random.random() < 0.8:
            rate = {"as_of_date": day, "from_currency": "EUR", "to_currency": "USD", "rate": number_near(random, 1.1)}
            found.append(("fx_rate", corrected(random, rate, 0.1, lambda r, one: {**one, "rate": number_near(r, 1.2)})))
        for name in ("IDX", "OTHER", "RISK_FREE_USD"):
            level = {"benchmark_id": name, "as_of_date": day, "level": number_near(random, 100)}
            found.append(
                ("benchmark_level", corrected(random, level, 0.05, lambda r, one: {**one, "level": number_near(r, 99)}))
            )
    return found


def corrected(random: Random, row: Row, share: float, change: Any) -> list[Row]:
    """The row, sometimes followed or preceded by other versions, sometimes delivered twice."""
    versions = [row]
    while random.random() < share:
        versions.insert(random.randint(0, len(versions)), change(random, row))
    if random.random() < 0.03:
        versions.append(versions[-1])
    return versions


def changed_account(random: Random, row: Row) -> Row:
    change: Row = random.choice([
        {"base_currency": "EUR"}, {"flow_timing": "mid_day"}, {"benchmark_id": "OTHER"}, {"in_performance": False},
    ])  # fmt: skip
    return {**row, **change}


def changed_value(random: Random, row: Row) -> Row:
    if random.random() < 0.3:
        return {**row, "retired": True}
    return {**row, "market_value": (row["market_value"] * Decimal("1.01")).quantize(Decimal("1e-8"))}


def changed_booking(random: Random, row: Row, accounts: list[str]) -> Row:
    day = row["performance_date"] + timedelta(days=random.choice([-20, -1, 1, 7]))
    change: Row = random.choice([
        {"status": "cancel"},
        {"amount": row["amount"] + 1, "status": "correct"},
        {"account_id": random.choice(accounts), "status": "correct"},
        {"performance_date": day, "trade_date": day, "status": "correct"},
    ])  # fmt: skip
    return {**row, **change}


def number_near(random: Random, middle: float) -> Decimal:
    return Decimal(f"{middle * random.uniform(0.95, 1.05):.6f}")


def by_night(random: Random, rows: Versions) -> list[list[tuple[str, Row]]]:
    """Each version into a night no earlier than the one before it; most rows in the first night after their date."""
    nights: list[list[tuple[str, Row]]] = [[] for _ in NIGHTS]
    for table, versions in rows:
        day = versions[0].get("as_of_date") or versions[0].get("performance_date") or date.min
        own = next((n for n, night in enumerate(NIGHTS) if day <= night), len(NIGHTS) - 1)
        first = 0 if table == "account" and random.random() < 0.9 else own if random.random() < 0.9 else None
        place = random.randrange(len(NIGHTS)) if first is None else first
        for version in versions:
            nights[place].append((table, version))
            place = random.randint(place, len(NIGHTS) - 1)
    return nights


def keyed(gold: dict[str, list[Row]]) -> dict[tuple[Any, ...], Row]:
    return {(account, row["as_of_date"]): row for account, rows in gold.items() for row in rows}


def assert_equal(found: dict[tuple[Any, ...], Row], wanted: dict[tuple[Any, ...], Row], close: float) -> None:
    assert sorted(found.keys() ^ wanted.keys(), key=repr) == []
    others = [
        (key, name, row[name], value)
        for key, row in found.items()
        for name, value in wanted[key].items()
        if name not in OF_THE_RUN and not same(row[name], value, close)
    ]
    assert others == []


def same(one: Any, other: Any, close: float) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= close * max(abs(other), 1.0)
    return bool(one == other)
