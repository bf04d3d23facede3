"""Results that cannot be right: returns beyond limits, and returns on almost nothing. Pure functions of DataFrames."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.check.account_rules import AccountRule, by_name, judged
from jobs.check.tolerances import Measure, Rule, Tolerances
from jobs.check.verdict import said_in_force

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
ASKED = "struct<over:int,at_least:int,days_back:int>"  # what a rule asks of an account's past
MEASURES: tuple[Measure, ...] = ("return_beyond", "tiny_capital")


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


def beside_the_past(tolerances: Tolerances) -> list[Rule]:
    """All entries of the rules that compare a return with those that the account had before."""
    rules = tolerances.of("return_beyond")
    names = {rule.name for rule in rules if any(limit.unit == "deviations" for limit in rule.limits)}
    return [rule for rule in rules if rule.name in names]


def days_back(rule: Rule) -> int:
    """Calendar days within which the account's returns before are looked for."""
    return rule.over_dates * 7 // 5 + 30


def findings(rows: DataFrame, past: DataFrame | None, tolerances: Tolerances) -> DataFrame:
    """What the rules find on the suspects: tenant_id, account_id, as_of_date, rule, reason, severity, state.

    rows: daily rows with vendor and feed (of the value that the row ends with), benchmark_return (NULL where not
    known), and account_class where a rule asks. past: tenant_id, account_id, as_of_date, twrr_daily of the accounts,
    rows over one business day; None where no rule asks (`beside_the_past`). Of a rule the entry that is in force for a
    row says how many of them count.
    """
    entries = beside_the_past(tolerances)
    found = []
    for own in by_name(tolerances, "return_beyond"):
        if own.rules[0] not in entries:
            continue
        beside = _with_no_past(rows) if past is None else _with_own_deviation(rows, past, own.rules)
        found.append(judged(beside, [BEYOND], own, TABLE))
    others = tolerances.model_copy(update={"rules": [rule for rule in tolerances.of(*MEASURES) if rule not in entries]})
    if others.rules:
        found.append(judged(_with_no_past(rows), RULES, others, TABLE))
    return reduce(DataFrame.unionByName, found)


def _with_own_deviation(rows: DataFrame, past: DataFrame, entries: Sequence[Rule]) -> DataFrame:
    """`rows` with mean and deviation (sample standard deviation) of the account's daily returns before each: as many as
    the entry asks for that is in force for the row, NULL where they are fewer than it needs."""
    earlier = past.where("twrr_daily IS NOT NULL").selectExpr(
        *ACCOUNT, "as_of_date AS past_date", "twrr_daily AS past_return"
    )
    one = [*ACCOUNT, "as_of_date"]
    asked = said_in_force(entries, _asked, table=TABLE, on=F.col("as_of_date")).cast(ASKED).alias("asked")
    last = "slice(sort_array(collect_list(struct(past_date, past_return)), false), 1, over) AS returns"
    found = (
        rows.select(*one, asked)
        .select(*one, "asked.*")
        .join(earlier, ACCOUNT)
        .where("past_date BETWEEN date_sub(as_of_date, days_back) AND date_sub(as_of_date, 1)")
        .groupBy(*one, "over", "at_least")
        .agg(F.expr(last))
        .selectExpr(*one, "at_least", "explode(returns) AS one")
        .groupBy(*one, "at_least")
        .agg(
            F.expr("IF(count(*) >= at_least, avg(one.past_return), NULL) AS mean"),
            F.expr("IF(count(*) >= at_least, stddev_samp(one.past_return), NULL) AS deviation"),
        )
        .drop("at_least")
    )
    return rows.join(found, one, "left")


def _with_no_past(rows: DataFrame) -> DataFrame:
    return rows.withColumns({name: F.lit(None).cast("double") for name in ("mean", "deviation")})


def _asked(rule: Rule) -> Column:
    """How many returns an entry looks back on, of how many days at most, and how many it needs."""
    return F.struct(F.lit(rule.over_dates), F.lit(rule.at_least_dates), F.lit(days_back(rule)))
