"""Results that cannot be right: returns beyond limits, and returns on almost nothing. Pure functions of DataFrames."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.check.account_rules import AccountRule, judged
from jobs.check.tolerances import Rule, Tolerances

ACCOUNT = ["tenant_id", "account_id"]
TABLE = "account_performance_daily"
PERCENT = "concat(format_number(100 * twrr_daily, 2), ' %')"
# A return is undefined against a deviation or a benchmark that is not known: then that limit does not accuse it.
DEVIATIONS = "coalesce(abs(twrr_daily - mean) / nullif(deviation, 0D), 0D)"
ENDLESS = "1e9D"  # what an account that has never moved is off by
BEYOND = AccountRule(
    "return_beyond",
    {
        "fraction": "abs(twrr_daily)",
        "deviations": f"IF(deviation = 0 AND twrr_daily <> mean, {ENDLESS}, {DEVIATIONS})",
        "excess": "coalesce(abs(twrr_daily - benchmark_return), 0D)",
    },
    "twrr_daily IS NOT NULL",
    f"""concat('the return is ', {PERCENT},
        coalesce(concat(', ', format_number(abs(twrr_daily - mean) / nullif(deviation, 0D), 1),
                        ' of its own daily deviations'), ''),
        coalesce(concat(', the benchmark\\'s ', format_number(100 * benchmark_return, 2), ' %'), ''))""",
)
LARGEST = "CAST(greatest(abs(begin_market_value), abs(end_market_value)) AS DOUBLE)"
TINY = AccountRule(
    "tiny_capital",
    {"money": "weighted_capital", "fraction": f"coalesce(try_divide(CAST(weighted_capital AS DOUBLE), {LARGEST}), 0D)"},
    "twrr_daily <> 0",
    f"concat('a return of ', {PERCENT}, ' on a capital of ', format_number(weighted_capital, 2))",
)
RULES = [BEYOND, TINY]


def suspects(rows: DataFrame, tolerances: Tolerances) -> DataFrame:
    """Of a run's daily rows those that break a rule, were it in force for every vendor and class: a handful."""
    tests = [F.expr(one.when) & _outside(rule, one) for one in RULES for rule in tolerances.of(one.measure)]
    broken = F.lit(False)
    for test in tests:
        broken |= F.coalesce(test, F.lit(False))
    return rows.where(broken)


def _outside(rule: Rule, measured: AccountRule) -> Column:
    """Beyond the limits of the units that the row itself tells."""
    beyond = F.lit(True)
    for limit in rule.limits:
        if limit.unit in {"deviations", "excess"}:
            continue
        amount, tests = F.expr(measured.amounts[limit.unit]), F.lit(False)
        if limit.max is not None:
            tests |= amount > F.lit(limit.max)
        if limit.min is not None:
            tests |= amount < F.lit(limit.min)
        beyond &= tests
    return beyond


def with_own_deviation(rows: DataFrame, past: DataFrame, *, over: int, at_least: int) -> DataFrame:
    """`rows` with mean and deviation (sample standard deviation) of the account's `over` daily returns before each;
    NULL with fewer than `at_least`.

    past: tenant_id, account_id, as_of_date, twrr_daily of the accounts, rows over one business day.
    """
    earlier = past.where("twrr_daily IS NOT NULL").selectExpr(
        *ACCOUNT, "as_of_date AS past_date", "twrr_daily AS past_return"
    )
    one = [*ACCOUNT, "as_of_date"]
    last = F.slice(F.sort_array(F.collect_list(F.struct("past_date", "past_return")), asc=False), 1, over)
    found = (
        rows.select(*one)
        .join(earlier, ACCOUNT)
        .where("past_date < as_of_date")
        .groupBy(*one)
        .agg(last.alias("returns"))
        .selectExpr(*one, "explode(returns) AS one")
        .groupBy(*one)
        .agg(
            F.expr(f"IF(count(*) >= {at_least}, avg(one.past_return), NULL) AS mean"),
            F.expr(f"IF(count(*) >= {at_least}, stddev_samp(one.past_return), NULL) AS deviation"),
        )
    )
    return rows.join(found, one, "left")


def findings(rows: DataFrame, tolerances: Tolerances) -> DataFrame:
    """What the rules find on the suspects: tenant_id, account_id, as_of_date, rule, reason, severity, state.

    rows: daily rows with vendor and feed (of the value that the row ends with), mean, deviation and benchmark_return
    (NULL where not known), and account_class where a rule asks.
    """
    return judged(rows, RULES, tolerances, TABLE)
