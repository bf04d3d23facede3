"""Worked examples of the daily chain beyond the golden cases; each account is one, all in one Spark run."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.calculate.daily import daily_performance
from jobs.platform.settings import Tenant
from tests import calculation

FRI, SAT, SUN = date(2026, 2, 27), date(2026, 2, 28), date(2026, 3, 1)
MON, TUE, WED, THU = (date(2026, 3, day) for day in range(2, 6))
APRIL = date(2026, 4, 1)
POLICY = Tenant(flow_timing="end_of_day", source_priority=["main", "second"], fiscal_year_start_month=4)


class Book:
    """Rows collected account by account."""

    def __init__(self) -> None:
        self.accounts: list[dict[str, Any]] = []
        self.values: list[dict[str, Any]] = []
        self.flows: list[dict[str, Any]] = []

    def account(self, name: str, *versions: dict[str, Any]) -> None:
        self.accounts += [{"account_id": name, "vendor": "main", **version} for version in versions or ({},)]

    def value(self, name: str, day: date, value: str, **other: Any) -> None:
        row = {"account_id": name, "as_of_date": day, "market_value": Decimal(value), "vendor": "main"}
        self.values.append({**row, **other})

    def flow(self, name: str, day: date, amount: str, **other: Any) -> None:
        row = {"account_id": name, "performance_date": day, "amount": Decimal(amount), "vendor": "main"}
        self.flows.append({**row, **other})


def _excluded(book: Book) -> None:
    book.account("excluded", {}, {"effective_from": TUE, "in_performance": False}, {"effective_from": THU})
    for day, value in ((MON, "100"), (TUE, "110"), (WED, "130"), (THU, "140"), (APRIL, "154")):
        book.value("excluded", day, value)
    book.flow("excluded", WED, "20")


def _sources(book: Book) -> None:
    book.account("sources")
    for day, main, second in ((MON, "100", "7"), (TUE, "110", "7")):
        book.value("sources", day, second, vendor="second")
        book.value("sources", day, main)
    book.value("sources", WED, "121", vendor="second")
    book.flow("sources", TUE, "3", vendor="second")
    book.flow("sources", TUE, "5", vendor="main")


def _timing(book: Book) -> None:
    """One inflow of 100 on each; C says which policy counted: start 200, mid 150, end 100."""
    timings = {
        "timing_transaction": (
            {"flow_timing": "start_of_day"},
            {"flow_timing": "mid", "feed_flow_timing": "end_of_day"},
        ),
        "timing_account": ({"flow_timing": "start_of_day"}, {"feed_flow_timing": "mid_day"}),
        "timing_feed": ({}, {"feed_flow_timing": "mid_day"}),
        "timing_tenant": ({}, {}),
    }
    for name, (account, flow) in timings.items():
        book.account(name, account)
        book.value(name, MON, "100")
        book.value(name, TUE, "200")
        book.flow(name, TUE, "100", **flow)


def _others(book: Book) -> None:
    book.account("no_rate")
    for day in (MON, TUE, WED, THU):
        book.value("no_rate", day, "100", currency="XTS" if day == TUE else None)
    book.flow("no_rate", TUE, "1")
    book.account("blocked")
    for day in (MON, TUE, WED):
        book.value("blocked", day, "100")
    book.flow("blocked", TUE, "1", currency="XTS")
    book.account("new_currency", {"base_currency": "USD"}, {"base_currency": "EUR", "effective_from": TUE})
    book.value("new_currency", MON, "100", currency="USD")
    book.value("new_currency", TUE, "90", currency="EUR")
    book.account("tie")
    book.flow("tie", MON, "-50")
    book.flow("tie", MON, "40")
    book.value("tie", TUE, "1000")
    book.account("weekend")
    book.value("weekend", FRI, "100")
    book.value("weekend", SUN, "210")
    book.flow("weekend", SAT, "100", flow_timing="start")
    book.value("weekend", MON, "210")
    book.account("long_weekend")
    book.value("long_weekend", date(2026, 2, 25), "100")
    book.flow("long_weekend", date(2026, 2, 26), "100", flow_timing="start")
    book.flow("long_weekend", SAT, "30", flow_timing="mid")
    book.value("long_weekend", SUN, "240")
    book.account("later", {"effective_from": TUE, "base_currency": "EUR", "in_performance": False})
    book.value("later", MON, "100", currency="EUR")
    book.value("later", TUE, "100", currency="EUR")
    book.account("fiscal")
    for day, value in ((MON, "100"), (date(2026, 3, 31), "110"), (APRIL, "121")):
        book.value("fiscal", day, value)


@pytest.fixture(scope="module")
def rows(spark: SparkSession) -> dict[str, list[dict[str, Any]]]:
    book = Book()
    for fill in (_excluded, _sources, _timing, _others):
        fill(book)
    return calculation.by_account(
        daily_performance(
            None,
            calculation.valuations(spark, book.values),
            calculation.transactions(spark, book.flows),
            calculation.accounts(spark, book.accounts),
            policies={calculation.TENANT: POLICY},
        )
    )


def _of(rows: list[dict[str, Any]], *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in rows]


def test_an_excluded_account_keeps_its_value_and_starts_a_new_track_when_it_returns(rows: dict[str, Any]) -> None:
    assert _of(rows["excluded"], "as_of_date", "status", "begin_market_value", "gain_loss", "track_no") == [
        (MON, "opening", None, Decimal(0), 1),
        (TUE, "excluded", Decimal(100), Decimal(10), None),
        (WED, "excluded", Decimal(110), Decimal(0), None),
        (THU, "opening", None, Decimal(0), 2),
        (APRIL, "ok", Decimal(140), Decimal(14), 2),
    ]
    assert _of(rows["excluded"], "cumulative_net_flow", "twrr_itd", "inception_date") == [
        (Decimal(0), 0.0, MON),
        (Decimal(0), None, None),
        (Decimal(20), None, None),
        (Decimal(20), 0.0, THU),
        (Decimal(20), pytest.approx(0.1), THU),
    ]


def test_the_source_that_the_tenant_puts_first_counts(rows: dict[str, Any]) -> None:
    """The other's valuation counts on a day without the first one's; its transactions never do."""
    assert _of(rows["sources"], "as_of_date", "end_market_value", "net_flow") == [
        (MON, Decimal(100), Decimal(0)),
        (TUE, Decimal(110), Decimal(5)),
        (WED, Decimal(121), Decimal(0)),
    ]


@pytest.mark.parametrize(
    ("account", "capital"),
    [("timing_transaction", 150), ("timing_account", 200), ("timing_feed", 150), ("timing_tenant", 100)],
)
def test_the_most_specific_flow_timing_wins(account: str, capital: int, rows: dict[str, Any]) -> None:
    assert rows[account][1]["weighted_capital"] == Decimal(capital)


def test_a_row_without_a_rate_is_covered_by_the_next(rows: dict[str, Any]) -> None:
    assert _of(rows["no_rate"], "as_of_date", "status", "begin_market_value", "net_flow", "days") == [
        (MON, "opening", None, Decimal(0), 1),
        (TUE, "no_fx", Decimal(100), None, 1),
        (WED, "ok", Decimal(100), Decimal(1), 2),
        (THU, "ok", Decimal(100), Decimal(0), 1),
    ]


def test_a_flow_without_a_rate_stops_the_chain_until_it_has_one(rows: dict[str, Any]) -> None:
    assert _of(rows["blocked"], "as_of_date", "status", "end_market_value", "twrr_itd") == [
        (MON, "opening", Decimal(100), 0.0),
        (TUE, "no_fx", Decimal(100), None),
        (WED, "no_fx", Decimal(100), None),
    ]


def test_a_record_in_another_base_currency_does_not_go_on_from_a_value_in_the_old_one(rows: dict[str, Any]) -> None:
    assert _of(rows["new_currency"], "currency", "status", "begin_market_value", "track_no") == [
        ("USD", "opening", None, 1),
        ("EUR", "opening", None, 2),
    ]


def test_the_sign_of_the_first_days_flows_together_says_whether_capital_came_before(rows: dict[str, Any]) -> None:
    assert _of(rows["tie"], "status", "net_flow", "weighted_capital", "gain_loss") == [
        ("opening", Decimal(-10), Decimal(0), Decimal(0))
    ]


def test_a_weekend_flow_before_a_weekend_valuation_counts_within_its_one_day(rows: dict[str, Any]) -> None:
    """Saturday's 100 at start of day, valued on Sunday: D 1, weight 1. Monday's row knows nothing of it."""
    assert _of(rows["weekend"], "as_of_date", "days", "weighted_capital", "twrr_daily") == [
        (FRI, 1, Decimal(0), None),
        (SUN, 1, Decimal(200), 0.05),
        (MON, 1, Decimal(210), 0.0),
    ]


def test_a_late_flow_has_the_weight_of_the_last_day(rows: dict[str, Any]) -> None:
    """Wednesday to Sunday: D 2. Thursday's 100 at start: 2/2. Saturday's 30 at mid day, clamped to day 2: 0.5/2."""
    assert rows["long_weekend"][1]["weighted_capital"] == Decimal("207.5")


def test_the_first_attributes_hold_before_their_day_but_for_in_performance(rows: dict[str, Any]) -> None:
    assert _of(rows["later"], "currency", "status") == [("EUR", "opening"), ("EUR", "excluded")]


def test_fiscal_years_and_quarters_begin_with_the_fiscal_month(rows: dict[str, Any]) -> None:
    assert _of(rows["fiscal"], "as_of_date", "twrr_mtd", "twrr_qtd", "twrr_ytd", "twrr_itd") == [
        (MON, 0.0, 0.0, 0.0, 0.0),
        (date(2026, 3, 31), *[pytest.approx(0.1)] * 4),
        (APRIL, *[pytest.approx(0.1)] * 3, pytest.approx(0.21)),
    ]
