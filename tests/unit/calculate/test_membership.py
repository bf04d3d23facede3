"""Dated membership: what files and attributes say, as intervals that neither overlap nor touch."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.calculate.membership import closed_times, memberships
from jobs.platform.settings import Tenant
from tests import calculation

POLICIES = {calculation.TENANT: Tenant(source_priority=["best"])}
MAY, JUNE, JULY = date(2026, 5, 1), date(2026, 6, 1), date(2026, 7, 1)
ALWAYS = date(1900, 1, 1)

ACCOUNTS: list[dict[str, Any]] = [
    {"account_id": "moves", "household_id": "h1"},
    {"account_id": "moves", "effective_from": JUNE, "household_id": "h2"},
    {"account_id": "stays", "household_id": "h1", "model_id": "m"},
    {"account_id": "stays", "effective_from": JUNE, "household_id": "h1", "closed_on": date(2026, 5, 20)},
    {"account_id": "stays", "effective_from": JULY, "household_id": "h1"},
    {"account_id": "out", "household_id": "h3"},
    {"account_id": "out", "effective_from": MAY, "household_id": "h3", "in_performance": False},
    {"account_id": "out", "effective_from": JUNE, "household_id": "h3"},
    {"account_id": "two", "vendor": "best", "household_id": "h4", "effective_from": MAY},
    {"account_id": "two", "vendor": "other", "household_id": "h5", "effective_from": ALWAYS},
    {"account_id": "shut", "closed_on": date(2026, 5, 20)},
]
MEMBERS: list[dict[str, Any]] = [
    {"account_id": "stays", "group_id": "overlaps", "from_date": MAY, "to_date": date(2026, 6, 15)},
    {"account_id": "stays", "group_id": "overlaps", "from_date": JUNE, "to_date": date(2026, 6, 10)},
    {"account_id": "stays", "group_id": "overlaps", "from_date": date(2026, 6, 16), "to_date": None},
    {"account_id": "stays", "group_id": "apart", "from_date": MAY, "to_date": date(2026, 5, 10)},
    {"account_id": "stays", "group_id": "apart", "from_date": date(2026, 5, 12), "to_date": date(2026, 5, 20)},
    {"account_id": "stays", "group_id": "backwards", "from_date": JUNE, "to_date": MAY},
    {"account_id": "out", "group_id": "cut", "from_date": date(2026, 4, 1), "to_date": date(2026, 5, 31)},
]


@pytest.fixture(scope="module")
def found(spark: SparkSession) -> dict[tuple[str, str, str], list[tuple[date, date | None]]]:
    """Intervals by kind, group and account."""
    members = calculation.members(spark, [{"group_type": "composite"} | row for row in MEMBERS])
    rows = memberships(members, calculation.accounts(spark, ACCOUNTS), POLICIES).collect()
    intervals: dict[tuple[str, str, str], list[tuple[date, date | None]]] = {}
    for row in sorted(rows, key=lambda row: row["from_date"]):
        key = (row["group_type"], row["group_id"], row["account_id"])
        intervals.setdefault(key, []).append((row["from_date"], row["to_date"]))
    return intervals


@pytest.mark.parametrize(
    ("kind", "group", "account", "expected"),
    [
        ("household", "h1", "moves", [(ALWAYS, date(2026, 5, 31))]),
        ("household", "h2", "moves", [(JUNE, None)]),
        ("household", "h1", "stays", [(ALWAYS, None)]),
        ("model", "m", "stays", [(ALWAYS, date(2026, 5, 31))]),
        ("household", "h3", "out", [(ALWAYS, date(2026, 4, 30)), (JUNE, None)]),
        ("tenant", calculation.TENANT, "out", [(ALWAYS, date(2026, 4, 30)), (JUNE, None)]),
        ("composite", "cut", "out", [(date(2026, 4, 1), date(2026, 4, 30))]),
        ("composite", "overlaps", "stays", [(MAY, None)]),
        ("composite", "apart", "stays", [(MAY, date(2026, 5, 10)), (date(2026, 5, 12), date(2026, 5, 20))]),
        ("composite", "backwards", "stays", None),
        ("household", "h4", "two", [(MAY, None)]),
        ("household", "h5", "two", None),
        ("tenant", calculation.TENANT, "two", [(ALWAYS, None)]),
    ],
)
def test_interval(
    found: dict[tuple[str, str, str], list[tuple[date, date | None]]],
    kind: str,
    group: str,
    account: str,
    expected: list[tuple[date, date | None]] | None,
) -> None:
    assert found.get((kind, group, account)) == expected


def test_an_account_is_closed_after_the_day_until_a_version_reopens_it(spark: SparkSession) -> None:
    rows = closed_times(calculation.accounts(spark, ACCOUNTS), POLICIES).collect()
    assert {(row["account_id"], row["from_date"], row["to_date"]) for row in rows} == {
        ("stays", date(2026, 5, 21), date(2026, 6, 30)),
        ("shut", date(2026, 5, 21), None),
    }
