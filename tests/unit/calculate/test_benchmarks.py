"""Benchmark returns beside account rows: age of levels, returns as levels, blends, benchmarks by date."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.calculate.benchmark_definitions import BenchmarkDefinition, benchmark_definitions
from jobs.calculate.benchmarks import (
    account_benchmarks,
    benchmark_levels,
    level_days,
    with_benchmark,
    with_excess,
    with_market_returns,
)
from jobs.calculate.blends import Level, blended_levels
from jobs.platform.business_calendar import NO_HOLIDAYS, Calendar, calendar_days
from jobs.platform.errors import ConfigError
from jobs.platform.settings import Settings, Tenant
from tests.calculation import TENANT

MON, TUE, WED, THU, FRI = (date(2026, 3, day) for day in range(2, 7))
HOLIDAY = date(2026, 3, 16)
BLEND = {"benchmark_id": "MIX", "name": "Mix", "basis": "total_return", "currency": "USD", "kind": "blended"}
HALVES = {"effective_from": date(2026, 1, 1), "weights": {"A": "0.5", "B": "0.5"}}
RETURNS = {"name": "Returns", "basis": "total_return", "currency": "USD", "kind": "returns"}
DEFINITIONS = {
    (TENANT, name): BenchmarkDefinition.model_validate({"benchmark_id": name, **facts})
    for name, facts in {
        "DAILY": RETURNS,
        "MONTHLY": {**RETURNS, "period": "monthly"},
        "MIX": {**BLEND, "history": [HALVES]},
    }.items()
}
LEVELS = [
    ("canonical", "INDEX", MON, "100"),
    ("canonical", "INDEX", TUE, "110"),
    ("canonical", "INDEX", FRI, "121"),
    ("other", "INDEX", TUE, "1"),  # a vendor that does not count: its levels have another base
    ("canonical", "A", MON, "100"),
    ("canonical", "A", TUE, "110"),
    ("canonical", "B", MON, "50"),
    ("canonical", "B", TUE, "49"),
    ("canonical", "RISK_FREE_EUR", MON, "100"),
    ("canonical", "RISK_FREE_EUR", TUE, "100.01"),
]
DELIVERED_RETURNS = [
    ("DAILY", MON, 0.02),
    ("DAILY", TUE, -0.01),
    ("DAILY", date(2026, 3, 11), 0.5),  # six business days later: what lies between is missing
    ("MONTHLY", date(2026, 1, 31), 0.03),
    ("MONTHLY", date(2026, 2, 28), 0.01),
]
# What is asked for -> benchmark, begin, end, account currency, return, risk-free return.
ASKED: dict[str, tuple[str | None, date, date, str, float | None, float | None]] = {
    "one day": ("INDEX", MON, TUE, "USD", 0.1, 0.0),
    "the last known level serves a day without one": ("INDEX", TUE, WED, "USD", 0.0, 0.0),
    "a gap": ("INDEX", MON, FRI, "USD", 0.21, 0.0),
    "a level five business days old": ("INDEX", TUE, date(2026, 3, 13), "USD", 0.1, 0.0),
    "the weekend and a holiday do not age it": ("INDEX", TUE, HOLIDAY, "USD", 0.1, 0.0),
    "a level six business days old": ("INDEX", TUE, date(2026, 3, 17), "USD", None, 0.0),
    "not yet known": ("INDEX", date(2026, 2, 27), MON, "USD", None, 0.0),
    "nothing known of it": ("NONE", MON, TUE, "USD", None, 0.0),
    "no benchmark": (None, MON, TUE, "USD", None, 0.0),
    "returns: the first from the business day before": ("DAILY", date(2026, 2, 27), MON, "USD", 0.02, 0.0),
    "returns linked": ("DAILY", date(2026, 2, 27), TUE, "USD", 1.02 * 0.99 - 1, 0.0),
    "returns: none across missing ones": ("DAILY", TUE, date(2026, 3, 11), "USD", None, 0.0),
    "returns: again after missing ones": ("DAILY", date(2026, 3, 10), date(2026, 3, 11), "USD", 0.5, 0.0),
    "returns of months over a month": ("MONTHLY", date(2025, 12, 31), date(2026, 1, 30), "USD", None, 0.0),
    "returns of months at month-ends": ("MONTHLY", date(2026, 1, 31), date(2026, 2, 28), "USD", 0.01, 0.0),
    "returns of months in a day": ("MONTHLY", date(2026, 1, 29), date(2026, 1, 30), "USD", None, 0.0),
    "a blend": ("MIX", MON, TUE, "USD", 0.5 * 0.1 - 0.5 * 0.02, 0.0),
    "a risk-free rate": ("INDEX", MON, TUE, "EUR", 0.1, 0.0001),
    "a risk-free rate that is not known that day": ("INDEX", date(2026, 2, 27), MON, "EUR", None, None),
}


@pytest.fixture(scope="module")
def found(spark: SparkSession) -> dict[str, dict[str, Any]]:
    """Rows by what was asked for."""
    calendars = {TENANT: Calendar(name="test", holidays=[HOLIDAY])}
    calendar = calendar_days(spark, calendars, date(2026, 12, 31), date(2025, 1, 1))
    levels = spark.createDataFrame(
        [(TENANT, vendor, name, day, Decimal(level), "USD") for vendor, name, day, level in LEVELS],
        "tenant_id string, vendor string, benchmark_id string, as_of_date date, level decimal(28,8), currency string",
    )
    returns = spark.createDataFrame(
        [(TENANT, "french", *row) for row in DELIVERED_RETURNS],
        "tenant_id string, vendor string, benchmark_id string, as_of_date date, index_return double",
    )
    policies = {TENANT: Tenant(source_priority=["canonical"])}
    every = benchmark_levels(levels, returns, DEFINITIONS, calendars=calendars, calendar=calendar, policies=policies)
    rows = spark.createDataFrame(
        [(TENANT, name, *facts[:4]) for name, facts in ASKED.items()],
        "tenant_id string, asked string, benchmark_id string, begin_date date, as_of_date date, currency string",
    )
    beside = with_market_returns(rows, level_days(every, calendar)).selectExpr("*", "0.21D AS own")
    return {row["asked"]: row.asDict() for row in with_excess(beside, "own").collect()}


@pytest.mark.parametrize("asked", ASKED)
def test_returns(asked: str, found: dict[str, dict[str, Any]]) -> None:
    *_, benchmark, risk_free = ASKED[asked]
    assert found[asked]["benchmark_return"] == pytest.approx(benchmark, abs=1e-12)
    assert found[asked]["risk_free_return"] == pytest.approx(risk_free, abs=1e-12)


def test_every_row_once(found: dict[str, dict[str, Any]]) -> None:
    assert set(found) == set(ASKED)


def test_excess_both_ways(found: dict[str, dict[str, Any]]) -> None:
    assert found["one day"]["excess_arithmetic"] == pytest.approx(0.11, abs=1e-12)
    assert found["one day"]["excess_geometric"] == pytest.approx(0.1, abs=1e-12)
    assert found["no benchmark"]["excess_geometric"] is None


def test_the_accounts_benchmark_by_date(spark: SparkSession) -> None:
    accounts = spark.createDataFrame(
        [
            (TENANT, "a", "1", TUE, "OLD"),
            (TENANT, "a", "1", THU, "NEW"),
            (TENANT, "a", "1", FRI, None),
            (TENANT, "b", "1", date(2020, 1, 1), "OF ANOTHER VENDOR"),
        ],
        "tenant_id string, vendor string, account_id string, effective_from date, benchmark_id string",
    )
    rows = spark.createDataFrame([(TENANT, "1", day) for day in (MON, TUE, WED, THU, FRI)], [
        "tenant_id", "account_id", "as_of_date",
    ])  # fmt: skip
    named = with_benchmark(rows, account_benchmarks(accounts)).orderBy("as_of_date").collect()
    assert [row["benchmark_id"] for row in named] == ["OLD", "OLD", "OLD", "NEW", None]


def blend(**facts: Any) -> BenchmarkDefinition:
    return BenchmarkDefinition.model_validate({**BLEND, "history": [HALVES], **facts})


def levels(since: date, *values: float) -> list[Level]:
    return [Level(since + timedelta(days=day), value, 0) for day, value in enumerate(values)]


A_DOUBLES = {"A": levels(MON, 100, 200, 400), "B": levels(MON, 10, 10, 10)}


def test_rebalanced_daily_each_day_has_the_weights() -> None:
    made = blended_levels(blend(), A_DOUBLES, NO_HOLIDAYS)
    assert [level.level for level in made] == [100, 150, 225]


def test_rebalanced_monthly_the_weights_drift() -> None:
    made = blended_levels(blend(rebalancing="monthly"), A_DOUBLES, NO_HOLIDAYS)
    assert [level.level for level in made] == [100, 150, 250]


def test_rebalanced_monthly_from_the_last_day_of_the_month_before() -> None:
    components = {"A": levels(date(2026, 2, 27), 100, 100, 200, 400), "B": levels(date(2026, 2, 27), 10, 5, 5, 5)}
    made = blended_levels(blend(rebalancing="monthly"), components, NO_HOLIDAYS)
    assert [level.level for level in made] == [100, 75, 75 * 1.5, 75 * 2.5]


def test_the_composition_of_the_day() -> None:
    to_c = {"effective_from": WED, "weights": {"C": "1"}}
    components = {**A_DOUBLES, "C": levels(MON, 7, 7, 14)}
    made = blended_levels(blend(history=[HALVES, to_c]), components, NO_HOLIDAYS)
    assert [(level.day, level.level) for level in made] == [(MON, 100), (TUE, 150), (WED, 300)]


def test_a_component_that_begins_with_its_composition_breaks_the_chain() -> None:
    """Its return of the first day is not known, so neither is the blend's."""
    to_c = {"effective_from": WED, "weights": {"C": "1"}}
    made = blended_levels(blend(history=[HALVES, to_c]), {**A_DOUBLES, "C": levels(WED, 7, 14)}, NO_HOLIDAYS)
    assert [level.link_no for level in made] == [0, 0, 1, 1]
    assert made[3].level / made[2].level == 2


