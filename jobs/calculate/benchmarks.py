"""Benchmark and risk-free returns beside an account's rows (specification, sections 7 and 8).

An index return is in the index's own currency: nothing is converted.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.calculate.benchmark_definitions import Definitions
from jobs.calculate.blends import BASE_LEVEL, Level, blended_levels
from jobs.calculate.currency import LONGEST_SERVICE_DAYS, MAX_AGE_BUSINESS_DAYS
from jobs.calculate.policies import Policies, literal, source_rank_sql
from jobs.platform.business_calendar import NO_HOLIDAYS, Calendar, with_business_days
from jobs.platform.local_rows import local_rows

RISK_FREE = "RISK_FREE_"  # + base currency: the benchmark that is the risk-free rate
BENCHMARK = ["tenant_id", "benchmark_id"]
LEVEL = [*BENCHMARK, "as_of_date", "level", "link_no"]
BY_BENCHMARK = "PARTITION BY tenant_id, benchmark_id ORDER BY as_of_date"
LEVELS = T.StructType(
    [
        T.StructField("tenant_id", T.StringType()),
        T.StructField("benchmark_id", T.StringType()),
        T.StructField("as_of_date", T.DateType()),
        T.StructField("level", T.DoubleType()),
        T.StructField("link_no", T.IntegerType()),
    ]
)


def benchmark_levels(
    levels: DataFrame,
    returns: DataFrame | None,
    definitions: Definitions,
    *,
    calendars: Mapping[str, Calendar] | None = None,
    calendar: DataFrame | None = None,
    policies: Policies | None = None,
) -> DataFrame:
    """Levels of all benchmarks, whatever was delivered of them: tenant_id, benchmark_id, as_of_date, level, link_no.

    `levels` and `returns` are current rows of silver.benchmark_level and benchmark_return. One vendor counts for a
    benchmark, by the tenant's source_priority: two vendors' levels may have different bases. Returns count where the
    benchmark's definition is of kind returns: chain-linked from 100 on the last weekday, or the month-end, before the
    first. The chain is broken (another link_no, across which there is no return) where returns are missing: after more
    than 5 business days, or a month, without one. Blends are made from the others (`blends.blended_levels`).
    `calendars` and `calendar` are the tenants' calendars, as they are and as `calendar_days` gave them.
    """
    policies = policies or {}
    kinds = {key: definition.kind for key, definition in definitions.items()}
    not_levels = [key for key, kind in kinds.items() if kind != "levels"]
    found = (
        _of_one_vendor(levels, "level", policies)
        .where(f"level > 0 AND NOT {_is_any(not_levels)}")
        .selectExpr(*BENCHMARK, "as_of_date", "CAST(level AS DOUBLE) AS level", "0 AS link_no")
    )
    if returns is not None:
        for period in ("daily", "monthly"):
            wanted = [key for key, one in definitions.items() if one.kind == "returns" and one.period == period]
            if wanted:
                own = _of_one_vendor(returns, "index_return", policies).where(_is_any(wanted))
                found = found.unionByName(_chained(own, period == "monthly", calendar))
    blends = {key: one for key, one in definitions.items() if one.kind == "blended"}
    if not blends:
        return found
    components = sorted({(tenant_id, name) for (tenant_id, _), one in blends.items() for name in one.components})
    delivered: dict[tuple[str, str], list[Level]] = {}
    for row in found.where(_is_any(components)).orderBy("as_of_date").collect():  # benchmarks are few
        delivered.setdefault((row[0], row[1]), []).append(Level(*row[2:]))
    made = [
        (tenant_id, benchmark_id, *level)
        for (tenant_id, benchmark_id), blend in sorted(blends.items())
        for level in blended_levels(
            blend,
            {name: delivered.get((tenant_id, name), []) for name in blend.components},
            (calendars or {}).get(tenant_id, NO_HOLIDAYS),
        )
    ]
    return found.unionByName(local_rows(found.sparkSession, made, LEVELS))


def level_days(levels: DataFrame, calendar: DataFrame | None) -> DataFrame:
    """For each benchmark and calendar day the level that serves it: the last known, at most 5 business days old.

    `levels` is what `benchmark_levels` gave. Columns: tenant_id, benchmark_id, level_date, known (level, link_no).
    Small, to be broadcast.
    """
    served = levels.selectExpr(
        *LEVEL, f"date_add(as_of_date, {LONGEST_SERVICE_DAYS}) AS oldest",
        f"date_sub(lead(as_of_date) OVER ({BY_BENCHMARK}), 1) AS until",
    ).selectExpr(*LEVEL, "least(until, oldest) AS last_day")  # fmt: skip
    aged = with_business_days(served, "as_of_date", calendar).selectExpr(
        *BENCHMARK, "struct(level, link_no) AS known", "business_day_no AS level_day_no",
        "explode(sequence(as_of_date, last_day)) AS level_date",
    )  # fmt: skip
    young = with_business_days(aged, "level_date", calendar)
    return young.where(f"business_day_no - level_day_no <= {MAX_AGE_BUSINESS_DAYS}").select(
        *BENCHMARK, "level_date", "known"
    )


def account_benchmarks(accounts: DataFrame, policies: Policies | None = None) -> DataFrame:
    """The benchmark of each account by date: tenant_id, account_id, benchmark_id, from_date, until_date (exclusive).

    `accounts` are current rows of silver.account, all dated versions. One vendor counts for an account; its first
    version holds before its date too. A version without benchmark ends the one before.
    """
    by_account = "PARTITION BY tenant_id, account_id"
    ranked = accounts.selectExpr(
        "tenant_id", "account_id", "benchmark_id", "effective_from", f"{source_rank_sql(policies or {})} AS source_rank"
    ).selectExpr("*", f"min(source_rank) OVER ({by_account}) AS best_rank")
    ordered = f"OVER ({by_account} ORDER BY effective_from)"
    return (
        ranked.where("source_rank = best_rank")
        .selectExpr(
            "tenant_id", "account_id", "benchmark_id",
            f"IF(lag(effective_from) {ordered} IS NULL, DATE '0001-01-01', effective_from) AS from_date",
            f"coalesce(lead(effective_from) {ordered}, DATE '9999-12-31') AS until_date",
        )
        .where("benchmark_id IS NOT NULL")
    )  # fmt: skip


def with_benchmark(rows: DataFrame, benchmarks: DataFrame) -> DataFrame:
    """`rows` (tenant_id, account_id, as_of_date) with benchmark_id, the account's on as_of_date; NULL without one.

    `benchmarks` is what `account_benchmarks` gave.
    """
    named = benchmarks.selectExpr(
        "tenant_id AS of_tenant", "account_id AS of_account", "benchmark_id", "from_date", "until_date"
    )
    own = F.expr(
        "tenant_id = of_tenant AND account_id = of_account AND as_of_date >= from_date AND as_of_date < until_date"
    )
    return rows.join(named, own, "left").select(*rows.columns, "benchmark_id")


def with_market_returns(rows: DataFrame, days: DataFrame) -> DataFrame:
    """`rows` with benchmark_return and risk_free_return over (begin_date, as_of_date], fractions.

    `rows`: tenant_id, benchmark_id, currency (the account's base), begin_date, as_of_date and others; `days` is what
    `level_days` gave. NULL without a level young enough at either end; the risk-free return is 0 where the tenant has
    no level of RISK_FREE_<currency> at all.
    """
    named = rows.selectExpr("*", f"concat('{RISK_FREE}', currency) AS risk_free_id")
    both = with_index_return(named, days, "benchmark_id", "benchmark_return")
    both = with_index_return(both, days, "risk_free_id", "risk_free_return")
    there = days.where(f"benchmark_id LIKE '{RISK_FREE.replace('_', '!_')}%' ESCAPE '!'").selectExpr(
        "tenant_id AS of_tenant", "benchmark_id AS of_id", "true AS is_there"
    )
    known = F.broadcast(there.distinct())
    return both.join(known, F.expr("tenant_id = of_tenant AND risk_free_id = of_id"), "left").selectExpr(
        *rows.columns, "benchmark_return", "IF(is_there, risk_free_return, 0D) AS risk_free_return"
    )


def with_index_return(rows: DataFrame, days: DataFrame, benchmark: str, name: str) -> DataFrame:
    """`rows` with `name`: what the index that the column `benchmark` names returned over (begin_date, as_of_date], a
    fraction; NULL without a level young enough at either end, or across a break of the index's chain."""
    joined = rows
    for edge, day in (("at_end", "as_of_date"), ("at_begin", "begin_date")):
        levels = days.selectExpr(
            "tenant_id AS of_tenant", "benchmark_id AS of_id", "level_date AS of_date", f"known AS {edge}"
        )
        match = F.expr(f"tenant_id = of_tenant AND {benchmark} = of_id AND {day} = of_date")
        joined = joined.join(F.broadcast(levels), match, "left").drop("of_tenant", "of_id", "of_date")
    grown = "IF(at_end.link_no = at_begin.link_no, at_end.level / at_begin.level - 1D, NULL)"
    return joined.selectExpr(*rows.columns, f"{grown} AS {name}")


def with_excess(rows: DataFrame, own: str, benchmark: str = "benchmark_return", suffix: str = "") -> DataFrame:
    """`rows` with excess_arithmetic = r - b and excess_geometric = (1 + r) / (1 + b) - 1 (NULL where b is -1), their
    names followed by `suffix`."""
    return rows.selectExpr(
        "*",
        f"{own} - {benchmark} AS excess_arithmetic{suffix}",
        f"(1D + {own}) / nullif(1D + {benchmark}, 0D) - 1D AS excess_geometric{suffix}",
    )


def _of_one_vendor(rows: DataFrame, value: str, policies: Policies) -> DataFrame:
    ranked = rows.selectExpr(*BENCHMARK, "as_of_date", value, f"{source_rank_sql(policies)} AS source_rank")
    best = ranked.selectExpr("*", "min(source_rank) OVER (PARTITION BY tenant_id, benchmark_id) AS best_rank")
    return best.where("source_rank = best_rank").drop("source_rank", "best_rank")


def _chained(returns: DataFrame, monthly: bool, calendar: DataFrame | None) -> DataFrame:
    """Levels from 100 of benchmarks that are delivered as returns."""
    own = f"OVER ({BY_BENCHMARK})"
    if monthly:
        base = "last_day(add_months(as_of_date, -1))"
        gap = f"months_between(trunc(as_of_date, 'MM'), trunc(lag(as_of_date) {own}, 'MM')) > 1"
    else:
        base = "date_sub(as_of_date, CASE weekday(as_of_date) WHEN 0 THEN 3 WHEN 6 THEN 2 ELSE 1 END)"
        gap = f"business_day_no - lag(business_day_no) {own} > {MAX_AGE_BUSINESS_DAYS}"
    rows = with_business_days(returns, "as_of_date", calendar)
    spaced = rows.selectExpr(
        "*", f"coalesce({gap}, false) AS is_gap", f"lag(as_of_date) {own} IS NULL AS is_first", f"{base} AS base_date"
    )
    # After a gap the first return begins from a base of its own, as at the very first.
    split = spaced.selectExpr(
        *BENCHMARK,
        f"CAST(sum(IF(is_gap, 1, 0)) {own} AS INT) AS link_no",
        """explode(IF(is_first OR is_gap,
               array(struct(base_date AS as_of_date, 1D AS factor), struct(as_of_date, 1D + index_return AS factor)),
               array(struct(as_of_date, 1D + index_return AS factor)))) AS one""",
    ).selectExpr(*BENCHMARK, "link_no", "one.as_of_date", "one.factor")
    running = F.product("factor").over(Window.partitionBy(*BENCHMARK).orderBy("as_of_date"))
    return split.select(*BENCHMARK, "as_of_date", (F.lit(BASE_LEVEL) * running).alias("level"), "link_no").where(
        "level > 0"
    )


def _is_any(keys: list[tuple[str, str]]) -> str:
    """SQL: the row's benchmark is one of those."""
    tests = [f"(tenant_id = {literal(t)} AND benchmark_id = {literal(b)})" for t, b in keys]
    return f"({' OR '.join(tests)})" if tests else "false"
