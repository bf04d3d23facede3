"""Every rule of conf/tolerances.yaml and of tests/faults/all_rules.yaml where it fires and where it nearly does.

How amounts are measured is tested with what measures them; here the limits are those of the files, so that one that
lets everything through, or nothing, is found.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import reduce
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.check.expectations import Slice, delivery_slice, rate_slice, table_slice, validate
from jobs.check.profiles import Profile, facts_of
from jobs.check.rates import Moves
from jobs.check.tolerances import ANY, TABLES, UNITS, Rule, Tolerances
from jobs.check.verdict import VERDICT, verdict
from jobs.platform import schemas
from jobs.platform.settings import PROJECT_ROOT
from jobs.platform.yaml_model import load_yaml

MONDAY = date(2026, 1, 5)
SHIPPED, FURTHER = PROJECT_ROOT / "conf" / "tolerances.yaml", PROJECT_ROOT / "tests" / "faults" / "all_rules.yaml"
RULES = {rule.name: rule for path in (SHIPPED, FURTHER) for rule in load_yaml(path, Tolerances).rules}
FEED = ("acme", "brokerage", "brokerage_positions")

# What one account may have, and what is too much: an amount per unit of the rule. Of a rule with two limits that is
# nearly beyond each is within one of them.
ACCOUNTS: dict[str, tuple[list[dict[str, str]], dict[str, str]]] = {
    "negative_value": ([{"money": "0"}], {"money": "0.01"}),
    "flow_share": (
        [{"fraction": "1.25", "money": "5000"}, {"fraction": "9", "money": "1000"}],
        {"fraction": "1.26", "money": "1000.01"},
    ),
    "duplicate_account": ([{"rows": "1"}], {"rows": "2"}),
    "unknown_security": ([{"rows": "0"}], {"rows": "1"}),
    "sign_of_type": ([{"money": "0"}], {"money": "0.01"}),
    "return_beyond": ([{"fraction": "0.50"}], {"fraction": "0.51"}),
    "tiny_capital": (
        [{"money": "100", "fraction": "0.001"}, {"money": "1", "fraction": "0.01"}],
        {"money": "99.99", "fraction": "0.0099"},
    ),
    "holdings_value": ([{"money": "1.00", "bps": "900"}, {"money": "9", "bps": "5"}], {"money": "1.01", "bps": "5.1"}),
    "begin_value": ([{"money": "0.05", "bps": "9"}, {"money": "9", "bps": "0.01"}], {"money": "0.06", "bps": "0.02"}),
    "end_value": ([{"money": "0.05", "bps": "9"}, {"money": "9", "bps": "0.01"}], {"money": "0.06", "bps": "0.02"}),
    "net_flow": ([{"money": "0.05"}], {"money": "0.06"}),
    "return_daily": ([{"bps": "1"}], {"bps": "1.01"}),
    "return_mtd": ([{"bps": "2"}], {"bps": "2.01"}),
    "roll_forward": ([{"money": "1", "bps": "9"}, {"money": "9", "bps": "1.5"}], {"money": "1.01", "bps": "1.51"}),
    "position_quantity": ([{"quantity": "0"}], {"quantity": "0.00000001"}),
    "position_value": ([{"money": "1", "bps": "900"}, {"money": "9", "bps": "5"}], {"money": "1.01", "bps": "5.1"}),
    "cash": ([{"money": "0.01"}], {"money": "0.02"}),
    "source_value": ([{"money": "0.05", "bps": "9"}, {"money": "9", "bps": "0.01"}], {"money": "0.06", "bps": "0.02"}),
    "account_new": ([{"rows": "0"}], {"rows": "1"}),
    "account_missing": ([{"days": "0"}], {"days": "1"}),
    "account_closed_with_balance": ([{"money": "0.05"}], {"money": "0.06"}),
    "account_reopened": ([{"rows": "0"}], {"rows": "1"}),
    "account_renumbered": ([{"fraction": "0.3"}], {"fraction": "0.31"}),
    "account_changed": ([{"rows": "0"}], {"rows": "1"}),
    "value_jump": (
        [{"fraction": "0.20", "money": "5000"}, {"fraction": "9", "money": "1000"}],
        {"fraction": "0.21", "money": "1000.01"},
    ),
    "stale_value": ([{"days": "3"}], {"days": "4"}),
    "stale_price": ([{"days": "3"}], {"days": "4"}),
    "missing_accounts": ([{"days": "0"}], {"days": "1"}),
    "return_deviation": (
        [{"fraction": "0.03", "deviations": "9"}, {"fraction": "0.4", "deviations": "6"}],
        {"fraction": "0.031", "deviations": "6.1"},
    ),
    "return_excess": (
        [{"fraction": "0.03", "excess": "0.3"}, {"fraction": "0.4", "excess": "0.05"}],
        {"fraction": "0.031", "excess": "0.051"},
    ),
}


def of_rows(name: str, table: str, column: str, failed: int) -> Slice:
    """Of 200 rows so many contradict what the rule is about, in one column."""
    alone = Tolerances(rules=[RULES[name]])
    facts = facts_of(schemas.table(table), alone)
    [fact] = [one for one in facts if (one.measure, one.column) == (RULES[name].measure, column)]
    return table_slice(Profile(*FEED, table, 200, 200, {fact: failed}), alone, None, MONDAY)


def of_counts(name: str, table: str, rows: int) -> Slice:
    """A date of so many rows, where a hundred are usual."""
    return table_slice(Profile(*FEED, table, rows, rows, {}), Tolerances(rules=[RULES[name]]), (100.0, 20), MONDAY)


def of_delivery(name: str, quarantined: int) -> Slice:
    """Of a hundred records so many went to the quarantine."""
    alone = Tolerances(rules=[RULES[name]])
    return delivery_slice(FEED, records=100, quarantined=quarantined, tolerances=alone, on=MONDAY)


def of_rates(name: str, move: float) -> Slice:
    return rate_slice(FEED, Moves(1, move, {}), Tolerances(rules=[RULES[name]]), MONDAY)


# The rules about a delivery: what holds still, and what is missed.
DELIVERIES: dict[str, tuple[list[Slice], list[Slice]]] = {
    "quarantined_share": ([of_delivery("quarantined_share", 10)], [of_delivery("quarantined_share", 11)]),
    "row_count": (
        [of_counts("row_count", "valuation", n) for n in (50, 200)],
        [of_counts("row_count", "valuation", n) for n in (49, 201, 0)],
    ),
    "position_count": (
        [of_counts("position_count", "position", n) for n in (50, 200)],
        [of_counts("position_count", "position", n) for n in (49, 201, 0)],
    ),
    "price_count": (
        [of_counts("price_count", "price", n) for n in (50, 200)],
        [of_counts("price_count", "price", n) for n in (49, 201, 0)],
    ),
    "rate_move": ([of_rates("rate_move", 0.2)], [of_rates("rate_move", 0.2001)]),
    "required_columns": (
        [of_rows("required_columns", "valuation", "market_value", 0)],
        [of_rows("required_columns", "valuation", "market_value", 1)],
    ),
    "reported_figures": (
        [of_rows("reported_figures", "reported_performance", c, 100) for c in ("end_market_value", "twrr_daily")],
        [of_rows("reported_figures", "reported_performance", c, 101) for c in ("end_market_value", "twrr_daily")],
    ),
    "duplicate_key": (
        [of_rows("duplicate_key", "valuation", "", 0)],
        [of_rows("duplicate_key", "valuation", "", 1)],
    ),
    "allowed_values": (
        [of_rows("allowed_values", "transaction", "type", 0)],
        [of_rows("allowed_values", "transaction", "type", 1)],
    ),
    "sign": ([of_rows("sign", "price", "price", 0)], [of_rows("sign", "price", "price", 1)]),
    "currency_known": (
        [of_rows("currency_known", "valuation", "currency", 0)],
        [of_rows("currency_known", "valuation", "currency", 1)],
    ),
}


def test_no_rule_is_left_out() -> None:
    assert {*ACCOUNTS, *DELIVERIES} == {*RULES}


def test_each_rule_about_accounts_fires_beyond_its_limits_and_not_at_them(spark: SparkSession) -> None:
    """Each row is judged by its own rule alone; what it gets is NULL at a limit, and the rule's name beyond."""
    units = sorted({unit for units in UNITS.values() for unit in units})
    cases = [
        (name, case, {unit: Decimal(amount) for unit, amount in amounts.items()}, None if side == "nearly" else name)
        for name, (nearly, beyond) in ACCOUNTS.items()
        for side, every in (("nearly", nearly), ("beyond", [beyond]))
        for case, amounts in enumerate(every)
    ]
    for name, _, amounts, _ in cases:
        assert {*amounts} == {limit.unit for limit in RULES[name].limits}, name
    given: list[tuple[Any, ...]] = [
        (*FEED, MONDAY, name, f"{name} {expected or case}", *[amounts.get(unit) for unit in units])
        for name, case, amounts, expected in cases
    ]
    columns = "tenant_id string, vendor string, feed string, as_of_date date, name string, one string, "
    rows = spark.createDataFrame(given, columns + ", ".join(f"{unit} decimal(28,8)" for unit in units))

    def by_its_rule(found: F.Column, rule: Rule) -> F.Column:
        amounts = {unit: F.col(unit) for unit in UNITS[rule.measure]}
        table = TABLES[rule.measure][0] if rule.applies_to == ANY else rule.applies_to
        alone = verdict(Tolerances(rules=[rule]), rule.measure, amounts, table=table, on=F.col("as_of_date"))
        return F.when(F.col("name") == rule.name, alone).otherwise(found)

    judged = reduce(by_its_rule, [RULES[name] for name in ACCOUNTS], F.lit(None).cast(VERDICT))
    found = {row["one"]: row["rule"] for row in rows.select("one", judged["rule"].alias("rule")).collect()}
    assert found == {f"{name} {expected or case}": expected for name, case, _, expected in cases}


def test_each_rule_about_a_delivery_holds_at_its_limit_and_is_missed_beyond() -> None:
    named = [
        replace(one, tenant_id=f"{name} {side} {n}")
        for name, sides in DELIVERIES.items()
        for side, every in zip(("holds", "missed"), sides, strict=True)
        for n, one in enumerate(every)
    ]
    assert [(one.tenant_id, len(one.expected)) for one in named if len(one.expected) != 1] == []
    outcomes = validate(named, "night", None)
    wrong = [one.slice.tenant_id for one in outcomes if one.success != (" holds " in one.slice.tenant_id)]
    assert (len(outcomes), wrong) == (len(named), [])