def test_no_level_on_days_without_all_components() -> None:
    made = blended_levels(blend(), {"A": levels(MON, 100, 200, 400), "B": levels(TUE, 10, 10)}, NO_HOLIDAYS)
    assert [level.day for level in made] == [TUE, WED]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("history: [{effective_from: 2026-01-01, weights: {A: 0.5, B: 0.4}}]", "the weights add up to 0.9, expected 1"),
        ("history: []", "needs at least one composition"),
        ("rebalancing: weekly", "rebalancing: Input should be 'daily' or 'monthly'"),
        ("history: [{effective_from: 2026-01-01, weights: {INNER: 1}}]", "component 'INNER' is itself a blend"),
        (
            "history: [{effective_from: 2026-01-01, weights: {EURO: 1}}]",
            "component 'EURO' has currency EUR, expected USD",
        ),
    ],
)
def test_wrong_definitions_are_refused_by_file(text: str, complaint: str, workspace: Path) -> None:
    folder = workspace / "conf" / "benchmarks"
    folder.mkdir(exist_ok=True)
    common = "name: N\nbasis: total_return\n"
    (folder / "INNER.yaml").write_text(
        f"benchmark_id: INNER\ncurrency: USD\nkind: blended\n{common}"
        "history: [{effective_from: 2026-01-01, weights: {A: 1}}]\n"
    )
    (folder / "EURO.yaml").write_text(f"benchmark_id: EURO\ncurrency: EUR\nkind: levels\n{common}")
    own = text if "history" in text else f"{text}\nhistory: [{{effective_from: 2026-01-01, weights: {{A: 1}}}}]"
    (folder / "MIX.yaml").write_text(f"benchmark_id: MIX\ncurrency: USD\nkind: blended\n{common}{own}\n")
    with pytest.raises(ConfigError) as refused:
        benchmark_definitions(Settings(), [TENANT])
    assert "MIX.yaml" in str(refused.value)
    assert complaint in str(refused.value)


def test_a_tenants_own_definition_comes_first(workspace: Path) -> None:
    folder = workspace / "conf" / "benchmarks"
    (folder / TENANT).mkdir(parents=True)
    for place, name in ((folder, "of all"), (folder / TENANT, "own")):
        (place / "X.yaml").write_text(
            f"benchmark_id: X\nname: {name}\nbasis: price_return\ncurrency: USD\nkind: levels\n"
        )
    found = benchmark_definitions(Settings(), [TENANT, "globex"])
    assert {key: one.name for key, one in found.items()} == {(TENANT, "X"): "own", ("globex", "X"): "of all"}
