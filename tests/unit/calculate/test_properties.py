"""Laws that hold for every book, each example being hundreds of random accounts through a few Spark runs."""

from __future__ import annotations

import sys
from datetime import date, timedelta
from decimal import Decimal
from math import prod
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, Row, SparkSession

from jobs.calculate.daily import daily_performance
from jobs.calculate.state import next_state
from jobs.platform.business_calendar import Calendar, calendar_days
from jobs.platform.schemas import table
from jobs.platform.settings import Tenant
from jobs.sample.reference import daily_rows
from tests import calculation
from tests.books import DAYS, FIRST, HOLIDAYS, Account, random_book

ACCOUNTS = 150
LAST = FIRST + timedelta(days=DAYS)
FISCAL_MONTH = 4
CALENDAR = Calendar(name="test", holidays=HOLIDAYS)
SCALE = Decimal(1000)

# A book is made from its seed, so a smaller seed is no simpler book: shrinking would only repeat the work.
few_books = settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
seeds = st.integers(min_value=1, max_value=10**6)


@few_books
@given(seed=seeds)
def test_spark_gives_what_the_reference_gives_whatever_the_order_and_the_unit(spark: SparkSession, seed: int) -> None:
    """One run over the same book three times: as it is, shuffled, and with all money times a thousand."""
    book = random_book(seed, ACCOUNTS)
    rows = calculation.by_tenant_and_account(_together(spark, book, seed))
    for account in book:
        plain, shuffled, scaled = (rows.get((name, account.account_id), []) for name in ("plain", "shuffled", "scaled"))
        _assert_same(_reference(account), plain, account.account_id)
        _assert_same(plain, shuffled, account.account_id, tolerance=0.0)
        _assert_scaled(plain, scaled)
        _assert_links(plain)


@few_books
@given(seed=seeds)
def test_night_by_night_gives_what_all_at_once_gives(spark: SparkSession, seed: int) -> None:
    book = random_book(seed, ACCOUNTS)
    random = Random(seed)
    cuts = [*sorted(FIRST + timedelta(days=random.randrange(DAYS)) for _ in range(3)), LAST]
    state: DataFrame | None = None
    nightly: dict[str, dict[date, dict[str, Any]]] = {}
    for cut in cuts:
        rows = _calculated(spark, book, through=cut, opening=state).collect()
        known = spark.createDataFrame([], table("account_state").struct) if state is None else state
        state = spark.createDataFrame(next_state(known, _as_gold(spark, rows)).collect(), table("account_state").struct)
        # What has no rate yet is calculated again with the next night: the later version counts.
        for row in rows:
            nightly.setdefault(row["account_id"], {})[row["as_of_date"]] = row.asDict()
    whole = calculation.by_account(_calculated(spark, book, through=LAST))
    for account in book:
        days = nightly.get(account.account_id, {})
        parts = [days[day] for day in sorted(days)]
        _assert_same(whole.get(account.account_id, []), parts, account.account_id, tolerance=1e-12)


def _together(spark: SparkSession, book: list[Account], seed: int) -> DataFrame:
    """The book as three tenants in one frame."""
    random = Random(seed)
    values: list[dict[str, Any]] = []
    flows: list[dict[str, Any]] = []
    accounts: list[dict[str, Any]] = []
    for tenant, scale in (("plain", Decimal(1)), ("shuffled", Decimal(1)), ("scaled", SCALE)):
        of_tenant = {"tenant_id": tenant}
        own_values = [of_tenant | row for account in book for row in account.valuation_rows(scale)]
        own_flows = [of_tenant | row for account in book for row in account.transaction_rows(scale)]
        if tenant == "shuffled":
            random.shuffle(own_values)
            random.shuffle(own_flows)
        values += own_values
        flows += own_flows
        accounts += [of_tenant | row for account in book for row in account.account_rows()]
    return _performance(spark, values, flows, accounts)


def _calculated(
    spark: SparkSession, book: list[Account], *, through: date, opening: DataFrame | None = None
) -> DataFrame:
    """The book's rows up to a date, after the opening rows."""
    return _performance(
        spark,
        [row for account in book for row in account.valuation_rows() if row["as_of_date"] <= through],
        [row for account in book for row in account.transaction_rows() if row["performance_date"] <= through],
        [row for account in book for row in account.account_rows()],
        opening,
    )


