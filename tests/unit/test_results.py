"""Results that cannot be right: at the limit and beyond it, against fixed limits, the account's own past, its index."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.check.tolerances import Rule, Tolerances
from jobs.reconcile.results import findings, suspects

MONDAY = date(2026, 3, 9)
ROW = (
    "tenant_id string, vendor string, feed string, account_id string, as_of_date date, twrr_daily double,"
    " weighted_capital decimal(28,8), begin_market_value decimal(28,8), end_market_value decimal(28,8)"
)
PAST = "tenant_id string, account_id string, as_of_date date, twrr_daily double"


def rule(measure: str, limits: list[dict[str, Any]], **scope: Any) -> Rule:
    given = {"name": measure, "measure": measure, "limits": limits, "severity": "hold", "reason": "wrong, surely"}
    return Rule.model_validate({**given, **scope})


def rows(spark: SparkSession, *given: tuple[str, float | None, str, str, str]) -> DataFrame:
    """Of account, return, capital, begin and end value."""
    return spark.createDataFrame(
        [
            ("acme", "v", "f", account, MONDAY, twrr, *(Decimal(amount) for amount in amounts))
            for account, twrr, *amounts in given
        ],
        ROW,
    )


def without_benchmark(frame: DataFrame) -> DataFrame:
    return frame.withColumn("benchmark_return", F.lit(None).cast("double"))


def test_returns_beyond_a_fixed_limit_and_on_almost_nothing(spark: SparkSession) -> None:
    tolerances = Tolerances(
        rules=[
            rule("return_beyond", [{"unit": "fraction", "max": 0.5}]),
            rule("tiny_capital", [{"unit": "money", "min": 100}, {"unit": "fraction", "min": 0.01}]),
        ]
    )
    every = rows(
        spark,
        ("nearly", -0.5, "1000", "1000", "500"),
        ("beyond", 0.51, "1000", "1000", "1510"),
        ("none", None, "0", "0", "0"),
        ("tiny", 0.3, "99", "10000", "0"),  # all of 10,000 left, and 99 remain as capital
        ("small", 0.3, "99", "99", "128"),  # little money, but all that there is
        ("large", 0.3, "100", "100000", "0"),
        ("still", 0.0, "1", "100000", "0"),  # no return is told
    )
    found = suspects(every, tolerances)
    assert {row["account_id"] for row in found.collect()} == {"beyond", "tiny"}
    told = findings(without_benchmark(every), None, tolerances).orderBy("account_id").collect()
    assert [(row["account_id"], row["rule"], row["state"], row["reason"]) for row in told] == [
        ("beyond", "return_beyond", "held", "the return is 51.00 %, expected at most 0.5 fraction"),
        (
            "tiny",
            "tiny_capital",
            "held",
            "a return of 30.00 % on a capital of 99.00, expected at least 100 money and at least 0.01 fraction",
        ),
    ]


def test_a_return_beside_the_account_s_own_past_and_its_benchmark(spark: SparkSession) -> None:
    """calm varies by 1 %, wild by 4 %: 9 % are nine deviations of the one and little more than two of the other. new
    has too short a past, and no benchmark: nothing is known against it. with_market fell as its index did. Six
    deviations of an account like calm are 6.08 %: nearly is just below, barely just beyond. both is told of both. flat
    has never moved, so that any move is beyond its own."""
    limits = [{"unit": "fraction", "max": 0.05}]
    tolerances = Tolerances(
        rules=[
            rule("return_beyond", [*limits, {"unit": "deviations", "max": 6}], over_dates=40, at_least_dates=20),
            rule("return_beyond", [*limits, {"unit": "excess", "max": 0.05}], name="beside_benchmark"),
        ]
    )
    past = [
        ("acme", account, MONDAY - timedelta(days=n), size * (-1) ** n)
        for account, size, days in [
            ("both", 0.01, 40),
            ("calm", 0.01, 40),
            ("nearly", 0.01, 40),
            ("barely", 0.01, 40),
            ("wild", 0.04, 40),
            ("with_market", 0.04, 40),
            ("new", 0.01, 9),
            ("flat", 0.0, 40),
        ]
        for n in range(1, days + 1)
    ]
    past += [("acme", "calm", MONDAY - timedelta(days=90 + n), 0.5 * (-1) ** n) for n in range(20)]  # long ago
    nine_percent = ("both", "calm", "new", "wild", "with_market", "flat")
    every = rows(spark, *[(one, 0.09, "1000", "1000", "1090") for one in nine_percent],
                 ("nearly", 0.0607, "1000", "1000", "1061"), ("barely", 0.0608, "1000", "1000", "1061"))  # fmt: skip
    index = {
        "both": 0.0,
        "calm": 0.0899,
        "flat": 0.0899,
        "nearly": 0.06,
        "barely": 0.06,
        "wild": 0.039,
        "with_market": 0.0401,
    }
    frame = every.withColumn(
        "benchmark_return", F.create_map(*[F.lit(x) for pair in index.items() for x in pair])[F.col("account_id")]
    )
    assert suspects(every, tolerances).count() == 8
    told = findings(frame, spark.createDataFrame(past, PAST), tolerances).orderBy("account_id", "rule").collect()
    assert [(row["account_id"], row["rule"]) for row in told] == [
        ("barely", "return_beyond"),
        ("both", "beside_benchmark"),
        ("both", "return_beyond"),
        ("calm", "return_beyond"),
        ("flat", "return_beyond"),
        ("wild", "beside_benchmark"),
    ]
    assert (
        "the return is 9.00 %, 8.9 of its own daily deviations, the benchmark's 8.99 %, expected" in told[3]["reason"]
    )


def test_each_tenant_s_returns_are_beside_the_past_that_its_own_rule_asks_for(spark: SparkSession) -> None:
    """Account ten moved by 1 % on each of ten days, enough for acme's rule and too little for beta's; what it did
    before is nothing to acme. Of account three only acme's second rule says something, which asks for three days."""
    deviations = [{"unit": "fraction", "max": 0.05}, {"unit": "deviations", "max": 6}]
    tolerances = Tolerances(
        rules=[
            rule("return_beyond", deviations, over_dates=10, at_least_dates=10),
            rule("return_beyond", deviations, over_dates=60, at_least_dates=20, tenant="beta"),
            rule("return_beyond", deviations, over_dates=3, at_least_dates=3, name="of_late", tenant="acme"),
        ]
    )
    acme = rows(spark, ("ten", 0.09, "1000", "1000", "1090"), ("three", 0.09, "1000", "1000", "1090"))
    both = acme.unionByName(acme.where("account_id = 'ten'").withColumn("tenant_id", F.lit("beta")))
    past = [
        (tenant, account, MONDAY - timedelta(days=n), size * (-1) ** n)
        for tenant, account, first, last, size in [
            ("acme", "ten", 1, 10, 0.01), ("acme", "ten", 51, 60, 0.09),
            ("acme", "three", 1, 3, 0.01),
            ("beta", "ten", 1, 10, 0.01),
        ]
        for n in range(first, last + 1)
    ]  # fmt: skip
    told = findings(without_benchmark(both), spark.createDataFrame(past, PAST), tolerances)
    assert {(row["tenant_id"], row["account_id"], row["rule"]) for row in told.collect()} == {
        ("acme", "ten", "return_beyond"),
        ("acme", "ten", "of_late"),
        ("acme", "three", "of_late"),
    }
