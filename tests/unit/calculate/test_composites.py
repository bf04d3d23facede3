"""A composite's dispersion, high and low, members and assets."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from math import sqrt
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.calculate.composites import composite_statistics

START, END = date(2025, 12, 31), date(2026, 12, 31)
BEFORE, LATER = date(2025, 1, 1), date(2026, 6, 1)


@pytest.fixture(scope="module")
def found(spark: SparkSession) -> dict[str, dict[str, Any]]:
    """Statistics by composite: `three` members all year and others that were not, `one` alone, `none`."""
    composites = [(name, Decimal(amount)) for name, amount in (("three", 900), ("one", 100), ("none", 0))]
    returns = [
        ("a", 100, 0.10, False, "ok"),
        ("b", 300, 0.02, False, "ok"),
        ("c", 600, 0.05, False, "ok"),
        ("late", 50, 0.90, False, "ok"),
        ("left", 50, 0.80, False, "ok"),
        ("young", 50, 0.70, True, "ok"),
        ("no_return", 50, None, False, "insufficient_history"),
    ]
    members = [(name, "three", BEFORE, None) for name in ("a", "b", "young", "no_return")]
    members += [("c", "three", date(2026, 1, 1), END), ("late", "three", date(2026, 1, 2), None)]
    members += [
        ("left", "three", BEFORE, date(2026, 12, 30)),
        ("a", "one", BEFORE, None),
        ("late", "none", LATER, None),
    ]
    money = "decimal(28,8)"
    rows = composite_statistics(
        spark.createDataFrame(
            [("acme", "composite", name, END, "YTD", START, assets, 5) for name, assets in composites],
            f"tenant_id string, group_type string, group_id string, as_of_date date, period string, start_date date,"
            f" end_market_value {money}, members int",
        ),
        spark.createDataFrame(
            [("acme", name, END, "YTD", Decimal(begin), twrr, part, word) for name, begin, twrr, part, word in returns],
            f"tenant_id string, account_id string, as_of_date date, period string, begin_market_value {money},"
            " twrr double, is_partial boolean, status string",
        ),
        spark.createDataFrame(
            [("acme", "composite", group, account, since, until) for account, group, since, until in members],
            "tenant_id string, group_type string, group_id string, account_id string, from_date date, to_date date",
        ),
        spark.createDataFrame(
            [("acme", END, Decimal(3600))], f"tenant_id string, as_of_date date, end_market_value {money}"
        ),
    )
    return {row["group_id"]: row.asDict() for row in rows.collect()}


def test_only_members_of_the_whole_period_count(found: dict[str, dict[str, Any]]) -> None:
    assert {name: (row["members"], row["full_period_members"]) for name, row in found.items()} == {
        "three": (5, 3),
        "one": (5, 1),
        "none": (5, 0),
    }
    assert (found["three"]["high"], found["three"]["low"]) == (0.10, 0.02)


def test_dispersion(found: dict[str, dict[str, Any]]) -> None:
    # mean 17/300: deviations 13/300, -11/300, -2/300; asset-weighted mean 0.046
    equal = sqrt((13**2 + 11**2 + 2**2) / 300**2 / 2)
    weighted = sqrt(0.1 * 0.054**2 + 0.3 * 0.026**2 + 0.6 * 0.004**2)
    assert found["three"]["dispersion_equal_weighted"] == pytest.approx(equal, abs=1e-12)
    assert found["three"]["dispersion_asset_weighted"] == pytest.approx(weighted, abs=1e-12)


@pytest.mark.parametrize("name", ["one", "none"])
def test_one_member_has_no_dispersion(found: dict[str, dict[str, Any]], name: str) -> None:
    assert found[name]["dispersion_equal_weighted"] is None
    assert found[name]["dispersion_asset_weighted"] is None
    assert found[name]["high"] == found[name]["low"] == (0.10 if name == "one" else None)


def test_assets(found: dict[str, dict[str, Any]]) -> None:
    row = found["three"]
    assert (row["composite_assets"], row["firm_assets"], row["share_of_firm"]) == (Decimal(900), Decimal(3600), 0.25)