def _performance(
    spark: SparkSession,
    values: list[dict[str, Any]],
    flows: list[dict[str, Any]],
    accounts: list[dict[str, Any]],
    opening: DataFrame | None = None,
) -> DataFrame:
    tenants = {row.get("tenant_id", calculation.TENANT) for row in accounts}
    return daily_performance(
        opening,
        calculation.valuations(spark, values),
        calculation.transactions(spark, flows),
        calculation.accounts(spark, accounts),
        calendar=calendar_days(spark, dict.fromkeys(tenants, CALENDAR), LAST),
        policies=dict.fromkeys(tenants, Tenant(fiscal_year_start_month=FISCAL_MONTH)),
    )


def _as_gold(spark: SparkSession, rows: list[Row]) -> DataFrame:
    """Calculated rows as the job would write them."""
    names = table("account_performance_daily").names
    provenance = {"quality_flags": "", "epoch": 1, "run_id": "test", "run_no": 1}
    values = [tuple({**row.asDict(), **provenance}[name] for name in names) for row in rows]
    return spark.createDataFrame(values, table("account_performance_daily").struct)


def _reference(account: Account) -> list[dict[str, Any]]:
    return daily_rows(
        account.values.items(),
        account.bookings,
        flow_timing=account.flow_timing,
        holidays=HOLIDAYS,
        fiscal_year_start_month=FISCAL_MONTH,
        in_performance=account.in_performance,
    )


def _assert_same(
    expected: list[dict[str, Any]], actual: list[dict[str, Any]], account_id: str, tolerance: float = 1e-10
) -> None:
    """Same dates; money, dates and words equal; returns within `tolerance` of max(1, their size)."""
    assert [row["as_of_date"] for row in actual] == [row["as_of_date"] for row in expected], account_id
    for want, got in zip(expected, actual, strict=True):
        for name, value in want.items():
            if name == "tenant_id":
                continue
            if isinstance(value, float) and got[name] is not None:
                close = abs(got[name] - value) <= tolerance * max(1.0, abs(value))
                assert close, f"{account_id} {want['as_of_date']} {name}: {value} != {got[name]}"
            else:
                assert got[name] == value, f"{account_id} {want['as_of_date']} {name}: {value} != {got[name]}"


def _assert_scaled(plain: list[dict[str, Any]], scaled: list[dict[str, Any]]) -> None:
    """Money is a thousand times as much; a return differs by what rounding the capital to 8 decimals can make, and by
    the last places of a double."""
    for one, thousand in zip(plain, scaled, strict=True):
        assert (thousand["status"] == "no_fx") == (one["status"] == "no_fx")
        if one["status"] != "no_fx":
            assert thousand["end_market_value"] == one["end_market_value"] * SCALE
        if one["twrr_daily"] is None or one["weighted_capital"] < 1:
            continue
        size = max(1.0, abs(one["twrr_daily"]))
        rounding = (2e-8 / float(one["weighted_capital"]) + 4 * sys.float_info.epsilon) * size
        assert abs(thousand["twrr_daily"] - one["twrr_daily"]) <= rounding
        assert thousand["status"] == one["status"]


def _assert_links(rows: list[dict[str, Any]]) -> None:
    """Each track's return is its daily returns linked, and its months' returns linked."""
    chained = [row for row in rows if row["track_no"] is not None]
    for track in {row["track_no"] for row in chained}:
        own = [row for row in chained if row["track_no"] == track]
        days = [1.0 if row["twrr_daily"] is None else max(0.0, 1.0 + row["twrr_daily"]) for row in own]
        if any(0.0 < day < 1e-6 for day in days):
            continue  # next to a total loss 1 + r keeps too few digits of a double to be linked again from r
        month_ends = [
            row
            for row, later in zip(own, [*own[1:], None], strict=True)
            if later is None or later["as_of_date"].month != row["as_of_date"].month
        ]
        whole = 1.0 + own[-1]["twrr_itd"]
        assert abs(prod(days) - whole) <= 1e-10 * max(1.0, whole)
        assert abs(prod(1.0 + row["twrr_mtd"] for row in month_ends) - whole) <= 1e-10 * max(1.0, whole)
