"""Small frames for the calculation's tests: silver rows from plain values, results as dicts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, SparkSession

TENANT = "acme"
VALUATION = (
    "tenant_id string, vendor string, account_id string, as_of_date date, market_value decimal(28,8), currency string"
)
TRANSACTION = (
    "tenant_id string, vendor string, account_id string, performance_date date, type string, subtype string,"
    " amount decimal(28,8), currency string, quantity decimal(28,8), price decimal(28,8), flow_timing string,"
    " feed_flow_timing string, counterparty_account_id string, status string"
)
ACCOUNT = (
    "tenant_id string, vendor string, account_id string, effective_from date, base_currency string,"
    " flow_timing string, in_performance boolean, household_id string, advisor_id string,"
    " model_id string, benchmark_id string, closed_on date"
)
MEMBER = (
    "tenant_id string, vendor string, group_type string, group_id string, account_id string, from_date date,"
    " to_date date"
)
FX_RATE = (
    "tenant_id string, vendor string, as_of_date date, from_currency string, to_currency string, rate decimal(28,8)"
)
LEVEL = "tenant_id string, vendor string, benchmark_id string, as_of_date date, level decimal(28,8)"

Row = dict[str, Any]


def _frame(spark: SparkSession, rows: Iterable[Row], schema: str, defaults: Row) -> DataFrame:
    names = [part.split()[0] for part in schema.replace("(28,8)", "").split(",")]
    values = [tuple({**defaults, **row}.get(name) for name in names) for row in rows]
    return spark.createDataFrame(values, schema)


def valuations(spark: SparkSession, rows: Iterable[Row]) -> DataFrame:
    return _frame(spark, rows, VALUATION, {"tenant_id": TENANT, "vendor": "canonical"})


def transactions(spark: SparkSession, rows: Iterable[Row]) -> DataFrame:
    defaults = {"tenant_id": TENANT, "vendor": "canonical", "type": "DEPOSIT", "status": "new", "amount": Decimal(0)}
    return _frame(spark, rows, TRANSACTION, defaults)


def accounts(spark: SparkSession, rows: Iterable[Row]) -> DataFrame:
    defaults = {"tenant_id": TENANT, "vendor": "canonical", "effective_from": date(1900, 1, 1), "in_performance": True}
    return _frame(spark, rows, ACCOUNT, defaults)


def members(spark: SparkSession, rows: Iterable[Row]) -> DataFrame:
    return _frame(spark, rows, MEMBER, {"tenant_id": TENANT, "vendor": "canonical"})


def fx_rates(spark: SparkSession, rows: Iterable[Row]) -> DataFrame:
    return _frame(spark, rows, FX_RATE, {"tenant_id": TENANT, "vendor": "ecb"})


def benchmark_levels(spark: SparkSession, rows: Iterable[Row]) -> DataFrame:
    return _frame(spark, rows, LEVEL, {"tenant_id": TENANT, "vendor": "canonical"})


def by_account(rows: DataFrame) -> dict[str, list[Row]]:
    """The rows of each account, in order of date."""
    return {account_id: of_account for (_, account_id), of_account in by_tenant_and_account(rows).items()}


def by_tenant_and_account(rows: DataFrame) -> dict[tuple[str, str], list[Row]]:
    """The rows of each tenant's account, in order of date."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in sorted(rows.collect(), key=lambda row: row["as_of_date"]):
        found.setdefault((row["tenant_id"], row["account_id"]), []).append(row.asDict())
    return found
