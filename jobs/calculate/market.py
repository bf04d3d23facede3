"""What is asked of the market beside the accounts' rows: benchmarks, as definitions and levels, and who has which."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from pyspark.sql import DataFrame

from jobs.calculate.benchmark_definitions import Definitions, benchmark_definitions
from jobs.calculate.benchmarks import account_benchmarks, benchmark_levels, level_days
from jobs.calculate.inputs import Silver
from jobs.platform.business_calendar import calendar_days, calendars_of
from jobs.platform.lake import latest
from jobs.platform.schemas import table
from jobs.platform.settings import Settings


class Market(NamedTuple):
    """The accounts' benchmarks by date, the level of each benchmark on each day, what is declared of them, and the
    tenants' calendars."""

    benchmarks: DataFrame
    days: DataFrame
    calendar: DataFrame | None
    definitions: Definitions


def market(silver: Silver, settings: Settings, through: date) -> Market:
    """Benchmarks of the tenants' accounts and all levels up to `through`.

    Reads silver.account, benchmark_level and benchmark_return and `conf/benchmarks/`. Both are worked out here,
    since they are looked up several times for each row.
    """
    calendars = calendars_of(settings, silver.tenants)
    calendar = calendar_days(silver.lake.spark, calendars, through)
    policies = {tenant: settings.tenant(tenant) for tenant in silver.tenants}

    def delivered(name: str) -> DataFrame:
        return latest(silver.every(name).where(f"as_of_date <= DATE '{through}'"), table(name))

    definitions = benchmark_definitions(settings, silver.tenants)
    levels = benchmark_levels(
        delivered("benchmark_level"),
        delivered("benchmark_return"),
        definitions,
        calendars=calendars,
        calendar=calendar,
        policies=policies,
    )
    accounts = latest(silver.every("account"), table("account"))
    benchmarks, days = account_benchmarks(accounts, policies), level_days(levels, calendar)
    return Market(benchmarks.localCheckpoint(), days.localCheckpoint(), calendar, definitions)
